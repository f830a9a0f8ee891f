"""The axis of time, and what is written at it. Pure.

A session of forty minutes may consist of bursts of 50 ms. On a linear axis each of them is less
than a pixel wide. So the axis is linear where something happens, in *stretches*; the long gaps
between them become *breaks* of one width. Places on the axis are percent of its width.

All labels are times from the session's start. Each stretch begins with one; the ticks after it are
round: `+1:03.004   +1:03.02   +1:03.04`.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

from otel_asayer.timeline import NS_PER_S, offset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["ROOM", "WIDTH", "Axis", "Cell", "Piece", "Tick", "cells", "ticks"]

WIDTH: Final = 100.0
_MAX_BREAKS: Final = 40
_BREAK_WIDTH: Final = 5.0
_BREAKS_WIDTH: Final = 25.0
"""Percent that one break may take, and all of them together."""
_STRETCH_WIDTH: Final = 3.0
"""Percent that the shortest stretch takes, if there is room."""
_ENOUGH_BUSY: Final = 1 / 3
"""Once spans take this share of the axis, they are visible, and no further gap is cut."""
_SMALL_GAP: Final = 1 / 40
_SMALL_BESIDE_SPANS: Final = 1 / 10
"""A gap below this share of the axis, or of the time that spans take, is not cut."""
_DOMINANT_GAP: Final = 1 / 2
"""A gap above this share of the axis is cut, even when no event takes time."""

_LEAST_STEP: Final = 9.0
_CHARACTER: Final = 0.75
_PADDING: Final = 1.0
_SPACE: Final = 6.0
"""Percent between two ticks, for a character of a label, around it, and behind the last tick."""
ROOM: Final = {"wide": 1.0, "middle": 1.8, "small": 4.0}
"""Sizes of the picture, and the factor by which a label takes more of its width."""
_END: Final = 102.0
"""Percent at which a label must end."""
_LAST: Final = 93.0
"""Percent beyond which a label stands before its tick: there is no room after it."""
_ROUND: Final = (1, 2, 5)
_LONG_STEPS: Final = tuple(
    seconds * NS_PER_S
    for seconds in (10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400)
)


@dataclass(frozen=True)
class Piece:
    """A part of the axis: times in nanoseconds since 1970, places in percent."""

    start_ns: int
    end_ns: int
    x: float
    width: float

    @property
    def length_ns(self) -> int:
        """Its time, in nanoseconds."""
        return self.end_ns - self.start_ns

    def place(self, time_ns: int) -> float:
        """Return the place of a time inside; of a piece without length, its middle."""
        share = (time_ns - self.start_ns) / self.length_ns if self.length_ns else 0.5
        return self.x + self.width * min(max(share, 0.0), 1.0)


@dataclass(frozen=True)
class Axis:
    """A piecewise linear axis. Stretches and breaks alternate, and begin and end with a stretch."""

    pieces: tuple[Piece, ...]

    @classmethod
    def of(cls, intervals: Iterable[tuple[int, int]]) -> Axis:
        """Return the axis that shows these intervals best: at least one, in nanoseconds."""
        busy = list(_united(intervals))
        gaps = [(end, start) for (_, end), (start, _) in pairwise(busy)]
        cut = sorted(_cut(busy, gaps))
        edges = [busy[0][0], *(time for gap in cut for time in gap), busy[-1][1]]
        lengths = [end - start for start, end in pairwise(edges)]
        widths = _widths(lengths[::2])
        starts = accumulate(widths, initial=0.0)
        return cls(
            tuple(
                Piece(start, end, x, width)
                for (start, end), x, width in zip(pairwise(edges), starts, widths, strict=False)
            )
        )

    @property
    def stretches(self) -> tuple[Piece, ...]:
        """The pieces in which something happens."""
        return self.pieces[::2]

    @property
    def breaks(self) -> tuple[Piece, ...]:
        """The pieces in which nothing happens."""
        return self.pieces[1::2]

    def place(self, time_ns: int) -> float:
        """Return the place of a time; of one outside, the nearest end."""
        return self.pieces[max(bisect_right(self._starts, time_ns) - 1, 0)].place(time_ns)

    @cached_property
    def _starts(self) -> Sequence[int]:
        return [piece.start_ns for piece in self.pieces]


def _united(intervals: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the intervals in order, those that overlap or touch as one."""
    ordered = sorted(intervals)
    start, end = ordered[0]
    for next_start, next_end in ordered:
        if next_start > end:
            yield start, end
            start, end = next_start, next_end
        end = max(end, next_end)
    yield start, end


