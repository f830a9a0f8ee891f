"""The bridge's records are those of direct export, byte for byte."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from golden import cases
from golden.recording import (
    MS,
    OTHER_SESSION,
    REPLAY_URL,
    SESSION,
    START,
    Recording,
    caller,
    encode,
    read,
)
from otel_asayer.bridge.records import RecordMaker, document_of
from otel_asayer.documents.replay_records import Batch
from otel_asayer.timeline.stored import Stored
from unit.bridge.support import both, bridged, collected, split

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.util.types import AnyValue

IN_SESSION = {"session.id": SESSION}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TOKEN = "jw4wdfpgqhoj.3az.lrraavgc.ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.__name__)
def test_the_records_of_each_golden_case_are_those_of_direct_export(
    case: Callable[[], Recording],
) -> None:
    direct, by_bridge = both(case(), replay_url=REPLAY_URL)
    assert by_bridge == direct


def server(recording: Recording, status: Status | None = None, **attributes: Any) -> Any:
    span = recording.tracer.start_span(
        "GET /cart",
        caller(),
        SpanKind.SERVER,
        {"http.request.method": "GET", "http.route": "/cart", **IN_SESSION, **attributes},
        start_time=START,
    )
    if status:
        span.set_status(status)
    return span


def error(text: str) -> Status:
    return Status(StatusCode.ERROR, text)


@pytest.mark.parametrize("status", [None, Status(StatusCode.OK), error("Http404: x"), error("no")])
@pytest.mark.parametrize("code", [200, 302, 404, 500])
@pytest.mark.parametrize("types", [(), ("django.http.Http404",), ("ValueError", "a.b.Http404")])
def test_answered_exceptions_are_recognised_as_in_direct_export(
    status: Status | None, code: int, types: tuple[str, ...]
) -> None:
    recording = Recording()
    span = server(recording, status, **{"http.response.status_code": code})
    for at, kind in enumerate(types):
        span.add_event("exception", {"exception.type": kind, "exception.message": "x"}, START + at)
    span.end(START + MS)
    direct, by_bridge = both(recording)
    assert by_bridge == direct


@pytest.mark.parametrize("code", [5, 13])
@pytest.mark.parametrize("types", [(), ("grpc.RpcError",)])
def test_answers_of_grpc_are_recognised_as_in_direct_export(
    code: int, types: tuple[str, ...]
) -> None:
    recording = Recording()
    span = recording.tracer.start_span(
        "/shop.Cart/Get",
        caller(),
        SpanKind.SERVER,
        {"rpc.system": "grpc", "rpc.grpc.status_code": code, **IN_SESSION},
        start_time=START,
    )
    for kind in types:
        span.add_event("exception", {"exception.type": kind}, START)
    span.end(START + MS)
    direct, by_bridge = both(recording)
    assert by_bridge == direct


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_the_least_level_is_that_of_direct_export(level: str) -> None:
    recording = Recording()
    server(recording, None, **{"http.response.status_code": 404}).end(START + MS)
    server(recording, error("it broke")).end(START + MS)
    for number in SeverityNumber:
        recording.logger.emit(
            LogRecord(timestamp=START, severity_number=number, body="b", attributes=IN_SESSION)
        )
    direct, by_bridge = both(recording, replay_level=level)
    assert by_bridge == direct


def test_the_bodies_of_log_records_in_a_session_read_as_in_direct_export() -> None:
    recording = Recording()
    bodies: tuple[AnyValue, ...] = (
        "one\ntwo",
        f"token {TOKEN}",
        {"order": 17, "nested": {"token": TOKEN}},
        [{"a": 1}, {"b": 2}],
        [1, "two"],
        [],
        17,
        3.0,
        True,
        b"\x00\xff",
        None,
        "[asayer_session_id=9] forged",
    )
    for body in bodies:
        recording.logger.emit(LogRecord(timestamp=START, body=body, attributes=IN_SESSION))
    direct, by_bridge = both(recording)
    assert by_bridge == direct


@pytest.mark.parametrize("body", [None, "it broke", "insufficient funds"])
@pytest.mark.parametrize("name", [None, "exception", "other"])
def test_exceptions_in_log_records_make_the_records_of_direct_export(
    body: str | None, name: str | None
) -> None:
    recording = Recording()
    recording.logger.emit(
        LogRecord(
            timestamp=START,
            observed_timestamp=START,
            body=body,
            event_name=name,
            attributes={**cases.EXCEPTION, **IN_SESSION},
            context=caller(),
        )
    )
    direct, by_bridge = both(recording)
    assert by_bridge == direct


def test_an_exception_outside_of_traces_has_the_id_of_direct_export() -> None:
    recording = Recording()
    recording.logger.emit(
        LogRecord(timestamp=START, body="x", attributes={**cases.EXCEPTION, **IN_SESSION})
    )
    direct, by_bridge = both(recording)
    assert by_bridge == direct


@pytest.mark.parametrize("kind", list(SpanKind))
def test_a_local_root_has_the_record_of_direct_export(kind: SpanKind) -> None:
    recording = Recording()
    recording.tracer.start_span("job", kind=kind, attributes=IN_SESSION, start_time=START).end(
        START + MS
    )
    direct, by_bridge = both(recording)
    assert by_bridge == direct


def test_an_inner_span_has_no_record() -> None:
    recording = Recording()
    recording.tracer.start_span(
        "SELECT", caller(is_remote=False), SpanKind.CLIENT, IN_SESSION, start_time=START
    ).end(START + MS)
    assert both(recording) == ([], [])


@pytest.mark.parametrize("name", ["", "shop\nfront", "[asayer_session_id=9]"])
def test_the_service_is_named_as_in_direct_export(name: str) -> None:
    recording = Recording(Resource({"service.name": name}))
    server(recording).end(START + MS)
    direct, by_bridge = both(recording)
    assert by_bridge == direct


def test_the_event_of_a_span_that_is_no_exception_has_no_record() -> None:
    recording = Recording()
    span = recording.tracer.start_span(
        "x", caller(is_remote=False), attributes=IN_SESSION, start_time=START
    )
    span.add_event("cache miss", {"key": 1, **IN_SESSION}, START)
    span.end(START)
    documents, _ = split(encode(recording))
    stored = [collected(one) for one in documents]
    stored[1].source["attributes"].update(IN_SESSION)
    assert bridged(stored) == []


def test_an_exception_keeps_a_session_of_its_own() -> None:
    recording = Recording()
    span = server(recording)
    span.add_event("exception", {"session.id": OTHER_SESSION, **cases.EXCEPTION}, START)
    span.end(START)
    documents, direct = split(encode(recording))
    stored = [collected(one) for one in documents]
    stored[1].source["attributes"]["session.id"] = OTHER_SESSION
    assert sorted(bridged(stored)) == sorted(direct)


def test_the_exception_of_a_span_without_a_session_has_no_record() -> None:
    recording = Recording()
    span = recording.tracer.start_span("x", caller(), SpanKind.SERVER, start_time=START)
    span.add_event("exception", cases.EXCEPTION, START)
    span.end(START)
    assert both(recording) == ([], [])


def test_documents_of_direct_export_make_the_same_records_again() -> None:
    recording = Recording()
    span = server(recording, error("Http404: x"), **{"http.response.status_code": 404})
    span.add_event("exception", {"exception.type": "Http404", "exception.message": "x"}, START)
    span.end(START + MS)
    documents, direct = split(encode(recording))
    stored = [Stored(one.stream, one.id, one.source) for one in documents]
    assert sorted(bridged(stored)) == sorted(direct)


def span(**fields: Any) -> Stored:
    source = {
        "@timestamp": "1795536236662.5",
        "trace_id": TRACE,
        "span_id": "00f067aa0ba902b7",
        "name": "GET /",
        "kind": "Server",
        "duration": 5 * MS,
        "attributes": {"session.id": SESSION},
        "status": {},
        **fields,
    }
    return Stored(".ds-traces-generic.otel-eu-1-2026.11.24-000001", "auto", source)


def log_record(document_id: str = "auto", **fields: Any) -> Stored:
    source = {
        "@timestamp": "1795536236662.5",
        "observed_timestamp": "1795536236662.5",
        "attributes": {"session.id": SESSION},
        "body": {"text": "hello"},
        **fields,
    }
    return Stored(".ds-logs-generic.otel-default-2026.11.24-000001", document_id, source)


@pytest.mark.parametrize(
    "session",
    ["0", "-1", "x", "2" * 21, "a1b2-c3d4", f"{SESSION}\n", "", True, 1.5, [SESSION], None],
)
def test_a_value_that_is_no_session_is_ignored(session: object) -> None:
    assert document_of(span(attributes={"session.id": session})) is None


@pytest.mark.parametrize("session", [SESSION, int(SESSION), TOKEN])
def test_a_session_may_be_stored_as_text_number_or_token(session: object) -> None:
    found = document_of(span(attributes={"session.id": session}))
    assert found is not None
    assert found.session is not None
    assert found.session.isdecimal()


@pytest.mark.parametrize("trace_id", ["", "x", TRACE.upper(), f'{TRACE}"', 5, None, [TRACE]])
def test_a_span_whose_trace_id_is_none_is_ignored(trace_id: object) -> None:
    assert document_of(span(trace_id=trace_id)) is None


@pytest.mark.parametrize("trace_id", ['"},"x":{"', 5, None])
def test_a_log_record_whose_trace_id_is_none_has_a_record_without(trace_id: object) -> None:
    (operation,) = bridged([log_record(trace_id=trace_id)])
    assert "trace_id" not in read(operation).source


def test_an_id_that_others_chose_cannot_break_the_request() -> None:
    (operation,) = bridged([log_record('a"}}\n{"delete":{"_id":"b\\')])
    assert read(operation).id == 'a"}}\n{"delete":{"_id":"b\\r'


def test_an_id_that_leaves_no_room_is_ignored() -> None:
    assert document_of(log_record("x" * 512)) is None


def test_records_go_to_the_namespace_that_the_document_names() -> None:
    (operation,) = bridged([span(data_stream={"namespace": "eu-2"})])
    assert read(operation).stream == "asayer-logs-eu-2-2026.11.24"


def test_without_one_the_name_of_the_data_stream_tells_the_namespace() -> None:
    (operation,) = bridged([span()])
    assert read(operation).stream == "asayer-logs-eu-1-2026.11.24"


def test_without_any_records_go_to_the_configured_namespace() -> None:
    (operation,) = bridged([Stored("traces", "auto", span().source)])
    assert read(operation).stream == "asayer-logs-default-2026.11.24"


def test_nested_attributes_of_a_synthetic_source_read_as_flat_ones() -> None:
    nested = {"session": {"id": SESSION}, "http": {"request": {"method": "GET"}, "route": "/a"}}
    (operation,) = bridged([span(attributes=nested)])
    assert "GET /a in 5 ms" in read(operation).source["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"attributes": [1]},
        {"attributes": {"session.id": SESSION, "http.route": {"a": [1]}}},
        {"status": "Error"},
        {"status": {"code": ["Error"], "message": 5}},
        {"duration": "5000000"},
        {"duration": -1},
        {"duration": 1e300},
        {"name": None},
        {"name": ["x"]},
        {"@timestamp": "never"},
        {"data_stream": "x"},
        {"data_stream": {"namespace": ["\x00"]}},
        {"resource": []},
        {"resource": {"attributes": {"service.name": {"a": 1}}}},
        {"kind": ["Server"], "parent_span_id": "00f067aa0ba902b7"},
    ],
)
def test_no_content_of_a_span_makes_it_fail(fields: dict[str, Any]) -> None:
    for operation in bridged([span(**fields)]):
        read(operation)


@pytest.mark.parametrize(
    "fields",
    [
        {"body": None},
        {"body": "text"},
        {"body": {"text": None}},
        {"body": {"structured": {"value": 1}}},
        {"severity_number": "17"},
        {"severity_number": "x"},
        {"event_name": ["exception"]},
        {"event_name": {"a": 1}, "attributes": {"session.id": SESSION, "event.name": {"a": 1}}},
        {"attributes": {"session.id": SESSION, "exception.type": [1], "exception.message": {}}},
    ],
)
def test_no_content_of_a_log_record_makes_it_fail(fields: dict[str, Any]) -> None:
    for operation in bridged([log_record(**fields)]):
        read(operation)


def test_without_a_level_there_are_no_records() -> None:
    batch = Batch()
    found = document_of(span())
    assert found is not None
    assert found.session is not None
    RecordMaker(None, "default").add(batch, found, found.session)
    assert batch.operations == []


def test_exceptions_through_spans_of_one_page_leave_the_earliest() -> None:
    recording = Recording()
    outer = server(recording)
    inner = recording.tracer.start_span(
        "charge", set_span_in_context(outer), attributes=IN_SESSION, start_time=START
    )
    outer.add_event("exception", cases.EXCEPTION, START + 2 * MS)
    inner.add_event("exception", cases.EXCEPTION, START + MS)
    outer.end(START + 3 * MS)
    inner.end(START + 3 * MS)
    documents, _ = split(encode(recording))
    records = [json.loads(one.split(b"\n")[1]) for one in bridged(list(map(collected, documents)))]
    assert [one["@timestamp"] for one in records if "Traceback" in one["message"]] == [
        "2026-11-24T16:03:56.663Z"
    ]
