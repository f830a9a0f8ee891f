"""Replay records, by the rules of their readers."""

from __future__ import annotations

import re
from itertools import pairwise
from traceback import format_exception
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from golden.cases import EXCEPTION, STACK
from golden.recording import (
    MS,
    OTHER_SESSION,
    SESSION,
    START,
    Document,
    Recording,
    caller,
    documents,
    encoder,
)

from naming import stable

if TYPE_CHECKING:
    from collections.abc import Callable

IN_SESSION = {"session.id": SESSION}
TAGS = (
    f"[asayer_session_id={SESSION}][openReplaySession.id={SESSION}]"
    f"[openReplaySessionToken={SESSION}] "
)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TIME = "2026-11-24T16:03:56.662Z"


def records(recording: Recording, **settings: Any) -> list[Document]:
    return [
        document
        for document in documents(recording, **settings)
        if document.stream.startswith("asayer-logs-")
    ]


def messages(recording: Recording, **settings: Any) -> list[str]:
    return [
        record.source["message"].removeprefix(TAGS) for record in records(recording, **settings)
    ]


def request(
    attributes: dict[str, Any] | None = None, name: str = "GET", **options: Any
) -> Recording:
    recording = Recording(**options)
    given = {
        "http.request.method": "GET",
        "url.path": "/cart",
        "http.response.status_code": 200,
        **IN_SESSION,
        **(attributes or {}),
    }
    recording.tracer.start_span(name, caller(), SpanKind.SERVER, given, start_time=START).end(
        START + 132 * MS
    )
    return recording


def logged(
    body: Any,
    severity: SeverityNumber | None = SeverityNumber.INFO,
    attributes: dict[str, Any] | None = None,
    **options: Any,
) -> Recording:
    recording = Recording(**options)
    context = caller() if "resource" not in options else None
    given = {**IN_SESSION, **(attributes or {})}
    recording.logger.emit(
        LogRecord(
            timestamp=START, context=context, severity_number=severity, body=body, attributes=given
        )
    )
    return recording


def test_a_record_has_what_the_three_generations_read_and_no_more() -> None:
    record = records(request({"http.response.status_code": 500}))[0]
    assert record == (
        "asayer-logs-default-2026.11.24",
        f"{TRACE}0000000000000001r",
        {
            "@timestamp": TIME,
            "utc_time": TIME,
            "timestamp": TIME,
            "message": f"{TAGS}GET /cart 500 in 132 ms · service shop · trace {TRACE}",
            "level": "error",
            "tags": ["error"],
            "trace_id": TRACE,
            "span_id": "0000000000000001",
            "attributes": {"session.id": SESSION},
            "resource": {"attributes": {"service.name": "shop"}},
        },
    )


@pytest.mark.parametrize(("code", "tags"), [(500, ["error"]), (404, None), (200, None)])
def test_only_errors_are_tagged(code: int, tags: list[str] | None) -> None:
    assert records(request({"http.response.status_code": code}))[0].source.get("tags") == tags


def test_a_session_without_service_and_trace_has_records() -> None:
    (record,) = records(logged("hello", resource=Resource({})))
    assert record.source == {
        "@timestamp": TIME,
        "utc_time": TIME,
        "timestamp": TIME,
        "message": f"{TAGS}hello",
        "level": "info",
        "attributes": {"session.id": SESSION},
    }


@pytest.mark.parametrize("session_id", ["a1b2-c3d4", "", "0", str(2**64), None, ("1",)], ids=repr)
def test_without_a_session_that_has_a_replay_there_are_no_records(session_id: Any) -> None:
    assert records(request({"session.id": session_id})) == []


def test_a_token_never_reaches_a_record_or_a_document() -> None:
    token = "jw4wdfpgqhoj.3az.lrraavgc.ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"
    span, record = documents(request({"session.id": token}))
    assert token not in str(span)
    assert record.source["message"].startswith(TAGS)


def test_records_can_be_switched_off() -> None:
    assert records(request(), replay_records=False) == []


@pytest.mark.parametrize(
    ("least", "levels"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)]
)
def test_records_below_the_least_level_are_left_out(least: str, levels: int) -> None:
    recording = Recording()
    for severity in (
        SeverityNumber.DEBUG,
        SeverityNumber.INFO,
        SeverityNumber.WARN,
        SeverityNumber.ERROR,
    ):
        recording.logger.emit(
            LogRecord(timestamp=START, severity_number=severity, body="x", attributes=IN_SESSION)
        )
    assert [record.source["level"] for record in records(recording, replay_level=least)] == [
        "debug",
        "info",
        "warning",
        "error",
    ][-levels:]


