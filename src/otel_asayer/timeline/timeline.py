"""A session, or a trace, as events ordered by time."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from otel_asayer.attributes import REPLAY_LEVELS
from otel_asayer.config.targets import host_of
from otel_asayer.documents.replay_records import ReplayLink
from otel_asayer.propagation.session_id import SessionId, parse_session_id
from otel_asayer.timeline.events import EventKind, TimelineEvent, event_of
from otel_asayer.timeline.times import nanoseconds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from otel_asayer.timeline.stored import Stored

__all__ = ["LONGEST_SESSION_NS", "Timeline", "session_start"]

_NS_PER_MS: Final = 1_000_000
_AUTHORITY: Final = re.compile(r"[/?#]")
"""Divides a URL into its scheme, nothing, and its authority."""
_CLOCKS_NS: Final = 3_600 * 1_000_000_000
LONGEST_SESSION_NS: Final = 7 * 24 * _CLOCKS_NS
"""Nanoseconds that an event may be before the session's start by its id, and after it."""


@dataclass(frozen=True)
class Timeline:
    """Events ordered by time; of two at the same time, by observation, depth, and arrival.

    Elasticsearch's own templates cut `@timestamp` to the millisecond, and a request may log ten
    lines in one. Spans and their events have no other time: they come before the log records of
    their millisecond.

    `session_id` is that of the events, None when they have none or several. `started_at_ns` is the
    start of the session by its id, or the time of the first event, in nanoseconds since 1970.
    """

    events: tuple[TimelineEvent, ...]
    session_id: SessionId | None
    started_at_ns: int

    @classmethod
    def of(cls, documents: Iterable[Stored], *, replay_url: str | None = None) -> Timeline:
        """Return the timeline of these documents; documents with one `_id` are one event.

        Args:
            documents: of spans, span events and log records, in any order.
            replay_url: the template of links to the replay; None: use the links that the documents
                have, and their form for the others.
        """
        events = sorted(
            {stored.id: event_of(stored) for stored in documents}.values(),
            key=lambda event: (event.time_ns, event.document.id),
        )
        session_id = _session_of(events)
        events = _linked(replay_url, events)
        depths = _depths(events)
        placed = [replace(event, depth=_depth(event, depths)) for event in events]
        placed.sort(key=_order)
        times = (event.time_ns for event in placed)
        return cls(tuple(placed), session_id, session_start(session_id, times))

    @property
    def services(self) -> tuple[str, ...]:
        """The names of the services, in the order in which they first occur."""
        return tuple(dict.fromkeys(event.service for event in self.events))

    @property
    def counts(self) -> Mapping[EventKind, int]:
        """How many events there are of each kind."""
        return {kind: sum(event.kind is kind for event in self.events) for kind in EventKind}

    @property
    def failures(self) -> int:
        """How many traces failed; an event of level `error` outside of a trace counts, too."""
        return len({event.failure for event in self.errors})

    @property
    def errors(self) -> tuple[TimelineEvent, ...]:
        """The events of level `error`."""
        return tuple(event for event in self.events if event.level == "error")

    def offset_ns(self, event: TimelineEvent) -> int:
        """Return nanoseconds from the session's start to an event; negative when clocks differ."""
        return event.time_ns - self.started_at_ns

    def only(
        self,
        *,
        services: Collection[str] = (),
        least_level: str = "debug",
        since_ns: int | None = None,
        until_ns: int | None = None,
    ) -> Timeline:
        """Return the events of these services (none: all), of at least this level, in this range.

        The range is nanoseconds from the session's start.
        """
        levels = REPLAY_LEVELS[REPLAY_LEVELS.index(least_level) :]
        chosen = (
            event
            for event in self.events
            if (not services or event.service in services)
            and event.level in levels
            and (since_ns is None or self.offset_ns(event) >= since_ns)
            and (until_ns is None or self.offset_ns(event) <= until_ns)
        )
        return replace(self, events=tuple(chosen))


def _order(event: TimelineEvent) -> tuple[int, int, int, bool, int, str]:
    document = event.document
    observed_ns = max(nanoseconds(document.source.get("observed_timestamp")), event.time_ns)
    return (
        event.time_ns,
        observed_ns,
        event.depth,
        not event.is_span,
        document.sequence,
        document.id,
    )


