"""What the page of a session shows:

its facts, the picture, a page of the list, and the detail of one moment. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from otel_asayer.documents import EXCEPTION_STACKTRACE, text_of
from otel_asayer.timeline import Kind
from otel_asayer.timeline.errors import place_of
from otel_asayer.timeline.stored import flat, identifier
from otel_asayer.web.waterfall import colours_of, draw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from otel_asayer.timeline import Moment, Selection, Timeline
    from otel_asayer.web.query import Query
    from otel_asayer.web.reader import Story
    from otel_asayer.web.waterfall import Waterfall

__all__ = ["ROWS", "Detail", "SessionView"]

ROWS: Final = 500
"""Rows of the list on one page."""
_MOST_DEPTH: Final = 12
_MOST_TEXT: Final = 20_000
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Row:
    """A moment in the list."""

    number: int
    moment: Moment

    @property
    def indent(self) -> int:
        """Its depth, within reason."""
        return min(self.moment.depth, _MOST_DEPTH)


@dataclass(frozen=True)
class Detail:
    """One moment with everything that is stored of it, and its neighbours."""

    moment: Moment
    number: int | None
    """Its place in the list; None where the filters hide it."""

    before: Row | None
    after: Row | None
    parent: Moment | None

    @property
    def text(self) -> str:
        """The body of a log record, where its title is not the whole of it."""
        return "" if self.moment.body == self.moment.title else _cut(self.moment.body)

    @property
    def stack(self) -> str:
        """The stack of an exception."""
        return _cut(self.moment.stack.strip("\n"))

    @property
    def place(self) -> str:
        """Where the exception was raised."""
        return str(place_of(self.moment.stack))

    @property
    def attributes(self) -> list[tuple[str, str]]:
        """Its attributes but the stack, by name."""
        return _pairs(self.moment.attributes, without=EXCEPTION_STACKTRACE)

    @property
    def resource(self) -> list[tuple[str, str]]:
        """The attributes of its resource, by name."""
        resource = self.moment.document.source.get("resource")
        return _pairs(flat(resource.get("attributes")) if isinstance(resource, dict) else {})

    @property
    def linked(self) -> list[str]:
        """The ids of the traces that its span is linked with, of the messages of a batch for one."""
        links = self.moment.document.source.get("links")
        ids = (
            [identifier(link.get("trace_id")) for link in links if isinstance(link, dict)]
            if isinstance(links, list)
            else []
        )
        return list(dict.fromkeys(filter(None, ids)))

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What else its document says of it."""
        source, moment = self.moment.document.source, self.moment
        status, scope = source.get("status"), source.get("scope")
        facts = {
            "status": text_of(status.get("message") or status.get("code") or "")
            if isinstance(status, dict)
            else "",
            "kind": text_of(source.get("kind") or ""),
            "severity": text_of(source.get("severity_text") or ""),
            "logger": text_of(scope.get("name") or "") if isinstance(scope, dict) else "",
            "span": moment.span_id,
            "stream": moment.document.index,
            "document": moment.document.id,
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
        """From the session's start to the end of its last moment, in nanoseconds."""
        return (
            max(moment.time_ns + (moment.duration_ns or 0) for moment in self.whole.moments)
            - self.whole.started_at_ns
        )

    @property
    def counts(self) -> list[tuple[int, str]]:
        """How many there are of what."""
        counts = self.whole.counts
        named = (
            (len(self.whole.services), "service"),
            (counts[Kind.REQUEST], "request"),
            (counts[Kind.REQUEST] + counts[Kind.SPAN], "span"),
            (counts[Kind.LOG], "log record"),
            (self.whole.exceptions, "exception"),
        )
        return [(number, noun if number == 1 else f"{noun}s") for number, noun in named if number]

    @property
    def first_error(self) -> Moment | None:
        """The first exception, or where there is none, the first error."""
        errors = self.whole.errors
        return next(
            (moment for moment in errors if moment.kind is Kind.EXCEPTION),
            errors[0] if errors else None,
        )

    @property
    def replay_url(self) -> str | None:
        """The address of the replay at the first moment whose address is like the others'."""
        return next(
            (
                moment.replay_url
                for moment in self.whole.moments
                if moment.replay_url and not moment.strange_host
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
        return max(-(-len(self.shown.moments) // ROWS), 1)

    @cached_property
    def page(self) -> int:
        """The page of the list, from 1 on:

        the one that is asked for, else the one with the moment whose detail is shown.
        """
        asked = self.query.page
        if asked is None:
            place = self._places.get(self.query.moment, 0)
            return place // ROWS + 1
        return min(max(asked, 1), self.pages)

    @property
    def first_number(self) -> int:
        """The place in the list of the first row of the page, from 1 on."""
        return (self.page - 1) * ROWS + 1

    def rows(self) -> Iterator[Row]:
        """Yield the rows of the page."""
        start = self.first_number - 1
        return (
            Row(number, moment)
            for number, moment in enumerate(self.shown.moments[start : start + ROWS], start + 1)
        )

    @property
    def error_beyond(self) -> Moment | None:
        """The next error after the page of the list."""
        after = islice(self.shown.moments, self.page * ROWS, None)
        return next((moment for moment in after if moment.level == "error"), None)

    @cached_property
    def detail(self) -> Detail | None:
        """The detail that is asked for, if there is such a moment."""
        moment = next(
            (moment for moment in self.whole.moments if moment.document.id == self.query.moment),
            None,
        )
        if moment is None:
            return None
        place = self._places.get(self.query.moment)
        return Detail(
            moment,
            None if place is None else place + 1,
            self._beside(place, -1),
            self._beside(place, 1),
            self._parent(moment),
        )

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {moment.document.id: place for place, moment in enumerate(self.shown.moments)}

    def _beside(self, place: int | None, step: int) -> Row | None:
        if place is None or not 0 <= place + step < len(self.shown.moments):
            return None
        return Row(place + step + 1, self.shown.moments[place + step])

    def _parent(self, moment: Moment) -> Moment | None:
        span_id = moment.parent_span_id if moment.is_span else moment.span_id
        of_trace = (
            other
            for other in self.whole.moments
            if other.is_span and other.trace_id == moment.trace_id
        )
        return next((other for other in of_trace if span_id and other.span_id == span_id), None)


def _pairs(attributes: Mapping[str, Any], without: str = "") -> list[tuple[str, str]]:
    return [
        (name, _cut(text_of(value)))
        for name, value in sorted(attributes.items())
        if name != without
    ]


def _cut(text: str) -> str:
    return (
        text
        if len(text) <= _MOST_TEXT
        else f"{text[:_MOST_TEXT]}… and {len(text) - _MOST_TEXT:,} more characters"
    )