@pytest.mark.parametrize(
    ("kind", "context", "number"),
    [
        (SpanKind.SERVER, caller(is_remote=False), 1),
        (SpanKind.CONSUMER, caller(is_remote=False), 1),
        (SpanKind.INTERNAL, caller(), 1),
        (SpanKind.CLIENT, None, 1),
        (SpanKind.INTERNAL, caller(is_remote=False), 0),
        (SpanKind.CLIENT, caller(is_remote=False), 0),
        (SpanKind.PRODUCER, caller(is_remote=False), 0),
    ],
    ids=stable,
)
def test_a_span_has_a_record_where_a_session_enters_a_service(
    kind: SpanKind, context: Any, number: int
) -> None:
    recording = Recording()
    recording.tracer.start_span("x", context, kind, IN_SESSION, start_time=START).end(START)
    assert len(records(recording)) == number


def test_an_entry_span_is_one_line_of_visible_characters() -> None:
    attributes = {
        "url.path": "/a\r\n\x00\x1b[31m\x85\u2028\u2029b",
        "http.request.method": "GET\nX",
    }
    assert messages(request(attributes, resource=Resource({"service.name": "shop\nforged"}))) == [
        f"GET X /a [31m b 200 in 132 ms · service shop forged · trace {TRACE}"
    ]


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        (None, "info"),
        (SeverityNumber.UNSPECIFIED, "info"),
        (SeverityNumber.TRACE, "debug"),
        (SeverityNumber.DEBUG4, "debug"),
        (SeverityNumber.INFO, "info"),
        (SeverityNumber.INFO4, "info"),
        (SeverityNumber.WARN, "warning"),
        (SeverityNumber.WARN4, "warning"),
        (SeverityNumber.ERROR, "error"),
        (SeverityNumber.FATAL4, "error"),
    ],
    ids=repr,
)
def test_a_log_records_severity_is_the_level(severity: SeverityNumber | None, level: str) -> None:
    (record,) = records(logged("x", severity), replay_level="debug")
    assert record.source["level"] == level


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("hello", "hello"),
        ({"order": 17}, '{"order":17}'),
        ([1, "two"], '[1,"two"]'),
        (17, "17"),
        (b"\xff", "ff"),
        ("\ud800", "\ufffd"),
    ],
    ids=repr,
)
def test_a_log_records_body_is_the_message(body: Any, text: str) -> None:
    assert messages(logged(body)) == [f"{text} · service shop · trace {TRACE}"]


def test_service_and_trace_stand_in_the_first_line_which_the_panel_shows() -> None:
    assert messages(logged("first\r\nsecond\n")) == [
        f"first · service shop · trace {TRACE}\nsecond\n"
    ]


def test_a_log_record_without_a_body_shows_its_name() -> None:
    recording = Recording()
    recording.logger.emit(
        LogRecord(timestamp=START, event_name="order.accepted", attributes=IN_SESSION)
    )
    recording.logger.emit(
        LogRecord(timestamp=START, attributes={"event.name": "order.sent", **IN_SESSION})
    )
    recording.logger.emit(LogRecord(timestamp=START, attributes=IN_SESSION))
    assert [message.partition(" · ")[0] for message in messages(recording)] == [
        "order.accepted",
        "order.sent",
        "(no body)",
    ]


# Exceptions


def raised(*exceptions: dict[str, Any], session_id: str = SESSION) -> Recording:
    """A span per exception, all in one trace, which ends with it."""
    recording = Recording()
    for exception in exceptions:
        span = recording.tracer.start_span(
            "x", caller(is_remote=False), attributes={"session.id": session_id}, start_time=START
        )
        span.add_event("exception", exception, START)
        span.end(START)
    return recording


def test_an_exception_shows_type_and_message_and_then_its_stack() -> None:
    (record,) = records(raised(EXCEPTION))
    assert (
        record.source["message"]
        == f"{TAGS}shop.errors.CardDeclined: insufficient funds · service shop · trace "
        f"{TRACE}\n{STACK.rstrip()}"
    )
    assert record.source["level"] == "error"
    assert record.source["tags"] == ["error"]


def test_an_exception_is_shown_at_the_moment_when_it_was_raised() -> None:
    recording = Recording()
    span = recording.tracer.start_span(
        "x", caller(is_remote=False), attributes=IN_SESSION, start_time=START
    )
    span.add_event("exception", EXCEPTION, START + 5 * MS)
    span.end(START + 9 * MS)
    assert records(recording)[0].source["@timestamp"] == "2026-11-24T16:03:56.667Z"


def test_an_exception_through_several_spans_is_one_record() -> None:
    assert len(records(raised(EXCEPTION, EXCEPTION, EXCEPTION))) == 1


