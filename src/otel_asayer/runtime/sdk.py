"""Every use of private names of OpenTelemetry's SDK, with public fallbacks and canary tests.

Why this package uses private names:

- The SDK drops the oldest attribute when a span has too many, and cuts values that are too long. A
  span without its session id is lost for the replay, and a cut id is a plausible id of *another*
  session.
- A log record processor can only be appended, and after the exporting processor it runs too late.
- A span's public lists of events and links are locked and copied at each access, which costs a
  tenth of its export when they are empty.
- Nothing public shows which exporters and instrumentations are active.
- Only a batch processor's own metrics, which are off by default, count what its queue drops.
- A batch processor keeps whole spans and log records until it exports them (`compact_span`).
- A tracer keeps its own reference to its provider's id generator, and instrumentations may have
  asked for their tracer before this package is set up.
- After a fork without Python's at-fork hooks, a batch processor that is shut down waits 30 seconds
  for a thread that does not exist.

`diagnostics` reports which of these names are gone. All of it is one module, long as it is: who
moves to another release of the SDK has one place to look at.
"""
# ruff: noqa: SLF001 (this module exists for it)

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from contextlib import suppress
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

from opentelemetry._logs import get_logger_provider
from opentelemetry.sdk._logs import (
    ConcurrentMultiLogRecordProcessor,
    LoggerProvider,
    LogRecordProcessor,
)
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    Event,
    ReadableSpan,
    Span,
    SpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import get_tracer_provider

from otel_asayer.attributes import NOTED_SESSION_ID, SESSION_ID

if TYPE_CHECKING:
    from threading import Thread
    from types import FrameType

    from opentelemetry._logs import LogRecord
    from opentelemetry.context import Context
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, SpanKind, Status, TraceState

__all__ = [
    "FIELD_NAMES",
    "add_log_record_processor_first",
    "add_span_processor_first",
    "attach_exporter",
    "attach_exporters",
    "compact_log_record",
    "compact_span",
    "discard_inherited_processors",
    "django_middleware",
    "enum_value",
    "environment_sampler",
    "exporters",
    "fields_of",
    "is_instrumented",
    "is_shut_down",
    "logger_provider_of",
    "replace_id_generator",
    "restore_session",
    "stamp_event",
    "stamp_log_record",
    "stamp_span",
    "thread_context",
]

enum_value: Final = attrgetter("_value_")
"""Returns the value of an enum's member; the property `value` takes eight times as long.

Python documents this name: https://docs.python.org/3/library/enum.html#supported-sunder-names
"""

_CONCURRENT: Final = (ConcurrentMultiSpanProcessor, ConcurrentMultiLogRecordProcessor)


def stamp_span(span: Span, session_id: str) -> None:
    """Write the session id on a span that just started, and store it for `restore_session`."""
    span.set_attribute(SESSION_ID, str(session_id))
    getattr(span, "__dict__", {})[NOTED_SESSION_ID] = session_id


def restore_session(span: Span) -> bool:
    """Write the stored session id again on a span that is ending; return whether there is one.

    A span that is ending refuses attributes through its public method. Without the private names,
    it keeps what it has.
    """
    session_id = getattr(span, NOTED_SESSION_ID, None)
    if session_id is None:
        return False
    attributes: Any = getattr(span, "_attributes", ())
    evicted = SESSION_ID not in attributes
    if _write(attributes, session_id) and evicted and attributes.dropped:
        attributes.dropped -= 1  # it was counted as dropped
    return True


def stamp_log_record(record: LogRecord, session_id: str) -> None:
    """Write the session id on a log record, past its limits.

    It changes the attributes in place: an earlier processor may share them.
    """
    attributes = record.attributes
    if _write(attributes, session_id):
        return
    if isinstance(attributes, MutableMapping):
        attributes[SESSION_ID] = str(session_id)
    else:
        record.attributes = {**(attributes or {}), SESSION_ID: str(session_id)}


