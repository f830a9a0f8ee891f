"""Log records of Celery's workers reach OpenTelemetry, in spite of how Celery sets up logging:

with Celery's own code.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import celery.app.log
import pytest
from celery import Celery, signals
from celery.utils.log import get_task_logger
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

from otel_asayer import instrument
from otel_asayer.exporter import ElasticsearchLogRecordExporter
from otel_asayer.runtime.log_handlers import keep_celery_handlers

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = (None, "celery", "celery.task", "celery.redirected")
BY_CELERY = logging.StreamHandler
TASKS = get_task_logger("shop.tasks")
PLAIN = logging.getLogger("shop")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Celery has not set up logging yet; afterwards all loggers are restored."""
    monkeypatch.setattr(celery.app.log.Logging, "setup_logging_subsystem", UNTOUCHED)
    monkeypatch.setattr(celery.app.log.Logging, "_setup", False)
    loggers = [logging.getLogger(name) for name in NAMES]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers = []
    yield
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers = handlers
        logger.setLevel(level)
        logger.propagate = propagate


UNTOUCHED = celery.app.log.Logging.setup_logging_subsystem


@pytest.fixture
def records() -> InMemoryLogRecordExporter:
    """What OpenTelemetry's handler on the root logger hands over."""
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    logging.root.addHandler(LoggingHandler(logger_provider=provider))
    return exporter


def set_up(**settings: object) -> None:
    app = Celery("shop", set_as_current=False)
    app.conf.update(settings)
    app.log.setup_logging_subsystem(loglevel="INFO")


def bodies(records: InMemoryLogRecordExporter) -> list[object]:
    return [record.log_record.body for record in records.get_finished_logs()]


@pytest.mark.parametrize("hijack", [True, False])
def test_loggers_of_tasks_and_others_are_heard_once(
    records: InMemoryLogRecordExporter, *, hijack: bool
) -> None:
    keep_celery_handlers()
    keep_celery_handlers()
    set_up(worker_hijack_root_logger=hijack)
    TASKS.info("of a task")
    PLAIN.info("of another")
    assert bodies(records) == ["of a task", "of another"]


@pytest.mark.parametrize("hijack", [True, False])
def test_the_console_shows_what_it_shows_without_us(
    records: InMemoryLogRecordExporter, *, hijack: bool
) -> None:
    logging.root.handlers = [
        handler for handler in logging.root.handlers if isinstance(handler, LoggingHandler)
    ]  # without pytest's
    keep_celery_handlers()
    set_up(worker_hijack_root_logger=hijack)
    for name in (None, "celery.task"):
        handlers = [type(handler) for handler in logging.getLogger(name).handlers]
        assert [kind for kind in handlers if kind is not logging.NullHandler] == [
            BY_CELERY,
            LoggingHandler,
        ]


def test_a_handler_of_the_application_goes_as_celery_wants(
    records: InMemoryLogRecordExporter,
) -> None:
    own = logging.NullHandler()
    logging.root.addHandler(own)
    keep_celery_handlers()
    set_up()
    assert own not in logging.root.handlers


def test_loggers_of_tasks_that_hand_on_are_heard_once(records: InMemoryLogRecordExporter) -> None:
    def hand_on(logger: logging.Logger, **_: object) -> None:
        logger.propagate = True

    keep_celery_handlers()
    signals.after_setup_task_logger.connect(hand_on)
    set_up()
    signals.after_setup_task_logger.disconnect(hand_on)
    TASKS.info("of a task")
    assert bodies(records) == ["of a task"]


def test_setting_up_once_more_adds_nothing_twice(records: InMemoryLogRecordExporter) -> None:
    keep_celery_handlers()
    set_up()
    celery.app.log.Logging._setup = False
    set_up()
    TASKS.info("of a task")
    assert bodies(records) == ["of a task"]


def test_the_handler_stays_where_setting_up_fails(records: InMemoryLogRecordExporter) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError

    keep_celery_handlers()
    signals.setup_logging.connect(fail)
    with suppress(RuntimeError):
        set_up()
    signals.setup_logging.disconnect(fail)
    PLAIN.warning("of another")
    assert bodies(records) == ["of another"]


def test_without_a_handler_of_opentelemetry_celery_does_as_ever() -> None:
    keep_celery_handlers()
    set_up()
    assert [type(handler) for handler in logging.root.handlers] == [BY_CELERY]


class Renaming(ElasticsearchLogRecordExporter):
    """An application's own class."""


@pytest.mark.parametrize("exporter", [ElasticsearchLogRecordExporter, Renaming])
def test_they_are_kept_where_log_records_go_to_our_exporter(
    exporter: type[ElasticsearchLogRecordExporter],
) -> None:
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter()))
    instrument._support_our_exporters(TracerProvider(shutdown_on_exit=False), provider)
    assert celery.app.log.Logging.setup_logging_subsystem is not UNTOUCHED
    provider.shutdown()


def test_they_are_left_alone_where_log_records_go_elsewhere() -> None:
    instrument._support_our_exporters(
        TracerProvider(shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False)
    )
    assert celery.app.log.Logging.setup_logging_subsystem is UNTOUCHED
