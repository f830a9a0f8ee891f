"""What is wrong with the set-up of OpenTelemetry in this process, and what to do.

The hook reports it at start-up, and `otel-asayer doctor` on demand.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final, NamedTuple

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.instrumentation import propagators

from otel_asayer.propagation.redirects import propagators_at_work
from otel_asayer.propagator import AsayerPropagator

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "LEAK",
    "NO_CONFIGURATOR",
    "NO_LOGGING",
    "NO_PROPAGATOR",
    "NO_SDK",
    "NO_TRACE_RESPONSE",
    "Finding",
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


NO_CONFIGURATOR: Final = Finding(
    "Nothing is recorded, because no installed package sets up OpenTelemetry's SDK",
    "pip install opentelemetry-distro, or 'otel-asayer[distro]'",
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
    "pip install opentelemetry-instrumentation-logging",
)


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
        f"then `app = OpenTelemetryMiddleware(app)` (pip install "
        f"opentelemetry-instrumentation-{interface})",
    )


def not_instrumented(framework: str, instrumentation: str) -> Finding:
    """An application of a framework whose instrumentation is missing or disabled."""
    return Finding(
        f"Requests have no session and no spans, because nothing instruments {framework}",
        f"pip install opentelemetry-instrumentation-{instrumentation}, and remove it from "
        f"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS if it is there",
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
