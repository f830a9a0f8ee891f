"""A stored document as an event: what happened, where, when, for how long, and its level."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from opentelemetry.trace import Status, StatusCode

from otel_asayer.attributes import HANDLED, REPLAY_URL, SESSION_ID
from otel_asayer.documents import (
    EXCEPTION_STACKTRACE,
    EXCEPTION_TYPE,
    entry_summary,
    exception_text,
    level_of,
    one_line,
    outgoing_summary,
    text_of,
)
from otel_asayer.timeline.stored import Stored, flat, identifier
from otel_asayer.timeline.times import nanoseconds

__all__ = ["ENTRY_KINDS", "EventKind", "TimelineEvent", "event_of"]

ENTRY_KINDS: Final = ("Server", "Consumer")
_UNKNOWN_SERVICE: Final = "unknown_service"
_MAX_CHARACTERS: Final = 1000
"""Characters of a title: one line of a log may hold a whole file."""
_LIMIT_NS: Final = 1 << 63
_WEB_ADDRESS: Final = re.compile(r"https?://[!-~]+")
"""Allows nothing that breaks out of a link in a terminal or a page, and no other scheme."""


class EventKind(Enum):
    """What kind of event it is."""

    REQUEST = "request"
    """A span that enters a service: a request, a message, the root of a trace."""

    SPAN = "span"
    """Any other span."""

    LOG = "log"
    EVENT = "event"
    """A span event that is no exception."""

    EXCEPTION = "exception"


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """An event of a session. Times are nanoseconds since 1970, durations nanoseconds."""

    time_ns: int
    kind: EventKind
    service: str
    level: str
    """`error`, `warning`, `info` or `debug`."""

    title: str
    """One line, of a thousand characters at most."""

    document: Stored = field(repr=False)
    duration_ns: int | None = None
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    session_id: str = ""
    replay_url: str | None = None
    """The document's, if it is a web address; a timeline adds it to other events where it can."""

    strange_host: str = ""
    """The host of its link, if a person should see it before following the link.

    Only documents name that host, and it differs from the host of the other links.
    """

    depth: int = 0
    """The number of spans around it, of all services, that the timeline has."""

    @property
    def attributes(self) -> dict[str, Any]:
        """Its attributes, by their dotted names."""
        return flat(self.document.source.get("attributes"))

    @property
    def resource(self) -> dict[str, Any]:
        """The attributes of its resource, by their dotted names."""
        return _resource(self.document.source)

    @property
    def body(self) -> str:
        """The whole text of a log record; empty for other events."""
        return _body(self.document.source.get("body"))

    @property
    def stack(self) -> str:
        """The stack trace of an exception; empty for other events."""
        return text_of(self.attributes.get(EXCEPTION_STACKTRACE) or "")

    @property
    def failure(self) -> str:
        """What failed, if its level is `error`: its trace, or outside of one, the event itself.

        So a failed request, its exception, and the line that logs both are one failure.
        """
        return (self.trace_id or self.document.id) if self.level == "error" else ""

    @property
    def is_span(self) -> bool:
        """Whether it is a span: other events can happen inside it."""
        return self.kind in (EventKind.REQUEST, EventKind.SPAN)


def event_of(stored: Stored) -> TimelineEvent:
    """Return the event that a span's, span event's or log record's document describes.

    No content of the document makes this fail.
    """
    source = stored.source
    attributes = flat(source.get("attributes"))
    kind, level, title = _told(source, attributes)
    url = attributes.get(REPLAY_URL)
    return TimelineEvent(
        time_ns=nanoseconds(source.get("@timestamp")),
        kind=kind,
        service=_service(source),
        level=level,
        title=_short(one_line(title)),
        document=stored,
        duration_ns=_whole(source.get("duration")) if "duration" in source else None,
        trace_id=identifier(source.get("trace_id")),
        span_id=identifier(source.get("span_id")),
        parent_span_id=identifier(source.get("parent_span_id")),
        session_id=identifier(attributes.get(SESSION_ID)),
        replay_url=url if isinstance(url, str) and _WEB_ADDRESS.fullmatch(url) else None,
    )


def _told(source: Mapping[str, Any], attributes: Mapping[str, Any]) -> tuple[EventKind, str, str]:
    if "duration" in source or "kind" in source:
        return _span(source, attributes)
    severity = _whole(source.get("severity_number"))
    body = _body(source.get("body"))
    if EXCEPTION_TYPE in attributes and not body:
        return (
            EventKind.EXCEPTION,
            "warning" if attributes.get(HANDLED) is True else "error",
            _first_line(exception_text(attributes)),
        )
    if severity or body:
        return (
            EventKind.LOG,
            level_of(severity),
            _first_line(body) or text_of(source.get("event_name") or "(no body)"),
        )
    return EventKind.EVENT, "info", text_of(source.get("event_name") or "(no name)")


def _span(source: Mapping[str, Any], attributes: Mapping[str, Any]) -> tuple[EventKind, str, str]:
    name = text_of(source.get("name") or "(no name)")
    status = _status(source.get("status"))
    if source.get("kind") in ENTRY_KINDS or not source.get("parent_span_id"):
        level, title = entry_summary(name, attributes, status, None)
        is_call = source.get("kind") == "Client"
        return EventKind.REQUEST, level, outgoing_summary(name, attributes) if is_call else title
    level = "info" if status.is_ok else "error"
    return EventKind.SPAN, level, outgoing_summary(name, attributes)


def _status(status: Any) -> Status:
    if not isinstance(status, Mapping) or status.get("code") != "Error":
        return Status(StatusCode.UNSET)
    return Status(StatusCode.ERROR, text_of(status.get("message") or ""))


def _body(body: Any) -> str:
    told = (
        (body["text"] if "text" in body else body.get("structured"))
        if isinstance(body, Mapping)
        else body
    )
    return "" if told is None else text_of(told)


def _service(source: Mapping[str, Any]) -> str:
    return one_line(text_of(_resource(source).get("service.name") or _UNKNOWN_SERVICE))


def _resource(source: Mapping[str, Any]) -> dict[str, Any]:
    resource = source.get("resource")
    return flat(resource.get("attributes")) if isinstance(resource, Mapping) else {}


def _whole(value: Any) -> int:
    return (
        value
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LIMIT_NS
        else 0
    )


def _first_line(text: str) -> str:
    return text.lstrip().partition("\n")[0]


def _short(title: str) -> str:
    return title if len(title) <= _MAX_CHARACTERS else f"{title[: _MAX_CHARACTERS - 1]}…"
