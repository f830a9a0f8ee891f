"""The trace id in the answers of a server, for the browser that asked.

Two headers bear it, because not every request has a script that may read headers: `traceresponse`
for `fetch()` and XMLHttpRequest, and `Server-Timing` for page loads, where
`performance.getEntriesByType("navigation")` shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation import propagators
from opentelemetry.trace import INVALID_SPAN_CONTEXT, get_current_span

if TYPE_CHECKING:
    from opentelemetry.context import Context

__all__ = ["TraceResponse", "answer_with_trace"]


class TraceResponse(propagators.TraceResponsePropagator):
    """Adds `Server-Timing: traceparent;desc="00-…"` to what OpenTelemetry's own propagator sets.

    Setters of responses append, so that the application's own entries of `Server-Timing` stay.
    """

    def inject(
        self,
        carrier: Any,
        context: Context | None = None,
        setter: Any = propagators.default_setter,
    ) -> None:
        """Set the headers of a response; none where no span is current."""
        super().inject(carrier, context, setter)
        span = get_current_span(context).get_span_context()
        if span != INVALID_SPAN_CONTEXT:
            traceparent = f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"
            setter.set(carrier, "Server-Timing", f'traceparent;desc="{traceparent}"')


def answer_with_trace() -> None:
    """Let instrumentations of servers answer with the trace id; a propagator of others stays."""
    present = propagators.get_global_response_propagator()  # type: ignore[no-untyped-call]
    if present is None or type(present) is propagators.TraceResponsePropagator:
        propagators.set_global_response_propagator(TraceResponse())  # type: ignore[no-untyped-call]
