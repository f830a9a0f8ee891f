"""The private names of OpenTelemetry that this package uses, and what works less well without each.

`sdk` and `propagation.redirects` use them, with a public fallback for each.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from inspect import unwrap
from typing import TYPE_CHECKING, Final

from otel_asayer.runtime.sdk import FIELD_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["missing"]

# What works less well without private names: each of a module and a class, or of the module.
_NEEDS: Final = {
    "a span or log record with more attributes than its limit can lose its session id": (
        ("opentelemetry.attributes", "BoundedAttributes", ("_dict", "_lock")),
    ),
    "encoding a span takes a fifth longer, and at its limits it can lose its session id": (
        ("opentelemetry.sdk.trace", "ReadableSpan", FIELD_NAMES),
    ),
    "log records can be exported before they get their session id": (
        ("opentelemetry.sdk._logs", "LoggerProvider", ("_multi_log_record_processor",)),
        (
            "opentelemetry.sdk._logs._internal",
            "SynchronousMultiLogRecordProcessor",
            ("_log_record_processors", "_lock"),
        ),
    ),
    "otel-asayer does not see which exporters are in use, and does not flush them when a worker"
    " ends": (
        ("opentelemetry.sdk.trace", "TracerProvider", ("_active_span_processor",)),
        ("opentelemetry.sdk.trace", "SynchronousMultiSpanProcessor", ("_span_processors",)),
        ("opentelemetry.sdk.trace.export", "BatchSpanProcessor", ("_batch_processor",)),
        ("opentelemetry.sdk._logs.export", "BatchLogRecordProcessor", ("_batch_processor",)),
    ),
    "spans and log records that a full queue drops are not counted": (
        (
            "opentelemetry.sdk._shared_internal",
            "BatchProcessor",
            ("_exporter", "_export", "_metrics"),
        ),
    ),
    "a uWSGI worker can wait 30 seconds before it ends": (
        ("opentelemetry.sdk._shared_internal", "BatchProcessor", ("_pid", "_shutdown")),
    ),
    "configure() ignores a sampler in OTEL_TRACES_SAMPLER that is not one of the SDK's own": (
        ("opentelemetry.sdk._configuration", "", ("_get_sampler", "_import_sampler")),
    ),
    "redirects are not guarded: a session id can follow them to any host": (
        ("opentelemetry.propagators.composite", "CompositePropagator", ("_propagators",)),
    ),
    "an uncaught exception in a thread has no session": (
        ("opentelemetry.instrumentation.threading", "ThreadingInstrumentor", ("_otel_context",)),
    ),
    "uncaught exceptions can be recorded twice": (
        ("opentelemetry.instrumentation.instrumentor", "BaseInstrumentor", ("_instance",)),
    ),
    "the SDK warns about otel-asayer's own last log messages when a process ends": (
        (
            "opentelemetry.instrumentation.logging.handler",
            "LoggingHandler",
            ("_logger_provider",),
        ),
    ),
    'Django\'s log records "Not Found" and "Internal Server Error" have no session': (
        (
            "opentelemetry.instrumentation.django.middleware.otel_middleware",
            "_DjangoMiddleware",
            ("process_response",),
        ),
    ),
}


def missing(*, load: bool = False) -> list[str]:
    """Return a sentence for each thing that works less well for lack of a private name.

    Only imported modules are checked; `load` imports all that can be imported first.
    """
    return [
        f"The installed OpenTelemetry has no {gone}: {consequence}."
        for consequence, needs in _NEEDS.items()
        if (gone := " and no ".join(filter(None, (_gone(*need, load=load) for need in needs))))
    ]


def _gone(module: str, owner: str, names: Iterable[str], *, load: bool) -> str:
    """Name those of `names` that the class `owner` of an imported module does not have.

    What a constructor sets shows only in its code: creating a batch processor starts a thread.
    """
    if load:
        with suppress(Exception):
            import_module(module)
    imported = sys.modules.get(module)
    if imported is None:
        return ""
    holder = getattr(imported, owner, None) if owner else imported
    known = set(dir(holder))
    for base in getattr(holder, "__mro__", ()):
        for member in vars(base).values():
            known.update(getattr(getattr(unwrap(member), "__code__", None), "co_names", ()))
    gone = ", ".join(name for name in names if name not in known)
    return gone and f"{gone} in {owner or module}"
