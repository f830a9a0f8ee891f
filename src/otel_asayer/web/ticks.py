"""What is written at the axis of time. Pure.

Each stretch begins with a time from the session's start; further ticks in it count from there, in
round steps: `+1:03.004   20 ms   40 ms`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from otel_asayer.timeline import duration, offset
from otel_asayer.web.axis import WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_asayer.web.axis import Axis, Piece

__all__ = ["ROOM", "Cell", "Tick", "cells", "ticks"]

_LEAST_STEP: Final = 9.0
_ANCHOR_SPACE: Final = 8.5
_SPACE: Final = 6.0
"""Percent between two ticks, and what a label takes: of an anchor, and of a tick in its stretch."""
ROOM: Final = {"wide": 1.0, "middle": 1.8, "small": 4.0}
"""Sizes of pictures, and how much more of its width a label takes in each."""
_END: Final = 102.0
"""Percent up to which a label may reach."""
_LAST: Final = 93.0
"""Percent above which a label stands before its tick: after it there is no room."""
_ROUND: Final = (1, 2, 5)
_NS_PER_S: Final = 1_000_000_000
_LONG_STEPS: Final = tuple(
    seconds * _NS_PER_S
    for seconds in (10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400)
)


@dataclass(frozen=True)
class Tick:
    """A mark at the axis, in percent of its width, and what is written there, if there is room."""

    time_ns: int
    x: float
    label: str = ""
    is_anchor: bool = False
    least: str = "wide"
    """The least picture that has room for the label: `wide`, `middle` or `small`."""

    @property
    def is_last(self) -> bool:
        """Whether the label stands before the tick."""
        return self.x > _LAST


@dataclass(frozen=True)
class Cell:
    """A part of the axis that a person can look at more closely; times in nanoseconds since 1970, places in percent."""

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
                    break  # what a picture has no room for is not on a smaller one
                free[size], least = end, size
            found.append(replace(tick, least=least) if least else replace(tick, label=""))
    return found


def _places(tick: Tick) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield for each size of picture, the largest first, where a tick's label would begin and end, in percent."""
    for size, room in ROOM.items():
        space = room * (_ANCHOR_SPACE if tick.is_anchor else _SPACE)
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
    step = _step(stretch.length_ns * _LEAST_STEP / stretch.width)
    end = min(stretch.x + stretch.width, WIDTH) - _SPACE
    time_ns = stretch.start_ns + step
    while time_ns < stretch.end_ns and (x := stretch.place(time_ns)) <= end:
        yield Tick(time_ns, x, _rounded(duration(time_ns - stretch.start_ns)))
        time_ns += step


def _rounded(text: str) -> str:
    """Return a round duration without the zeros that it has as an exact one."""
    return text.replace(".0 ", " ").removesuffix(" 0 s").removesuffix(" 0 min")


def _step(least_ns: float) -> int:
    """Return the least round step, in nanoseconds, that is not below `least_ns`."""
    for step in _LONG_STEPS if least_ns > _ROUND[-1] * _NS_PER_S else ():
        if step >= least_ns:
            return step
    power = 1
    while True:
        for digit in _ROUND:
            if digit * power >= least_ns:
                return digit * power
        power *= 10
