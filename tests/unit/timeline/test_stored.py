"""Documents as stores give them back:

times of both forms, attributes flat or nested, and which of them are asked for.
"""

from __future__ import annotations

from typing import Any

import pytest

from otel_asayer.timeline import Selection, flat, nanoseconds
from otel_asayer.timeline.stored import identifier
from unit.timeline.support import SESSION, START_NS, TRACE, span

NOON = 1_795_536_236_662_000_005


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("1795536236662.000005", NOON),
        ("1795536236662", NOON - 5),
        ("1795536236662.5", NOON - 5 + 500_000),
        (1_795_536_236_662, NOON - 5),
        ("2026-11-24T16:03:56.662000005Z", NOON),
        ("2026-11-24T16:03:56.662000005z", NOON),
        ("2026-11-24T17:03:56.662000005+01:00", NOON),
        ("2026-11-24T16:03:56.662000005123Z", NOON),
        ("2026-11-24T16:03:56.662Z", NOON - 5),
        ("2026-11-24T16:03:56Z", 1_795_536_236_000_000_000),
        ("2026-11-24T16:03:56", 1_795_536_236_000_000_000),
    ],
)
def test_a_time_is_read_in_every_form_that_a_store_gives(timestamp: object, expected: int) -> None:
    assert nanoseconds(timestamp) == expected


@pytest.mark.parametrize(
    "timestamp",
    [
        None,
        True,
        "",
        "yesterday",
        "12.x",
        float("nan"),
        [1],
        {"a": 1},
        "2026-13-45T00:00:00Z",
        "-5",
        "9" * 5000,
    ],
)
def test_what_is_no_time_is_the_first_of_all(timestamp: object) -> None:
    assert nanoseconds(timestamp) == 0


def test_times_beyond_what_elasticsearch_holds_are_its_last_or_its_first() -> None:
    assert [
        nanoseconds("99999999999999999.5"),
        nanoseconds("9999-12-31T23:59:59Z"),
        nanoseconds("1969-07-20T20:17:40Z"),
    ] == [
        (1 << 63) - 1,
        (1 << 63) - 1,
        0,
    ]


def test_attributes_come_by_their_dotted_names_however_they_are_stored() -> None:
    assert flat({"a.b": 1, "c": {"d": {"e": 2}, "f": [{"g": 3}]}, "h": {}}) == {
        "a.b": 1,
        "c.d.e": 2,
        "c.f": [{"g": 3}],
        "h": {},
    }


@pytest.mark.parametrize("value", [None, "text", 7, [1, 2]])
def test_what_is_no_object_has_no_attributes(value: object) -> None:
    assert flat(value) == {}


def test_attributes_nested_deeper_than_the_stack_are_read() -> None:
    nested: dict[str, Any] = {"a": 1}
    for _ in range(3000):
        nested = {"a": nested}
    assert flat(nested) == {".".join(["a"] * 3001): 1}


@pytest.mark.parametrize(
    ("value", "expected"), [("x", "x"), (7, "7"), (None, ""), (True, ""), (1.5, ""), (["x"], "")]
)
def test_an_id_is_text_or_a_whole_number(value: object, expected: str) -> None:
    assert identifier(value) == expected


def test_a_session_is_selected_by_its_attribute() -> None:
    chosen = Selection(session_id=SESSION)
    assert chosen.fields == {"attributes.session.id": SESSION}
    assert chosen.named == f"session {SESSION}"
    nested = {"attributes": {"session": {"id": SESSION}}}
    number = {"attributes": {"session.id": int(SESSION)}}
    assert [
        chosen.holds(source)
        for source in (span("a").source, nested, number, {"attributes": {"session.id": "1"}}, {})
    ] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_a_trace_is_selected_by_its_id() -> None:
    chosen = Selection(trace_id=TRACE)
    assert chosen.fields == {"trace_id": TRACE}
    assert chosen.named == f"trace {TRACE}"
    assert [
        chosen.holds(source)
        for source in (span("a").source, {"trace_id": "0"}, {"trace_id": [TRACE]})
    ] == [True, False, False]


def test_a_selection_may_begin_at_a_time() -> None:
    chosen = Selection(session_id=SESSION, since_ns=START_NS + 1_000_000)
    assert [chosen.holds(span("a", at_ms).source) for at_ms in (0.9, 1, 2)] == [False, True, True]


EITHER = Selection(session_id=TRACE.upper(), trace_id=TRACE, since_ns=7)


def test_either_a_session_or_a_trace_can_be_selected() -> None:
    of_session = {"@timestamp": "1", "attributes": {"session.id": TRACE.upper()}}
    of_trace = {"@timestamp": "1", "trace_id": TRACE, "attributes": {"session.id": SESSION}}
    neither = {"@timestamp": "1", "trace_id": TRACE.upper(), "attributes": {"session.id": TRACE}}
    assert [EITHER.holds(source) for source in (of_session, of_trace, neither)] == [
        True,
        True,
        False,
    ]


def test_either_of_both_can_be_taken_alone() -> None:
    assert EITHER.readings == (
        Selection(session_id=TRACE.upper(), since_ns=7),
        Selection(trace_id=TRACE, since_ns=7),
    )


@pytest.mark.parametrize(
    ("chosen", "title"),
    [
        (Selection(session_id="Visit-A"), "Session Visit-A"),
        (Selection(trace_id=TRACE), f"Trace {TRACE}"),
        (EITHER, f"Session or trace {TRACE.upper()}"),
    ],
)
def test_a_title_leaves_ids_as_they_are(chosen: Selection, title: str) -> None:
    assert chosen.title == title