def test_an_exception_that_is_routed_by_itself_has_its_record_in_its_own_namespace() -> None:
    found = records(raised({**EXCEPTION, "data_stream.namespace": "eu"}))
    assert [
        record.stream.startswith("asayer-logs-eu")
        for record in found
        if "CardDeclined" in record.source["message"]
    ] == [True]


def test_an_exception_in_a_later_batch_is_the_same_record() -> None:
    assert records(raised(EXCEPTION))[0].id == records(raised(EXCEPTION))[0].id


@pytest.mark.parametrize(
    "other",
    [
        {"exception.type": "CardDeclined"},
        {"exception.type": "other.module.CardDeclined"},
        {"exception.type": "module.function.<locals>.CardDeclined"},
        {"exception.stacktrace": "another stack, seen from another span"},
    ],
    ids=repr,
)
def test_what_differs_between_recorders_does_not_make_another_record(other: dict[str, str]) -> None:
    assert len(records(raised(EXCEPTION, {**EXCEPTION, **other}))) == 1


@pytest.mark.parametrize(
    "other",
    [{"exception.type": "shop.errors.CardExpired"}, {"exception.message": "card is blocked"}],
    ids=repr,
)
def test_another_exception_is_another_record(other: dict[str, str]) -> None:
    assert len(records(raised(EXCEPTION, {**EXCEPTION, **other}))) == 2


def test_the_same_exception_in_another_session_of_the_trace_is_another_record() -> None:
    assert (
        records(raised(EXCEPTION))[0].id
        != records(raised(EXCEPTION, session_id=OTHER_SESSION))[0].id
    )


def test_an_exception_in_another_trace_is_another_record() -> None:
    recording = Recording()
    for trace_id in (1, 2):
        recording.logger.emit(
            LogRecord(
                timestamp=START,
                trace_id=trace_id,
                span_id=1,
                attributes={**EXCEPTION, **IN_SESSION},
            )
        )
    assert len({record.id for record in records(recording)}) == 2


def both_ways(error: Exception) -> Recording:
    """An exception recorded by a span and by a logging handler, each in its way."""
    recording = Recording()
    span = recording.tracer.start_span(
        "x", caller(is_remote=False), attributes=IN_SESSION, start_time=START
    )
    span.record_exception(error, timestamp=START)
    span.end(START)
    stack = "".join(format_exception(error))
    attributes: dict[str, Any] = {
        "exception.type": type(error).__name__,
        "exception.stacktrace": stack,
        **IN_SESSION,
    }
    if error.args:
        attributes["exception.message"] = str(error.args[0])
    recording.logger.emit(
        LogRecord(
            timestamp=START, context=set_span_in_context(span), body="failed", attributes=attributes
        )
    )
    return recording


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad"),
        ValueError(),
        ValueError("two\nlines"),
        KeyError("key"),
        OSError(2, "No such file", "x"),
        RuntimeError("a", 1),
        ValueError("a: b"),
    ],
    ids=repr,
)
def test_an_exception_that_is_also_logged_is_one_record(error: Exception) -> None:
    span_record, log_record, same = records(both_ways(error))
    assert log_record.source["message"].startswith(f"{TAGS}failed · ")
    assert span_record.id == same.id


def test_a_logged_exception_shows_all_of_its_text() -> None:
    attributes = {
        "exception.type": "KeyError",
        "exception.message": "cart",
        "exception.stacktrace": "Traceback\nKeyError: 'cart'\n",
    }
    assert messages(logged(None, attributes=attributes)) == [
        f"KeyError: 'cart' · service shop · trace {TRACE}\nTraceback\nKeyError: 'cart'"
    ]


def test_a_log_record_that_is_nothing_but_an_exception_is_one_record() -> None:
    assert len(records(logged(None, SeverityNumber.ERROR, EXCEPTION))) == 1


def test_an_event_that_announces_an_exception_is_one_record() -> None:
    recording = Recording()
    attributes = {**IN_SESSION, **EXCEPTION}
    recording.logger.emit(
        LogRecord(
            timestamp=START,
            context=caller(),
            body="Uncaught exception",
            attributes=attributes,
            event_name="exception",
        )
    )
    assert messages(recording) == messages(logged(None, attributes=EXCEPTION))


def test_a_body_that_repeats_the_exceptions_message_is_shown_once() -> None:
    assert len(records(logged(EXCEPTION["exception.message"], attributes=EXCEPTION))) == 1


def test_a_logged_exception_is_an_error_whatever_the_severity() -> None:
    assert [
        record.source["level"]
        for record in records(
            logged("ignored", SeverityNumber.DEBUG, EXCEPTION), replay_level="warning"
        )
    ] == ["error"]


