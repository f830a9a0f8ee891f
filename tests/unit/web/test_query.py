"""What is asked of a session's page: read from its address, and written into its links."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from starlette.datastructures import QueryParams

from otel_asayer.timeline import Selection, Timeline
from otel_asayer.web.query import Query, path_of
from unit.web.support import SESSION, TRACE, log, span

NUMBERS = st.none() | st.integers(-(10**18), 10**18)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
QUERIES = st.builds(
    Query,
    services=st.lists(TEXT).map(tuple),
    level=st.sampled_from(["debug", "info", "warning", "error"]),
    text=TEXT.map(str.strip),
    page=NUMBERS,
    event=TEXT,
)
TIMELINE = Timeline.of([
    span("GET /cart", 0, 100, service="shop"),
    log("Adding LAMP", 10, service="shop"),
    log(
        "table is slow",
        50,
        service="pricing",
        severity=13,
        having={"db.statement": "SELECT lamp"},
    ),
    log("broken", 900, service="pricing", severity=17),
    log("pricing ends\nwith three bulbs", 950, service="pricing"),
])  # fmt: skip


def titles(query: Query) -> list[str]:
    return [event.title for event in query.apply(TIMELINE).events]


@given(QUERIES)
def test_a_link_says_what_was_asked(query: Query) -> None:
    assert Query.of(QueryParams(query.link()[1:])) == query


def test_a_link_keeps_the_filters_and_changes_one() -> None:
    assert (
        Query(services=("shop",), level="error", page=3).link(page=None, event="doc-1")
        == "?service=shop&level=error&event=doc-1"
    )


@pytest.mark.parametrize(
    "given",
    [
        "level=loud",
        "page=two",
        "since=1e9",
        "until=",
        "page=\u0661",
        "page=" + "9" * 30,
        "since=20&until=10",
    ],
)
def test_what_makes_no_sense_is_not_asked(given: str) -> None:
    assert Query.of(QueryParams(given)) == Query()


def test_services_are_those_that_are_named() -> None:
    assert titles(Query(services=("pricing",))) == ["table is slow", "broken", "pricing ends"]


def test_a_level_is_this_one_and_worse() -> None:
    assert titles(Query(level="warning")) == ["table is slow", "broken"]


def test_text_is_found_in_titles_and_attributes_in_any_case() -> None:
    assert titles(Query(text="Lamp")) == ["Adding LAMP", "table is slow"]


def test_text_is_found_behind_the_first_line_of_a_log_record() -> None:
    assert titles(Query(text="bulbs")) == ["pricing ends"]


def test_a_part_of_the_time_has_what_reaches_into_it() -> None:
    assert titles(Query(since_ns=40_000_000, until_ns=60_000_000)) == ["GET /cart", "table is slow"]


def test_a_part_may_be_open_at_either_end() -> None:
    assert titles(Query(since_ns=800_000_000)) == ["broken", "pricing ends"]
    assert titles(Query(until_ns=20_000_000)) == ["GET /cart", "Adding LAMP"]


def test_pages_have_the_paths_of_what_they_show() -> None:
    assert path_of(Selection(session_id=SESSION)) == f"/session/{SESSION}"
    assert path_of(Selection(trace_id=TRACE)) == f"/trace/{TRACE}"
