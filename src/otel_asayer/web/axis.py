"""The axis of time: linear where something happens, cut short where nothing does. Pure.

A session of forty minutes may consist of bursts of 50 ms. On a linear axis each of them is less
than a pixel wide, so long gaps become *breaks* of one width, and the *stretches* between them share
the rest. Places on the axis are percent of its width.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["WIDTH", "Axis", "Piece"]

WIDTH: Final = 100.0
_MOST_BREAKS: Final = 40
_BREAK_WIDTH: Final = 5.0
_BREAKS_WIDTH: Final = 25.0
"""Percent that a break takes at most, and all of them together."""
_STRETCH_WIDTH: Final = 3.0
"""Percent that the shortest stretch takes, where there is room."""
_ENOUGH_BUSY: Final = 1 / 3
"""Once spans take this share of the axis, they can be seen, and no further gap is cut."""
_SMALL_GAP: Final = 1 / 40
_SMALL_BESIDE_SPANS: Final = 1 / 10
"""A gap below this share of the axis, or of the time that spans take, stays as it is."""
_DOMINANT_GAP: Final = 1 / 2
"""A gap above this share of the axis is cut, even where nothing takes time."""


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
        """Return the axis on which these intervals, from and to a time in nanoseconds, can best be seen; at least one."""
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
        """Where something happens."""
        return self.pieces[::2]

    @property
    def breaks(self) -> tuple[Piece, ...]:
        """Where nothing does."""
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
    """Yield the gaps to cut, the longest first:

    each makes the axis shorter, and those after it weigh more.
    """
    busy_ns = sum(end - start for start, end in busy)
    axis_ns = busy[-1][1] - busy[0][0]
    longest_first = sorted(gaps, key=lambda gap: gap[0] - gap[1])
    for start, end in longest_first[:_MOST_BREAKS]:
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
