"""Documents of spans and span events; whole ones stand in the golden files."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceState

from golden.cases import EXCEPTION
from golden.recording import (
    MS,
    OTHER_SESSION,
    PARENT_ID,
    REPLAY_URL,
    SESSION,
    START,
    TRACE_ID,
    Document,
    Recording,
    caller,
    documents,
    encoder,
    read,
)

from naming import stable

IN_SESSION = {"session.id": SESSION}
URL = f"https://app.openreplay.com/7/session/{SESSION}?jumpto=1795536236662"
CONTEXT = SpanContext(TRACE_ID, 1, is_remote=False)


def span(context: Any = None, **options: Any) -> Document:
    recording = Recording()
    recording.tracer.start_span("x", context, start_time=START, **options).end(START + MS)
    return documents(recording, replay_url=REPLAY_URL, replay_records=False)[0]


def event(
    name: str,
    attributes: dict[str, Any] | None = None,
    of_span: dict[str, Any] | None = None,
    **settings: Any,
) -> Document:
    recording = Recording()
    one = recording.tracer.start_span(
        "x", caller(is_remote=False), attributes=of_span, start_time=START
    )
    one.add_event(name, attributes, START)
    one.end(START)
    return documents(recording, replay_records=False, **settings)[1]


def test_a_status_of_grpc_that_is_none_costs_no_span_its_document() -> None:
    recording = Recording()
    attributes = {"rpc.grpc.status_code": [5]}
    one = recording.tracer.start_span("x", None, SpanKind.SERVER, attributes, start_time=START)
    one.add_event("exception", EXCEPTION, START)
    one.end(START)
    assert [document.id for document in documents(recording)] != []


def made(**options: Any) -> dict[str, Any]:
    """The document of a span that was made without a tracer."""
    operations, failures = encoder().spans([ReadableSpan("x", CONTEXT, **options)])
    assert failures == []
    return read(operations[0]).source


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (SpanKind.INTERNAL, "Internal"),
        (SpanKind.SERVER, "Server"),
        (SpanKind.CLIENT, "Client"),
        (SpanKind.PRODUCER, "Producer"),
        (SpanKind.CONSUMER, "Consumer"),
    ],
)
def test_a_kind_is_named_like_in_the_protocol(kind: SpanKind, name: str) -> None:
    assert span(kind=kind).source["kind"] == name


@pytest.mark.parametrize(
    ("status", "form"),
    [
        (Status(), {}),
        (Status(StatusCode.OK), {"code": "Ok"}),
        (Status(StatusCode.ERROR), {"code": "Error"}),
        (Status(StatusCode.ERROR, "mailbox full"), {"code": "Error", "message": "mailbox full"}),
    ],
    ids=stable,
)
def test_a_status_has_the_form_of_the_collector(status: Status, form: dict[str, str]) -> None:
    assert made(status=status)["status"] == form


def test_a_root_has_no_parent() -> None:
    assert "parent_span_id" not in span().source


def test_a_child_has_its_parent() -> None:
    assert span(caller()).source["parent_span_id"] == f"{PARENT_ID:016x}"


def test_a_span_that_ends_before_it_starts_took_no_time() -> None:
    assert made(start_time=START, end_time=START - 5)["duration"] == 0


def test_a_span_without_times_is_kept() -> None:
    document = made()
    assert document["@timestamp"] == "0.000000"
    assert document["duration"] == 0


def test_a_span_without_attributes_has_an_empty_map() -> None:
    assert made(attributes=None)["attributes"] == {}


def test_a_link_without_attributes_has_no_map_of_them() -> None:
    assert made(links=[Link(CONTEXT)])["links"] == [
        {"trace_id": f"{TRACE_ID:032x}", "span_id": "0000000000000001"}
    ]


@pytest.mark.parametrize("empty", [None, TraceState()])
def test_an_empty_trace_state_is_left_out(empty: TraceState | None) -> None:
    assert "trace_state" not in span(caller(trace_state=empty)).source


@pytest.mark.parametrize("empty", [None, TraceState()])
def test_an_empty_trace_state_of_a_link_is_left_out(empty: TraceState | None) -> None:
    linked = SpanContext(TRACE_ID, 1, is_remote=True, trace_state=empty)
    assert "trace_state" not in made(links=[Link(linked)])["links"][0]


def test_a_link_counts_what_it_dropped() -> None:
    recording = Recording(limits=SpanLimits(max_link_attributes=1))
    recording.tracer.start_span("x", links=[Link(CONTEXT, {"a": 1, "b": 2})], start_time=START).end(
        START
    )
    assert documents(recording)[0].source["links"] == [
        {
            "trace_id": f"{TRACE_ID:032x}",
            "span_id": "0000000000000001",
            "attributes": {"b": 2},
            "dropped_attributes_count": 1,
        }
    ]


# The link to the replay


@pytest.mark.parametrize("context", [None, caller()], ids=["root", "remote parent"])
def test_a_local_root_has_the_link_to_its_start(context: Any) -> None:
    assert span(context, attributes=IN_SESSION).source["attributes"]["asayer.replay.url"] == URL


@pytest.mark.parametrize(
    ("context", "session_id"),
    [(caller(is_remote=False), SESSION), (None, "a1b2-c3d4"), (None, "")],
    ids=["inner span", "opaque session", "no session"],
)
def test_other_spans_have_no_link(context: Any, session_id: str) -> None:
    assert span(context, attributes={"session.id": session_id}).source["attributes"] == {
        "session.id": session_id
    }


def test_the_spans_own_attributes_stay_without_the_link() -> None:
    recording = Recording()
    recording.tracer.start_span("x", attributes=IN_SESSION, start_time=START).end(START)
    documents(recording, replay_url=REPLAY_URL)
    assert dict(recording.spans[0].attributes or {}) == IN_SESSION


def test_an_exception_has_the_link_to_its_moment() -> None:
    assert (
        event("exception", EXCEPTION, IN_SESSION, replay_url=REPLAY_URL).source["attributes"][
            "asayer.replay.url"
        ]
        == URL
    )


@pytest.mark.parametrize(
    ("name", "session_id", "settings"),
    [
        ("exception", SESSION, {}),
        ("exception", "a1b2-c3d4", {"replay_url": REPLAY_URL}),
        ("order accepted", SESSION, {"replay_url": REPLAY_URL}),
    ],
    ids=["no template", "opaque session", "another event"],
)
def test_other_events_have_no_link(name: str, session_id: str, settings: dict[str, Any]) -> None:
    assert (
        "asayer.replay.url"
        not in event(name, {}, {"session.id": session_id}, **settings).source["attributes"]
    )


# Span events


@pytest.mark.parametrize("session_id", [SESSION, "a1b2-c3d4"])
def test_an_event_carries_the_session_of_its_span(session_id: str) -> None:
    assert event("happened", None, {"session.id": session_id}).source["attributes"] == {
        "session.id": session_id,
        "event.name": "happened",
    }


def test_an_event_may_be_of_another_session() -> None:
    assert (
        event("happened", {"session.id": OTHER_SESSION}, IN_SESSION).source["attributes"][
            "session.id"
        ]
        == OTHER_SESSION
    )


def test_an_event_of_no_session_carries_none() -> None:
    assert event("happened").source["attributes"] == {"event.name": "happened"}


def test_an_event_counts_what_it_dropped() -> None:
    recording = Recording(limits=SpanLimits(max_event_attributes=1))
    one = recording.tracer.start_span("x", start_time=START)
    one.add_event("happened", {"a": 1, "b": 2}, START)
    one.end(START)
    assert documents(recording)[1].source["dropped_attributes_count"] == 1


def test_events_are_numbered_behind_the_id_of_their_span() -> None:
    events = [Event("a", timestamp=START), Event("b", timestamp=START)]
    operations, _ = encoder().spans([ReadableSpan("x", CONTEXT, events=events)])
    of_span = f"{TRACE_ID:032x}0000000000000001"
    assert [read(operation).id for operation in operations] == [
        of_span,
        f"{of_span}-0",
        f"{of_span}-1",
    ]


def test_a_span_its_events_and_then_its_records() -> None:
    recording = Recording()
    one = recording.tracer.start_span("x", attributes=IN_SESSION, start_time=START)
    one.add_event("exception", EXCEPTION, START)
    one.add_event("happened", timestamp=START)
    one.end(START)
    assert [document.stream.partition("-")[0] for document in documents(recording)] == [
        "traces",
        "logs",
        "logs",
        "asayer",
        "asayer",
    ]


NOT_FOUND = {"exception.type": "django.http.response.Http404", "exception.message": "no lamp"}


def answered(
    code: int = 404,
    *,
    kind: SpanKind = SpanKind.SERVER,
    status: Status | None = None,
    exception: dict[str, str] | None = None,
) -> tuple[Any, list[Any]]:
    """The marks of a span with an exception and of its events."""
    recording = Recording()
    one = recording.tracer.start_span(
        "x",
        caller(is_remote=True),
        kind=kind,
        attributes={"http.status_code": code},
        start_time=START,
    )
    one.add_event("exception", NOT_FOUND if exception is None else exception, START)
    one.add_event("note", {}, START)
    if status is not None:
        one.set_status(status)
    one.end(START)
    marks = [
        document.source["attributes"].get("asayer.exception.handled")
        for document in documents(recording, replay_records=False)
    ]
    return marks[0], marks[1:]


@pytest.mark.parametrize(
    "status",
    [None, Status(StatusCode.ERROR, "Http404: no lamp"), Status(StatusCode.OK)],
    ids=["unset", "set by it", "ok"],
)
def test_an_exception_that_a_server_answered_for_the_caller_is_marked_with_its_span(
    status: Status | None,
) -> None:
    assert answered(status=status) == (True, [True, None])


@pytest.mark.parametrize("description", ["declined", "Http404 in the shop: x", None])
def test_an_error_that_the_application_itself_set_stays_one(description: str | None) -> None:
    assert answered(status=Status(StatusCode.ERROR, description)) == (None, [None, None])


@pytest.mark.parametrize("code", [200, 302, 500])
def test_an_exception_behind_another_answer_is_an_error(code: int) -> None:
    assert answered(code) == (None, [None, None])


@pytest.mark.parametrize("kind", [SpanKind.CLIENT, SpanKind.INTERNAL, SpanKind.CONSUMER])
def test_an_exception_on_a_span_that_answers_nothing_is_an_error(kind: SpanKind) -> None:
    assert answered(kind=kind) == (None, [None, None])


def test_an_event_without_attributes_is_no_answer_that_a_status_names() -> None:
    assert answered(exception={}, status=Status(StatusCode.ERROR, "Http404: no lamp")) == (
        None,
        [None, None],
    )
