"""A timeline as a picture: lanes, rows, marks, and what is drawn as one."""

from __future__ import annotations

from typing import Any

from otel_asayer.timeline import Stored, Timeline
from otel_asayer.web.query import Query
from otel_asayer.web.waterfall import Waterfall, draw
from unit.web.support import error, log, span


def drawn(*documents: Stored, **query: Any) -> Waterfall:
    timeline = Timeline.of(documents)
    asked = Query(**query)
    found = draw(timeline, asked.apply(timeline), asked)
    assert found is not None
    return found


def test_each_service_has_a_lane_in_the_order_of_appearance() -> None:
    picture = drawn(span("b", 5, 5, service="pricing"), span("a", 0, 20, service="shop"))
    assert [lane.service for lane in picture.lanes] == ["shop", "pricing"]


def test_a_service_keeps_its_colour_under_a_filter() -> None:
    both = (span("a", 0, 20, service="shop"), span("b", 5, 5, service="pricing"))
    assert drawn(*both, services=("pricing",)).lanes[0].colour == drawn(*both).lanes[1].colour == 1


def test_what_is_inside_is_in_a_row_below() -> None:
    bars = (
        drawn(
            span("outer", 0, 20),
            span("inner", 5, 10, parent="span-outer"),
            span("after", 12, 5, parent="span-inner"),
        )
        .lanes[0]
        .bars
    )
    assert [(bar.event.title, bar.row) for bar in bars] == [
        ("outer", 0),
        ("inner", 1),
        ("after", 2),
    ]


def test_spans_one_after_the_other_share_a_row() -> None:
    bars = drawn(span("one", 0, 20), span("two", 30, 20)).lanes[0].bars
    assert [bar.row for bar in bars] == [0, 0]


def test_spans_at_the_same_time_do_not() -> None:
    bars = drawn(span("one", 0, 20), span("two", 10, 20)).lanes[0].bars
    assert [bar.row for bar in bars] == [0, 1]


def test_a_bar_is_where_its_span_is() -> None:
    bars = drawn(span("whole", 0, 100), span("part", 25, 50, parent="span-whole")).lanes[0].bars
    assert [(bar.x, bar.width) for bar in bars] == [(0, 100), (25, 50)]


def test_logs_are_marks_in_place_and_exceptions_crosses() -> None:
    marks = drawn(span("whole", 0, 100), log("hello", 25), error("gone", 75)).lanes[0].marks
    assert [(mark.symbol, mark.x, mark.look) for mark in marks] == [
        ("diamond", 25, "mark"),
        ("cross", 75, "mark error"),
    ]


def test_a_warning_is_neither_an_error_nor_nothing() -> None:
    assert drawn(log("careful", 0, severity=13)).lanes[0].marks[0].look == "mark warning"


def test_what_is_worst_is_drawn_last() -> None:
    marks = (
        drawn(span("whole", 0, 100), log("bad", 10, severity=17), log("good", 11)).lanes[0].marks
    )
    assert [mark.event.title for mark in marks] == ["good", "bad"]


def test_spans_that_cannot_be_told_apart_are_one_bar_that_leads_closer() -> None:
    picture = drawn(
        span("whole", 0, 100_000, service="front"),
        *(span(f"s{number}", 100 + number * 10, 5) for number in range(5)),
    )
    (bar,) = picture.lanes[1].bars
    assert bar.count == 5
    assert bar.look == "many"
    assert picture.tip(bar) == "5 spans from +0:00.100 on"
    assert picture.target(bar, Query()) == "?since=100000000&until=145000000"


def test_a_single_bar_leads_to_its_detail() -> None:
    picture = drawn(span("GET /cart", 0, 100))
    (bar,) = picture.lanes[0].bars
    assert picture.target(bar, Query()) == "?event=doc-GET+%2Fcart"
    assert picture.tip(bar) == "GET /cart · 100 ms · +0:00.000"


def test_a_tip_says_how_bad_it_is() -> None:
    picture = drawn(span("GET /cart", 0, 100, having={"http.response.status_code": 500}))
    (bar,) = picture.lanes[0].bars
    assert picture.tip(bar) == "error · GET /cart 500 · 100 ms · +0:00.000"


def test_a_tip_of_many_says_how_bad_they_are() -> None:
    picture = drawn(
        span("GET /cart", 0, 100), *(log(f"soon {at}", at, severity=13) for at in (50, 50.001))
    )
    (mark,) = picture.lanes[0].marks
    assert picture.tip(mark) == "warning · 2 log records and events from +0:00.050 on"


def test_an_error_among_many_stays_on_its_own() -> None:
    bad = span("bad", 125, 5)
    failed = Stored(bad.index, bad.id, {**bad.source, "status": {"code": "Error"}})
    bars = (
        drawn(
            span("whole", 0, 100_000, service="front"),
            *(span(f"s{number}", 100 + number * 10, 5) for number in range(5)),
            failed,
        )
        .lanes[1]
        .bars
    )
    assert [(bar.count, "error" in bar.look) for bar in bars] == [(5, False), (1, True)]


def test_ten_thousand_events_are_a_thousand_shapes_at_most_and_none_is_lost() -> None:
    picture = drawn(
        *(span(f"s{number}", number * 240, 50) for number in range(5_000)),
        *(log(f"l{number}", number * 240 + 7) for number in range(5_000)),
    )
    shapes = [shape for lane in picture.lanes for shape in (*lane.bars, *lane.marks)]
    assert len(shapes) <= 1000
    assert sum(shape.count for shape in shapes) == 10_000


def test_thousands_of_short_spans_do_not_look_like_a_long_one() -> None:
    picture = drawn(*(span(f"s{number}", number * 240, 50) for number in range(5_000)))
    assert max(bar.width for bar in picture.lanes[0].bars) < 2


def test_a_crowd_at_the_same_time_stays_in_few_rows() -> None:
    assert drawn(*(span(f"s{number}", number, 1000) for number in range(50))).lanes[0].rows == 12


def test_many_rows_are_low() -> None:
    crowds = (
        span(f"{service}{number}", number, 1000, service=service)
        for service in ("a", "b", "c")
        for number in range(12)
    )
    assert [lane.row_height for lane in drawn(*crowds).lanes] == [9, 9, 9]


def test_a_bar_bears_as_much_of_its_title_as_there_is_room_for() -> None:
    picture = drawn(
        span("GET /products/lamp", 0, 11),
        span("GET /products/sofa", 11, 9),
        span("POST /checkout", 20, 80),
    )
    assert [bar.label for bar in picture.lanes[0].bars] == [
        "GET /products…",
        "GET /produ…",
        "POST /checkout",
    ]


def test_a_part_of_the_time_fills_the_picture_and_what_reaches_into_it_is_cut() -> None:
    picture = drawn(
        span("long", 0, 1000),
        span("part", 400, 100, parent="span-long"),
        since_ns=400_000_000,
        until_ns=500_000_000,
    )
    assert [(bar.event.title, bar.x, bar.width) for bar in picture.lanes[0].bars] == [
        ("long", 0, 100),
        ("part", 0, 100),
    ]


def test_nothing_is_no_picture() -> None:
    timeline = Timeline.of([log("hello", 0)])
    assert draw(timeline, Query(text="nowhere").apply(timeline), Query()) is None


def test_a_span_with_an_unknown_duration_can_be_seen() -> None:
    (bar,) = (
        bar
        for bar in drawn(span("whole", 0, 100), span("odd", 50, -3)).lanes[0].bars
        if bar.event.title == "odd"
    )
    assert bar.x == 50
    assert bar.width == 0.25
