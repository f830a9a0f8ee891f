"""Replay records: documents that all three generations of Asayer's and OpenReplay's readers show.

What the readers need:

- Asayer finds a record by `asayer_session_id=([0-9]+)` in `message`, OpenReplay 1.5 to 1.20 by
  `openReplaySessionToken=([0-9a-zA-Z.]+)`; both ignore case and take the first match, and need
  `utc_time` and `timestamp`. OpenReplay from 1.21 on asks for the phrase
  `openReplaySession.id=<id>`.
- The panel shows `message`, `@timestamp` (a string in ISO 8601) and `level`. One record without
  `level`, or with another one than `error`, `warning`, `info` and `debug`, breaks the panel or
  hides the level.
- `tags` holds `error` for errors alone: the older readers list all records that have it.

A link to a moment in a replay has the form of Asayer and OpenReplay,
`https://app.openreplay.com/{project_id}/session/{session_id}?jumpto={time_ms}`. `jumpto` is a time
in milliseconds since 1970 from OpenReplay 1.15 on, and an offset from the session's start in 1.5 to
1.14: hence two placeholders.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias

from otel_asayer.attributes import HANDLED, REPLAY_LEVELS, REPLAY_URL, SESSION_ID
from otel_asayer.config.parsers import parse_replay_url
from otel_asayer.documents.operations import Operation, ReplayIndices, day_of
from otel_asayer.documents.summaries import exception_message, exception_text, exception_type_name
from otel_asayer.documents.values import NS_PER_MS, iso_timestamp, json_fragment, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orjson import Fragment

    from otel_asayer.propagation.session_id import SessionId

__all__ = [
    "SERVICE_NAME",
    "Batch",
    "NamedService",
    "ReplayLink",
    "ReplayRecords",
    "Service",
    "Source",
    "service_of",
    "without_tags",
]

SERVICE_NAME: Final = "service.name"

# Elasticsearch's standard analyzer makes one term of `openReplaySession.id`, and finds the phrase
# whatever stands between it and the number. It lower-cases `İ` to `i`, as Python's IGNORECASE does.
_TAG: Final = re.compile(r"(asayer_session|openReplaySession)(?=_id|\.id|Token)", re.IGNORECASE)
_IN_EACH_TAG: Final = "sess"
# A tag that no reader finds: an invisible zero-width space divides its term in two.
_WITHOUT_EFFECT: Final = "\\1\u200b"


class ReplayLink:
    """A template of links to a moment in the replay of a session."""

    __slots__ = ("_fill",)

    def __init__(self, template: str) -> None:
        """Check `template` once, so that filling it cannot fail.

        Raises:
            ValueError: `template` has no `{session_id}`, or a placeholder that does not exist.
        """
        # The operator takes half of the time of `str.format`.
        self._fill = (
            parse_replay_url(template)
            .replace("%", "%%")
            .format(session_id="%(session_id)s", time_ms="%(time_ms)d", offset_ms="%(offset_ms)d")
            .__mod__
        )

    def url(self, session_id: SessionId, time_ns: int) -> str | None:
        """Return the link to the moment `time_ns` (nanoseconds since 1970) of a session.

        None for an opaque session, which has no replay. A moment before the session's start, as
        clocks differ, counts as its start.
        """
        started_at_ms = _started_at_ms(session_id)
        if started_at_ms is None:
            return None
        time_ms = time_ns // NS_PER_MS if time_ns > 0 else 0
        offset_ms = time_ms - started_at_ms if time_ms > started_at_ms else 0
        return self._fill({"session_id": session_id, "time_ms": time_ms, "offset_ms": offset_ms})


# Ids only, in a bounded number: nothing that an application recorded.
@lru_cache(maxsize=1024)
def _started_at_ms(session_id: SessionId) -> int | None:
    return session_id.started_at_ms


@dataclass(slots=True)
class Batch:
    """What one call of the encoder has made so far."""

    operations: list[Operation] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    # Ids of the exceptions' replay records: an exception that passes through several spans is
    # sent with its stack once.
    exceptions: set[str] = field(default_factory=set)


class NamedService(Protocol):
    """The service that replay records name; see `Service`."""

    @property
    def service(self) -> str:
        """What messages append for the service's name, or nothing."""

    @property
    def service_resource(self) -> Fragment | None:
        """A resource with the service's name alone, if it has one."""


class Service(NamedTuple):
    """How replay records name a service.

    Attributes:
        service: What messages append for its name, or nothing.
        service_resource: A resource with its name alone, if it has one.
    """

    service: str
    service_resource: Fragment | None


