"""Private names that we lean on:

each exists and means what we think, and without it the public way is taken.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
import threading
import weakref
from contextvars import Context as Variables
from importlib import import_module
from types import MappingProxyType, ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from opentelemetry import baggage, context as otel_context, trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.instrumentation.exceptions import UnhandledExceptionInstrumentor
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk import _configuration
from opentelemetry.sdk._logs import (
    ConcurrentMultiLogRecordProcessor,
    LoggerProvider,
    LogRecordLimits,
    ReadableLogRecord,
)
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    InMemoryLogRecordExporter,
    LogRecordExportResult,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    SpanLimits,
    SpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from otel_asayer import SystemRandomIdGenerator
from otel_asayer.processors import SessionLogRecordProcessor, SessionSpanProcessor
from otel_asayer.propagation.redirects import propagators_at_work
from otel_asayer.runtime import diagnostics, sdk
from otel_asayer.sampler import SessionSampler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from opentelemetry.context import Context
    from opentelemetry.propagators.textmap import TextMapPropagator
    from opentelemetry.sdk.trace import ReadableSpan, Span

SESSION = "2618307011354435587"


@pytest.fixture
def tracer_provider() -> TracerProvider:
    return TracerProvider(shutdown_on_exit=False)


@pytest.fixture
def logger_provider() -> LoggerProvider:
    return LoggerProvider(shutdown_on_exit=False)


def in_memory() -> InMemoryLogRecordExporter:
    return InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]


class Seen(SpanProcessor):
    def __init__(self) -> None:
        self.calls: list[str] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002
        self.calls.append("on_start")

    def _on_ending(self, span: Span) -> None:  # noqa: ARG002
        self.calls.append("_on_ending")

    def on_end(self, span: ReadableSpan) -> None:  # noqa: ARG002
        self.calls.append("on_end")


# Attributes


def test_attributes_are_a_dict_under_a_lock_with_a_count_of_losses() -> None:
    attributes = BoundedAttributes(maxlen=1, attributes={"a": 1, "b": 2})
    assert attributes._dict == {"b": 2}
    assert type(attributes._lock) is type(threading.Lock())
    assert attributes.dropped == 1


def test_a_span_has_its_attributes_under_the_name_we_use(tracer_provider: TracerProvider) -> None:
    span: Any = tracer_provider.get_tracer("test").start_span("span", attributes={"a": 1})
    assert isinstance(span._attributes, BoundedAttributes)
    assert dict(span._attributes) == {"a": 1}


def test_the_sdk_announces_the_end_of_a_span_to_all_processors_before_it_is_exported(
    tracer_provider: TracerProvider,
) -> None:
    calls: list[str] = []
    for _ in range(2):
        seen = Seen()
        seen.calls = calls
        tracer_provider.add_span_processor(seen)
    tracer_provider.get_tracer("test").start_span("span").end()
    assert calls == ["on_start", "on_start", "_on_ending", "_on_ending", "on_end", "on_end"]


def test_a_record_of_an_exception_holds_the_exception() -> None:
    assert LogRecord(exception=(error := ValueError())).exception is error


def test_a_span_without_private_attributes_is_stamped_by_its_public_method() -> None:
    class Slotted:
        __slots__ = ("stamped",)

        def set_attribute(self, key: str, value: str) -> None:
            self.stamped = {key: value}

    span: Any = Slotted()
    sdk.stamp_span(span, SESSION)
    sdk.restore_session(span)
    assert span.stamped == {"session.id": SESSION}


def test_an_event_is_stamped_after_its_span_has_recorded_it(
    tracer_provider: TracerProvider,
) -> None:
    span = tracer_provider.get_tracer("test").start_span("span")
    span.add_event("event", {"a": 1})
    (event,) = span.events  # type: ignore[attr-defined]
    sdk.stamp_event(event, "17")
    assert dict(span.events[0].attributes) == {"a": 1, "session.id": "17"}  # type: ignore[attr-defined]


def test_an_event_whose_attributes_cannot_be_written_is_left_as_it_is() -> None:
    event: Any = SimpleNamespace(attributes=MappingProxyType({"a": 1}))
    sdk.stamp_event(event, "17")
    assert event.attributes == {"a": 1}


def test_a_span_whose_attributes_cannot_be_written_is_left_as_it_is() -> None:
    span: Any = SimpleNamespace(set_attribute=lambda *_: None, _attributes={"a": 1})
    sdk.stamp_span(span, SESSION)
    sdk.restore_session(span)
    assert span._attributes == {"a": 1}


# Processors


def test_processors_stand_in_tuples_under_locks(
    tracer_provider: TracerProvider, logger_provider: LoggerProvider
) -> None:
    spans, logs = (
        tracer_provider._active_span_processor,
        logger_provider._multi_log_record_processor,
    )
    assert spans._span_processors == ()
    assert logs._log_record_processors == ()
    assert type(logs._lock) is type(threading.Lock())


def test_the_log_processor_is_put_first(logger_provider: LoggerProvider) -> None:
    logger_provider.add_log_record_processor(exporting := SimpleLogRecordProcessor(in_memory()))
    sdk.add_log_record_processor_first(logger_provider, ours := SessionLogRecordProcessor())
    assert logger_provider._multi_log_record_processor._log_record_processors == (ours, exporting)


def test_the_log_processor_is_put_first_once(logger_provider: LoggerProvider) -> None:
    for _ in range(2):
        sdk.add_log_record_processor_first(logger_provider, SessionLogRecordProcessor())
    assert len(logger_provider._multi_log_record_processor._log_record_processors) == 1


def test_a_log_processor_that_stands_too_late_gets_one_before_it(
    logger_provider: LoggerProvider,
) -> None:
    logger_provider.add_log_record_processor(SimpleLogRecordProcessor(in_memory()))
    logger_provider.add_log_record_processor(SessionLogRecordProcessor())
    sdk.add_log_record_processor_first(logger_provider, ours := SessionLogRecordProcessor())
    assert logger_provider._multi_log_record_processor._log_record_processors[0] is ours


def test_the_span_processor_is_added_once(tracer_provider: TracerProvider) -> None:
    for _ in range(2):
        sdk.add_span_processor_first(tracer_provider, SessionSpanProcessor())
    assert len(tracer_provider._active_span_processor._span_processors) == 1


@pytest.mark.parametrize(
    "multi", [None, SimpleNamespace(), SimpleNamespace(_log_record_processors=[], _lock=None)]
)
def test_a_log_processor_that_cannot_be_put_first_is_appended(multi: object) -> None:
    added: list[object] = []
    provider: Any = SimpleNamespace(
        _multi_log_record_processor=multi, add_log_record_processor=added.append
    )
    sdk.add_log_record_processor_first(provider, ours := SessionLogRecordProcessor())
    assert added == [ours]


def test_a_span_processor_is_added_where_the_others_cannot_be_seen() -> None:
    added: list[object] = []
    provider: Any = SimpleNamespace(add_span_processor=added.append)
    sdk.add_span_processor_first(provider, ours := SessionSpanProcessor())
    assert added == [ours]


def test_a_concurrent_processor_is_hooked_once() -> None:
    spans, logs = ConcurrentMultiSpanProcessor(), ConcurrentMultiLogRecordProcessor()
    tracer_provider = TracerProvider(shutdown_on_exit=False, active_span_processor=spans)
    logger_provider = LoggerProvider(shutdown_on_exit=False, multi_log_record_processor=logs)
    hooks = []
    for _ in range(2):
        sdk.add_span_processor_first(tracer_provider, SessionSpanProcessor())
        sdk.add_log_record_processor_first(logger_provider, SessionLogRecordProcessor())
        hooks.append((dict(vars(spans)), dict(vars(logs))))
    assert hooks[0] == hooks[1]
    assert {"on_start", "_on_ending"} <= set(hooks[0][0])
    assert "on_emit" in hooks[0][1]


# Exporters


def test_exporters_of_spans_are_seen(tracer_provider: TracerProvider) -> None:
    exporters = [InMemorySpanExporter(), InMemorySpanExporter()]
    tracer_provider.add_span_processor(SessionSpanProcessor())
    tracer_provider.add_span_processor(SimpleSpanProcessor(exporters[0]))
    tracer_provider.add_span_processor(batch := BatchSpanProcessor(exporters[1]))
    seen = sdk.exporters(tracer_provider)
    batch.shutdown()  # type: ignore[no-untyped-call]
    assert seen == exporters


def test_exporters_of_log_records_are_seen(logger_provider: LoggerProvider) -> None:
    exporters = [in_memory(), in_memory()]
    logger_provider.add_log_record_processor(SessionLogRecordProcessor())
    logger_provider.add_log_record_processor(SimpleLogRecordProcessor(exporters[0]))
    logger_provider.add_log_record_processor(batch := BatchLogRecordProcessor(exporters[1]))
    seen = sdk.exporters(logger_provider)
    batch.shutdown()  # type: ignore[no-untyped-call]
    assert seen == exporters


def test_a_provider_that_shows_nothing_has_no_exporters() -> None:
    assert sdk.exporters(trace.ProxyTracerProvider()) == []


# Ids


def test_tracers_hold_the_id_generator_of_their_provider(tracer_provider: TracerProvider) -> None:
    tracer: Any = tracer_provider.get_tracer("test")
    assert tracer.id_generator is tracer_provider.id_generator
    assert type(tracer_provider.id_generator) is RandomIdGenerator


def test_a_tracer_that_exists_draws_its_ids_as_ours_does(tracer_provider: TracerProvider) -> None:
    tracer: Any = tracer_provider.get_tracer("test")
    sdk.replace_id_generator(tracer_provider, SystemRandomIdGenerator)
    assert type(tracer.id_generator) is SystemRandomIdGenerator


def test_a_generator_that_cannot_change_its_class_is_replaced_for_later_tracers(
    tracer_provider: TracerProvider,
) -> None:
    class Slotted(RandomIdGenerator):
        __slots__ = ("drawn",)

    tracer: Any = tracer_provider.get_tracer("before")
    sdk.replace_id_generator(tracer_provider, Slotted)
    later: Any = tracer_provider.get_tracer("later")
    assert (type(tracer.id_generator), type(later.id_generator)) == (RandomIdGenerator, Slotted)


def test_an_id_generator_of_the_application_stays() -> None:
    class Own(RandomIdGenerator):
        pass

    provider = TracerProvider(shutdown_on_exit=False, id_generator=(own := Own()))
    sdk.replace_id_generator(provider, SystemRandomIdGenerator)
    assert (provider.id_generator, type(own)) == (own, Own)


def test_a_provider_without_an_id_generator_is_left_alone() -> None:
    sdk.replace_id_generator(provider := trace.ProxyTracerProvider(), SystemRandomIdGenerator)
    assert not hasattr(provider, "id_generator")


# Propagators


def at_work(monkeypatch: pytest.MonkeyPatch, propagator: TextMapPropagator) -> list[object]:
    monkeypatch.setattr("opentelemetry.propagate._HTTP_TEXT_FORMAT", propagator)
    return [*propagators_at_work()]


def test_members_of_composite_propagators_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = TraceContextTextMapPropagator(), W3CBaggagePropagator()
    nested = CompositePropagator([first, CompositePropagator([second])])
    assert at_work(monkeypatch, nested) == [first, second]


def test_a_propagator_of_another_kind_is_its_only_member(monkeypatch: pytest.MonkeyPatch) -> None:
    propagator = TraceContextTextMapPropagator()
    assert at_work(monkeypatch, propagator) == [propagator]


# Samplers


def test_the_sampler_of_the_environment_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "asayer_session")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
    sampler = sdk.environment_sampler()
    assert isinstance(sampler, SessionSampler)
    assert sampler.get_description() == "SessionSampler{0.25}"


def test_no_sampler_is_found_where_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_TRACES_SAMPLER", raising=False)
    assert sdk.environment_sampler() is None


def test_no_sampler_is_found_where_the_sdk_has_no_such_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(_configuration, "_import_sampler")
    assert sdk.environment_sampler() is None


# Threads and tasks


@pytest.fixture
def threading_instrumented() -> Iterator[None]:
    instrumentor = ThreadingInstrumentor()
    instrumentor.instrument()
    yield
    instrumentor.uninstrument()


def test_the_threading_instrumentation_notes_the_context_of_a_thread(
    threading_instrumented: None,
) -> None:
    token = otel_context.attach(baggage.set_baggage("session.id", SESSION))
    thread = threading.Thread(target=list)
    thread.start()
    otel_context.detach(token)
    thread.join()
    noted = sdk.thread_context(thread)
    assert noted is not None
    assert baggage.get_baggage("session.id", noted) == SESSION


def test_a_thread_without_the_instrumentation_has_no_context() -> None:
    assert sdk.thread_context(threading.current_thread()) is None


def test_the_garbage_collector_sees_the_context_of_a_task_and_of_a_handle() -> None:
    async def run() -> list[int]:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(asyncio.sleep(0))
        found = [
            sum(isinstance(referent, Variables) for referent in gc.get_referents(owner))
            for owner in (task, loop.call_soon(list))
        ]
        await task
        return found

    assert asyncio.run(run()) == [1, 1]


# Another instrumentation


def test_the_exceptions_instrumentation_is_seen_while_it_is_at_work() -> None:
    instrumentor = UnhandledExceptionInstrumentor()  # type: ignore[no-untyped-call]
    seen = [sdk.is_instrumented("exceptions")]
    instrumentor.instrument()
    seen.append(sdk.is_instrumented("exceptions"))
    instrumentor.uninstrument()
    seen.append(sdk.is_instrumented("exceptions"))
    assert seen == [False, True, False]


def test_the_exceptions_instrumentation_is_not_imported_to_look_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.instrumentation.exceptions")
    assert not sdk.is_instrumented("exceptions")


def test_asking_for_the_instance_of_the_exceptions_instrumentation_resets_it() -> None:
    instrumentor: Any = UnhandledExceptionInstrumentor()  # type: ignore[no-untyped-call]
    instrumentor._logger = "set"
    UnhandledExceptionInstrumentor()  # type: ignore[no-untyped-call]
    assert instrumentor._logger is None


# Fields of a finished span


def test_a_finished_span_shows_its_fields_as_its_public_names_do(
    tracer_provider: TracerProvider,
) -> None:
    exporter = InMemorySpanExporter()
    tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))
    linked = trace.SpanContext(1, 1, is_remote=False)
    span: Any = tracer_provider.get_tracer("test").start_span(
        "span", links=[trace.Link(linked)], attributes={"a": 1}
    )
    span.add_event("event")
    span.end()
    (ended,) = exporter.get_finished_spans()
    fields, public = (
        sdk.Fields(*sdk.fields_of(ended)),
        sdk.Fields(*sdk.fields_of(cast("Any", Public(ended)))),
    )
    assert fields._replace(attributes=None, events=(), links=()) == public._replace(
        attributes=None, events=(), links=()
    )
    assert dict(fields.attributes) == dict(public.attributes)
    assert tuple(fields.events) == public.events
    assert tuple(fields.links) == public.links


def test_the_private_lists_of_a_span_are_empty_when_the_public_ones_are(
    tracer_provider: TracerProvider,
) -> None:
    span: Any = tracer_provider.get_tracer("test").start_span("span")
    fields = sdk.Fields(*sdk.fields_of(span))
    assert bool(fields.events) is False
    assert bool(fields.links) is False


def ended_span(provider: TracerProvider, make: Callable[[Any], None] = lambda _: None) -> Any:
    """A span of a request, as an exporter gets it."""
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    caller = trace.NonRecordingSpan(
        trace.SpanContext(1, 2, is_remote=True, trace_flags=trace.TraceFlags(1))
    )
    span: Any = provider.get_tracer("test").start_span(
        "GET /cart",
        context=trace.set_span_in_context(caller),
        kind=trace.SpanKind.SERVER,
        attributes={"http.route": "/cart", "sizes": (1, 2)},
    )
    make(span)
    span.end()
    return exporter.get_finished_spans()[0]


def test_a_compact_span_has_the_fields_of_the_span(tracer_provider: TracerProvider) -> None:
    span = ended_span(tracer_provider)
    compact: Any = sdk.compact_span(span)
    assert type(compact) is sdk.CompactSpan
    kept = sdk.Fields(*sdk.fields_of(compact))
    public = sdk.Fields(*sdk.fields_of(cast("Any", Public(span))))
    assert kept == public._replace(attributes=dict(public.attributes))
    assert type(kept.attributes) is dict
    assert (compact.dropped_attributes, compact.dropped_events, compact.dropped_links) == (0, 0, 0)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda span: span.add_event("event"), id="event"),
        pytest.param(
            lambda span: span.add_link(trace.SpanContext(1, 1, is_remote=False)), id="link"
        ),
    ],
)
def test_a_span_with_more_than_fields_is_kept_as_it_is(
    tracer_provider: TracerProvider, make: Callable[[Any], None]
) -> None:
    span = ended_span(tracer_provider, make)
    assert sdk.compact_span(span) is span


@pytest.mark.parametrize(
    "limits",
    [SpanLimits(max_attributes=1), SpanLimits(max_events=0), SpanLimits(max_links=0)],
    ids=["attributes", "events", "links"],
)
def test_a_span_that_has_lost_something_is_kept_as_it_is(limits: SpanLimits) -> None:
    def lose(span: Any) -> None:
        span.add_event("event")
        span.add_link(trace.SpanContext(1, 1, is_remote=False))

    span = ended_span(
        TracerProvider(span_limits=limits, shutdown_on_exit=False),
        lose if limits.max_attributes != 1 else lambda _: None,
    )
    assert sdk.compact_span(span) is span


def test_without_the_private_names_a_span_is_kept_as_it_is(tracer_provider: TracerProvider) -> None:
    span: Any = Public(ended_span(tracer_provider))
    assert sdk.compact_span(span) is span


def emitted(record: LogRecord, limits: LogRecordLimits | None = None) -> ReadableLogRecord:
    """A log record as an exporter gets it."""
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider(shutdown_on_exit=False, log_record_limits=limits)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    provider.get_logger("test").emit(record)
    return exporter.get_finished_logs()[0]


def test_a_compact_log_record_has_the_fields_of_the_log_record() -> None:
    record = emitted(
        LogRecord(
            timestamp=1,
            body={"cart": 7},
            severity_number=SeverityNumber.ERROR,
            severity_text="ERROR",
            event_name="cart.lost",
            attributes={"a": 1},
            context=trace.set_span_in_context(
                trace.NonRecordingSpan(trace.SpanContext(1, 2, is_remote=False))
            ),
        )
    )
    compact: Any = sdk.compact_log_record(record)
    assert type(compact) is sdk.CompactLogRecord
    names = set(sdk.CompactLogRecord.__slots__) - {
        "attributes",
        "resource",
        "instrumentation_scope",
    }
    for name in names:
        assert getattr(compact.log_record, name) == getattr(record.log_record, name)
    assert compact.attributes == dict(record.log_record.attributes or {})
    assert compact.resource is record.resource
    assert compact.instrumentation_scope is record.instrumentation_scope
    assert compact.dropped_attributes == record.dropped_attributes == 0


def test_a_log_record_that_has_lost_attributes_is_kept_as_it_is() -> None:
    with pytest.warns(match="dropped"):
        record = emitted(
            LogRecord(body="x", attributes={"a": 1, "b": 2}),
            LogRecordLimits(max_log_record_attributes=1),
        )
    assert sdk.compact_log_record(record) is record


def test_a_log_record_with_attributes_of_another_class_is_kept_as_it_is() -> None:
    record = ReadableLogRecord(LogRecord(body="x", attributes={"a": 1}), Resource({}))
    assert sdk.compact_log_record(record) is record


def test_a_compact_log_record_does_not_keep_the_variables_of_a_request() -> None:
    class Variable:
        pass

    variable = Variable()
    gone = weakref.ref(variable)
    record = emitted(LogRecord(body="x", exception=ValueError(variable)))
    compact = sdk.compact_log_record(record)
    assert isinstance(compact, sdk.CompactLogRecord)
    del record, variable
    gc.collect()
    assert gone() is None


def test_what_a_queue_keeps_of_a_span_is_one_object_to_the_garbage_collector(
    tracer_provider: TracerProvider,
) -> None:
    kept: list[object] = []

    class Keeping(InMemorySpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            kept.extend(map(sdk.compact_span, spans))
            return SpanExportResult.SUCCESS

    tracer_provider.add_span_processor(SimpleSpanProcessor(Keeping()))
    tracer = tracer_provider.get_tracer("test")
    assert objects_more(lambda: tracer.start_span("span", attributes={"a": 1}).end(), 200) <= 210
    assert len(kept) == 200


def test_what_a_queue_keeps_of_a_log_record_is_one_object_to_the_garbage_collector(
    logger_provider: LoggerProvider,
) -> None:
    kept: list[object] = []

    class Keeping(InMemoryLogRecordExporter):
        def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
            kept.extend(map(sdk.compact_log_record, batch))
            return LogRecordExportResult.SUCCESS

    logger_provider.add_log_record_processor(SimpleLogRecordProcessor(Keeping()))  # type: ignore[no-untyped-call]
    logger = logger_provider.get_logger("test")
    assert objects_more(lambda: logger.emit(LogRecord(body="x", attributes={"a": 1})), 200) <= 210
    assert len(kept) == 200


def objects_more(make: Callable[[], None], times: int) -> int:
    """How many more objects the garbage collector visits after so many calls."""
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(times):
        make()
    gc.collect()
    return len(gc.get_objects()) - before


class Public:
    """A span with public names only."""

    __slots__ = ("_span",)

    def __init__(self, span: Any) -> None:
        self._span = span

    def __getattr__(self, name: str) -> Any:
        if name == "__dict__":
            raise AttributeError(name)
        return getattr(self._span, name)


# What is gone


NEEDS = [
    pytest.param(consequence, *need, id=f"{need[1]}.{need[2][0]}")
    for consequence, needs in diagnostics._NEEDS.items()
    for need in needs
]


@pytest.mark.parametrize(("consequence", "module", "owner", "names"), NEEDS)
def test_each_private_name_exists(
    consequence: str, module: str, owner: str, names: tuple[str, ...]
) -> None:
    import_module(module)
    assert diagnostics.missing_private_names() == []


@pytest.mark.parametrize(("consequence", "module", "owner", "names"), NEEDS)
def test_a_private_name_that_is_gone_is_told_with_what_works_less_well(
    monkeypatch: pytest.MonkeyPatch,
    consequence: str,
    module: str,
    owner: str,
    names: tuple[str, ...],
) -> None:
    monkeypatch.setitem(sys.modules, module, ModuleType(module))
    (sentence,) = [
        one for one in diagnostics.missing_private_names() if one.endswith(f": {consequence}.")
    ]
    assert f"no {', '.join(names)} in {owner or module}" in sentence


def test_nothing_is_told_of_a_module_that_nobody_has_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module, _, _ in itertools.chain(*diagnostics._NEEDS.values()):
        monkeypatch.delitem(sys.modules, module, raising=False)
    assert diagnostics.missing_private_names() == []


# What queues drop


class Dropped:
    compact = None

    def hurry(self) -> None:
        """Whatever."""

    relax = hurry

    def __init__(self) -> None:
        self.heard: list[tuple[int, str]] = []

    def drop_items(self, count: int, error_type: str = "queue_full") -> None:
        self.heard.append((count, error_type))


class Hearing(InMemorySpanExporter):
    """Hears of drops, with another exporter's frames between itself and the processor."""

    def __init__(self, listener: Dropped) -> None:
        super().__init__()
        self.listener = listener

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for _ in range(2):
            sdk.attach_exporter(self.listener)
        return super().export(spans)


