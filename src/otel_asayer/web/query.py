"""The query of a session's page, as its URL has it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from otel_asayer.attributes import REPLAY_LEVELS
from otel_asayer.timeline import (
    NS_PER_S,
    Selection,
    SessionFilter,
    Timeline,
    TimelineEvent,
    offset_ns,
)
from otel_asayer.timeline.matching import parse_condition, text_filter

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

__all__ = ["PERIODS", "ListQuery", "Query", "path_of"]

PERIODS: Final = {
    "1h": (3600, "the last hour"),
    "24h": (86_400, "the last 24 hours"),
    "7d": (7 * 86_400, "the last 7 days"),
    "30d": (30 * 86_400, "the last 30 days"),
}
"""Seconds of the periods that can be chosen, and what they are called."""
_MAX_TEXT: Final = 200
_MAX_DIGITS: Final = 20


def path_of(selection: Selection) -> str:
    """Return the path of the page of a session or a trace."""
    return (
        f"/session/{quote(selection.session_id)}"
        if selection.session_id
        else f"/trace/{selection.trace_id}"
    )


@dataclass(frozen=True)
class ListQuery:
    """The filters of the list of sessions, as the first page's URL has them."""

    since: str = "24h"
    service: str = ""
    errors_only: bool = False
    text: str = ""

    @classmethod
    def of(cls, given: QueryParams) -> ListQuery:
        """Parse the query of a URL. Values that make no sense are ignored."""
        since = given.get("since", "")
        return cls(
            since if since in PERIODS else cls.since,
            given.get("service", "").strip()[:_MAX_TEXT],
            bool(given.get("errors")),
            given.get("text", "").strip()[:_MAX_TEXT],
        )

    def wanted(self, now_ns: int, *, opaque: bool) -> SessionFilter:
        """Return the sessions that are asked for at a time, in nanoseconds since 1970."""
        since_ns = now_ns - PERIODS[self.since][0] * NS_PER_S
        services = (self.service,) if self.service else ()
        return SessionFilter(since_ns, services, self.errors_only, self.text, opaque)


@dataclass(frozen=True)
class Query:
    """The filters, the range of time, the page of the list, and the event shown in detail.

    Values that make no sense are ignored.
    """

    services: tuple[str, ...] = ()
    level: str = REPLAY_LEVELS[0]
    text: str = ""
    since_ns: int | None = None
    until_ns: int | None = None
    """Nanoseconds from the session's start."""

    page: int | None = None
    event: str = ""
    """The `_id` of a document."""

    @classmethod
    def of(cls, given: QueryParams) -> Query:
        """Parse the query of a URL."""
        level = given.get("level", "")
        since_ns, until_ns = (
            _whole(given.get(exact, "")) if written is None else offset_ns(written)
            for exact, written in (("since", given.get("from")), ("until", given.get("to")))
        )
        if since_ns is not None and until_ns is not None and since_ns > until_ns:
            since_ns = until_ns = None
        return cls(
            services=tuple(given.getlist("service")),
            level=level if level in REPLAY_LEVELS else REPLAY_LEVELS[0],
            text=given.get("text", "").strip()[:_MAX_TEXT],
            since_ns=since_ns,
            until_ns=until_ns,
            page=_whole(given.get("page", "")),
            event=given.get("event", ""),
        )

    def within(self, timeline: Timeline) -> Query:
        """Return the query with only the services that the timeline has.

        Others would only make each link of the page longer.
        """
        known = tuple(service for service in timeline.services if service in self.services)
        return replace(self, services=known or self.services[:1])

    @property
    def is_filtered(self) -> bool:
        """Whether events are hidden."""
        return bool(self.services or self.text or self.level != REPLAY_LEVELS[0] or self.is_part)

    @property
    def is_part(self) -> bool:
        """Whether only a range of time is shown."""
        return (self.since_ns, self.until_ns) != (None, None)

    def link(self, **changes: Any) -> str:
        """Return the URL of this page with these changes, relative to it."""
        changed = replace(self, **changes)
        pairs = [("service", service) for service in changed.services]
        pairs += [("level", changed.level)] if changed.level != REPLAY_LEVELS[0] else []
        pairs += [("text", changed.text)] if changed.text else []
        numbers = (("since", changed.since_ns), ("until", changed.until_ns), ("page", changed.page))
        pairs += [(name, str(number)) for name, number in numbers if number is not None]
        pairs += [("event", changed.event)] if changed.event else []
        return f"?{urlencode(pairs)}"

    def attribute_link(self, name: str, value: str) -> str:
        """Return the URL of the events with this attribute; empty where the filter has no form."""
        text = f"{name}:{value}"
        fits = len(text) <= _MAX_TEXT and parse_condition(text) == (name, value)
        return self.link(text=text, event="", page=None) if fits else ""

    def apply(self, timeline: Timeline) -> Timeline:
        """Return the events that pass the filters; a span that reaches into the range is in it."""
        found = timeline.only(services=self.services, least_level=self.level)
        has_text = text_filter(self.text)
        events = (
            event for event in found.events if self._in_part(timeline, event) and has_text(event)
        )
        return replace(found, events=tuple(events))

    def _in_part(self, timeline: Timeline, event: TimelineEvent) -> bool:
        start = timeline.offset_ns(event)
        return (self.until_ns is None or start <= self.until_ns) and (
            self.since_ns is None or start + (event.duration_ns or 0) >= self.since_ns
        )


def _whole(text: str) -> int | None:
    return (
        int(text)
        if text.removeprefix("-").isdecimal() and text.isascii() and len(text) <= _MAX_DIGITS
        else None
    )
