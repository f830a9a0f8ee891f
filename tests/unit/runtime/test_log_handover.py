"""Records of Python's logging are handed over in the context of their request, without noise."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from opentelemetry.context import Context
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    InMemoryLogRecordExporter,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.trace import TracerProvider

from otel_asayer.processors import SessionLogRecordProcessor, SessionSpanProcessor
from otel_asayer.propagation.context import remember_context, session, set_session_id
from otel_asayer.propagation.session_id import SessionId
from otel_asayer.runtime import sdk
from otel_asayer.runtime.log_handlers import improve_log_handover

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.trace import Span, Tracer

SESSION = "2618307011354435587"
OTHER = "17"
LOG = logging.getLogger("shop.handing_over")


class Records:
    """What the handler on our logger hands over."""

    def __init__(self) -> None:
        self._exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        provider = LoggerProvider(shutdown_on_exit=False)
        provider.add_log_record_processor(SimpleLogRecordProcessor(self._exporter))
        sdk.add_log_record_processor_first(provider, SessionLogRecordProcessor())
        self.handler = LoggingHandler(logger_provider=provider)

    def attributes(self) -> dict[str, Any]:
        (log,) = self._exporter.get_finished_logs()
        return dict(log.log_record.attributes or {})

    def place(self) -> tuple[str | None, int | None]:
        """The session and the span of the one record."""
        (log,) = self._exporter.get_finished_logs()
        return (log.log_record.attributes or {}).get("session.id"), log.log_record.span_id or None  # type: ignore[return-value]


@pytest.fixture
def records() -> Iterator[Records]:
    improve_log_handover()
    found = Records()
    LOG.addHandler(found.handler)
    yield found
    LOG.removeHandler(found.handler)


@pytest.fixture
def tracer() -> Tracer:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SessionSpanProcessor())
    return provider.get_tracer("test")


def failed_request(tracer: Tracer, session_id: str | None = SESSION) -> tuple[ValueError, Span]:
    """An exception that left the span of a request."""
    error = ValueError("it failed")
    context = Context() if session_id is None else set_session_id(SessionId(session_id), Context())
    with suppress(ValueError), tracer.start_as_current_span("request", context=context) as span:
        raise error
    return error, span


def test_a_record_about_an_exception_belongs_to_the_span_that_the_exception_left(
    records: Records, tracer: Tracer
) -> None:
    error, span = failed_request(tracer)
    LOG.error("Error handling request", exc_info=error)
    assert records.place() == (SESSION, span.get_span_context().span_id)


def test_it_belongs_to_the_span_of_a_request_without_a_session_too(
    records: Records, tracer: Tracer
) -> None:
    error, span = failed_request(tracer, None)
    LOG.error("Error handling request", exc_info=error)
    assert records.place() == (None, span.get_span_context().span_id)


def test_a_record_that_is_logged_in_a_span_stays_there(records: Records, tracer: Tracer) -> None:
    error, _ = failed_request(tracer)
    with tracer.start_as_current_span("another", context=Context()) as another:
        LOG.error("Error handling request", exc_info=error)
    assert records.place() == (None, another.get_span_context().span_id)


def test_a_record_that_is_logged_in_a_session_stays_there(records: Records, tracer: Tracer) -> None:
    error, _ = failed_request(tracer)
    with session(OTHER):
        LOG.error("Error handling request", exc_info=error)
    assert records.place() == (OTHER, None)


def test_a_record_about_an_exception_that_left_nothing_belongs_nowhere(records: Records) -> None:
    LOG.error("it failed", exc_info=ValueError())
    assert records.place() == (None, None)


def test_a_record_about_a_request_belongs_to_its_context(records: Records) -> None:
    request = SimpleNamespace()
    remember_context(request, set_session_id(SessionId(SESSION), Context()))
    LOG.warning("Not Found: /", extra={"request": request})
    assert records.place() == (SESSION, None)


def test_a_request_without_a_context_does_no_harm(records: Records) -> None:
    LOG.warning("Not Found: /", extra={"request": object()})
    assert records.place() == (None, None)


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_what_has_no_text_costs_no_record(records: Records) -> None:
    LOG.warning("careful", extra={"odd": Unprintable(), "request": Unprintable()})
    assert records.attributes() == {"odd": "<Unprintable>", "request": "<Unprintable>"}


def test_a_note_that_somebody_has_spoilt_costs_no_record(records: Records) -> None:
    error = ValueError()
    vars(error)["__otel_asayer_span__"] = "spoilt"
    LOG.error("it failed", exc_info=error)
    assert records.place() == (None, None)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"order": UUID(int=7)}, {"order": str(UUID(int=7))}),
        ({"path": Path("/tmp")}, {"path": "/tmp"}),
        (
            {"nested": {"id": UUID(int=7), 8: "eight"}},
            {"nested": {"id": str(UUID(int=7)), "8": "eight"}},
        ),
        ({"several": [UUID(int=7), 1]}, {"several": (str(UUID(int=7)), 1)}),
        (
            {"plain": 1, "text": "a", "none": None, "list": [1, "b"]},
            {"plain": 1, "text": "a", "none": None, "list": (1, "b")},
        ),
    ],
)
def test_what_no_attribute_can_hold_becomes_text_and_nothing_is_said_about_it(
    records: Records,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    given: dict[str, Any],
    kept: dict[str, Any],
) -> None:
    LOG.warning("careful", extra=given)
    assert records.attributes() == kept
    assert ([record.name for record in caplog.records], capfd.readouterr().err) == ([LOG.name], "")


def test_other_handlers_get_what_was_given(records: Records) -> None:
    seen: list[logging.LogRecord] = []
    other: Any = logging.Handler()
    other.emit = seen.append
    LOG.addHandler(other)
    LOG.warning("careful", extra={"order": UUID(int=7)})
    LOG.removeHandler(other)
    assert vars(seen[0])["order"] == UUID(int=7)


def test_it_is_mended_once(records: Records) -> None:
    before = LoggingHandler.emit
    improve_log_handover()
    assert LoggingHandler.emit is before


def test_flushing_where_no_thread_can_be_started_raises_nothing(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    records.handler.flush()


def test_the_exit_of_a_process_prints_nothing() -> None:
    program = """
import logging
from opentelemetry._logs import set_logger_provider
from opentelemetry.instrumentation.logging import LoggingInstrumentor
from otel_asayer import configure
configure()
LoggingInstrumentor().instrument()
logging.getLogger("shop").warning("careful")
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert ran.stderr == "careful\n"


@pytest.mark.parametrize(
    ("name", "handed_over"), [("otel_asayer.somewhere", 1), ("otel_asayerish", 2)]
)
def test_what_we_say_when_the_provider_is_shut_down_is_not_handed_over(
    name: str, handed_over: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    improve_log_handover()
    provider = LoggerProvider(shutdown_on_exit=False)
    processor = BatchLogRecordProcessor(InMemoryLogRecordExporter())  # type: ignore[no-untyped-call]
    provider.add_log_record_processor(processor)
    taken: list[object] = []
    monkeypatch.setattr(processor._batch_processor, "emit", taken.append)
    handler, record = (
        LoggingHandler(logger_provider=provider),
        logging.LogRecord(name, logging.WARNING, __file__, 1, "Telemetry waits", (), None),
    )
    handler.handle(record)
    provider.shutdown()
    handler.handle(record)
    assert len(taken) == handed_over