def overflow(provider: TracerProvider, exporter: SpanExporter, spans: int) -> BatchSpanProcessor:
    """Let a processor with a queue of two export once, then end spans while it cannot export."""
    processor = BatchSpanProcessor(
        exporter, max_queue_size=2, max_export_batch_size=2, schedule_delay_millis=3_600_000
    )
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("shop")
    tracer.start_span("exported").end()
    processor.force_flush()
    with processor._batch_processor._export_lock:
        for _ in range(spans):
            tracer.start_span("held or dropped").end()
    return processor


def test_what_the_queue_of_a_batch_processor_drops_is_heard_once(
    tracer_provider: TracerProvider,
) -> None:
    dropped = Dropped()
    overflow(tracer_provider, Hearing(dropped), 5).shutdown()  # type: ignore[no-untyped-call]
    assert dropped.heard == [(1, "queue_full")] * 3


def test_what_comes_after_shutdown_is_heard(tracer_provider: TracerProvider) -> None:
    dropped = Dropped()
    overflow(tracer_provider, Hearing(dropped), 0).shutdown()  # type: ignore[no-untyped-call]
    tracer_provider.get_tracer("shop").start_span("late").end()
    assert dropped.heard == [(1, "already_shutdown")]


def test_processors_do_not_share_what_is_hooked() -> None:
    one, other = (BatchSpanProcessor(InMemorySpanExporter()) for _ in range(2))
    assert one._batch_processor._metrics is not other._batch_processor._metrics
    one.shutdown()  # type: ignore[no-untyped-call]
    other.shutdown()  # type: ignore[no-untyped-call]