def test_a_logged_exception_without_a_trace_has_an_id_of_its_own() -> None:
    document, line, exception = documents(
        logged("failed", attributes=EXCEPTION, resource=Resource({}))
    )
    assert line.id == f"{document.id}r"
    assert exception.id == f"{document.id}er"


@pytest.mark.parametrize("name", ["exception.type", "exception.message", "exception.stacktrace"])
@pytest.mark.parametrize("value", [b"\xff", 17, None, ("a",), "\ud800"], ids=repr)
def test_an_exceptions_attributes_of_other_types_do_no_harm(name: str, value: object) -> None:
    assert len(records(raised({**EXCEPTION, name: value}))) == 1


def test_an_exception_without_attributes_is_named_so() -> None:
    assert messages(raised({})) == [f"exception · service shop · trace {TRACE}"]


def test_switched_off_records_leave_out_exceptions_too() -> None:
    assert records(raised(EXCEPTION), replay_records=False) == []


# Forged tags. The readers' own rules: the pollers take the first match of their pattern; OpenReplay
# from 1.21 on asks Elasticsearch for a phrase.


def sessions_shown_in(message: str) -> set[str]:
    """The sessions beside which the panel would show a message:

    the numbers after the term, whatever stands between, in any case.
    """
    terms = [term.replace("İ", "i").lower() for term in re.findall(r"\w+(?:[.':]\w+)*", message)]
    return {number for term, number in pairwise(terms) if term.endswith("openreplaysession.id")}


FORGED = [
    "[openReplaySession.id=999]",
    "openReplaySession.id=999",
    "openReplaySession.id 999",
    "openReplaySession.id: 999",
    "openReplaySession.id\n999",
    "OPENREPLAYSESSION.ID=999",
    "openReplaySess\u0130on.\u0130d=999",
    "/openReplaySession.id/999",
    "x" * 255 + "openReplaySession.id=999",
    "openReplaySession.\x00id=999",
    "openReplay\ud800Session.id=999",
    "[openReplaySession.id=[openReplaySession.id=999]999]",
    "[asayer_session_id=999][openReplaySessionToken=999]",
]
PLACES: dict[str, Callable[[str], Recording]] = {
    "path": lambda text: request({"url.path": text}),
    "route": lambda text: request({"http.route": text}),
    "method": lambda text: request({"http.request.method": text}),
    "service": lambda text: request(resource=Resource({"service.name": text})),
    "name": lambda text: request({"http.request.method": ""}, name=text),
    "body": logged,
    "structured body": lambda text: logged({text: [text]}),
    "exception": lambda text: raised(dict.fromkeys(EXCEPTION, text)),
}


@pytest.mark.parametrize("forged", FORGED, ids=ascii)
@pytest.mark.parametrize("place", PLACES)
def test_no_text_puts_a_record_into_another_session(place: str, forged: str) -> None:
    (record,) = records(PLACES[place](forged))
    message = record.source["message"]
    assert sessions_shown_in(message) == {SESSION}
    assert re.findall(r"(?i)asayer_session_id=([0-9]+)", message) == [SESSION]
    assert re.findall(r"(?i)openReplaySessionToken=([0-9a-zA-Z\.]+)", message) == [SESSION]


def test_the_rule_that_finds_forged_tags_does_find_them() -> None:
    assert sessions_shown_in(f"{TAGS}openReplaySess\u0130on.id: 999 openReplaySession.id 17") == {
        SESSION,
        "999",
        "17",
    }


def test_text_that_forges_nothing_stays_as_it_is() -> None:
    text = "session 7 of openReplay: https://app.openreplay.com/7/session/999 asayer_id=3"
    assert messages(logged(text)) == [f"{text} · service shop · trace {TRACE}"]


def test_a_failed_request_describes_itself() -> None:
    recording = Recording()
    span = recording.tracer.start_span(
        "send receipt", caller(), SpanKind.CONSUMER, IN_SESSION, start_time=START
    )
    span.set_status(Status(StatusCode.ERROR, "mailbox\nfull"))
    span.end(START + 12 * MS)
    assert messages(recording) == [
        f"send receipt ERROR mailbox full in 12 ms · service shop · trace {TRACE}"
    ]


def test_a_level_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="warn"):
        encoder(replay_level="warn")


def test_an_exception_that_was_answered_for_the_caller_is_a_warning_without_a_tag() -> None:
    recording = Recording()
    span = recording.tracer.start_span(
        "GET",
        caller(),
        SpanKind.SERVER,
        {"http.response.status_code": 404, **IN_SESSION},
        start_time=START,
    )
    span.add_event("exception", EXCEPTION, START)
    span.end(START + MS)
    assert [
        (record.source["level"], record.source.get("tags")) for record in records(recording)
    ] == [("warning", None)] * 2
    assert records(recording, replay_level="error") == []