def _session_of(events: Sequence[TimelineEvent]) -> SessionId | None:
    ids = {event.session_id for event in events if event.session_id}
    return parse_session_id(ids.pop(), opaque=True) if len(ids) == 1 else None


def session_start(session_id: SessionId | None, times_ns: Iterable[int]) -> int:
    """Return a session's start by its id, if any of its events can belong to it.

    Else return the time of the first event. A number of another origin gives no time, and clocks
    may differ by minutes. Times are nanoseconds since 1970; events without a time are at 0.
    """
    times_ns = list(filter(None, times_ns))
    started_at_ms = session_id.started_at_ms if session_id else None
    if started_at_ms is not None:
        start_ns = started_at_ms * _NS_PER_MS
        if any(-_CLOCKS_NS <= time_ns - start_ns <= LONGEST_SESSION_NS for time_ns in times_ns):
            return start_ns
    return min(times_ns, default=0)


def _linked(replay_url: str | None, events: Sequence[TimelineEvent]) -> list[TimelineEvent]:
    """Return the events with their links to the replay.

    Anyone who may write documents can put any link there.
    """
    if replay_url:
        link = ReplayLink(replay_url)
        return [replace(event, replay_url=_url(link, event)) for event in events]
    marked = _marked(events)
    like = next(filter(None, map(_link_like, marked)), None)
    return [
        event if event.replay_url else replace(event, replay_url=_url(like, event))
        for event in marked
    ]


def _marked(events: Iterable[TimelineEvent]) -> list[TimelineEvent]:
    """Return the events; mark links to another host than the first link's, or with a user name."""
    usual = ""
    marked = []
    for event in events:
        strange = ""
        if event.replay_url:
            authority = _AUTHORITY.split(event.replay_url, maxsplit=3)[2]
            host = host_of(event.replay_url)  # None where two parsers could disagree
            if host and "@" not in authority and usual in ("", host):
                usual = host
            else:
                strange = host or authority
        marked.append(replace(event, strange_host=strange) if strange else event)
    return marked


def _link_like(event: TimelineEvent) -> ReplayLink | None:
    """Return the form of a document's link, so that events without a link get theirs."""
    session_id = parse_session_id(event.session_id)
    if (
        not event.replay_url
        or event.strange_host
        or session_id is None
        or "{" in event.replay_url
        or "}" in event.replay_url
    ):
        return None
    time_ms = str(event.time_ns // _NS_PER_MS)
    template = event.replay_url.replace(session_id, "{session_id}").replace(time_ms, "{time_ms}")
    if (started_at_ms := session_id.started_at_ms) and "{time_ms}" not in template:
        template = re.sub(
            rf"={max(int(time_ms) - started_at_ms, 0)}(?![0-9])", "={offset_ms}", template
        )
    return ReplayLink(template) if "{session_id}" in template else None


def _url(link: ReplayLink | None, event: TimelineEvent) -> str | None:
    session_id = parse_session_id(event.session_id)
    return link.url(session_id, event.time_ns) if link and session_id else None


def _depths(events: Iterable[TimelineEvent]) -> Mapping[tuple[str, str], int]:
    """Return the depth of each span, by trace and span id; 0 for spans in a circle of parents.

    Without recursion: chains may be long.
    """
    parents = {
        (event.trace_id, event.span_id): (event.trace_id, event.parent_span_id)
        for event in events
        if event.is_span and event.span_id
    }
    depths: dict[tuple[str, str], int] = {}
    for span in parents:
        chain: dict[tuple[str, str], None] = {}
        above = span
        while above in parents and above not in depths and above not in chain:
            chain[above] = None
            above = parents[above]
        in_circle, depth = above in chain, depths.get(above, -1)
        for member in reversed(chain):
            depth = 0 if in_circle else depth + 1
            in_circle = in_circle and member != above
            depths[member] = depth
    return depths


def _depth(event: TimelineEvent, depths: Mapping[tuple[str, str], int]) -> int:
    inside = depths.get((event.trace_id, event.span_id))
    if inside is None:
        return 0
    return inside if event.is_span else inside + 1
