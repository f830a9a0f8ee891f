from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import propagate, trace
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import otel_asayer
from otel_asayer.propagation.context import get_session_id, session_of_exception
from otel_asayer.propagator import AsayerPropagator

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTER = "2618307011354435500"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def _our_propagator() -> Iterator[None]:
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(
        CompositePropagator([TraceContextTextMapPropagator(), AsayerPropagator()])
    )
    yield
    propagate.set_global_textmap(before)


def session_in(headers: Any) -> str | None:
    with otel_asayer.session(STARTER), otel_asayer.received(headers):
        return get_session_id()


@pytest.mark.parametrize(
    "headers",
    [
        {"x-session-id": "17"},
        {"X-Session-Id": b"17"},
        [("x-session-id", b"17")],
        (("schema", None), ("X-SESSION-ID", "17")),
        [("x-session-id", b"17"), ("x-session-id", b"18")],
        {"baggage": "session.id=17"},
    ],
)
def test_a_block_is_in_the_session_of_the_message(headers: Any) -> None:
    assert session_in(headers) == "17"


@pytest.mark.parametrize(
    "headers",
    [None, {}, [], [("x-session-id", None)], {"x-session-id": b"\xff"}, 7, [7], {7: "17"}],
)
def test_a_message_without_a_session_is_in_none(headers: Any) -> None:
    assert session_in(headers) is None


def test_the_consumers_own_session_is_back_behind_the_block() -> None:
    with otel_asayer.session(STARTER):
        with otel_asayer.received({"x-session-id": "17"}):
            pass
        assert get_session_id() == STARTER


def test_a_block_is_in_the_trace_of_the_message() -> None:
    with otel_asayer.received({"traceparent": PARENT}):
        assert trace.get_current_span().get_span_context().trace_id == int(TRACE, 16)


def test_an_exception_that_leaves_the_block_has_the_session() -> None:
    with pytest.raises(ValueError, match="order") as raised:  # noqa: SIM117
        with otel_asayer.received({"x-session-id": "17"}):
            raise ValueError("no such order")
    assert session_of_exception(raised.value) == "17"