def stamp_event(event: Event, session_id: str) -> None:
    """Write the session id on an event of a span; without the private names, nothing happens."""
    _write(event.attributes, session_id)


def _write(attributes: Any, session_id: str) -> bool:
    entries, lock = getattr(attributes, "_dict", None), getattr(attributes, "_lock", None)
    if not isinstance(entries, dict) or lock is None:
        return False
    with lock:
        entries[SESSION_ID] = str(session_id)  # serialisers check the exact type
    return True


def add_span_processor_first(provider: TracerProvider, processor: SpanProcessor) -> None:
    """Add `processor`, unless there is one of its class.

    Its place does not matter: the SDK announces the end of a span to all processors before any of
    them exports it.
    """
    multi = getattr(provider, "_active_span_processor", None)
    if isinstance(multi, _CONCURRENT):
        _call_first(multi, processor, "on_start", "_on_ending")
    elif not any(
        isinstance(other, type(processor)) for other in getattr(multi, "_span_processors", ())
    ):
        provider.add_span_processor(processor)


def add_log_record_processor_first(provider: LoggerProvider, processor: LogRecordProcessor) -> None:
    """Put `processor` before all others, or after them if that is impossible.

    If the first one is of its class, nothing happens.
    """
    multi = getattr(provider, "_multi_log_record_processor", None)
    others, lock = getattr(multi, "_log_record_processors", None), getattr(multi, "_lock", None)
    if isinstance(multi, _CONCURRENT):
        _call_first(multi, processor, "on_emit")
    elif multi is None or not isinstance(others, tuple) or lock is None:
        provider.add_log_record_processor(processor)
    elif not isinstance(next(iter(others), None), type(processor)):
        with lock:
            multi._log_record_processors = (processor, *multi._log_record_processors)


class _First:
    """A method of a concurrent processor that calls ours first.

    The processors in a concurrent one run in parallel, in threads without the current context: none
    is first there, and none sees the session.
    """

    def __init__(self, ours: Callable[..., None], theirs: Callable[..., None]) -> None:
        self._ours, self._theirs = ours, theirs

    def __call__(self, *arguments: Any, **keywords: Any) -> None:
        self._ours(*arguments, **keywords)
        self._theirs(*arguments, **keywords)


def _call_first(multi: object, processor: object, *methods: str) -> None:
    for name in methods:
        theirs = getattr(multi, name, None)
        if theirs is not None and not isinstance(theirs, _First):
            setattr(multi, name, _First(getattr(processor, name), theirs))


def exporters(provider: object) -> list[object]:
    """Return the exporters of a provider of either signal; without the private names, none."""
    found = (
        getattr(p, "span_exporter", None)
        or getattr(getattr(p, "_batch_processor", p), "_exporter", None)
        for p in _processors(provider)
    )
    return [exporter for exporter in found if exporter is not None]


class Attachable(Protocol):
    """An exporter that takes part in what its batch processor does."""

    def drop_items(self, count: int, error_type: str = "queue_full") -> None:
        """Count dropped spans or log records, in the thread that ended or emitted them."""

    @property
    def compact(self) -> Callable[[Any], Any] | None:
        """Makes what the queue keeps of a span or log record; None: the queue keeps all of it."""

    def hurry(self) -> None:
        """Learn that the queue is more than half full."""

    def relax(self) -> None:
        """Learn that it is nearly empty again."""


def attach_exporter(exporter: Attachable) -> None:
    """Attach `exporter` to the batch processor that is exporting on this thread.

    An exporter calls this. It does not know its processor, but that is on the stack while it
    exports. Without the private names, nothing is attached.
    """
    module = sys.modules.get("opentelemetry.sdk._shared_internal")
    code = getattr(
        getattr(getattr(module, "BatchProcessor", None), "_export", None), "__code__", None
    )
    frame: FrameType | None = getattr(sys, "_getframe", lambda: None)()
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    if frame is not None:
        batch = frame.f_locals.get("self")
        _count_drops(batch, exporter)
        for provider in (get_tracer_provider(), get_logger_provider()):
            _replace_emit(provider, batch, exporter)


