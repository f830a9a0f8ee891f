"""What is wrong with the set-up of OpenTelemetry in this process, and what to do.

The hook reports it at start-up, and `otel-asayer doctor` on demand. It includes the private names
of OpenTelemetry that an installed version no longer has: `sdk` and `propagation.redirects` use
them, with a public fallback for each.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from importlib.metadata import entry_points
from inspect import unwrap
from typing import TYPE_CHECKING, Final, NamedTuple

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.instrumentation import propagators
from opentelemetry.instrumentation.version import __version__

from otel_asayer.propagation.redirects import propagators_at_work
from otel_asayer.propagator import AsayerPropagator
from otel_asayer.runtime.sdk import FIELD_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "LEAK",
    "NO_CONFIGURATOR",
    "NO_LOGGING",
    "NO_PROPAGATOR",
    "NO_SDK",
    "NO_TRACE_RESPONSE",
    "Finding",
    "missing_private_names",
    "not_instrumented",
    "not_wrapped",
    "on_packages",
    "on_propagators",
    "two_distros",
]


class Finding(NamedTuple):
    """What is wrong, and what to do about it: the two halves of a sentence."""

    fault: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.fault}: {self.remedy}."


def _pip_install(package: str) -> str:
    """Return what to type to get a package of the installed release.

    Without the version, pip takes the newest one, and may move other packages to that release.
    """
    return f"pip install {package}=={__version__}"


NO_CONFIGURATOR: Final = Finding(
    "Nothing is recorded, because no installed package sets up OpenTelemetry's SDK",
    _pip_install("opentelemetry-distro"),
)
NO_SDK: Final = Finding(
    "No session id is recorded, because OpenTelemetry's SDK is not set up",
    "see the messages before this one, or call otel_asayer.configure()",
)
NO_PROPAGATOR: Final = Finding(
    "No X-Session-Id is read or passed on, because the propagator 'asayer' is not in use",
    "set OTEL_PROPAGATORS=tracecontext,asayer, or list it under 'propagator' in the file that "
    "OTEL_CONFIG_FILE names",
)
LEAK: Final = Finding(
    "The session id goes to every host, because the propagator 'baggage' is in use beside "
    "'asayer', which carries baggage as well",
    "set OTEL_PROPAGATORS=tracecontext,asayer, or take 'baggage' out of the file that "
    "OTEL_CONFIG_FILE names",
)
NO_TRACE_RESPONSE: Final = Finding(
    "No traceresponse header is sent, because another response propagator is in use",
    "remove that one, or unset OTEL_ASAYER_TRACE_RESPONSE",
)
NO_LOGGING: Final = Finding(
    "Records of Python's logging are not sent to Elasticsearch, because nothing hands them to "
    "OpenTelemetry",
    _pip_install("opentelemetry-instrumentation-logging"),
)

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
    "Python's garbage collector stops a busy application more often than it needs to": (
        ("opentelemetry.sdk._shared_internal", "BatchProcessor", ("emit",)),
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


def two_distros(modules: str) -> Finding:
    """Several packages whose entry points have the same name."""
    return Finding(
        "Several packages set up OpenTelemetry under the same name, and only the first one is used",
        f"uninstall all but one of {modules}",
    )


def not_wrapped(what: str, interface: str) -> Finding:
    """An application that no package instruments.

    Args:
        what: names it.
        interface: `wsgi` or `asgi`.
    """
    return Finding(
        f"Requests to {what} have no session and no spans, because OpenTelemetry has no "
        f"instrumentation for it",
        f"wrap the application: `from opentelemetry.instrumentation.{interface} import "
        f"OpenTelemetryMiddleware`, "
        f"then `app = OpenTelemetryMiddleware(app)` "
        f"({_pip_install(f'opentelemetry-instrumentation-{interface}')})",
    )


def not_instrumented(framework: str, instrumentation: str) -> Finding:
    """An application of a framework whose instrumentation is missing or disabled."""
    return Finding(
        f"Requests have no session and no spans, because nothing instruments {framework}",
        f"{_pip_install(f'opentelemetry-instrumentation-{instrumentation}')}, and remove "
        f"{instrumentation} from OTEL_PYTHON_DISABLED_INSTRUMENTATIONS if it is there. If pip does "
        "not find this version, `otel-asayer doctor` says what to install",
    )


def on_propagators(*, trace_response: bool) -> Iterator[Finding]:
    """Check the propagators in use, not OTEL_PROPAGATORS, which a configuration file overrides.

    Args:
        trace_response: whether a `traceresponse` header is wanted.
    """
    members = propagators_at_work()
    if not any(isinstance(member, AsayerPropagator) for member in members):
        yield NO_PROPAGATOR
    elif any(isinstance(member, W3CBaggagePropagator) for member in members):
        yield LEAK
    response_propagator = propagators.get_global_response_propagator()  # type: ignore[no-untyped-call]
    if trace_response and not isinstance(response_propagator, propagators.TraceResponsePropagator):
        yield NO_TRACE_RESPONSE


def on_packages() -> Iterator[Finding]:
    """Check for packages that replace each other."""
    for group in ("opentelemetry_distro", "opentelemetry_configurator"):
        found = list(entry_points(group=group))
        if len({entry_point.name for entry_point in found}) < len(found):
            yield two_distros(
                ", ".join(sorted({entry_point.value.partition(":")[0] for entry_point in found}))
            )


def missing_private_names(*, load: bool = False) -> list[str]:
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
