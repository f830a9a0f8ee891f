"""Every touch on a private name of OpenTelemetry, each with a public fallback, and each held by a
canary test.

Why private names at all:

- The SDK drops the oldest attribute when a span has too many, and cuts values that are too long. A
  session id that is dropped is a span lost for the replay; one that is cut is a plausible id of
  *another* session.
- A log record processor can only be appended, and one behind the exporting processor comes too
  late.
- A span's public lists of events and links are locked and copied at each look, which costs a tenth
  of its export when they are empty.
- Which propagators, exporters and instrumentations are at work can be seen nowhere else.
- What the queue of a batch processor drops is told to nobody but the processor's own metrics, which
  are off by default.
- A tracer keeps a reference of its own to its provider's id generator, and instrumentations may
  have asked for theirs before us.
- A batch processor that was forked behind Python's back waits 30 seconds, when it is shut down, for
  a thread that does not exist.
"""
# ruff: noqa: SLF001 (this module exists for it)

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

from opentelemetry.sdk._logs import ConcurrentMultiLogRecordProcessor
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from otel_asayer.attributes import NOTED_SESSION_ID, SESSION_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from threading import Thread
    from types import FrameType

    from opentelemetry._logs import LogRecord
    from opentelemetry.context import Context
    from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, SpanContext, SpanKind, Status

