"""Stamping of spans and log records."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry._logs import LogRecord
from opentelemetry.context import Context
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
from opentelemetry.sdk._logs import (
    ConcurrentMultiLogRecordProcessor,
    LoggerProvider,
    LogRecordLimits,
)
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    InMemoryLogRecordExporter,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_asayer.processors import SessionLogRecordProcessor, SessionSpanProcessor
from otel_asayer.propagation.context import remember_exception, session, set_session_id
from otel_asayer.propagation.session_id import SessionId, require_session_id
from otel_asayer.runtime import sdk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry._logs import Logger

SESSION = "2618307011354435587"
OTHER = "2618307011354435588"
IN_SESSION = set_session_id(require_session_id(SESSION), Context())


class Spans:
    """A tracer with our processor, and what became of its spans."""

    def __init__(self, provider: TracerProvider) -> None:
        self._exporter = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        sdk.add_span_processor_first(provider, SessionSpanProcessor())
        self.tracer = provider.get_tracer("test")

    def attributes(self) -> list[dict[str, Any]]:
        return [dict(span.attributes or {}) for span in self._exporter.get_finished_spans()]

    def sessions_of_events(self) -> list[Any]:
        return [
            (event.attributes or {}).get("session.id")
            for span in self._exporter.get_finished_spans()
            for event in span.events
        ]

    def dropped(self) -> list[int]:
        return [span.dropped_attributes for span in self._exporter.get_finished_spans()]


class Logs:
    """A logger with our processor, and what became of its records."""

    def __init__(self, provider: LoggerProvider) -> None:
        self._exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        provider.add_log_record_processor(SimpleLogRecordProcessor(self._exporter))
        sdk.add_log_record_processor_first(provider, SessionLogRecordProcessor())
        self.provider = provider
        self.logger: Logger = provider.get_logger("test")

    def attributes(self) -> list[dict[str, Any]]:
        return [dict(log.log_record.attributes or {}) for log in self._exporter.get_finished_logs()]

    def sessions(self) -> list[Any]:
        return [attributes.get("session.id") for attributes in self.attributes()]


@pytest.fixture
def spans() -> Spans:
    return Spans(TracerProvider(shutdown_on_exit=False))


@pytest.fixture
def logs() -> Logs:
    return Logs(LoggerProvider(shutdown_on_exit=False))


@pytest.fixture
def threading_instrumented() -> Iterator[None]:
    instrumentor = ThreadingInstrumentor()
    instrumentor.instrument()
    yield
    instrumentor.uninstrument()


def limited(**limits: int) -> Spans:
    return Spans(TracerProvider(shutdown_on_exit=False, span_limits=SpanLimits(**limits)))


def limited_logs(**limits: int) -> Logs:
    return Logs(LoggerProvider(shutdown_on_exit=False, log_record_limits=LogRecordLimits(**limits)))


# Spans


def test_a_span_of_the_current_session_is_stamped(spans: Spans) -> None:
    with session(SESSION), spans.tracer.start_as_current_span("span"):
        pass
    assert spans.attributes() == [{"session.id": SESSION}]


def test_a_span_is_stamped_with_the_session_of_its_parent_context(spans: Spans) -> None:
    with session(OTHER):
        spans.tracer.start_span("span", context=IN_SESSION).end()
    assert spans.attributes() == [{"session.id": SESSION}]


def test_an_explicit_context_without_a_session_is_not_mixed_with_the_current_one(
    spans: Spans,
) -> None:
    with session(OTHER):
        spans.tracer.start_span("span", context=Context()).end()
    assert spans.attributes() == [{}]


def test_what_begins_under_a_span_that_is_current_without_its_baggage_is_in_its_session(
    spans: Spans, logs: Logs
) -> None:
    """As under the instrumentation of aiohttp's server:

    the span begins in the extracted context, and it alone becomes current.
    """
    with (
        spans.tracer.start_as_current_span("server", context=IN_SESSION),
        spans.tracer.start_as_current_span("inner"),
    ):
        spans.tracer.start_span("client").end()
        logs.logger.emit(body="inside")
    assert [attributes.get("session.id") for attributes in spans.attributes()] == [SESSION] * 3
    assert logs.sessions() == [SESSION]


def test_the_id_on_a_span_is_a_plain_string(spans: Spans) -> None:
    spans.tracer.start_span("span", context=IN_SESSION).end()
    assert type(spans.attributes()[0]["session.id"]) is str


def test_a_span_without_a_session_is_not_touched(spans: Spans) -> None:
    span = spans.tracer.start_span("span")
    before = set(vars(span))
    span.end()
    assert spans.attributes() == [{}]
    assert set(vars(span)) == before


def test_what_the_application_calls_its_session_stays_where_there_is_none(spans: Spans) -> None:
    spans.tracer.start_span("span", attributes={"session.id": "the application's own"}).end()
    assert spans.attributes() == [{"session.id": "the application's own"}]


def test_the_session_of_the_request_wins_over_what_the_application_writes_on_a_span(
    spans: Spans,
) -> None:
    span = spans.tracer.start_span("span", context=IN_SESSION)
    span.set_attribute("session.id", "the application's own")
    span.end()
    assert spans.attributes() == [{"session.id": SESSION}]


def test_what_is_no_session_id_is_not_stamped(spans: Spans) -> None:
    spans.tracer.start_span(
        "span", context=baggage.set_baggage("session.id", "a secret", Context())
    ).end()
    assert spans.attributes() == [{}]


def test_later_attributes_do_not_evict_the_session(spans: Spans) -> None:
    span = spans.tracer.start_span("span", context=IN_SESSION)
    for number in range(130):
        span.set_attribute(f"attribute.{number}", number)
    span.end()
    assert spans.attributes()[0]["session.id"] == SESSION


def test_an_evicted_and_restored_session_is_not_counted_as_dropped() -> None:
    spans = limited(max_span_attributes=2)
    span = spans.tracer.start_span("span", context=IN_SESSION)
    span.set_attributes({"a": 1, "b": 2})
    span.end()
    assert spans.attributes() == [{"a": 1, "b": 2, "session.id": SESSION}]
    assert spans.dropped() == [0]


def test_a_span_that_may_have_no_attributes_has_its_session() -> None:
    spans = limited(max_span_attributes=0)
    spans.tracer.start_span("span", context=IN_SESSION).end()
    assert spans.attributes() == [{"session.id": SESSION}]


def test_the_length_limit_does_not_cut_the_id_on_a_span() -> None:
    spans = limited(max_span_attribute_length=10)
    span = spans.tracer.start_span("span", context=IN_SESSION)
    span.set_attribute("long", "0123456789abc")
    span.end()
    assert spans.attributes() == [{"session.id": SESSION, "long": "0123456789"}]


def test_the_variable_for_the_length_limit_does_not_cut_the_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "10")
    spans, logs = (
        Spans(TracerProvider(shutdown_on_exit=False)),
        Logs(LoggerProvider(shutdown_on_exit=False)),
    )
    spans.tracer.start_span("span", context=IN_SESSION).end()
    logs.logger.emit(context=IN_SESSION)
    assert spans.attributes() == logs.attributes() == [{"session.id": SESSION}]


def test_a_session_entered_inside_a_span_is_that_of_its_children_and_log_records(
    spans: Spans, logs: Logs
) -> None:
    with spans.tracer.start_as_current_span("websocket"), session(SESSION):
        spans.tracer.start_span("message").end()
        logs.logger.emit(body="message")
    assert spans.attributes() == [{"session.id": SESSION}, {}]
    assert logs.attributes() == [{"session.id": SESSION}]


def test_spans_of_a_concurrent_processor_see_the_current_session() -> None:
    concurrent = ConcurrentMultiSpanProcessor()
    spans = Spans(
        TracerProvider(
            shutdown_on_exit=False,
            active_span_processor=concurrent,
            span_limits=SpanLimits(max_span_attributes=1),
        )
    )
    with session(SESSION), spans.tracer.start_as_current_span("span") as span:
        span.set_attribute("a", 1)
    concurrent._executor.shutdown()
    assert spans.attributes() == [{"a": 1, "session.id": SESSION}]


def test_a_span_that_cannot_be_stamped_does_not_fail_the_application(
    caplog: pytest.LogCaptureFixture,
) -> None:
    SessionSpanProcessor().on_start(object(), IN_SESSION)  # type: ignore[arg-type]
    assert [record.getMessage() for record in caplog.records] == [
        "The session id could not be written on a span or log record; this is logged once."
    ]


def test_a_span_that_cannot_be_stamped_again_does_not_fail_the_application(
    caplog: pytest.LogCaptureFixture,
) -> None:
    SessionSpanProcessor()._on_ending(
        SimpleNamespace(_otel_asayer_session_id=SESSION, _attributes=7)  # type: ignore[arg-type]
    )
    assert len(caplog.records) == 1


def test_a_failure_is_said_once_for_each_kind(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        SessionSpanProcessor().on_start(object(), IN_SESSION)  # type: ignore[arg-type]
        SessionLogRecordProcessor().on_emit(SimpleNamespace(log_record=SimpleNamespace(context=7)))  # type: ignore[arg-type]
    assert len(caplog.records) == 1


def test_a_failure_inside_of_logging_does_not_log_forever() -> None:
    processor = SessionLogRecordProcessor()
    broken: Any = SimpleNamespace(log_record=SimpleNamespace(context=7))
    calls = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            calls.append(record)
            processor.on_emit(broken)

    logger = logging.getLogger("otel_asayer.processors")
    logger.addHandler(handler := Handler())
    processor.on_emit(broken)
    logger.removeHandler(handler)
    assert len(calls) == 1


# Log records


def test_a_log_record_is_stamped_with_the_session_of_its_context(logs: Logs) -> None:
    with session(OTHER):
        logs.logger.emit(context=IN_SESSION)
    assert logs.attributes() == [{"session.id": SESSION}]


def test_a_log_record_without_a_context_is_stamped_with_the_current_session(logs: Logs) -> None:
    record: Any = LogRecord(body="body")
    record.context = None
    with session(SESSION):
        logs.logger.emit(record)
    assert logs.attributes() == [{"session.id": SESSION}]


def test_a_log_record_without_a_session_is_not_touched(logs: Logs) -> None:
    logs.logger.emit(attributes={"session.id": "the application's own"})
    assert logs.attributes() == [{"session.id": "the application's own"}]


def test_the_session_of_the_request_wins_over_what_the_application_writes_on_a_log_record(
    logs: Logs,
) -> None:
    logs.logger.emit(context=IN_SESSION, attributes={"session.id": "the application's own"})
    assert logs.attributes() == [{"session.id": SESSION}]


def test_a_full_log_record_is_stamped_and_loses_nothing() -> None:
    logs = limited_logs(max_log_record_attributes=2)
    logs.logger.emit(context=IN_SESSION, attributes={"a": 1, "b": 2})
    assert logs.attributes() == [{"a": 1, "b": 2, "session.id": SESSION}]


def test_the_length_limit_does_not_cut_the_id_on_a_log_record() -> None:
    logs = limited_logs(max_log_record_attribute_length=10)
    logs.logger.emit(context=IN_SESSION, attributes={"long": "0123456789abc"})
    assert logs.attributes() == [{"long": "0123456789", "session.id": SESSION}]


def test_the_id_on_a_log_record_is_a_plain_string(logs: Logs) -> None:
    logs.logger.emit(context=IN_SESSION)
    assert type(logs.sessions()[0]) is str


@pytest.mark.parametrize("attributes", [None, {}, MappingProxyType({})])
def test_a_log_record_with_attributes_of_another_kind_is_stamped(
    attributes: Mapping[str, Any] | None,
) -> None:
    record = LogRecord(context=IN_SESSION, attributes=attributes)
    SessionLogRecordProcessor().on_emit(
        SimpleNamespace(log_record=record, instrumentation_scope=None)  # type: ignore[arg-type]
    )
    assert record.attributes == {"session.id": SESSION}


def test_a_batch_processor_that_came_before_still_exports_the_session() -> None:
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider(shutdown_on_exit=False)
    batch = BatchLogRecordProcessor(exporter)
    provider.add_log_record_processor(batch)
    provider.add_log_record_processor(SessionLogRecordProcessor())
    provider.get_logger("test").emit(context=IN_SESSION)
    batch.shutdown()  # type: ignore[no-untyped-call]
    assert [dict(log.log_record.attributes or {}) for log in exporter.get_finished_logs()] == [
        {"session.id": SESSION}
    ]


def test_log_records_of_a_concurrent_processor_see_the_current_session() -> None:
    concurrent = ConcurrentMultiLogRecordProcessor()
    logs = Logs(LoggerProvider(shutdown_on_exit=False, multi_log_record_processor=concurrent))
    record: Any = LogRecord()
    record.context = None
    with session(SESSION):
        logs.logger.emit(record)
    concurrent._executor.shutdown()
    assert logs.attributes() == [{"session.id": SESSION}]


def test_a_logger_whose_records_nobody_wants_is_not_enabled() -> None:
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SessionLogRecordProcessor())
    assert not provider.get_logger("test").enabled()


def test_flushing_and_shutting_down_have_nothing_to_do() -> None:
    processor = SessionLogRecordProcessor()
    processor.shutdown()
    assert processor.force_flush()


# Log records of exceptions


def noted(session_id: str) -> ValueError:
    error = ValueError("broken")
    remember_exception(error, SessionId(session_id))
    return error


def test_a_record_of_an_exception_has_the_session_noted_on_it(logs: Logs) -> None:
    logs.logger.emit(exception=noted(SESSION))
    assert logs.sessions() == [SESSION]


def test_the_context_wins_over_the_note_for_some_exceptions_are_raised_again_and_again(
    logs: Logs,
) -> None:
    logs.logger.emit(context=IN_SESSION, exception=noted(OTHER))
    assert logs.sessions() == [SESSION]


def test_a_record_of_an_exception_without_any_session_is_not_stamped(logs: Logs) -> None:
    logs.logger.emit(exception=ValueError("broken"))
    assert logs.sessions() == [None]


def test_the_exceptions_instrumentation_gets_the_session_of_a_thread_that_ends(
    logs: Logs, threading_instrumented: None
) -> None:
    logger = logs.provider.get_logger("opentelemetry.instrumentation.exceptions")

    def emit_without_context() -> None:
        context.attach(Context())
        logger.emit(exception=ValueError("broken"))

    with session(SESSION):
        thread = threading.Thread(target=emit_without_context)
        thread.start()
    thread.join()
    assert logs.sessions() == [SESSION]


def test_outside_of_threads_the_exceptions_instrumentation_has_the_note_alone(logs: Logs) -> None:
    logs.provider.get_logger("opentelemetry.instrumentation.exceptions").emit(
        exception=ValueError("broken")
    )
    assert logs.sessions() == [None]


def test_a_pool_thread_does_not_keep_the_session_of_the_request_that_made_it_start(
    logs: Logs, threading_instrumented: None
) -> None:
    with ThreadPoolExecutor(max_workers=1) as pool:
        with session(SESSION):
            pool.submit(logs.logger.emit, exception=ValueError("in the session")).result()
        pool.submit(logs.logger.emit, exception=ValueError("in none")).result()
    assert logs.sessions() == [SESSION, None]


def test_a_span_below_an_unrecorded_one_is_stamped(spans: Spans) -> None:
    with session(SESSION), trace.use_span(trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)):
        spans.tracer.start_span("child").end()
    assert spans.attributes() == [{"session.id": SESSION}]


class TestSessionsInsideOfASpan:
    """As of a WebSocket:

    the span began with the handshake, and the session is in the first message.
    """

    def test_an_exception_that_leaves_session_and_span_is_of_the_session(
        self, spans: Spans
    ) -> None:
        with suppress(ValueError), spans.tracer.start_as_current_span("socket"), session(SESSION):
            raise ValueError
        assert spans.sessions_of_events() == [SESSION]

    def test_the_span_is_not(self, spans: Spans) -> None:
        with suppress(ValueError), spans.tracer.start_as_current_span("socket"), session(SESSION):
            raise ValueError
        assert "session.id" not in spans.attributes()[0]

    def test_each_time_that_the_span_recorded_it_is(self, spans: Spans) -> None:
        error = ValueError()
        with (
            suppress(ValueError),
            spans.tracer.start_as_current_span("socket") as span,
            session(SESSION),
        ):
            span.record_exception(error)
            raise error
        assert spans.sessions_of_events() == [SESSION, SESSION]

    def test_other_events_are_not(self, spans: Spans) -> None:
        with (
            suppress(ValueError),
            spans.tracer.start_as_current_span("socket") as span,
            session(SESSION),
        ):
            span.add_event("opened")
            span.record_exception(KeyError())
            raise ValueError
        assert spans.sessions_of_events() == [None, None, SESSION]

    def test_an_exception_without_a_session_is_of_none(self, spans: Spans) -> None:
        with suppress(ValueError), spans.tracer.start_as_current_span("socket"):
            raise ValueError
        assert spans.sessions_of_events() == [None]

    def test_an_exception_that_is_handled_in_the_span_leaves_nothing(self, spans: Spans) -> None:
        with spans.tracer.start_as_current_span("socket"), suppress(ValueError), session(SESSION):
            raise ValueError
        assert spans.sessions_of_events() == []