def attach_exporters(provider: object, attachable: Callable[[object], Attachable | None]) -> None:
    """Attach the exporters of batch processors of `provider` that are `attachable`.

    Unlike `attach_exporter`, it also reaches what comes before the first export.
    """
    for processor in _processors(provider):
        batch = getattr(processor, "_batch_processor", None)
        if exporter := attachable(getattr(batch, "_exporter", None)):
            _count_drops(batch, exporter)
            _replace_emit(provider, batch, exporter)


def _count_drops(batch: object, exporter: Attachable) -> None:
    # The processor calls it only when its queue is full: what is not dropped costs nothing.
    with suppress(AttributeError):  # metrics whose methods cannot be replaced
        _call_first(getattr(batch, "_metrics", None), exporter, "drop_items")


def _replace_emit(provider: object, batch: Any, exporter: Attachable) -> None:
    """Let the queue of `batch`, a batch processor of `provider`, keep what `exporter` needs.

    And let it hear of a backlog. Unless there is another exporter between them: that reads the
    SDK's objects.
    """
    emit = getattr(batch, "emit", None)
    if (
        emit is None
        or isinstance(emit, _Compacting)
        or getattr(batch, "_exporter", None) is not exporter
        or not any(
            getattr(processor, "_batch_processor", None) is batch
            for processor in _processors(provider)
        )
    ):
        return
    batch.emit = _Compacting(emit, exporter, _multi_processor(provider), batch)


class _Compacting:
    """The method by which a batch processor takes something into its queue.

    It runs in the thread that ended a span, which has the interpreter: where the exporter is
    starved, only this thread can help.

    A processor behind that one may change the span or log record once it has ended, to hide
    something or to rename it. There, the queue keeps the object itself.
    """

    __slots__ = (
        "_batch",
        "_compact",
        "_emit",
        "_exporter",
        "_half",
        "_is_hurried",
        "_is_last",
        "_multi",
        "_processors",
        "_queue",
    )

    def __init__(
        self, emit: Callable[[Any], None], exporter: Attachable, multi: object, batch: Any
    ) -> None:
        self._emit, self._exporter, self._compact = emit, exporter, exporter.compact
        self._multi, self._batch = multi, batch
        self._queue = getattr(batch, "_queue", ())
        self._half = getattr(batch, "_max_queue_size", 0) // 2
        self._is_last = self._is_hurried = False
        self._processors: Iterable[object] = ()

    def __call__(self, record: Any) -> None:
        length = len(self._queue)
        if length > self._half:
            self._is_hurried = True
            self._exporter.hurry()
        elif self._is_hurried and length < self._half // 4:
            self._is_hurried = False
            self._exporter.relax()
        processors = _members(self._multi)
        if processors is not self._processors:  # the SDK makes a new tuple when it adds one
            self._is_last = not any(map(_changes_records, self._behind(processors)))
            self._processors = processors
        self._emit(self._compact(record) if self._compact and self._is_last else record)

    def _behind(self, processors: Iterable[object]) -> Iterator[object]:
        """Yield the processors that get a record after this one, or may do so."""
        ours = iter(processors)
        if not isinstance(self._multi, _CONCURRENT):
            for processor in ours:
                if getattr(processor, "_batch_processor", None) is self._batch:
                    break
        yield from ours


def _changes_records(processor: object) -> bool:
    """Whether a processor does something of its own with what has ended or was emitted."""
    ends = getattr(processor, "on_end", None) or getattr(processor, "on_emit", None)
    return not str(getattr(ends, "__module__", "")).startswith(("opentelemetry.", "otel_asayer."))


