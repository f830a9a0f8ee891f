"""OpenTelemetry's handlers stand beside the root logger's list, and get what reaches it."""

from __future__ import annotations

import logging
import logging.config
from typing import TYPE_CHECKING

import pytest
from opentelemetry.instrumentation.logging import LoggingInstrumentor
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from otel_asayer.runtime.log_handlers import handlers_of, keep_console, release_console

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LOG = logging.getLogger("shop.console")


class Telemetry:
    """A handler of OpenTelemetry, and what it handed over."""

    def __init__(self, level: int = logging.NOTSET) -> None:
        self._exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        provider = LoggerProvider(shutdown_on_exit=False)
        provider.add_log_record_processor(SimpleLogRecordProcessor(self._exporter))
        self.handler = LoggingHandler(level, logger_provider=provider)

    def bodies(self) -> list[object]:
        return [log.log_record.body for log in self._exporter.get_finished_logs()]


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Our logger without handlers, and logging as it comes."""
    monkeypatch.setattr(LOG, "handlers", [])
    for name in (
        "basicConfig",
        "config.dictConfig",
        "config.fileConfig",
    ):  # the instrumentation wraps them for good
        # Of the names above
        monkeypatch.setattr(f"logging.{name}", eval(f"logging.{name}"))  # noqa: S307
    yield
    release_console()
    for handler in among_roots():
        logging.root.removeHandler(handler)
    LOG.propagate = True


def among_roots() -> list[logging.Handler]:
    """The handlers in the root logger's list, without pytest's own."""
    return without_pytests(logging.root.handlers)


def without_pytests(handlers: Iterable[logging.Handler]) -> list[logging.Handler]:
    return [handler for handler in handlers if type(handler).__module__ != "_pytest.logging"]


@pytest.mark.parametrize("first", [True, False], ids=["added before", "added later"])
def test_a_handler_of_opentelemetry_is_not_in_the_list_and_gets_the_records(
    telemetry: Telemetry,
    first: bool,  # noqa: FBT001
) -> None:
    if first:
        logging.root.addHandler(telemetry.handler)
    keep_console()
    logging.root.addHandler(telemetry.handler)
    LOG.warning("careful")
    assert (among_roots(), telemetry.bodies()) == ([], ["careful"])


def test_the_last_resort_prints_what_nobody_else_shows(
    telemetry: Telemetry, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_console()
    logging.root.addHandler(telemetry.handler)
    pytests, logging.root.handlers[:] = list(logging.root.handlers), []
    LOG.warning("careful")
    logging.root.handlers[:] = pytests
    assert capsys.readouterr().err == "careful\n"


def test_calling_it_again_hands_nothing_over_twice(telemetry: Telemetry) -> None:
    for _ in range(2):
        keep_console()
        logging.root.addHandler(telemetry.handler)
    LOG.warning("careful")
    assert telemetry.bodies() == ["careful"]


def test_calling_it_again_behind_somebody_who_wrapped_the_method_hands_nothing_over_twice(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_console()
    logging.root.addHandler(telemetry.handler)
    ours = logging.Logger.callHandlers
    with monkeypatch.context() as patched:
        patched.setattr(
            logging.Logger, "callHandlers", lambda logger, record: [ours(logger, record)]
        )
        keep_console()
        LOG.warning("careful")
    assert telemetry.bodies() == ["careful"]


def test_a_handler_that_is_no_telemetry_is_the_roots_own() -> None:
    keep_console()
    logging.root.addHandler(own := logging.NullHandler())
    assert among_roots() == [own]
    logging.root.removeHandler(own)
    assert among_roots() == []


def test_a_handler_that_is_removed_gets_nothing(telemetry: Telemetry) -> None:
    keep_console()
    logging.root.addHandler(telemetry.handler)
    logging.root.removeHandler(telemetry.handler)
    LOG.warning("careful")
    assert telemetry.bodies() == []


def test_a_record_that_does_not_reach_the_root_is_not_handed_over(telemetry: Telemetry) -> None:
    keep_console()
    logging.root.addHandler(telemetry.handler)
    LOG.propagate = False
    LOG.warning("careful")
    assert telemetry.bodies() == []


def test_the_level_of_the_handler_counts() -> None:
    strict = Telemetry(logging.ERROR)
    keep_console()
    logging.root.addHandler(strict.handler)
    LOG.warning("careful")
    LOG.error("failed")
    assert strict.bodies() == ["failed"]


def test_a_handler_of_the_application_that_raises_costs_no_record(telemetry: Telemetry) -> None:
    class Failing(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            raise RuntimeError("out of order")

    keep_console()
    logging.root.addHandler(telemetry.handler)
    LOG.addHandler(Failing())
    with pytest.raises(RuntimeError, match="out of order"):
        LOG.warning("careful")
    assert telemetry.bodies() == ["careful"]


def test_configuring_logging_leaves_it_in_its_place(telemetry: Telemetry) -> None:
    keep_console()
    logging.root.addHandler(telemetry.handler)
    logging.config.dictConfig(
        {"version": 1, "disable_existing_loggers": False, "root": {"handlers": []}}
    )
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)
    LOG.warning("careful")
    assert telemetry.bodies() == ["careful"]


def test_the_logging_instrumentation_can_be_taken_back(telemetry: Telemetry) -> None:
    keep_console()
    instrumentor = LoggingInstrumentor()
    instrumentor.instrument()
    between = [type(handler) for handler in without_pytests(handlers_of(logging.root))]
    instrumentor.uninstrument()
    assert (between, without_pytests(handlers_of(logging.root))) == ([LoggingHandler], [])


def test_who_asks_which_handlers_a_record_meets_learns_of_it(telemetry: Telemetry) -> None:
    keep_console()
    logging.root.addHandler(telemetry.handler)
    assert without_pytests(handlers_of(LOG)) == [telemetry.handler]
    LOG.propagate = False
    assert without_pytests(handlers_of(LOG)) == []


def test_undone_it_is_in_the_list(telemetry: Telemetry) -> None:
    keep_console()
    logging.root.addHandler(telemetry.handler)
    release_console()
    LOG.warning("careful")
    in_list = among_roots()
    logging.root.removeHandler(telemetry.handler)
    assert (in_list, telemetry.bodies()) == ([telemetry.handler], ["careful"])