def _cut(
    busy: Sequence[tuple[int, int]], gaps: Iterable[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Yield the gaps to cut, the longest first.

    Each cut makes the axis shorter, so that later gaps take a larger share of it.
    """
    busy_ns = sum(end - start for start, end in busy)
    axis_ns = busy[-1][1] - busy[0][0]
    longest_first = sorted(gaps, key=lambda gap: gap[0] - gap[1])
    for start, end in longest_first[:_MAX_BREAKS]:
        gap_ns = end - start
        hides_spans = 0 < busy_ns < _ENOUGH_BUSY * axis_ns and gap_ns > max(
            _SMALL_GAP * axis_ns, _SMALL_BESIDE_SPANS * busy_ns
        )
        if not hides_spans and not _DOMINANT_GAP * axis_ns < gap_ns < axis_ns:
            return
        yield start, end
        axis_ns -= gap_ns


def _widths(lengths: Sequence[int]) -> list[float]:
    """Return the widths of stretches of these lengths, and of the breaks between them."""
    breaks = len(lengths) - 1
    break_width = min(_BREAK_WIDTH, _BREAKS_WIDTH / breaks) if breaks else 0.0
    room = WIDTH - breaks * break_width
    least = min(_STRETCH_WIDTH, room / len(lengths) / 2)
    to_share, total = room - least * len(lengths), sum(lengths)
    shares = [length / total if total else 1 / len(lengths) for length in lengths]
    widths: list[float] = []
    for share in shares:
        widths += [least + to_share * share, break_width]
    return widths[:-1]


@dataclass(frozen=True)
class Tick:
    """A mark at the axis, in percent of its width, and its label, if there is room."""

    time_ns: int
    x: float
    label: str = ""
    is_anchor: bool = False
    least: str = "wide"
    """The smallest picture that has room for the label: `wide`, `middle` or `small`."""

    @property
    def is_last(self) -> bool:
        """Whether the label stands before the tick."""
        return self.x > _LAST


@dataclass(frozen=True)
class Cell:
    """A part of the axis to zoom in on; times in nanoseconds since 1970, places in percent."""

    start_ns: int
    end_ns: int
    x: float
    width: float


def ticks(axis: Axis, started_at_ns: int) -> list[Tick]:
    """Return the ticks of an axis, in order."""
    found: list[Tick] = []
    free = dict.fromkeys(ROOM, 0.0)
    for stretch in axis.stretches:
        for tick in _of_stretch(stretch, started_at_ns):
            least = ""
            for size, (start, end) in _places(tick):
                if start < free[size] or end > _END:
                    break  # a smaller picture has no room for it either
                free[size], least = end, size
            found.append(replace(tick, least=least) if least else replace(tick, label=""))
    return found


def _places(tick: Tick) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield where a tick's label begins and ends, in percent, for each size, the largest first."""
    for size, room in ROOM.items():
        space = room * (len(tick.label) * _CHARACTER + _PADDING)
        yield size, (tick.x - space, tick.x) if tick.is_last else (tick.x, tick.x + space)


def cells(axis: Axis, of_ticks: list[Tick]) -> list[Cell]:
    """Return the parts between the ticks of each stretch."""
    found: list[Cell] = []
    for stretch in axis.stretches:
        inside = [tick for tick in of_ticks if stretch.start_ns <= tick.time_ns <= stretch.end_ns]
        edges = [
            (tick.time_ns, tick.x)
            for tick in inside
            if tick.is_anchor or tick.time_ns > stretch.start_ns
        ]
        edges.append((stretch.end_ns, stretch.x + stretch.width))
        found += [
            Cell(start, end, x, next_x - x)
            for (start, x), (end, next_x) in pairwise(edges)
            if next_x > x
        ]
    return found


def _of_stretch(stretch: Piece, started_at_ns: int) -> Iterator[Tick]:
    yield Tick(
        stretch.start_ns, stretch.x, offset(stretch.start_ns - started_at_ns), is_anchor=True
    )
    step = _round_step(stretch.length_ns * _LEAST_STEP / stretch.width)
    end = min(stretch.x + stretch.width, WIDTH) - _SPACE
    offset_ns = ((stretch.start_ns - started_at_ns) // step + 1) * step
    while (time_ns := started_at_ns + offset_ns) < stretch.end_ns and (
        x := stretch.place(time_ns)
    ) <= end:
        yield Tick(time_ns, x, _rounded(offset(offset_ns)))
        offset_ns += step


def _rounded(text: str) -> str:
    """Return a time from the start without a fraction's zeros at the end."""
    return text.rstrip("0").rstrip(".") if not text.endswith(".000") else text[:-4]


def _round_step(least_ns: float) -> int:
    """Return the least round step, in nanoseconds, that is not below `least_ns`."""
    for step in _LONG_STEPS if least_ns > _ROUND[-1] * NS_PER_S else ():
        if step >= least_ns:
            return step
    power = 1
    while True:
        for digit in _ROUND:
            if digit * power >= least_ns:
                return digit * power
        power *= 10