def discard_inherited_processors(provider: object) -> None:
    """Mark batch processors of `provider` that got nothing since a fork as shut down.

    Without Python's at-fork hooks (uWSGI), a batch processor starts its thread at its first item.
    One that got none in this process holds nothing. Its shutdown would wait 30 seconds for its
    parent's thread.
    """
    for processor in _processors(provider):
        batch: Any = getattr(processor, "_batch_processor", None)
        if getattr(batch, "_pid", os.getpid()) != os.getpid() and hasattr(batch, "_shutdown"):
            batch._shutdown = True


def _processors(provider: object) -> Sequence[object]:
    return _members(_multi_processor(provider))


def _members(multi: object) -> Sequence[object]:
    return (
        getattr(multi, "_span_processors", None)
        or getattr(multi, "_log_record_processors", None)
        or ()
    )


def _multi_processor(provider: object) -> object:
    return getattr(provider, "_active_span_processor", None) or getattr(
        provider, "_multi_log_record_processor", None
    )


def is_shut_down(provider: object) -> bool:
    """Whether all batch processors of `provider` are shut down; without private names, False."""
    batches = [
        batch
        for processor in _processors(provider)
        if (batch := getattr(processor, "_batch_processor", None)) is not None
    ]
    return bool(batches) and all(getattr(batch, "_shutdown", False) is True for batch in batches)


def replace_id_generator(provider: object, ours: type[RandomIdGenerator]) -> None:
    """Replace the SDK's id generator of `provider` by `ours`; one of the application's stays.

    The object changes its class, because existing tracers hold a reference to it. If it cannot,
    they keep theirs, and later tracers get a new one.
    """
    generator: Any = getattr(provider, "id_generator", None)
    if type(generator) is RandomIdGenerator:
        try:
            generator.__class__ = ours
        except TypeError:
            cast("TracerProvider", provider).id_generator = ours()


def environment_sampler() -> Sampler | None:
    """Return the installed sampler that `OTEL_TRACES_SAMPLER` names, or None.

    A `TracerProvider` created in code knows only the SDK's own samplers; the SDK's configurator
    also reads entry points.
    """
    from opentelemetry.sdk import _configuration

    name, load = (
        getattr(_configuration, "_get_sampler", None),
        getattr(_configuration, "_import_sampler", None),
    )
    return cast("Sampler | None", load(name()) if name and load else None)


def logger_provider_of(handler: object) -> object:
    """Return the provider of OpenTelemetry's handler of Python's logging, or None."""
    return getattr(handler, "_logger_provider", None)


def django_middleware(module: object) -> object:
    """Return the class of Django's middleware in contrib's module, or None."""
    return getattr(module, "_DjangoMiddleware", None)


def thread_context(thread: Thread | None) -> Context | None:
    """Return the context in which `thread` was started, from the threading instrumentation."""
    return getattr(thread, "_otel_context", None)


def is_instrumented(name: str) -> bool:
    """Whether the instrumentation in `opentelemetry.instrumentation.<name>` is active now.

    The class knows. Creating an instance, the public way, would reset it.
    """
    module = sys.modules.get(f"opentelemetry.instrumentation.{name}")
    return any(
        getattr(getattr(value, "_instance", None), "is_instrumented_by_opentelemetry", False)
        for value in (list(vars(module).values()) if module else ())
        if isinstance(value, type)
    )


class Fields(NamedTuple):
    """The fields of a span that go into documents; `attributes` may be any mapping or None."""

    name: str
    trace_id: int
    span_id: int
    trace_state: TraceState
    kind: SpanKind
    parent_span_id: int | None
    is_root: bool
    """Whether its parent, if it has one, is in another process."""
    start_time: int | None
    end_time: int | None
    status: Status
    attributes: Any
    events: Sequence[Event]
    links: Sequence[Link]
    resource: Resource
    scope: InstrumentationScope | None