def test_nothing_is_heard_outside_of_an_export(tracer_provider: TracerProvider) -> None:
    dropped = Dropped()
    sdk.attach_exporter(dropped)
    overflow(tracer_provider, InMemorySpanExporter(), 5).shutdown()  # type: ignore[no-untyped-call]
    assert dropped.heard == []


@pytest.mark.parametrize("metrics", [None, object()])
def test_without_metrics_that_can_be_hooked_nothing_is_heard(
    tracer_provider: TracerProvider, metrics: object
) -> None:
    dropped = Dropped()

    class Without(Hearing):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            batch: Any = processor._batch_processor
            before, batch._metrics = batch._metrics, metrics
            result = super().export(spans)
            batch._metrics = before
            return result

    processor = BatchSpanProcessor(Without(dropped))
    tracer_provider.add_span_processor(processor)
    tracer_provider.get_tracer("shop").start_span("exported").end()
    tracer_provider.shutdown()
    assert dropped.heard == []


def test_without_the_private_names_nothing_is_heard(
    monkeypatch: pytest.MonkeyPatch, tracer_provider: TracerProvider
) -> None:
    dropped = Dropped()
    monkeypatch.setattr("opentelemetry.sdk._shared_internal.BatchProcessor", None)
    overflow(tracer_provider, Hearing(dropped), 3).shutdown()  # type: ignore[no-untyped-call]
    assert dropped.heard == []
