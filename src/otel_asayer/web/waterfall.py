"""A timeline as a picture: services in lanes, spans as bars in rows, other events as marks. Pure.

Thousands of events on a thousand pixels cover each other. So neighbours that are too narrow to see
are drawn as one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_asayer.timeline import EventKind, Timeline, TimelineEvent, duration, offset
from otel_asayer.web.axis import ROOM, Axis, Cell, Tick, cells, ticks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_asayer.web.query import Query

__all__ = ["Lane", "Shape", "Waterfall", "colours_of", "draw"]

_COLOURS: Final = 6
_MAX_ROWS: Final = 12
_MAX_SHAPES: Final = 1000
_LEAST_WIDTH: Final = 0.25
"""Percent that can still be seen, and clicked."""
_CHARACTER: Final = 0.66
_PADDING: Final = 1.4
_LEAST_LABEL: Final = 7
"""In a wide picture, percent for a character in a bar, and for the space around the title.

A title that is cut to fewer characters than the least says nothing.
"""
_FINEST: Final = 0.05
"""Percent, half a pixel in a thousand: narrower and nearer shapes are drawn as one."""
_MARK_WIDTH: Final = 0.4
_BLOCK: Final = 0.6
"""Percent that events drawn as one may take.

Without a limit, thousands of short spans in a row would look like one long span.
"""
_SEVERITY: Final = {"error": 2, "warning": 1}
_ROW, _DENSE_ROW, _MARKS_ROW, _MARGIN = 22, 9, 18, 5
"""Pixels: a row of bars, one where there are many, the row of marks, and the space around them."""
_MANY_ROWS: Final = 24


@dataclass
class Shape:
    """A bar or a mark; places in percent of the width.

    It stands for `count` events, of which `event` is the first and `last` the last.
    """

    event: TimelineEvent
    row: int
    x: float
    end: float
    last: TimelineEvent
    count: int = 1

    @property
    def width(self) -> float:
        """The width, as drawn."""
        return max(self.end - self.x, _LEAST_WIDTH)

    @property
    def label(self) -> str:
        """As much of its title as there is room for."""
        room = int((self.width - _PADDING) / _CHARACTER)
        title = self.event.title
        if self.count > 1 or room < min(len(title), _LEAST_LABEL):
            return ""
        return title if len(title) <= room else f"{title[: room - 1]}…"

    @property
    def least(self) -> str:
        """The smallest picture with room for the label: `wide` or `middle`, never `small`."""
        return (
            "middle"
            if self.width >= (_PADDING + len(self.label) * _CHARACTER) * ROOM["middle"]
            else "wide"
        )

    @property
    def look(self) -> str:
        """Its CSS classes: its kind, and its level if it is a warning or an error."""
        kind = (
            "mark"
            if not self.event.is_span
            else "many"
            if self.count > 1
            else self.event.kind.value
        )
        return f"{kind} {self.event.level}" if self.event.level in _SEVERITY else kind

    @property
    def symbol(self) -> str:
        """The symbol of a mark."""
        return "cross" if self.event.kind is EventKind.EXCEPTION else "diamond"

    @property
    def severity(self) -> int:
        """A shape of higher severity is drawn over others, and never as one with them."""
        return _SEVERITY.get(self.event.level, 0)


@dataclass
class Lane:
    """A service: its bars and marks, the most severe last."""

    service: str
    colour: int
    rows: int
    bars: Sequence[Shape]
    marks: Sequence[Shape]
    row_height: int = field(default=_ROW, init=False)

    @property
    def bars_top(self) -> int:
        """Where the bars begin, in pixels, below the marks."""
        return _MARGIN + (_MARKS_ROW if self.marks else 0)

    @property
    def marks_middle(self) -> int:
        """The middle of the row of marks, in pixels."""
        return _MARGIN + _MARKS_ROW // 2

    @property
    def height(self) -> int:
        """Its height in pixels."""
        return max(self.bars_top + self.rows * self.row_height + _MARGIN, _ROW + 2 * _MARGIN)


@dataclass(frozen=True)
class Waterfall:
    """The whole picture."""

    axis: Axis
    ticks: Sequence[Tick]
    cells: Sequence[Cell]
    lanes: Sequence[Lane]
    started_at_ns: int

    @property
    def shapes(self) -> int:
        """The number of its links."""
        return sum(len(lane.bars) + len(lane.marks) for lane in self.lanes)

    def target(self, shape: Shape, query: Query) -> str:
        """Return a shape's link: to the detail of its event, or zoomed in on its several events."""
        since_ns, until_ns = (
            shape.event.time_ns,
            shape.last.time_ns + max(shape.last.duration_ns or 0, 0),
        )
        if shape.count == 1 or since_ns == until_ns:
            return query.link(event=shape.event.document.id, page=None)
        return query.link(
            since_ns=since_ns - self.started_at_ns,
            until_ns=until_ns - self.started_at_ns,
            page=None,
            event="",
        )

    def tip(self, shape: Shape) -> str:
        """Return the tooltip of a shape."""
        event = shape.event
        level = event.level if event.level in _SEVERITY else ""
        when = offset(event.time_ns - self.started_at_ns)
        if shape.count > 1:
            told = [
                (
                    f"{shape.count} {'spans' if event.is_span else 'log records and events'} from "
                    f"{when} on"
                )
            ]
        else:
            told = [
                event.title[:120],
                duration(event.duration_ns) if event.duration_ns is not None else "",
                when,
            ]
        return " · ".join(filter(None, (level, *told)))


