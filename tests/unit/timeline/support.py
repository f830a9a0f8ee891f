"""Documents of a session, as the exporter writes them, and as short as a test needs them."""

from __future__ import annotations

from typing import Any

import orjson

from otel_asayer.documents import Operation
from otel_asayer.documents.values import otel_timestamp
from otel_asayer.timeline import Stored

SESSION = "2618307011354435587"
START_NS = 1_706_063_259_324_000_000
"""When that session began, as its id tells: 2024-01-24T02:27:39.324Z."""
TOKEN = "jw4wdfpgqhoj.3az.lrraavgc.ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"
"""Of that session."""
TRACE = "5b8aa5a2d2c872e8321cf37308d69df2"
REPLAY_URL = "https://replay.example/7/session/{session_id}?jumpto={time_ms}"
STACK = """Traceback (most recent call last):
  File "/app/shop/cart.py", line 7, in total
    return prices[name]
KeyError: 'lamp'
"""


def document(
    at_ms: float, attributes: dict[str, Any], service: str = "shop", **fields: Any
) -> dict[str, Any]:
    return {
        "@timestamp": otel_timestamp(START_NS + int(at_ms * 1_000_000)),
        "attributes": {"session.id": SESSION, **attributes},
        "resource": {"attributes": {"service.name": service}},
        "trace_id": TRACE,
        **fields,
    }


def span(
    name: str,
    at_ms: float = 0,
    *,
    parent: str = "",
    ms: float = 1,
    service: str = "shop",
    attributes: Any = None,
    **fields: Any,
) -> Stored:
    """A span whose id is its name; a request's, unless it has a parent."""
    source = {
        "name": name,
        "kind": "Internal",
        "span_id": name,
        "parent_span_id": parent,
        "duration": int(ms * 1_000_000),
        "status": {},
    }
    return Stored(
        "traces-generic.otel-default",
        f"s-{name}",
        document(at_ms, attributes or {}, service, **{**source, **fields}),
    )


def log(
    text: str,
    at_ms: float = 0,
    *,
    severity: int = 9,
    inside: str = "",
    service: str = "shop",
    attributes: Any = None,
    **fields: Any,
) -> Stored:
    source = {"body": {"text": text}, "severity_number": severity, "span_id": inside}
    return Stored(
        "logs-generic.otel-default",
        f"l-{text[:99]}-{at_ms}",
        document(at_ms, attributes or {}, service, **{**source, **fields}),
    )


def raised(
    kind: str,
    message: str,
    at_ms: float = 0,
    *,
    stack: str = STACK,
    inside: str = "",
    service: str = "shop",
    attributes: Any = None,
    **fields: Any,
) -> Stored:
    """An exception as a span event."""
    given = {
        "exception.type": kind,
        "exception.message": message,
        "exception.stacktrace": stack,
        **(attributes or {}),
    }
    source = {"event_name": "exception", "span_id": inside}
    return Stored(
        "logs-generic.otel-default",
        f"e-{kind}-{message}-{at_ms}",
        document(at_ms, given, service, **{**source, **fields}),
    )


def operation(stored: Stored) -> Operation:
    """The two lines with which a document waits in the spool."""
    plain = (
        stored.id
        if stored.id.isprintable() and not set(stored.id) & set('"\\')
        else stored.id.encode("utf-8", "surrogatepass").hex()
    )
    action = {"create": {"_index": stored.index, "_id": plain}}  # no `_id` of ours needs escaping
    return Operation(
        orjson.dumps(action, option=orjson.OPT_APPEND_NEWLINE)
        + orjson.dumps(stored.source, option=orjson.OPT_APPEND_NEWLINE)
    )