FIELD_NAMES: Final = (
    "_name",
    "_context",
    "_kind",
    "_parent",
    "_start_time",
    "_end_time",
    "_status",
    "_attributes",
    "_events",
    "_links",
    "_resource",
    "_instrumentation_scope",
)
_PRIVATE_FIELDS: Final = itemgetter(*FIELD_NAMES)
_PUBLIC_FIELDS: Final = attrgetter(*(name[1:] for name in FIELD_NAMES))
# Places in a `SpanContext`, which is a tuple: its properties take longer.
_TRACE_ID: Final = 0
_SPAN_ID: Final = 1
_IS_REMOTE: Final = 2
_TRACE_STATE: Final = 4


class CompactSpan(tuple[Any, ...]):
    """What an export needs of an ended span: the fields, in the order of `Fields`.

    It has no events and links, and nothing of it was dropped.
    """

    __slots__ = ()

    dropped_attributes = dropped_events = dropped_links = 0


def compact_span(span: ReadableSpan) -> ReadableSpan | CompactSpan:
    """Return what an export needs of an ended span, or `span` if that is more than usual.

    A span consists of eleven objects that Python's garbage collector visits: lists, locks, and
    others. A queue keeps thousands of them, longer than the collector takes objects for young. So
    it would soon look through the whole heap of the application, which stops every thread for tens
    of milliseconds, several times as often as without an exporter.
    """
    try:
        fields = _PRIVATE_FIELDS(span.__dict__)
        attributes, events, links = fields[7:10]
        if events or links or attributes.dropped or events.dropped or links.dropped:
            return span
        return CompactSpan(_flat((*fields[:7], attributes._dict, (), (), *fields[10:])))
    except (AttributeError, KeyError):
        return span


def fields_of(span: ReadableSpan | CompactSpan) -> Fields:
    """Return an ended span's fields, in the order of `Fields`.

    All at once: the public properties take a fifth of the time to encode the span.
    """
    if isinstance(span, CompactSpan):
        return cast("Fields", span)
    try:
        fields = _PRIVATE_FIELDS(span.__dict__)
    except (AttributeError, KeyError):
        fields = _PUBLIC_FIELDS(span)
    return cast("Fields", _flat(fields))


def _flat(fields: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the fields of a span, in the order of `FIELD_NAMES`, in that of `Fields`."""
    name, context, kind, parent = fields[:4]
    return (  # a plain tuple takes a third of the time of a `NamedTuple`
        name,
        context[_TRACE_ID],
        context[_SPAN_ID],
        context[_TRACE_STATE],
        kind,
        None if parent is None else parent[_SPAN_ID],
        parent is None or parent[_IS_REMOTE],
        *fields[4:],
    )


class CompactLogRecord:
    """What an export needs of a log record, by the names of the SDK's and the API's.

    In particular, it does not keep an exception, whose traceback keeps all variables of a request.
    """

    __slots__ = (
        "attributes",
        "body",
        "event_name",
        "instrumentation_scope",
        "observed_timestamp",
        "resource",
        "severity_number",
        "severity_text",
        "span_id",
        "timestamp",
        "trace_id",
    )

    dropped_attributes = 0

    def __init__(self, record: ReadableLogRecord, attributes: dict[str, Any]) -> None:
        log_record = record.log_record
        self.attributes = attributes
        self.body = log_record.body
        self.event_name = log_record.event_name
        self.instrumentation_scope = record.instrumentation_scope
        self.observed_timestamp = log_record.observed_timestamp
        self.resource = record.resource
        self.severity_number = log_record.severity_number
        self.severity_text = log_record.severity_text
        self.span_id = log_record.span_id
        self.timestamp = log_record.timestamp
        self.trace_id = log_record.trace_id

    @property
    def log_record(self) -> CompactLogRecord:
        """The object itself."""
        return self


def compact_log_record(record: ReadableLogRecord) -> ReadableLogRecord | CompactLogRecord:
    """Return what an export needs of a log record, or `record` if attributes of it were dropped.

    `compact_span` tells why.
    """
    try:
        attributes: Any = record.log_record.attributes
        return record if attributes.dropped else CompactLogRecord(record, attributes._dict)
    except AttributeError:
        return record
