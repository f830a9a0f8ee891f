"""One document as one event, whoever wrote it, and whatever is in it."""

from __future__ import annotations

from typing import Any

import pytest

from otel_asayer.timeline import EventKind, Stored, TimelineEvent, event_of
from unit.timeline.support import SESSION, STACK, START_NS, TRACE, log, raised, span


def told(stored: Stored) -> tuple[EventKind, str, str]:
    event = event_of(stored)
    return event.kind, event.level, event.title


def of(**source: Any) -> TimelineEvent:
    return event_of(Stored("logs-x.otel-y", "1", source))


def test_an_event_has_all_that_a_document_tells() -> None:
    stored = span(
        "GET /cart",
        5,
        parent="p",
        ms=2,
        service="shop",
        attributes={"asayer.replay.url": "https://replay.example/1"},
    )
    assert event_of(stored) == TimelineEvent(
        time_ns=START_NS + 5_000_000,
        kind=EventKind.SPAN,
        service="shop",
        level="info",
        title="GET /cart",
        document=stored,
        duration_ns=2_000_000,
        trace_id=TRACE,
        span_id="GET /cart",
        parent_span_id="p",
        session_id=SESSION,
        replay_url="https://replay.example/1",
    )


HTTP = {"http.request.method": "GET", "http.route": "/cart/{id}", "http.response.status_code": 500}


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (
            span("x", kind="Server", parent="p", attributes=HTTP),
            (EventKind.REQUEST, "error", "GET /cart/{id} 500"),
        ),
        (span("job", kind="Consumer", parent="p"), (EventKind.REQUEST, "info", "job")),
        (span("cron"), (EventKind.REQUEST, "info", "cron")),
        (
            span("x", kind="Server", attributes={**HTTP, "http.response.status_code": 404}),
            (EventKind.REQUEST, "warning", "GET /cart/{id} 404"),
        ),
        (
            span("GET", parent="p", attributes={"http.status_code": 200}),
            (EventKind.SPAN, "info", "GET 200"),
        ),
        (
            span("SELECT", parent="p", status={"code": "Error", "message": "gone"}),
            (EventKind.SPAN, "error", "SELECT"),
        ),
        (
            span("cron", status={"code": "Error", "message": "gone"}),
            (EventKind.REQUEST, "error", "cron ERROR gone"),
        ),
        (span("cron", status={"code": "Error"}), (EventKind.REQUEST, "error", "cron ERROR")),
        (span("", parent="p"), (EventKind.SPAN, "info", "(no name)")),
        (log("hello\nworld"), (EventKind.LOG, "info", "hello")),
        (log("\n  \n hello"), (EventKind.LOG, "info", "hello")),
        (log("careful", severity=13), (EventKind.LOG, "warning", "careful")),
        (log("", severity=5), (EventKind.LOG, "debug", "(no body)")),
        (
            log("", severity=17, event_name="payment.failed"),
            (EventKind.LOG, "error", "payment.failed"),
        ),
        (
            log("failed", severity=17, attributes={"exception.type": "KeyError"}),
            (EventKind.LOG, "error", "failed"),
        ),
        (raised("KeyError", "'lamp'"), (EventKind.EXCEPTION, "error", "KeyError: 'lamp'")),
        (
            raised("Http404", "no lamp", attributes={"asayer.exception.handled": True}),
            (EventKind.EXCEPTION, "warning", "Http404: no lamp"),
        ),
        (raised("KeyError", "", body=None), (EventKind.EXCEPTION, "error", "KeyError: 'lamp'")),
        (
            Stored("logs-x", "1", {"event_name": "cache.miss", "attributes": {}}),
            (EventKind.EVENT, "info", "cache.miss"),
        ),
        (Stored("logs-x", "1", {}), (EventKind.EVENT, "info", "(no name)")),
    ],
)
def test_what_a_document_is_and_how_bad_and_what_it_says(
    stored: Stored, expected: tuple[EventKind, str, str]
) -> None:
    assert told(stored) == expected


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"text": "a\nb"}, "a\nb"),
        ({"text": 7}, "7"),
        ({"text": None}, ""),
        ({"structured": {"a": 1}}, '{"a":1}'),
        ({}, ""),
        ("plain", "plain"),
        (None, ""),
    ],
)
def test_the_body_is_text_whatever_its_form(body: object, text: str) -> None:
    assert of(body=body).body == text


def test_a_synthetic_source_gives_the_same_event() -> None:
    written = span("x", kind="Server", attributes=HTTP)
    source = {
        **written.source,
        "@timestamp": "2024-01-24T02:27:39.324000000Z",
        "attributes": {
            "session": {"id": SESSION},
            "http": {
                "request": {"method": "GET"},
                "route": "/cart/{id}",
                "response": {"status_code": 500},
            },
        },
        "resource": {"attributes": {"service": {"name": "shop"}}},
    }
    stored = Stored(written.index, written.id, source)
    before, after = event_of(written), event_of(stored)
    assert before.time_ns == after.time_ns
    assert before.title == after.title
    assert before.level == after.level
    assert before.session_id == after.session_id
    assert before.service == after.service


def test_an_exception_has_its_stack() -> None:
    assert event_of(raised("KeyError", "'lamp'")).stack == STACK
    assert event_of(log("x")).stack == ""


def test_a_service_without_a_name_is_unknown() -> None:
    assert [
        of().service,
        of(resource="x").service,
        of(resource={"attributes": {"service.name": ["a"]}}).service,
    ] == [
        "unknown_service",
        "unknown_service",
        '["a"]',
    ]


def test_a_title_is_one_line_without_control_characters() -> None:
    assert of(body={"text": "a\x1b[31m\tb\r\x9bc\nd"}).title == "a [31m b c"


def test_a_title_is_cut_at_a_thousand_characters() -> None:
    title = of(body={"text": "x" * 5000}).title
    assert title == "x" * 999 + "…"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://a\x1b]8;;evil",
        "https://a b",
        "https://a\u202eb",
        "https://",
        "file:///etc/passwd",
        7,
        None,
        ["https://a"],
        "\nhttps://a",
    ],
)
def test_what_is_no_address_of_the_web_is_no_link(url: object) -> None:
    assert of(attributes={"asayer.replay.url": url}).replay_url is None


@pytest.mark.parametrize(
    "source",
    [
        {
            "@timestamp": {"a": 1},
            "attributes": [1],
            "resource": {"attributes": 3},
            "body": [1, {"a": 2}],
        },
        {
            "kind": ["Server"],
            "name": {"a": 1},
            "status": "Error",
            "duration": "long",
            "parent_span_id": {"a": 1},
        },
        {"duration": True, "kind": None, "status": {"code": ["Error"]}},
        {
            "duration": -5,
            "kind": "Server",
            "attributes": {"http.request.method": {"a": 1}, "http.response.status_code": [200]},
        },
        {"severity_number": "high", "event_name": {"a": 1}, "body": {"text": {"a": [None]}}},
        {
            "attributes": {
                "exception.type": None,
                "exception.message": 7,
                "exception.stacktrace": ["a"],
            }
        },
        {"trace_id": 7, "span_id": [1], "attributes": {"session.id": {"a": 1}}},
    ],
)
def test_no_document_of_another_form_makes_it_fail(source: dict[str, Any]) -> None:
    event = of(**source)
    assert type(event.title) is str
    assert event.duration_ns in (None, 0)
    assert type(event.stack) is str
    assert type(event.body) is str


def test_only_spans_take_time() -> None:
    assert [
        event_of(stored).is_span
        for stored in (span("a"), span("b", parent="a"), log("c"), raised("D", "e"))
    ] == [True, True, False, False]
