"""The trace id in a server's answers, with the setters of the instrumentations."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.instrumentation.asgi import asgi_setter
from opentelemetry.instrumentation.propagators import default_setter
from opentelemetry.instrumentation.wsgi import default_response_propagation_setter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from otel_asayer.runtime.trace_response import TraceResponse

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TIMING = f'traceparent;desc="{TRACEPARENT}"'
SPAN = NonRecordingSpan(
    SpanContext(
        0x0AF7651916CD43DD8448EB211C80319C,
        0xB7AD6B7169203331,
        is_remote=False,
        trace_flags=TraceFlags(1),
    )
)


def answered(carrier: Any, setter: Any) -> Any:
    TraceResponse().inject(carrier, set_span_in_context(SPAN), setter)
    return carrier


def test_a_script_and_a_page_load_can_read_the_trace() -> None:
    assert answered({}, default_setter) == {
        "traceresponse": TRACEPARENT,
        "Access-Control-Expose-Headers": "traceresponse",
        "Server-Timing": TIMING,
    }


@pytest.mark.parametrize(
    ("carrier", "setter"),
    [
        ([("Server-Timing", "db;dur=5")], default_response_propagation_setter),
        ({"headers": [[b"server-timing", b"db;dur=5"]]}, asgi_setter),
        ({"Server-Timing": "db;dur=5"}, default_setter),
    ],
    ids=["WSGI", "ASGI", "Django"],
)
def test_timings_of_the_application_stay(carrier: Any, setter: Any) -> None:
    text = repr(answered(carrier, setter))
    assert "db;dur=5" in text
    assert "traceparent;desc=" in text


def test_without_a_span_nothing_is_set() -> None:
    carrier: dict[str, str] = {}
    TraceResponse().inject(carrier)
    assert carrier == {}
