"""A session's moments in order:

their depth, their offset from the session's start, and their place in the replay.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from otel_asayer.documents.values import otel_timestamp
from otel_asayer.timeline import EventKind, Stored, Timeline
from otel_asayer.timeline.errors import distinct_exceptions
from unit.timeline.support import REPLAY_URL, SESSION, STACK, START_NS, document, log, raised, span


def titles(timeline: Timeline) -> list[tuple[str, int]]:
    return [(event.title, event.depth) for event in timeline.events]


def in_replay(session_id: str, at_ms: int, url: str) -> Stored:
    return log(
        f"{url} {at_ms}", at_ms, attributes={"session.id": session_id, "asayer.replay.url": url}
    )


def test_events_come_in_the_order_of_their_time_with_their_depth() -> None:
    found = Timeline.of(
        [
            log("priced", 3, inside="price"),
            span("price", 2, parent="GET /cart"),
            raised("KeyError", "'lamp'", 4, inside="GET /cart"),
            span("GET /cart", 1),
            log("alone", 9),
        ]
    )
    assert titles(found) == [
        ("GET /cart", 0),
        ("price", 1),
        ("priced", 2),
        ("KeyError: 'lamp'", 1),
        ("alone", 0),
    ]


def test_of_events_at_one_time_what_is_around_comes_first() -> None:
    documents = [log("c", inside="b"), span("b", parent="a"), span("a"), log("d")]
    assert (
        titles(Timeline.of(documents))
        == titles(Timeline.of(reversed(documents)))
        == [("a", 0), ("d", 0), ("b", 1), ("c", 2)]
    )


def observed(text: str, observed_us: int, *, inside: str = "", sequence: int = 0) -> Stored:
    """A log record with a time cut to the millisecond, observed that many microseconds later."""
    stored = log(
        text,
        5,
        inside=inside,
        observed_timestamp=otel_timestamp(START_NS + 5_000_000 + observed_us * 1000),
    )
    return replace(stored, sequence=sequence)


def test_log_records_of_one_millisecond_come_as_they_were_observed() -> None:
    documents = [
        observed("c", 30),
        span("GET /", 5),
        observed("a", 10),
        span("inner", 5, parent="GET /"),
        observed("b", 20, inside="inner"),
    ]
    assert [title for title, _ in titles(Timeline.of(documents))] == [
        "GET /",
        "inner",
        "a",
        "b",
        "c",
    ]


def test_what_was_observed_at_one_time_comes_as_it_was_stored() -> None:
    documents = [
        observed("a", 10, sequence=2),
        observed("b", 10, sequence=10),
        observed("c", 10, sequence=1),
    ]
    assert [title for title, _ in titles(Timeline.of(documents))] == ["c", "a", "b"]


def test_an_observation_before_the_time_itself_counts_as_that_time() -> None:
    documents = [observed("a", -10, sequence=2), observed("b", 0, sequence=1)]
    assert [title for title, _ in titles(Timeline.of(documents))] == ["b", "a"]


def test_the_time_goes_before_the_observation() -> None:
    documents = [
        log("later", 6, observed_timestamp=otel_timestamp(START_NS)),
        observed("earlier", 9000),
    ]
    assert [title for title, _ in titles(Timeline.of(documents))] == ["earlier", "later"]


def test_exceptions_are_counted_once_with_those_of_log_records() -> None:
    logged = {
        "exception.type": "KeyError",
        "exception.message": "lamp",
        "exception.stacktrace": STACK,
    }
    through_spans = [raised("shop.OutOfStock", "none left", at_ms) for at_ms in (1, 2)]
    found = Timeline.of(
        [*through_spans, log("not priced", 3, attributes=logged), log("no exception", 4)]
    )
    assert len(distinct_exceptions(found.events)) == 2


def test_a_failed_request_its_exception_and_its_log_line_are_one_failure() -> None:
    failed = [
        span("request", 1, status={"code": "Error"}),
        raised("KeyError", "lamp", 2),
        log("failed", 3, severity=17),
        log("outside", 4, severity=17, trace_id=""),
        log("well", 5),
    ]
    assert Timeline.of(failed).failures == 2


def test_a_document_that_comes_twice_is_one_event() -> None:
    assert titles(Timeline.of([span("a"), span("a")])) == [("a", 0)]


def test_spans_that_are_each_others_parents_have_no_depth_and_what_is_below_has() -> None:
    circle = [
        span("a", 1, parent="c"),
        span("b", 2, parent="a"),
        span("c", 3, parent="b"),
        span("self", 4, parent="self"),
    ]
    below = [span("d", 5, parent="b"), span("e", 6, parent="d")]
    expected = [("a", 0), ("b", 0), ("c", 0), ("self", 0), ("d", 1), ("e", 2)]
    assert (
        titles(Timeline.of(circle + below)) == titles(Timeline.of(below[::-1] + circle)) == expected
    )


def test_a_chain_of_spans_is_as_deep_as_it_is_long() -> None:
    chain = [
        span(f"{number}", number, parent=f"{number - 1}" if number else "")
        for number in range(3000)
    ]
    assert [event.depth for event in Timeline.of(reversed(chain)).events] == list(range(3000))


def test_a_span_without_an_id_is_around_nothing() -> None:
    found = Timeline.of([span("nameless", span_id=""), log("alone", 1)])
    assert titles(found) == [("nameless", 0), ("alone", 0)]


def test_the_same_span_id_in_another_trace_is_another_span() -> None:
    found = Timeline.of([span("a"), log("b", 1, inside="a", trace_id="f" * 32)])
    assert titles(found) == [("a", 0), ("b", 0)]


def test_offsets_count_from_the_start_that_the_session_id_tells() -> None:
    found = Timeline.of([span("a", 1500)])
    assert found.session_id == SESSION
    assert found.started_at_ns == START_NS
    assert found.offset_ns(found.events[0]) == 1_500_000_000


@pytest.mark.parametrize("at_ms", [-3_700_000, 8 * 24 * 3_600_000])
def test_a_start_that_none_of_the_events_can_be_of_does_not_count(at_ms: int) -> None:
    assert Timeline.of([span("a", at_ms)]).started_at_ns == START_NS + at_ms * 1_000_000


def test_one_clock_that_is_wrong_does_not_move_the_start() -> None:
    late = log("late", 10 * 24 * 3_600_000)
    never = Stored("logs-x", "never", {**log("never").source, "@timestamp": None})
    assert Timeline.of([span("a"), late, never]).started_at_ns == START_NS


def test_without_a_session_the_first_event_that_has_a_time_is_the_start() -> None:
    timeless = Stored("logs-x", "2", {"attributes": {}})
    found = Timeline.of([timeless, Stored("logs-x", "1", {**document(7, {}), "attributes": {}})])
    assert found.session_id is None
    assert found.started_at_ns == START_NS + 7_000_000


def test_events_of_two_sessions_are_of_none() -> None:
    assert Timeline.of([span("a"), span("b", attributes={"session.id": "7"})]).session_id is None


def test_a_session_of_another_system_has_no_start_of_its_own() -> None:
    found = Timeline.of([span("a", 3, attributes={"session.id": "visit-7"})], replay_url=REPLAY_URL)
    assert found.session_id == "visit-7"
    assert found.started_at_ns == START_NS + 3_000_000
    assert found.events[0].replay_url is None


def test_an_empty_timeline_is_one() -> None:
    assert Timeline.of([]) == Timeline((), None, 0)


def test_every_event_gets_its_link_by_the_template() -> None:
    found = Timeline.of([span("a", 1), log("b", 2)], replay_url=REPLAY_URL)
    base = f"https://replay.example/7/session/{SESSION}?jumpto="
    assert [event.replay_url for event in found.events] == [
        f"{base}1706063259325",
        f"{base}1706063259326",
    ]


def test_the_template_goes_before_a_documents_own_link() -> None:
    found = Timeline.of([in_replay(SESSION, 1, "https://evil.example/1")], replay_url=REPLAY_URL)
    assert (found.events[0].replay_url, found.events[0].strange_host) == (
        f"https://replay.example/7/session/{SESSION}?jumpto=1706063259325",
        "",
    )


def test_an_event_that_the_template_has_no_link_for_has_none() -> None:
    assert (
        Timeline.of([in_replay("visit-7", 1, "https://evil.example/1")], replay_url=REPLAY_URL)
        .events[0]
        .replay_url
        is None
    )


@pytest.mark.parametrize(
    ("link", "host"),
    [
        ("https://replay.example/2", ""),
        ("https://evil.example/2", "evil.example"),
        ("https://replay.example.evil.example/2", "replay.example.evil.example"),
        ("https://replay.example@evil.example/2", "evil.example"),
        ("https://someone@replay.example/2", "replay.example"),
        ("https://replay.example\\@evil.example/2", "replay.example\\@evil.example"),
        ("https://2130706433/2", "2130706433"),
    ],
)
def test_without_a_template_a_link_unlike_the_first_is_known_by_its_host(
    link: str, host: str
) -> None:
    found = Timeline.of(
        [in_replay(SESSION, 1, "https://replay.example/1"), in_replay(SESSION, 2, link)]
    )
    assert [event.strange_host for event in found.events] == ["", host]


def test_a_link_with_user_information_is_strange_even_as_the_first() -> None:
    found = Timeline.of([in_replay(SESSION, 1, f"https://a@evil.example/{SESSION}"), span("a", 2)])
    assert [(event.strange_host, event.replay_url is None) for event in found.events] == [
        ("evil.example", False),
        ("", True),
    ]


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (
            f"https://r.example/session/{SESSION}?jumpto=1706063259824",
            f"https://r.example/session/{SESSION}?jumpto=1706063260324",
        ),
        (
            f"https://r.example/session/{SESSION}?jumpto=500",
            f"https://r.example/session/{SESSION}?jumpto=1000",
        ),
        (
            f"https://r.example/session/{SESSION}?jumpto=5000",
            f"https://r.example/session/{SESSION}?jumpto=5000",
        ),
        (f"https://r.example/session/{SESSION}", f"https://r.example/session/{SESSION}"),
        ("https://r.example/session/elsewhere", None),
        (f"https://r.example/{{session}}/{SESSION}", None),
    ],
)
def test_without_a_template_links_have_the_form_of_those_that_are_there(
    link: str, expected: str | None
) -> None:
    found = Timeline.of([in_replay(SESSION, 500, link), span("a", 1000)])
    assert found.events[1].replay_url == expected


def test_services_counts_and_errors_are_told() -> None:
    found = Timeline.of(
        [
            span("a", service="web"),
            span("b", 1, parent="a"),
            log("c", 2),
            raised("D", "e", 3, stack=""),
            log("f", 4, event_name="x", body=None, severity_number=None),
        ]
    )
    assert found.services == ("web", "shop")
    assert found.counts == {
        EventKind.REQUEST: 1,
        EventKind.SPAN: 1,
        EventKind.LOG: 1,
        EventKind.EVENT: 1,
        EventKind.EXCEPTION: 1,
    }
    assert [event.title for event in found.errors] == ["D: e"]


def test_a_part_keeps_the_start_of_the_whole() -> None:
    found = Timeline.of(
        [
            span("a", 1000, service="web"),
            log("b", 2000, severity=13),
            log("c", 3000, severity=5),
            log("d", 4000, severity=17),
        ]
    )
    parts = [
        found.only(services=["web"]),
        found.only(least_level="warning"),
        found.only(since_ns=2_000_000_000, until_ns=3_000_000_000),
        found.only(services=["web"], least_level="error"),
        found.only(),
    ]
    assert [[title for title, _ in titles(part)] for part in parts] == [
        ["a"],
        ["b", "d"],
        ["b", "c"],
        [],
        ["a", "b", "c", "d"],
    ]
    assert {part.started_at_ns for part in parts} == {START_NS}
