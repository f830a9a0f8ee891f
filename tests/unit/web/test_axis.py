"""The axis of time: linear in its stretches, short where nothing happens."""

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from otel_asayer.web.axis import WIDTH, Axis

MS = 1_000_000
S = 1000 * MS
INTERVALS = st.lists(
    st.tuples(st.integers(0, 3600 * S), st.integers(0, 60 * S)).map(
        lambda pair: (pair[0], pair[0] + pair[1])
    ),
    min_size=1,
    max_size=80,
)


def bursts(number: int, every_ns: int, length_ns: int) -> list[tuple[int, int]]:
    return [(index * every_ns, index * every_ns + length_ns) for index in range(number)]


def test_forty_minutes_of_short_bursts_show_each_burst() -> None:
    axis = Axis.of(bursts(30, 80 * S, 50 * MS))
    assert len(axis.stretches) == 30
    assert len(axis.breaks) == 29
    assert min(stretch.width for stretch in axis.stretches) > 2


def test_one_long_pause_between_marks_is_cut() -> None:
    axis = Axis.of([(0, 0), (5 * MS, 5 * MS), (2400 * S, 2400 * S)])
    assert [(piece.start_ns, piece.end_ns) for piece in axis.breaks] == [(5 * MS, 2400 * S)]


def test_marks_at_regular_times_stay_on_a_linear_axis() -> None:
    axis = Axis.of([(index * S, index * S) for index in range(30)])
    assert axis.breaks == ()
    assert axis.place(0) == 0
    assert axis.place(29 * S) == WIDTH


def test_spans_that_can_be_seen_are_not_pulled_together() -> None:
    assert Axis.of([(0, 10 * S), (15 * S, 25 * S)]).breaks == ()


def test_one_event_stands_in_the_middle() -> None:
    axis = Axis.of([(7, 7)])
    assert axis.place(7) == WIDTH / 2


def test_a_time_outside_is_at_the_nearest_end() -> None:
    axis = Axis.of([(10, 20)])
    assert axis.place(0) == 0
    assert axis.place(100) == WIDTH


@given(INTERVALS)
def test_the_pieces_fill_the_width_and_the_time_without_a_hole(
    intervals: list[tuple[int, int]],
) -> None:
    pieces = Axis.of(intervals).pieces
    assert sum(piece.width for piece in pieces) == pytest.approx(WIDTH)
    assert all(one.end_ns == next_one.start_ns for one, next_one in pairwise(pieces))
    assert all(one.x + one.width == pytest.approx(next_one.x) for one, next_one in pairwise(pieces))
    assert pieces[0].start_ns == min(start for start, _ in intervals)
    assert pieces[-1].end_ns == max(end for _, end in intervals)


@given(INTERVALS, st.lists(st.integers(-S, 3700 * S), min_size=2))
def test_a_later_time_is_never_left_of_an_earlier_one(
    intervals: list[tuple[int, int]], times: list[int]
) -> None:
    places = [Axis.of(intervals).place(time) for time in sorted(times)]
    assert all(before <= after + 1e-9 for before, after in pairwise(places))
    assert all(0 <= place <= WIDTH + 1e-9 for place in places)


@given(INTERVALS)
def test_nothing_happens_in_a_break(intervals: list[tuple[int, int]]) -> None:
    breaks = Axis.of(intervals).breaks
    assert [
        piece
        for piece in breaks
        if any(start < piece.end_ns and end > piece.start_ns for start, end in intervals)
    ] == []


@given(INTERVALS)
def test_breaks_take_a_quarter_of_the_width_at_most(intervals: list[tuple[int, int]]) -> None:
    assert sum(piece.width for piece in Axis.of(intervals).breaks) <= WIDTH / 4 + 1e-9


@given(INTERVALS)
def test_what_takes_longer_in_a_stretch_is_as_much_wider(intervals: list[tuple[int, int]]) -> None:
    for stretch in Axis.of(intervals).stretches:
        third = stretch.length_ns // 3
        first, second, third_place = (
            stretch.place(stretch.start_ns + index * third) for index in range(3)
        )
        assert second - first == pytest.approx(third_place - second, abs=1e-6)