def service_of(name: str) -> Service:
    """Return how replay records name the service `name`, which may be empty."""
    return (
        Service(
            without_tags(f" · service {one_line(name)}"),
            json_fragment({"attributes": {SERVICE_NAME: name}}),
        )
        if name
        else Service("", None)
    )


Source: TypeAlias = "tuple[str, SessionId, ReplayIndices, NamedService, str, str]"
"""What a replay record takes from the document that it goes with: its `_id`, its session, where
records go, its service, its trace id and span id (empty where it has none).

A plain tuple: an object of a class takes seven times as long to make.
"""


class ReplayRecords:
    """Writes the replay records and links that go with documents, as the settings ask."""

    def __init__(self, link: ReplayLink | None, least_level: str | None) -> None:
        """Write records from `least_level` on (None: no records), and `link` (None: no links).

        Raises:
            ValueError: there is no such level.
        """
        if least_level not in (None, *REPLAY_LEVELS):
            raise ValueError(
                f"There is no level {least_level!r} of replay records; there are "
                f"{', '.join(REPLAY_LEVELS)}."
            )
        self._link = link
        self._levels = frozenset(
            REPLAY_LEVELS[REPLAY_LEVELS.index(least_level) :] if least_level else ()
        )

    def add_link(self, attributes: dict[str, Any], session: SessionId, time_ns: int) -> None:
        """Put the link to a moment into a document's attributes."""
        if self._link is not None:
            attributes[REPLAY_URL] = self._link.url(session, time_ns)

    def add(self, batch: Batch, source: Source, time_ns: int, level: str, text: str) -> None:
        """Add the record that goes with a document, if records of its level are wanted.

        Args:
            batch: where to.
            source: the document.
            time_ns: the moment in the replay, in nanoseconds since 1970.
            level: one of `REPLAY_LEVELS`.
            text: what happened, its first line in short. A session's tag in it loses its effect.
        """
        if level in self._levels:
            batch.operations.append(_operation(source, f"{source[0]}r", time_ns, level, text))

    def add_exception(
        self, batch: Batch, source: Source, time_ns: int, attributes: Mapping[str, Any]
    ) -> None:
        """Add the record of an exception with these attributes, unless the batch has it.

        Its level is `warning` where a server span answered the exception, else `error`.
        """
        record_id = _exception_record_id(source, attributes)
        level = "warning" if attributes.get(HANDLED) is True else "error"
        if level in self._levels and record_id not in batch.exceptions:
            batch.exceptions.add(record_id)
            batch.operations.append(
                _operation(source, record_id, time_ns, level, exception_text(attributes))
            )


def _operation(source: Source, record_id: str, time_ns: int, level: str, text: str) -> Operation:
    """Return a record's operation, made in one pass: a request in a session needs one each."""
    _, session, indices, named, trace_id, span_id = source
    time = iso_timestamp(time_ns)
    if _IN_EACH_TAG in text.lower():
        text = without_tags(text)
    first, line_break, rest = text.partition("\n")
    trace = f" · trace {trace_id}" if trace_id else ""
    service = named.service
    document: dict[str, Any] = {
        "@timestamp": time,
        "utc_time": time,
        "timestamp": time,
        "message": f"{_tags(session)}{first.rstrip()}{service}{trace}{line_break}{rest}",
        "level": level,
        "attributes": {SESSION_ID: session},
    }
    if level == "error":
        document["tags"] = ["error"]
    if trace_id:
        document["trace_id"] = trace_id
    if span_id:
        document["span_id"] = span_id
    if named.service_resource is not None:
        document["resource"] = named.service_resource
    return indices.operation(record_id, document, day_of(time))


@lru_cache(maxsize=1024)
def _tags(session: SessionId) -> str:
    """Return what a message begins with, and its reader looks for."""
    return (
        f"[asayer_session_id={session}][openReplaySession.id={session}]"
        f"[openReplaySessionToken={session}] "
    )


def _exception_record_id(source: Source, attributes: Mapping[str, Any]) -> str:
    """Return the `_id` of an exception's record, the same for all spans and log records of a trace.

    Only the last part of the type counts: handlers of the standard library's logging leave the
    module out, span events do not.
    """
    document_id, session, _, _, trace_id, _ = source
    if not trace_id:
        return f"{document_id}er"
    parts = (session, exception_type_name(attributes), exception_message(attributes))
    return f"{trace_id}-{blake2b(chr(0).join(parts).encode(), digest_size=16).hexdigest()}r"


def without_tags(text: str) -> str:
    """Return `text` with each session's tag in it broken, so that no reader finds it."""
    return _TAG.sub(_WITHOUT_EFFECT, text) if _IN_EACH_TAG in text.lower() else text