def colours_of(timeline: Timeline) -> dict[str, int]:
    """Return the number of each service's colour, one of six, which no filter changes."""
    return {service: index % _COLOURS for index, service in enumerate(timeline.services)}


def draw(whole: Timeline, shown: Timeline, query: Query) -> Waterfall | None:
    """Return the picture of the events that are shown; None when there are none."""
    if not shown.events:
        return None
    axis = Axis.of(_clipped(shown, query))
    colours = colours_of(whole)
    lanes = _simplified(
        [_lane(service, colours[service], shown, axis) for service in shown.services]
    )
    if sum(lane.rows for lane in lanes) > _MANY_ROWS:
        for lane in lanes:
            lane.row_height = _DENSE_ROW
    found = ticks(axis, whole.started_at_ns)
    return Waterfall(axis, found, cells(axis, found), lanes, whole.started_at_ns)


def _clipped(shown: Timeline, query: Query) -> Iterable[tuple[int, int]]:
    """Yield the times of the events, cut to the range that is asked for."""
    least = None if query.since_ns is None else query.since_ns + shown.started_at_ns
    most = None if query.until_ns is None else query.until_ns + shown.started_at_ns
    for event in shown.events:
        start, end = event.time_ns, event.time_ns + max(event.duration_ns or 0, 0)
        yield start if least is None else max(start, least), end if most is None else min(end, most)


def _lane(service: str, colour: int, shown: Timeline, axis: Axis) -> Lane:
    own = [event for event in shown.events if event.service == service]
    bars = _packed([event for event in own if event.is_span], axis)
    marks = [
        Shape(event, 0, place, place, event)
        for event in own
        if not event.is_span
        for place in (axis.place(event.time_ns),)
    ]
    return Lane(service, colour, max((bar.row + 1 for bar in bars), default=0), bars, marks)


def _packed(spans: Iterable[TimelineEvent], axis: Axis) -> list[Shape]:
    """Place spans, ordered by time, in the first free row below their parent's."""
    ends: list[float] = []
    rows: dict[tuple[str, str], int] = {}
    shapes = []
    for span in spans:
        x, end = axis.place(span.time_ns), axis.place(span.time_ns + max(span.duration_ns or 0, 0))
        row = _free_row(ends, x, rows.get((span.trace_id, span.parent_span_id), -1) + 1)
        ends.extend([0.0] * (row + 1 - len(ends)))
        ends[row] = max(ends[row], end)
        rows[span.trace_id, span.span_id] = row
        shapes.append(Shape(span, row, x, end, span))
    return shapes


def _free_row(ends: Sequence[float], x: float, least: int) -> int:
    free = (row for row in range(least, len(ends)) if ends[row] <= x)
    return min(next(free, max(least, len(ends))), _MAX_ROWS - 1)


def _simplified(lanes: Sequence[Lane]) -> Sequence[Lane]:
    """Draw shapes that cannot be told apart as one, more and more, until there are few enough."""
    nearness = _FINEST
    while True:
        for lane in lanes:
            lane.bars, lane.marks = (
                _merged(lane.bars, nearness),
                _merged(lane.marks, max(nearness, _MARK_WIDTH)),
            )
        if sum(len(lane.bars) + len(lane.marks) for lane in lanes) <= _MAX_SHAPES or nearness > 1:
            return lanes
        nearness *= 2


def _merged(shapes: Iterable[Shape], nearness: float) -> list[Shape]:
    """Merge shapes that are narrow, near, in one row and alike; return the most severe last."""
    latest: dict[tuple[int, int, str], Shape] = {}
    merged: list[Shape] = []
    for shape in shapes:
        alike = (shape.row, shape.severity, shape.symbol)
        before = latest.get(alike)
        if before is not None and _can_join(before, shape, nearness):
            before.end, before.last, before.count = (
                max(before.end, shape.end),
                shape.last,
                before.count + shape.count,
            )
        else:
            latest[alike] = shape
            merged.append(shape)
    return sorted(merged, key=lambda shape: shape.severity)


def _can_join(before: Shape, shape: Shape, nearness: float) -> bool:
    narrow = all(one.count > 1 or one.end - one.x <= nearness for one in (before, shape))
    return (
        narrow
        and shape.x - before.end <= nearness
        and shape.end - before.x <= max(_BLOCK, 4 * nearness)
    )