__all__ = [
    "FIELD_NAMES",
    "add_log_record_processor_first",
    "add_span_processor_first",
    "attach_drop_listener",
    "attach_drop_listeners",
    "discard_inherited_processors",
    "django_middleware",
    "enum_value",
    "environment_sampler",
    "exceptions_are_instrumented",
    "exporters",
    "fields_of",
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
    """Write the session id on a span that just started, and remember it for `restore_session`."""
    span.set_attribute(SESSION_ID, str(session_id))
    getattr(span, "__dict__", {})[NOTED_SESSION_ID] = session_id


def restore_session(span: Span) -> bool:
    """Write the session id that `stamp_span` remembered once more on a span that is ending; return
    whether there is one.

    Public names cannot: a span that is ending refuses attributes. Without the private ones it keeps
    what it has.
    """
    session_id = getattr(span, NOTED_SESSION_ID, None)
    if session_id is None:
        return False
    attributes: Any = getattr(span, "_attributes", ())
    evicted = SESSION_ID not in attributes
    if _write(attributes, session_id) and evicted and attributes.dropped:
        attributes.dropped -= 1  # it was counted as lost, and is not
    return True


def stamp_log_record(record: LogRecord, session_id: str) -> None:
    """Write the session id on a log record, past its limits; in place, for a processor before this one may have shared the attributes."""
    attributes = record.attributes
    if _write(attributes, session_id):
        return
    if isinstance(attributes, MutableMapping):
        attributes[SESSION_ID] = str(session_id)
    else:
        record.attributes = {**(attributes or {}), SESSION_ID: str(session_id)}


def stamp_event(event: Event, session_id: str) -> None:
    """Write the session id on an event of a span; without the private names of its attributes it stays without."""
    _write(event.attributes, session_id)


def _write(attributes: Any, session_id: str) -> bool:
    entries, lock = getattr(attributes, "_dict", None), getattr(attributes, "_lock", None)
    if not isinstance(entries, dict) or lock is None:
        return False
    with lock:
        entries[SESSION_ID] = str(session_id)  # serialisers look at the exact type
    return True


def add_span_processor_first(provider: TracerProvider, processor: SpanProcessor) -> None:
    """Add `processor`, unless one of its class is there. Its place does not matter:

    all spans' ends are announced before any is exported.
    """
    multi = getattr(provider, "_active_span_processor", None)
    if isinstance(multi, _CONCURRENT):
        _call_first(multi, processor, "on_start", "_on_ending")
    elif not any(
        isinstance(other, type(processor)) for other in getattr(multi, "_span_processors", ())
    ):
        provider.add_span_processor(processor)


def add_log_record_processor_first(provider: LoggerProvider, processor: LogRecordProcessor) -> None:
    """Put `processor` before all others, unless one of its class is there; where that cannot be done, behind them."""
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
    """A method of a concurrent processor that calls ours before it.

    Processors in a concurrent one run beside each other, in threads to which the current context
    does not reach: none is first there, and none can see the session.
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
    """Return the exporters that a provider of either signal feeds; none where they cannot be seen."""
    found = (
        getattr(p, "span_exporter", None)
        or getattr(getattr(p, "_batch_processor", p), "_exporter", None)
        for p in _processors(provider)
    )
    return [exporter for exporter in found if exporter is not None]


class Listener(Protocol):
    """Hears what a batch processor drops."""

    def drop_items(self, count: int, error_type: str = "queue_full") -> None:
        """Hear that `count` spans or log records were dropped; called in the thread that ended or emitted them."""


def attach_drop_listener(listener: Listener) -> None:
    """Let `listener` hear of what the batch processor drops that is exporting at this moment;
    without the private names it hears nothing.

    Called by an exporter. Nobody tells it who feeds it, but whoever does is on the stack while it
    exports. The processor calls what is hooked here when its queue is full, and else never: a span
    that is not dropped pays nothing for it.
    """
    module = sys.modules.get("opentelemetry.sdk._shared_internal")
    code = getattr(
        getattr(getattr(module, "BatchProcessor", None), "_export", None), "__code__", None
    )
    frame: FrameType | None = getattr(sys, "_getframe", lambda: None)()
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    if frame is not None:
        _tell_of_drops(frame.f_locals.get("self"), listener)


def attach_drop_listeners(
    provider: object, listener_of: Callable[[object], Listener | None]
) -> None:
    """Likewise for all batch processors of `provider` whose exporter has a listener, and from now on: some drop before their first export."""
    for processor in _processors(provider):
        batch = getattr(processor, "_batch_processor", None)
        if listener := listener_of(getattr(batch, "_exporter", None)):
            _tell_of_drops(batch, listener)


def _tell_of_drops(batch: object, listener: Listener) -> None:
    with suppress(AttributeError):  # metrics that can be given no other method
        _call_first(getattr(batch, "_metrics", None), listener, "drop_items")


def discard_inherited_processors(provider: object) -> None:
    """Let no shutdown of `provider` wait for threads that a fork left in the parent.

    Where the at-fork hooks of Python did not run (uWSGI), a batch processor starts its thread when
    it gets something. One that never got anything in this process holds nothing, and would join its
    parent's thread for 30 seconds: it counts as shut down.
    """
    for processor in _processors(provider):
        batch: Any = getattr(processor, "_batch_processor", None)
        if getattr(batch, "_pid", os.getpid()) != os.getpid() and hasattr(batch, "_shutdown"):
            batch._shutdown = True


def _processors(provider: object) -> Iterable[object]:
    multi = getattr(provider, "_active_span_processor", None) or getattr(
        provider, "_multi_log_record_processor", None
    )
    return (
        getattr(multi, "_span_processors", None)
        or getattr(multi, "_log_record_processors", None)
        or ()
    )


def is_shut_down(provider: object) -> bool:
    """Whether batch processors of `provider` take nothing more; without the private names, no."""
    batches = [
        batch
        for processor in _processors(provider)
        if (batch := getattr(processor, "_batch_processor", None)) is not None
    ]
    return bool(batches) and all(getattr(batch, "_shutdown", False) is True for batch in batches)


def replace_id_generator(provider: object, ours: type[RandomIdGenerator]) -> None:
    """Let `provider` draw its ids as `ours` does, where it has the SDK's own generator; one that
    the application chose stays.

    The object changes its class, for the tracers that exist hold it. Where it cannot, they keep
    theirs, and later tracers get a new one.
    """
    generator: Any = getattr(provider, "id_generator", None)
    if type(generator) is RandomIdGenerator:
        try:
            generator.__class__ = ours
        except TypeError:
            cast("TracerProvider", provider).id_generator = ours()


def environment_sampler() -> Sampler | None:
    """Return the sampler that `OTEL_TRACES_SAMPLER` names among the installed ones, or None.

    A `TracerProvider` made in code knows the SDK's own samplers only; the SDK's configurator reads
    the entry points as well.
    """
    from opentelemetry.sdk import _configuration

    name, load = (
        getattr(_configuration, "_get_sampler", None),
        getattr(_configuration, "_import_sampler", None),
    )
    sampler: Sampler | None = load(name()) if name and load else None
    return sampler


def logger_provider_of(handler: object) -> object:
    """Return the provider of OpenTelemetry's handler of Python's logging, or None."""
    return getattr(handler, "_logger_provider", None)


def django_middleware(module: object) -> object:
    """Return the class of Django's middleware in contrib's module, or None."""
    return getattr(module, "_DjangoMiddleware", None)


def thread_context(thread: Thread | None) -> Context | None:
    """Return the context in which `thread` was started, where the threading instrumentation has noted it."""
    return getattr(thread, "_otel_context", None)


def is_instrumented(name: str) -> bool:
    """Whether the instrumentation in the module `opentelemetry.instrumentation.<name>` is at work
    at this moment.

    Asked of its class: to ask for the instance, as public names would, resets it.
    """
    module = sys.modules.get(f"opentelemetry.instrumentation.{name}")
    instances = (
        (
            getattr(value, "_instance", None)
            for value in list(vars(module).values())
            if isinstance(value, type)
        )
        if module
        else ()
    )
    return any(
        getattr(instance, "is_instrumented_by_opentelemetry", False) for instance in instances
    )


def exceptions_are_instrumented() -> bool:
    """Whether `opentelemetry-instrumentation-exceptions` records uncaught exceptions at this moment."""
    return is_instrumented("exceptions")


class Fields(NamedTuple):
    """What a span's documents are made of; `attributes` may be any mapping or None."""

    name: str
    context: SpanContext
    kind: SpanKind
    parent: SpanContext | None
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


def fields_of(span: ReadableSpan) -> Fields:
    """Return a finished span's fields, in the order of `Fields`.

    In one go: its public properties cost a fifth of the time in which its document is made.
    """
    try:
        return cast(
            "Fields", _PRIVATE_FIELDS(span.__dict__)
        )  # a plain tuple is built in a third of the time
    except (AttributeError, KeyError):
        return Fields(
            span.name,
            span.context,
            span.kind,
            span.parent,
            span.start_time,
            span.end_time,
            span.status,
            span.attributes,
            span.events,
            span.links,
            span.resource,
            span.instrumentation_scope,
        )
