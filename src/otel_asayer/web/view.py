"""The page of a session: its facts, the picture, a page of the list, one event in detail. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from otel_asayer.documents import (
    EXCEPTION_MESSAGE,
    EXCEPTION_STACKTRACE,
    EXCEPTION_TYPE,
    text_of,
)
from otel_asayer.timeline import (
    EventKind,
    Selection,
    StackPart,
    Timeline,
    TimelineEvent,
    identifier,
    location_of,
    offset,
    stack_parts,
)
from otel_asayer.web.waterfall import Waterfall, colours_of, draw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from otel_asayer.web.query import Query
    from otel_asayer.web.reader import Story

__all__ = ["ROWS", "Detail", "SessionView"]

ROWS: Final = 500
"""Rows of the list on one page."""
_MAX_DEPTH: Final = 12
_MAX_TEXT: Final = 20_000
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Row:
    """An event in the list."""

    number: int
    event: TimelineEvent
    around: int | None = None
    """The number of the row of the span around it, if that is on the same page."""

    folds: bool = False
    """Whether rows of this page are inside of it."""

    share: float = 0.0
    """Its duration, in percent of the longest on the page."""

    @property
    def indent(self) -> int:
        """Its depth, up to a limit."""
        return min(self.event.depth, _MAX_DEPTH)


@dataclass(frozen=True)
class Detail:
    """One event with all stored data, and its neighbours."""

    event: TimelineEvent
    number: int | None
    """Its number in the list; None when the filters hide it."""

    before: Row | None
    after: Row | None
    parent: TimelineEvent | None
    exceptions: Sequence[TimelineEvent]
    """Those that passed through it, if it is a span."""

    @property
    def text(self) -> str:
        """The body of a log record, if its title is not all of it."""
        return "" if self.event.body == self.event.title else _cut(self.event.body)

    @property
    def stack(self) -> str:
        """The stack of an exception."""
        return _cut(self.event.stack.strip("\n"))

    @property
    def stack_parts(self) -> list[StackPart]:
        """The stack in parts: those of libraries may be folded."""
        return stack_parts(self.stack)

    @property
    def status(self) -> str:
        """What a span says of its error."""
        status = self.event.document.source.get("status")
        return text_of(status.get("message") or "") if isinstance(status, dict) else ""

    @property
    def location(self) -> str:
        """Where the exception was raised."""
        return str(location_of(self.event.stack))

    @property
    def attributes(self) -> list[tuple[str, str]]:
        """Its attributes but the stack, by name; what an exception says comes first."""
        pairs = _pairs(self.event.attributes, without=EXCEPTION_STACKTRACE)
        return sorted(pairs, key=lambda pair: pair[0] not in (EXCEPTION_TYPE, EXCEPTION_MESSAGE))

    @property
    def resource(self) -> list[tuple[str, str]]:
        """The attributes of its resource, by name."""
        return _pairs(self.event.resource)

    @property
    def linked(self) -> list[str]:
        """The ids of traces that its span links to, as of the messages of a batch."""
        links = self.event.document.source.get("links")
        ids = (
            [identifier(link.get("trace_id")) for link in links if isinstance(link, dict)]
            if isinstance(links, list)
            else []
        )
        return list(dict.fromkeys(filter(None, ids)))

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Further fields of its document."""
        source, event = self.event.document.source, self.event
        status, scope = source.get("status"), source.get("scope")
        facts = {
            "status": text_of(status.get("code") or "") if isinstance(status, dict) else "",
            "kind": text_of(source.get("kind") or ""),
            "severity": text_of(source.get("severity_text") or ""),
            "logger": text_of(scope.get("name") or "") if isinstance(scope, dict) else "",
            "span": event.span_id,
            "stream": event.document.index,
            "document": event.document.id,
        }
        return [(name, value) for name, value in facts.items() if value]


