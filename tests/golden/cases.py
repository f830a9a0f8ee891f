"""The recordings behind the golden files: function `name_of_file` makes `name-of-file.ndjson`.

The docstring of each function is its text in `docs/reference/documents.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from golden.recording import MS, REPLAY_URL, SESSION, START, TRACE_ID, Recording, caller, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.util.types import AnyValue

IN_SESSION = {"session.id": SESSION}
STACK = """Traceback (most recent call last):
  File "/srv/shop/cart.py", line 42, in add
    charge(card)
shop.errors.CardDeclined: insufficient funds
"""
EXCEPTION = {
    "exception.type": "shop.errors.CardDeclined",
    "exception.message": "insufficient funds",
    "exception.stacktrace": STACK,
    "exception.escaped": "False",
}


def request_in_a_session() -> Recording:
    """A request from a browser with a replay.

    The span has a link to that moment in the replay. The replay record follows it.
    """
    recording = Recording(schema_url="https://opentelemetry.io/schemas/1.37.0")
    attributes: dict[str, AnyValue] = {
        "http.request.method": "GET",
        "http.route": "/cart/{id}",
        "url.path": "/cart/42",
        "url.query": "coupon=secret",
        "http.response.status_code": 200,
        **IN_SESSION,
    }
    span = recording.tracer.start_span(
        "GET /cart/{id}", caller(), SpanKind.SERVER, attributes, start_time=START
    )
    span.end(START + 132 * MS)
    return recording


def span_without_a_session() -> Recording:
    """A span without a session creates no other document."""
    recording = Recording()
    recording.tracer.start_span(
        "SELECT shop.cart", caller(is_remote=False), SpanKind.CLIENT, start_time=START
    ).end(START + 5)
    return recording


def span_with_everything() -> Recording:
    """A span with trace state, links, status, and counts of what the limits dropped."""
    limits = SpanLimits(max_span_attributes=2, max_events=1, max_links=1, max_link_attributes=1)
    recording = Recording(limits=limits)
    linked = SpanContext(
        TRACE_ID + 1,
        0xABC,
        is_remote=True,
        trace_flags=TraceFlags(1),
        trace_state=TraceState([("vendor", "linked")]),
    )
    link = Link(linked, {"messaging.operation.type": "receive"})
    context = caller(trace_state=TraceState([("vendor", "value"), ("other", "1")]))
    attributes: dict[str, AnyValue] = {
        "dropped": True,
        "messaging.system": "kafka",
        "messaging.destination.name": "orders",
    }
    span = recording.tracer.start_span(
        "orders process", context, SpanKind.CONSUMER, attributes, [link, link], START
    )
    span.add_event("dropped", timestamp=START)
    span.add_event("order accepted", {"order.id": 17}, START + MS)
    span.set_status(Status(StatusCode.ERROR, "mailbox full"))
    span.end(START + 1500 * MS)
    return recording


def values_of_attributes() -> Recording:
    """Attributes with values of every type."""
    attributes: dict[str, AnyValue] = {
        "string": "Grüße, 世界 🎉",
        "integer": 3,
        "float": 3.0,
        "beyond.int64": 2**63,
        "beyond.uint64": 2**64,
        "not.a.number": float("nan"),
        "infinite": float("-inf"),
        "boolean": True,
        "nothing": None,
        "bytes": b"\x00\xff",
        "list": [1, 2],
        "mixed.list": [1, "two", None, b"\x03"],
        "map": {"nested": {"deep": [{"map": True}]}},
        "surrogate": "half \ud83d of a pair",
        "clash": 1,
        "clash.sub": 2,
        "geo.location.lat": 52.52,
        "geo.location.lon": 13.4,
    }
    recording = Recording()
    recording.tracer.start_span(
        "values", caller(is_remote=False), attributes=attributes, start_time=START
    ).end(START)
    return recording


def routed_by_attributes() -> Recording:
    """Attributes choose the data stream and are then removed.

    Here, the dataset comes from the scope and the namespace from the span.
    """
    resource = Resource({"service.name": "shop", "data_stream.dataset": "of the resource"})
    recording = Recording(resource, attributes={"data_stream.dataset": "Check-Out"})
    attributes = {"data_stream.namespace": "eu-1", **IN_SESSION}
    recording.tracer.start_span("pay", attributes=attributes, start_time=START).end(START + MS)
    return recording


def exception_through_spans_and_a_log_record() -> Recording:
    """An exception that leaves two spans and is then logged.

    Each time it creates a document. All three share one replay record.
    """
    recording = Recording()
    outer = recording.tracer.start_span(
        "POST /cart",
        kind=SpanKind.SERVER,
        attributes={"http.request.method": "POST", **IN_SESSION},
        start_time=START,
    )
    inside: Context = set_span_in_context(outer)
    inner = recording.tracer.start_span(
        "charge", inside, attributes=IN_SESSION, start_time=START + MS
    )
    for span, end in ((inner, START + 2 * MS), (outer, START + 3 * MS)):
        span.add_event("exception", EXCEPTION, end)
        span.set_status(Status(StatusCode.ERROR, "CardDeclined: insufficient funds"))
        span.end(end)
    logged = {
        "exception.type": "CardDeclined",
        "exception.message": "insufficient funds",
        "exception.stacktrace": STACK,
        **IN_SESSION,
    }
    _log(recording, "POST /cart failed", SeverityNumber.ERROR, "ERROR", inside, attributes=logged)
    return recording


def log_record_in_a_session() -> Recording:
    """A log record of the application, and its replay record."""
    recording = Recording()
    _log(
        recording,
        "payment by card",
        SeverityNumber.WARN,
        "WARNING",
        caller(),
        attributes={"code.line.number": 42, **IN_SESSION},
    )
    return recording


def bodies_of_log_records() -> Recording:
    """Bodies of every type: map, list of maps, list, integer, boolean, bytes, none."""
    recording = Recording()
    bodies: tuple[AnyValue, ...] = (
        {"order": 17, "paid": False},
        [{"a": 1}, {"b": 2}],
        [1, "two"],
        17,
        True,
        b"\x00\xff",
        None,
    )
    for body in bodies:
        _log(recording, body, SeverityNumber.INFO, "INFO")
    return recording


def named_log_record() -> Recording:
    """An event is a log record with a name."""
    recording = Recording()
    _log(recording, None, event_name="order.accepted", attributes={"order.id": 17, **IN_SESSION})
    return recording


def session_of_another_system() -> Recording:
    """An opaque session id is stored in the document, but creates no replay record."""
    recording = Recording()
    recording.tracer.start_span(
        "GET /", kind=SpanKind.SERVER, attributes={"session.id": "a1b2-c3d4"}, start_time=START
    ).end(START + MS)
    return recording


def _log(
    recording: Recording,
    body: AnyValue,
    severity_number: SeverityNumber | None = None,
    severity_text: str | None = None,
    context: Context | None = None,
    **options: Any,
) -> None:
    recording.logger.emit(
        LogRecord(
            timestamp=START,
            observed_timestamp=START + MS,
            context=context,
            severity_number=severity_number,
            severity_text=severity_text,
            body=body,
            **options,
        )
    )


CASES: tuple[Callable[[], Recording], ...] = (
    request_in_a_session,
    span_without_a_session,
    span_with_everything,
    exception_through_spans_and_a_log_record,
    log_record_in_a_session,
    bodies_of_log_records,
    named_log_record,
    values_of_attributes,
    routed_by_attributes,
    session_of_another_system,
)


def file_name(case: Callable[[], Recording]) -> str:
    """Name of a case's golden file."""
    return case.__name__.replace("_", "-") + ".ndjson"


def golden(case: Callable[[], Recording]) -> bytes:
    """What a case's golden file should hold."""
    return b"".join(encode(case(), replay_url=REPLAY_URL))
