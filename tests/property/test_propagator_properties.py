from __future__ import annotations

import re
from typing import Any

from hypothesis import given, strategies as st
from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.instrumentation.asgi import asgi_getter
from opentelemetry.instrumentation.wsgi import wsgi_getter
from opentelemetry.trace import SpanKind

from otel_asayer.config.targets import Targets, host_of
from otel_asayer.propagation.context import get_session_id
from otel_asayer.propagation.session_id import SessionId
from otel_asayer.propagator import AsayerPropagator
from property.strategies import (
    HEADERS,
    any_text,
    carriers,
    names,
    objects,
    session_ids,
    texts,
    tokens,
)

PLAIN = AsayerPropagator(enabled=True)
OPAQUE = AsayerPropagator(opaque_session_ids=True, propagate_to_unknown=True)
DECIMAL = re.compile(r"[1-9][0-9]{0,19}")
VISIBLE = re.compile(r"[ -~]*")


class Call(trace.NonRecordingSpan):
    """A call as the SDK's spans tell of it."""

    def __init__(self, kind: SpanKind = SpanKind.CLIENT, **attributes: str) -> None:
        super().__init__(trace.INVALID_SPAN_CONTEXT)
        self.kind = kind
        self.attributes = {name.replace("__", "."): value for name, value in attributes.items()}


def injected(
    context: Context, propagator: AsayerPropagator = PLAIN, call: trace.Span | None = None
) -> dict[str, str]:
    carrier: dict[str, str] = {}
    propagator.inject(
        carrier, trace.set_span_in_context(call or Call(http__url="http://cart/"), context)
    )
    return carrier


def as_wsgi(carrier: dict[str, str]) -> dict[str, Any]:
    return {"wsgi.version": (1, 0)} | {
        "HTTP_" + name.upper().replace("-", "_"): value for name, value in carrier.items()
    }


def as_asgi(carrier: dict[str, str]) -> dict[str, Any]:
    raw = [
        (name.encode("utf-8", "surrogatepass"), value.encode("utf-8", "surrogatepass"))
        for name, value in carrier.items()
    ]
    return {"type": "http", "headers": raw}


def extracted(carrier: dict[str, str]) -> list[Context]:
    """The contexts that each of the ways to read a carrier gives."""
    return [
        PLAIN.extract(carrier, Context()),
        PLAIN.extract(as_wsgi(carrier), Context(), wsgi_getter),
        PLAIN.extract(as_asgi(carrier), Context(), asgi_getter),
    ]


@given(carriers())
def test_whatever_arrives_the_context_has_an_id_or_no_session(carrier: Any) -> None:
    values = [baggage.get_baggage("session.id", context) for context in extracted(carrier)]
    assert [
        value
        for value in values
        if value is not None and not (type(value) is SessionId and DECIMAL.fullmatch(value))
    ] == []


@given(carriers())
def test_whatever_arrives_only_visible_ascii_leaves(carrier: Any) -> None:
    passed = [value for context in extracted(carrier) for value in injected(context).values()]
    assert [value for value in passed if not VISIBLE.fullmatch(value)] == []


@given(carriers())
def test_whatever_arrives_the_header_that_leaves_is_an_id(carrier: Any) -> None:
    passed = [injected(context).get("x-session-id", "1") for context in extracted(carrier)]
    assert [value for value in passed if not DECIMAL.fullmatch(value)] == []


@given(st.sampled_from((*HEADERS, "baggage", "cookie")), tokens())
def test_no_signature_of_a_token_reaches_context_or_carrier(name: str, token: str) -> None:
    value = {"baggage": f"session.id={token}", "cookie": f"asayer_session_id={token}"}.get(
        name, token
    )
    signature = token.rpartition(".")[2]
    for context in extracted({name: value}):
        assert signature not in f"{dict(baggage.get_all(context))} {injected(context)}"


@given(st.sampled_from(HEADERS), session_ids)
def test_all_ways_to_read_a_carrier_agree(name: str, session_id: str) -> None:
    assert [get_session_id(context) for context in extracted({name: session_id})] == [
        session_id
    ] * 3


@given(st.dictionaries(objects.filter(lambda key: not isinstance(key, list)), objects, max_size=4))
def test_carriers_of_anything_are_survived(carrier: Any) -> None:
    assert isinstance(PLAIN.extract(carrier, Context()), Context)


@given(st.dictionaries(st.one_of(st.just("session.id"), any_text), objects, max_size=4))
def test_whatever_stands_in_baggage_only_ids_leave(entries: Any) -> None:
    context = Context()
    for key, value in entries.items():
        context = baggage.set_baggage(key, value, context)
    passed = injected(context)
    inside = re.findall(r"(?:\A|,)session\.id=([^,]*)", passed.get("baggage", ""))
    assert [
        value
        for value in (passed.get("x-session-id", "1"), *inside)
        if not DECIMAL.fullmatch(value)
    ] == []


@given(texts)
def test_opaque_ids_leave_as_unreserved_characters_of_two_parts_at_most(text: str) -> None:
    passed = injected(OPAQUE.extract({"x-session-id": text}, Context()), OPAQUE).get(
        "x-session-id", "x"
    )
    assert re.fullmatch(r"[A-Za-z0-9._~-]{1,128}", passed) is not None
    assert passed.count(".") < 2


@given(st.one_of(any_text, names.map("http://{}/".format)), session_ids)
def test_the_session_leaves_for_internal_hosts_only(url: str, session_id: str) -> None:
    host = host_of(url)
    passed = injected(
        PLAIN.extract({"x-session-id": session_id}, Context()), call=Call(http__url=url)
    )
    assert passed in ({}, {"x-session-id": session_id, "baggage": f"session.id={session_id}"})
    assert (passed != {}) == (host is not None and Targets.parse("internal").allow(host))


@given(
    session_ids,
    st.dictionaries(st.text("abc", min_size=1), any_text.filter(str.isprintable), max_size=3),
)
def test_baggage_leaves_as_the_w3c_propagator_writes_it(session_id: str, entries: Any) -> None:
    context = PLAIN.extract({"x-session-id": session_id}, Context())
    for key, value in entries.items():
        context = baggage.set_baggage(key, value, context)
    expected: dict[str, str] = {}
    W3CBaggagePropagator().inject(expected, context)
    assert injected(context) == expected | {"x-session-id": session_id}


@given(st.text(' \t,;=%+2aZ~!"(é\x7f', max_size=60))
def test_baggage_arrives_as_the_w3c_propagator_reads_it(header: str) -> None:
    expected = baggage.get_all(W3CBaggagePropagator().extract({"baggage": header}, Context()))
    assert baggage.get_all(PLAIN.extract({"baggage": header}, Context())) == expected


@given(session_ids)
def test_what_leaves_arrives_as_the_same_session(session_id: str) -> None:
    passed = injected(PLAIN.extract({"x-session-id": session_id}, Context()))
    assert [
        get_session_id(PLAIN.extract({name: value}, Context())) for name, value in passed.items()
    ] == [session_id] * 2
