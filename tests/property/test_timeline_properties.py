"""The read model against whatever a store may hold:

it never fails, its order is total, and its depth is finite.
"""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from typing import Any

from hypothesis import given, settings, strategies as st

from otel_asayer.cli.timeline_view import as_json, line
from otel_asayer.documents.values import iso_timestamp, otel_timestamp
from otel_asayer.errors import InvalidSessionIdError
from otel_asayer.sanitize import sanitize_line
from otel_asayer.timeline import (
    Stored,
    Timeline,
    event_of,
    flat,
    group_errors,
    nanoseconds,
    parse_selection,
)
from property.strategies import any_text, texts

LAST_NS = (1 << 63) - 1
times = st.integers(0, LAST_NS)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(1 << 70), 1 << 70), st.floats(), any_text
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(any_text, inner, max_size=3)
    ),
    max_leaves=8,
)
names = st.sampled_from(
    (
        "session.id",
        "asayer.replay.url",
        "exception.type",
        "exception.message",
        "exception.stacktrace",
        "http.request.method",
        "http.route",
        "http.response.status_code",
        "service.name",
    )
)
attributes = st.one_of(values, st.dictionaries(st.one_of(names, any_text), values, max_size=5))
fields = {
    "@timestamp": st.one_of(values, times.map(otel_timestamp), times.map(iso_timestamp)),
    "attributes": attributes,
    "resource": st.one_of(values, st.fixed_dictionaries({"attributes": attributes})),
    "body": st.one_of(
        values, st.fixed_dictionaries({}, optional={"text": values, "structured": values})
    ),
    "status": st.one_of(
        values, st.fixed_dictionaries({"code": st.just("Error")}, optional={"message": values})
    ),
    "kind": st.one_of(values, st.sampled_from(("Server", "Internal"))),
    **dict.fromkeys(
        (
            "name",
            "duration",
            "trace_id",
            "span_id",
            "parent_span_id",
            "event_name",
            "severity_number",
        ),
        values,
    ),
}
sources: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.dictionaries(any_text, values, max_size=3), st.fixed_dictionaries({}, optional=fields)
)
documents = st.lists(sources, max_size=6).map(
    lambda found: [Stored("logs-x", str(number), source) for number, source in enumerate(found)]
)

span_ids = st.sampled_from("abcdefgh")
graphs = st.lists(st.tuples(span_ids, span_ids, times), max_size=12).map(
    lambda spans: [
        Stored(
            "traces-x",
            str(number),
            {
                "span_id": own,
                "parent_span_id": parent,
                "duration": 1,
                "@timestamp": otel_timestamp(time_ns),
            },
        )
        for number, (own, parent, time_ns) in enumerate(spans)
    ]
)


def controls(text: str) -> str:
    """The control characters in it, line breaks included."""
    return "".join(
        character for character in text if unicodedata.category(character) in ("Cc", "Zl", "Zp")
    )


@given(times)
def test_a_time_comes_back_to_the_nanosecond_from_the_form_in_which_it_is_written(
    time_ns: int,
) -> None:
    assert nanoseconds(otel_timestamp(time_ns)) == time_ns


@given(times)
def test_a_time_comes_back_to_the_millisecond_from_rfc_3339(time_ns: int) -> None:
    assert nanoseconds(iso_timestamp(time_ns)) == time_ns // 1_000_000 * 1_000_000


@given(values)
def test_every_value_is_some_time_that_elasticsearch_could_hold(value: Any) -> None:
    assert 0 <= nanoseconds(value) <= LAST_NS


@given(sources)
def test_every_document_is_an_event_of_one_line(source: dict[str, Any]) -> None:
    title = event_of(Stored("logs-x", "1", source)).title
    assert controls(title) == ""
    assert len(title) <= 1000
    assert title.encode().decode() == title


@given(documents)
@settings(max_examples=60)
def test_every_document_can_be_shown(found: list[Stored]) -> None:
    timeline = Timeline.of(found)
    for event in timeline.events:
        assert controls(line(timeline, event, 10).plain) == ""
        assert list(as_json(timeline, event)["attributes"]) == list(event.attributes)
    for group in group_errors(timeline.events):
        assert group.count == len(group.events)
        assert type(group.message) is str
        assert type(str(group.location)) is str


@given(documents, st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_that_of_the_documents(
    found: list[Stored], random: Any
) -> None:
    shuffled = random.sample(found, len(found))
    assert [event.document.id for event in Timeline.of(shuffled).events] == [
        event.document.id for event in Timeline.of(found).events
    ]


@given(graphs, st.randoms(use_true_random=False))
def test_any_graph_of_parents_has_depths_and_always_the_same(
    found: list[Stored], random: Any
) -> None:
    depths = {event.document.id: event.depth for event in Timeline.of(found).events}
    assert all(0 <= depth < len(found) for depth in depths.values())
    assert {
        event.document.id: event.depth
        for event in Timeline.of(random.sample(found, len(found))).events
    } == depths


@given(st.dictionaries(any_text, values, max_size=5))
def test_flattening_twice_is_flattening_once(nested: dict[str, Any]) -> None:
    assert list(flat(flat(nested))) == list(flat(nested))


@given(texts, st.booleans())
def test_any_text_is_one_subject_or_none_but_for_what_can_be_a_trace_too(
    text: str,
    opaque: bool,  # noqa: FBT001
) -> None:
    with suppress(InvalidSessionIdError):
        chosen = parse_selection(text, opaque=opaque)
        assert len(chosen.readings) == 1 or (opaque and len(text.strip()) == 32)


@given(any_text)
def test_nothing_that_steers_a_terminal_is_left_in_a_sanitize_text(text: str) -> None:
    shown = sanitize_line(text)
    assert controls(shown) == ""
    assert shown.encode().decode() == shown
    assert not set(shown) & set(
        "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )
