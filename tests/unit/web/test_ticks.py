"""What is written at the axis, and which parts of it can be looked at more closely."""

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from otel_asayer.web.axis import ROOM, Axis, Tick, cells, ticks

MS = 1_000_000
S = 1000 * MS


def labels(*intervals: tuple[int, int], size: str = "") -> list[str]:
    return [
        tick.label for tick in ticks(Axis.of(intervals), 0) if tick.label and size in tick.least
    ]


def test_a_stretch_begins_with_its_time_from_the_start_and_goes_on_in_round_steps() -> None:
    assert labels((3 * S, 3 * S + 45 * MS)) == [
        "+0:03.000",
        "+0:03.005",
        "+0:03.01",
        "+0:03.015",
        "+0:03.02",
        "+0:03.025",
        "+0:03.03",
        "+0:03.035",
        "+0:03.04",
    ]


def test_whole_minutes_are_written_without_a_fraction() -> None:
    assert labels((0, 2400 * S)) == [
        "+0:00.000",
        *(f"+{minutes}:00" for minutes in range(5, 40, 5)),
    ]


def test_seconds_are_written_without_a_fraction_that_they_do_not_have() -> None:
    assert labels((0, 10 * S))[:3] == ["+0:00.000", "+0:01", "+0:02"]


def test_every_stretch_says_when_it_begins() -> None:
    assert labels((0, 50 * MS), (600 * S, 600 * S + 50 * MS))[::5][:2] == [
        "+0:00.000",
        "+10:00.000",
    ]


def test_a_small_picture_has_fewer_labels() -> None:
    assert labels((0, 10 * S), size="small") == ["+0:00.000", "+0:04", "+0:06", "+0:08"]


def test_ticks_are_round_times_from_the_start() -> None:
    assert labels((7 * S + 3 * MS, 7 * S + 43 * MS))[:3] == ["+0:07.003", "+0:07.01", "+0:07.015"]


def test_an_event_alone_has_one_tick() -> None:
    assert labels((S, S)) == ["+0:01.000"]


def test_the_cells_between_ticks_cover_a_stretch() -> None:
    axis = Axis.of([(0, 10 * S)])
    assert [(cell.start_ns, cell.end_ns) for cell in cells(axis, ticks(axis, 0))] == [
        *((second * S, (second + 1) * S) for second in range(9)),
        (9 * S, 10 * S),
    ]


STARTS = st.lists(st.integers(0, 10**14), min_size=1, max_size=60)


@pytest.mark.parametrize("size", list(ROOM))
@given(STARTS)
def test_labels_have_room_on_pictures_of_each_size(size: str, starts: list[int]) -> None:
    found = [
        tick
        for tick in ticks(Axis.of([(start, start + 50 * MS) for start in starts]), 0)
        if tick.label and size in shown_on(tick)
    ]
    taken = [ROOM[size] * (len(tick.label) * 0.75 + 1) for tick in found]
    places = [
        (tick.x - space, tick.x) if tick.is_last else (tick.x, tick.x + space)
        for tick, space in zip(found, taken, strict=True)
    ]
    assert all(start >= end for (_, end), (start, _) in pairwise(places))


def shown_on(tick: Tick) -> list[str]:
    """The sizes of pictures on which a label is not hidden."""
    return list(ROOM)[: list(ROOM).index(tick.least) + 1]


@given(STARTS)
def test_cells_cover_all_stretches(starts: list[int]) -> None:
    axis = Axis.of([(start, start + 50 * MS) for start in starts])
    found = ticks(axis, 0)
    assert sum(cell.width for cell in cells(axis, found)) == pytest.approx(
        sum(stretch.width for stretch in axis.stretches)
    )
