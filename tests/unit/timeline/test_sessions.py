"""Sessions in a list: their sums, their order, and the filters that leave some out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from otel_asayer.timeline import SessionFilter, linked
from otel_asayer.timeline.sessions import list_sessions
from unit.timeline.support import REPLAY_URL, SESSION, START_NS, log, raised, span

if TYPE_CHECKING:
    from otel_asayer.timeline import Stored

OTHER = "2618307011354435588"
"""Of the same millisecond."""
OF_OTHER = {"session.id": OTHER}
HTTP = {"http.request.method": "GET", "http.route": "/cart", "http.response.status_code": 500}
DOCUMENTS = (
    span("a", 100, attributes={**HTTP, "user_agent.original": "Firefox"}, status={"code": "Error"}),
    span("b", 110, parent="a", service="pricing"),
    raised("KeyError", "'lamp'", 120, inside="a"),
    log("failed", 130, severity=17, inside="a"),
    log("late", 5000),
    span("c", 9000, attributes=OF_OTHER, trace_id="f" * 32),
)


def ids(*documents: Stored, limit: int = 10, **filters: Any) -> list[str]:
    found, _ = list_sessions(documents, SessionFilter(**filters), limit)
    return [one.session_id for one in found]


def test_a_session_is_summed_up() -> None:
    one = list_sessions(DOCUMENTS, SessionFilter(), 10)[0][1]
    assert one.session_id == SESSION
    assert one.started_at_ns == START_NS
    assert one.last_ns == START_NS + 5_000_000_000
    assert one.duration_ns == 5_000_000_000
    assert one.services == ("pricing", "shop")
    assert one.documents == 5
    assert one.requests == 1
    assert one.user_agent == "Firefox"
    assert one.first_request is not None
    assert one.first_request.title == "GET /cart 500"


def test_a_failed_request_its_exception_and_its_log_line_are_one_error() -> None:
    assert list_sessions(DOCUMENTS, SessionFilter(), 10)[0][1].errors == 1


def test_an_error_outside_of_a_trace_counts_by_itself() -> None:
    outside = [log(text, 1, severity=17, trace_id="") for text in "ab"]
    assert list_sessions(outside, SessionFilter(), 10)[0][0].errors == 2


def test_a_document_that_comes_twice_counts_once() -> None:
    assert list_sessions([*DOCUMENTS, *DOCUMENTS], SessionFilter(), 10)[0][1].documents == 5


def test_the_latest_comes_first() -> None:
    assert ids(*DOCUMENTS) == [OTHER, SESSION]


def test_no_more_than_asked_for_are_shown_and_that_is_known() -> None:
    assert ids(*DOCUMENTS, limit=1) == [OTHER]
    assert list_sessions(DOCUMENTS, SessionFilter(), 1)[1] is False
    assert list_sessions(DOCUMENTS, SessionFilter(), 2)[1] is True


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"since_ns": START_NS + 5_000_000_001}, [OTHER]),
        ({"since_ns": START_NS + 5_000_000_000}, [OTHER, SESSION]),
        ({"services": ("pricing",)}, [SESSION]),
        ({"services": ("pricing", "shop")}, [OTHER, SESSION]),
        ({"errors_only": True}, [SESSION]),
        ({"text": "LATE"}, [SESSION]),
        ({"text": "http.route:/cart"}, [SESSION]),
        ({"text": "http.route:/car"}, []),
        ({"text": "service.name:pricing"}, [SESSION]),
        ({"services": ("pricing",), "errors_only": True}, []),
    ],
)
def test_a_session_is_listed_where_one_of_its_events_passes_all_filters(
    filters: dict[str, Any], expected: list[str]
) -> None:
    assert ids(*DOCUMENTS, **filters) == expected


def test_all_of_a_session_is_summed_up_though_one_event_passes() -> None:
    assert list_sessions(DOCUMENTS, SessionFilter(text="late"), 10)[0][0].documents == 5


def test_sessions_of_other_systems_are_listed_on_request_only() -> None:
    foreign = log("x", 1, attributes={"session.id": "abc"})
    without = log("x", 2, attributes={"session.id": None})
    assert ids(foreign, without) == []
    assert ids(foreign, without, opaque=True) == ["abc"]


def test_the_first_request_leads_to_the_replay() -> None:
    found, _ = list_sessions(DOCUMENTS, SessionFilter(), 10)
    request = linked(found, REPLAY_URL)[found[1].session_id]
    assert request.replay_url == f"https://replay.example/7/session/{SESSION}?jumpto=1706063259424"


def test_a_session_without_a_request_leads_nowhere() -> None:
    found, _ = list_sessions([log("x", 1)], SessionFilter(), 10)
    assert linked(found, REPLAY_URL) == {}