class SessionView:
    """The page of a session or a trace: `story` as `query` asks for it."""

    def __init__(self, selection: Selection, story: Story, query: Query) -> None:
        self.selection = selection
        self.story = story
        self.whole: Timeline = story.timeline
        self.query = query = query.within(self.whole)
        self.shown = query.apply(self.whole) if query.is_filtered else self.whole

    @property
    def session_id(self) -> str | None:
        """The session that all of it is of, unless that is what was asked for."""
        return None if self.selection.session_id else self.whole.session_id

    @property
    def length_ns(self) -> int:
        """From the session's start to the end of its last event, in nanoseconds."""
        return (
            max(event.time_ns + (event.duration_ns or 0) for event in self.whole.events)
            - self.whole.started_at_ns
        )

    @property
    def counts(self) -> list[tuple[int, str]]:
        """Numbers of things, with their nouns."""
        counts = self.whole.counts
        named = (
            (len(self.whole.services), "service"),
            (counts[EventKind.REQUEST], "request"),
            (counts[EventKind.REQUEST] + counts[EventKind.SPAN], "span"),
            (counts[EventKind.LOG], "log record"),
        )
        return [(number, noun if number == 1 else f"{noun}s") for number, noun in named if number]

    @property
    def first_error(self) -> TimelineEvent | None:
        """The first exception, or where there is none, the first error."""
        errors = self.whole.errors
        return next(
            (event for event in errors if event.kind is EventKind.EXCEPTION),
            errors[0] if errors else None,
        )

    @property
    def replay_url(self) -> str | None:
        """The address of the replay at the first event whose address is like the others'."""
        return next(
            (
                event.replay_url
                for event in self.whole.events
                if event.replay_url and not event.strange_host
            ),
            None,
        )

    @cached_property
    def colours(self) -> Mapping[str, int]:
        """The number of each service's colour."""
        return colours_of(self.whole)

    @cached_property
    def waterfall(self) -> Waterfall | None:
        """The picture."""
        return draw(self.whole, self.shown, self.query)

    @property
    def pages(self) -> int:
        """How many pages the list has."""
        return max(-(-len(self.shown.events) // ROWS), 1)

    @cached_property
    def page(self) -> int:
        """The page of the list, from 1: the one asked for, else that of the event in detail."""
        asked = self.query.page
        if asked is None:
            place = self._places.get(self.query.event, 0)
            return place // ROWS + 1
        return min(max(asked, 1), self.pages)

    @property
    def first_number(self) -> int:
        """The number of the page's first row, from 1."""
        return (self.page - 1) * ROWS + 1

    def rows(self) -> Iterator[Row]:
        """Yield the rows of the page."""
        start = self.first_number - 1
        events = self.shown.events[start : start + ROWS]
        longest_ns = max((event.duration_ns or 0 for event in events), default=0) or 1
        spans = {
            (event.trace_id, event.span_id): number
            for number, event in enumerate(events, start + 1)
            if event.is_span and event.span_id
        }
        around = [spans.get((event.trace_id, _span_around(event))) for event in events]
        folding = set(around)
        return (
            Row(
                number,
                event,
                None if outer == number else outer,
                number in folding,
                100 * (event.duration_ns or 0) / longest_ns,
            )
            for number, (event, outer) in enumerate(zip(events, around, strict=True), start + 1)
        )

    @property
    def offset_width(self) -> int:
        """Characters of the longest time from the start in the list."""
        ends = (self.shown.events[0], self.shown.events[-1]) if self.shown.events else ()
        return max((len(offset(self.whole.offset_ns(event))) for event in ends), default=0)

    @property
    def error_beyond(self) -> TimelineEvent | None:
        """The next error after the page of the list."""
        after = islice(self.shown.events, self.page * ROWS, None)
        return next((event for event in after if event.level == "error"), None)

    @cached_property
    def detail(self) -> Detail | None:
        """The event in detail, if it is asked for and exists."""
        event = next(
            (event for event in self.whole.events if event.document.id == self.query.event),
            None,
        )
        if event is None:
            return None
        place = self._places.get(self.query.event)
        return Detail(
            event,
            None if place is None else place + 1,
            self._beside(place, -1),
            self._beside(place, 1),
            self._parent(event),
            [
                other
                for other in self.whole.events
                if event.is_span
                and event.span_id
                and other.kind is EventKind.EXCEPTION
                and (other.trace_id, other.span_id) == (event.trace_id, event.span_id)
            ],
        )

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {event.document.id: place for place, event in enumerate(self.shown.events)}

    def _beside(self, place: int | None, step: int) -> Row | None:
        if place is None or not 0 <= place + step < len(self.shown.events):
            return None
        return Row(place + step + 1, self.shown.events[place + step])

    def _parent(self, event: TimelineEvent) -> TimelineEvent | None:
        span_id = _span_around(event)
        of_trace = (
            other
            for other in self.whole.events
            if other.is_span and other.trace_id == event.trace_id
        )
        return next((other for other in of_trace if span_id and other.span_id == span_id), None)


def _span_around(event: TimelineEvent) -> str:
    return event.parent_span_id if event.is_span else event.span_id


def _pairs(attributes: Mapping[str, Any], without: str = "") -> list[tuple[str, str]]:
    return [
        (name, _cut(text_of(value)))
        for name, value in sorted(attributes.items())
        if name != without
    ]


def _cut(text: str) -> str:
    return (
        text
        if len(text) <= _MAX_TEXT
        else f"{text[:_MAX_TEXT]}… and {len(text) - _MAX_TEXT:,} more characters"
    )
