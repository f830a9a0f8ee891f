"""Sessions in a list: when each began, how long it lasted, what took part and what failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_asayer.documents import text_of
from otel_asayer.propagation.session_id import SessionId, parse_session_id
from otel_asayer.timeline.events import EventKind, TimelineEvent, event_of
from otel_asayer.timeline.matching import text_filter
from otel_asayer.timeline.timeline import Timeline, session_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from otel_asayer.timeline.stored import Stored

__all__ = [
    "MAX_SESSIONS",
    "USER_AGENT",
    "SessionFilter",
    "SessionSummary",
    "linked",
    "list_sessions",
]

MAX_SESSIONS: Final = 1000
"""Sessions of one list; with more, Elasticsearch's buckets take too much of its memory."""
USER_AGENT: Final = ("user_agent.original", "http.user_agent")
"""Attributes that name the browser, of today's semantic conventions and of those before 1.23."""


@dataclass(frozen=True)
class SessionFilter:
    """The sessions that have an event which passes all of these filters."""

    since_ns: int = 0
    """Only events from this time on, in nanoseconds since 1970."""

    services: tuple[str, ...] = ()
    """Only events of these services; none: of all."""

    errors_only: bool = False
    """Only events of level `error`."""

    text: str = ""
    """Only events that hold this text; see `matching.text_filter`."""

    opaque: bool = False
    """Whether sessions of other systems count."""

    @property
    def is_filtered(self) -> bool:
        """Whether it leaves out sessions of its time."""
        return bool(self.services or self.errors_only or self.text)

    def predicate(self) -> Callable[[TimelineEvent], bool]:
        """Return whether an event passes."""
        has_text = text_filter(self.text)
        return lambda event: (
            event.time_ns >= self.since_ns
            and (not self.services or event.service in self.services)
            and (not self.errors_only or event.level == "error")
            and has_text(event)
        )


@dataclass(frozen=True)
class SessionSummary:
    """A session in a list. Times are nanoseconds since 1970."""

    session_id: SessionId
    started_at_ns: int
    """By its id, or else the time of its first event."""

    last_ns: int
    """When its last event began."""

    services: tuple[str, ...]
    """Sorted by name."""

    documents: int
    requests: int
    errors: int
    """Traces in which something failed, and failures outside of a trace."""

    user_agent: str = ""
    first_request: TimelineEvent | None = field(default=None, repr=False)

    @property
    def duration_ns(self) -> int:
        """From its start to its last event."""
        return max(self.last_ns - self.started_at_ns, 0)


@dataclass
class _Sum:
    """What is known of a session so far."""

    times: list[int]
    services: set[str] = field(default_factory=set)
    documents: int = 0
    requests: int = 0
    failed: set[str] = field(default_factory=set)
    agent: str = ""
    first_request: TimelineEvent | None = None
    passes: bool = False

    def add(self, event: TimelineEvent) -> None:
        time_ns = event.time_ns
        self.times = [min(self.times[0], time_ns), max(self.times[1], time_ns)]
        self.services.add(event.service)
        self.documents += 1
        if event.failure:
            self.failed.add(event.failure)
        if event.kind is EventKind.REQUEST:
            self.requests += 1
            attributes = event.attributes
            self.agent = self.agent or next(
                (text_of(attributes[name]) for name in USER_AGENT if attributes.get(name)), ""
            )
            if self.first_request is None or time_ns < self.first_request.time_ns:
                self.first_request = event

    def summary(self, session_id: SessionId) -> SessionSummary:
        return SessionSummary(
            session_id,
            session_start(session_id, self.times),
            self.times[1],
            tuple(sorted(self.services)),
            self.documents,
            self.requests,
            len(self.failed),
            self.agent,
            self.first_request,
        )


def list_sessions(
    documents: Iterable[Stored], wanted: SessionFilter, limit: int
) -> tuple[list[SessionSummary], bool]:
    """Return the sessions of these documents, the latest first, and whether these are all.

    Args:
        documents: in any order; documents with one `_id` are one event.
        wanted: which sessions.
        limit: how many at most.
    """
    sums: dict[SessionId, _Sum] = {}
    seen: set[str] = set()
    passes = wanted.predicate()
    for stored in documents:
        if stored.id in seen:
            continue
        seen.add(stored.id)
        event = event_of(stored)
        session_id = parse_session_id(event.session_id, opaque=wanted.opaque)
        if session_id is None or session_id != event.session_id:
            continue
        one = sums.setdefault(session_id, _Sum([event.time_ns, event.time_ns]))
        one.add(event)
        one.passes = one.passes or passes(event)
    found = sorted(
        (one.summary(session_id) for session_id, one in sums.items() if one.passes),
        key=lambda summary: -summary.last_ns,
    )
    return found[:limit], len(found) <= limit


def linked(
    sessions: Sequence[SessionSummary], replay_url: str | None
) -> Mapping[SessionId, TimelineEvent]:
    """Return the first request of each session, with its link to the replay.

    Args:
        sessions: those without a request are left out.
        replay_url: the template of links; None: use the links that the documents have.
    """
    first = [summary.first_request.document for summary in sessions if summary.first_request]
    events = {
        event.document.id: event for event in Timeline.of(first, replay_url=replay_url).events
    }
    return {
        summary.session_id: events[summary.first_request.document.id]
        for summary in sessions
        if summary.first_request
    }
