"""Whatever the SDK admits becomes operations of two lines of valid JSON, with the session's id
intact."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from io import BytesIO
from typing import TYPE_CHECKING, Any

from hypothesis import given, strategies as st
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    set_span_in_context,
)

from golden.recording import Document, encoder, read
from otel_asayer.documents import level_of, one_line
from otel_asayer.documents.operations import dataset_of, namespace_of
from otel_asayer.documents.values import iso_timestamp, json_line, otel_timestamp
from otel_asayer.elasticsearch.compression import gzip_of
from otel_asayer.spool.bodies import readable_operations

if TYPE_CHECKING:
    from collections.abc import Sequence

TAG = re.compile(r"(asayer_session|openReplaySession)(?=_id|\.id|Token)", re.IGNORECASE)
FORBIDDEN = set('\\/*?"<>| ,#:')

texts = st.text(st.characters(), max_size=30)  # lone surrogates included
tagged = st.text(st.characters(exclude_categories=["Cs"]), max_size=9) | st.sampled_from(
    ["asayer_session_id=", "openreplaysession.ID", "openReplaySessionToken", " \n", "session", '"']
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**80), 2**80)
    | st.floats()
    | texts
    | st.binary(max_size=9)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
# Hypothesis also tries words that the project's own code has. An event's own session is no
# matter of these tests.
names = texts.filter(lambda name: name not in ("", "session.id")) | st.sampled_from(
    [
        "exception.type",
        "exception.message",
        "exception.stacktrace",
        "event.name",
        "geo.location.lat",
        "geo.location.lon",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "http.target",
        "service.name",
        "data_stream.dataset",
        "data_stream.namespace",
    ]
)
attributes = st.dictionaries(names, values, max_size=8)
nanoseconds = st.integers(0, 2**63 - 1)
sessions = st.none() | st.integers(1, 2**64 - 1).map(str)
contexts = st.builds(
    SpanContext, st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans()
)

"""The machine may be busy."""


def admitted(given_attributes: dict[str, Any], session_id: str | None = None) -> BoundedAttributes:
    """The attributes as the SDK keeps them."""
    own = {} if session_id is None else {"session.id": session_id}
    return BoundedAttributes(attributes={**given_attributes, **own})


def checked(
    operations: Sequence[bytes], failures: Sequence[str], session_id: str | None
) -> list[Document]:
    documents = [read(operation) for operation in operations]
    assert list(failures) == []
    assert {document.source.get("attributes", {}).get("session.id") for document in documents} == {
        session_id
    }
    assert all(0 < len(document.id.encode()) <= 512 for document in documents)
    return documents


@given(
    attributes,
    attributes,
    attributes,
    sessions,
    contexts,
    st.none() | contexts,
    st.sampled_from(SpanKind),
    texts,
    nanoseconds,
    nanoseconds,
)
def test_any_span(  # noqa: PLR0917 (a span has that many parts)
    of_span: dict[str, Any],
    of_event: dict[str, Any],
    of_resource: dict[str, Any],
    session_id: str | None,
    context: SpanContext,
    parent: SpanContext | None,
    kind: SpanKind,
    text: str,
    start: int,
    end: int,
) -> None:
    span = ReadableSpan(
        text,
        context,
        parent,
        Resource(of_resource),
        admitted(of_span, session_id),
        [Event("exception", admitted(of_event), end), Event(text, None, start)],
        [Link(context, admitted(of_event))],
        kind,
        status=Status(StatusCode.ERROR, text),
        start_time=start,
        end_time=end,
        instrumentation_scope=InstrumentationScope(text, text, text, of_event),
    )
    documents = checked(
        *encoder(replay_url="https://replay/{session_id}/{offset_ms}").spans([span]), session_id
    )
    assert documents[0].id == f"{context.trace_id:032x}{context.span_id:016x}"


@given(attributes, values, sessions, texts, st.tuples(st.none() | nanoseconds, nanoseconds))
def test_any_log_record(
    given_attributes: dict[str, Any],
    body: Any,
    session_id: str | None,
    text: str,
    times: tuple[int | None, int],
) -> None:
    record = LogRecord(
        timestamp=times[0],
        observed_timestamp=times[1],
        severity_text=text,
        body=body,
        attributes=admitted(given_attributes, session_id),
        event_name=text,
    )
    scope = InstrumentationScope(text)
    checked(
        *encoder().log_records([ReadableLogRecord(record, Resource(given_attributes), scope)]),
        session_id,
    )


@given(
    st.integers(1, 2**64 - 1),
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    nanoseconds.filter(bool),
    st.sampled_from(SeverityNumber),
    st.lists(tagged, max_size=6).map("".join),
    tagged,
)
def test_a_replay_record_is_what_a_plain_writer_makes(  # noqa: PLR0917 (a record has that many parts)
    session: int,
    trace: int,
    span: int,
    time_ns: int,
    severity: SeverityNumber,
    body: str,
    service: str,
) -> None:
    record = LogRecord(
        timestamp=time_ns,
        context=set_span_in_context(NonRecordingSpan(SpanContext(trace, span, is_remote=False))),
        severity_number=severity,
        body=body,
        attributes={"session.id": str(session)},
    )
    operations, _ = encoder(replay_level="debug").log_records(
        [ReadableLogRecord(record, Resource({"service.name": service}))]
    )
    level = level_of(severity.value)
    first, line_break, rest = body.partition("\n")
    shown_service = f" · service {one_line(service)}" if service else ""
    shown = TAG.sub(
        "\\1\u200b", f"{first.rstrip()}{shown_service} · trace {trace:032x}{line_break}{rest}"
    )
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=time_ns // 1000)
    time = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
    expected = {
        "@timestamp": time,
        "utc_time": time,
        "timestamp": time,
        "message": f"[asayer_session_id={session}][openReplaySession.id={session}]"
        f"[openReplaySessionToken={session}] {shown}",
        "level": level,
        "attributes": {"session.id": str(session)},
        **({"tags": ["error"]} if level == "error" else {}),
        "trace_id": f"{trace:032x}",
        "span_id": f"{span:016x}",
        **({"resource": {"attributes": {"service.name": service}}} if service else {}),
    }
    action = {
        "_index": f"asayer-logs-default-{moment:%Y.%m.%d}",
        "pipeline": "asayer-replay",
        "require_data_stream": False,
        "_id": f"{read(operations[0]).id}r",
    }
    assert operations[1] == json_line({"create": action}) + json_line(expected)


@given(values)
def test_a_value_has_the_same_form_on_the_fast_and_on_the_slow_path(value: Any) -> None:
    assert json_line([value, 2**64]) == json_line([value])[:-2] + b',"18446744073709551616"]\n'


@given(nanoseconds)
def test_a_time_can_be_read_back(time_ns: int) -> None:
    milliseconds, rest = otel_timestamp(time_ns).split(".")
    assert len(rest) == 6
    assert int(milliseconds) * 1_000_000 + int(rest) == time_ns


@given(nanoseconds, nanoseconds)
def test_iso_times_are_in_the_order_of_the_times(one: int, other: int) -> None:
    assert (iso_timestamp(one) <= iso_timestamp(other)) == (one // 1_000_000 <= other // 1_000_000)


@given(attributes, sessions, texts, texts)
def test_whatever_is_encoded_can_leave_the_spool(
    given_attributes: dict[str, Any], session_id: str | None, dataset: str, namespace: str
) -> None:
    routed = admitted(
        {**given_attributes, "data_stream.dataset": dataset, "data_stream.namespace": namespace},
        session_id,
    )
    context = SpanContext(1, 1, False)
    events = [Event("exception", {"exception.type": "E"}, 1), Event("other", {}, 1)]
    span = ReadableSpan(
        "GET",
        context,
        attributes=routed,
        events=events,
        kind=SpanKind.SERVER,
        start_time=1,
        end_time=2,
        resource=Resource({}),
    )
    operations, _ = encoder().spans([span])
    assert readable_operations(BytesIO(gzip_of(operations))) == (operations, None)


@given(st.text(st.characters()) | st.integers() | st.none())
def test_any_dataset_and_namespace_make_a_valid_name(asked: object) -> None:
    dataset, namespace = dataset_of(asked, "generic"), namespace_of(asked, "default")
    assert dataset.endswith(".otel")
    assert "-" not in dataset
    assert max(len(dataset.encode()), len(namespace.encode())) <= 100
    assert not FORBIDDEN & {*dataset, *namespace}
    assert (dataset + namespace).isprintable()
    assert dataset.lower() == dataset
    assert namespace.lower() == namespace
