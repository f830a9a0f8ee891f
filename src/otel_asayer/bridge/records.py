"""From stored documents to replay records, by the exporter's own functions. Pure.

A span, a log record or an exception that a Collector stored gets the record that direct export
would have written: the same `_id`, the same body. What the stored document cannot tell differs: a
span of kind `Internal` with a remote parent is no entry span here, a parent's being remote is not
stored.

Documents are anybody's: ids that go into an `_id` are checked, other values only ever become text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.trace import Status, StatusCode

from otel_asayer.attributes import HANDLED, SESSION_ID
from otel_asayer.documents.attributes import EVENT_NAME, take_session
from otel_asayer.documents.log_records import add_records, body_without_tokens
from otel_asayer.documents.operations import ReplayIndices, namespace_of
from otel_asayer.documents.replay_records import Batch, ReplayRecords, Service, Source, service_of
from otel_asayer.documents.summaries import (
    EXCEPTION_EVENT,
    blames_the_caller,
    entry_summary,
    exception_type_name,
    is_answer,
    reduce_exception,
)
from otel_asayer.documents.values import one_line, text_of
from otel_asayer.timeline.events import ENTRY_KINDS
from otel_asayer.timeline.stored import Stored, flat
from otel_asayer.timeline.times import nanoseconds

if TYPE_CHECKING:
    from collections.abc import Collection

    from otel_asayer.propagation.session_id import SessionId

__all__ = [
    "FIELDS",
    "Document",
    "Kind",
    "RecordMaker",
    "Span",
    "decides",
    "document_of",
    "span_of",
]

FIELDS: Final = (
    "@timestamp",
    "attributes.asayer.exception.handled",
    "attributes.event.name",
    "attributes.exception.message",
    "attributes.exception.stacktrace",
    "attributes.exception.type",
    "attributes.http.method",
    "attributes.http.request.method",
    "attributes.http.response.status_code",
    "attributes.http.route",
    "attributes.http.status_code",
    "attributes.http.target",
    "attributes.rpc.grpc.status_code",
    "attributes.rpc.response.status_code",
    "attributes.session.id",
    "attributes.url.path",
    "body",
    "data_stream.namespace",
    "duration",
    "event_name",
    "kind",
    "name",
    "observed_timestamp",
    "parent_span_id",
    "resource.attributes.service.name",
    "severity_number",
    "span_id",
    "status",
    "trace_id",
)
"""The fields of `_source` that records are made of."""

_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
_SPAN_ID: Final = re.compile(r"[0-9a-f]{16}")
_MAX_ID_BYTES: Final = 512 - len("er")
"""Bytes of an `_id` that a record's own can be made of."""
_SERVER: Final = ENTRY_KINDS[0]
_SERVICE_NAME: Final = "service.name"
_BACKING_INDEX: Final = re.compile(
    r"\.ds-[^-]+-[^-]+-(.+)-[0-9]{4}\.[0-9]{2}\.[0-9]{2}-[0-9]{6,}\Z"
)
_OF_LOG_RECORDS: Final = ("observed_timestamp", "body", "severity_number")
"""Fields that no event of a span has."""
_LIMIT: Final = 1 << 63
_TO_ESCAPE: Final = re.compile(r'["\\\x00-\x1f]')


class Kind(Enum):
    """What a document is, and its word in counts."""

    SPAN = "span"
    LOG_RECORD = "log_record"
    EXCEPTION = "exception"
    """The event of a span: the Collector does not write its session."""


class Span(NamedTuple):
    """What a span's document says about its exceptions.

    Attributes:
        session: Its session, if it has a valid one.
        kind: `Server`, `Internal`, …
        attributes: By their dotted names.
        status: As the SDK has it.
    """

    session: SessionId | None
    kind: str
    attributes: Mapping[str, Any]
    status: Status

    def is_handled(self, types: Collection[str]) -> bool:
        """Whether its exceptions, of these types, are answers; see `documents.spans`."""
        return self.attributes.get(HANDLED) is True or (
            self.kind == _SERVER
            and blames_the_caller(self.attributes)
            and is_answer(self.status, types)
        )

    def may_be_handled(self, types: Collection[str]) -> bool:
        """Whether an exception of another type than these, which is not known yet, decides."""
        return (
            self.kind == _SERVER
            and blames_the_caller(self.attributes)
            and not self.is_handled(types)
            and bool(self.status.is_ok or self.status.description)
        )


@dataclass(frozen=True, slots=True)
class Document:
    """A stored span, log record or exception event that may get a record.

    Attributes:
        kind: What it is.
        index: Its index.
        id: Its `_id`.
        source: Its `_source`.
        attributes: By their dotted names; `session.id` is reduced from a token.
        session: Its session. Of an exception it may be its span's.
        time_ns: Its time, in nanoseconds since 1970.
        trace_id: Empty where it has no valid one.
        span_id: The same.
        span: What decides on its exceptions, of a span.
    """

    kind: Kind
    index: str
    id: str
    source: Mapping[str, Any]
    attributes: dict[str, Any]
    session: SessionId | None
    time_ns: int
    trace_id: str
    span_id: str
    span: Span | None = None

    @property
    def place(self) -> tuple[str, str]:
        """Trace id and span id."""
        return self.trace_id, self.span_id

    @property
    def rank(self) -> tuple[bool, int]:
        """Its place in a batch, as the first document of an exception makes the record.

        Events of spans come before log records, whose types lack the module; then counts the time.
        """
        return self.kind is Kind.LOG_RECORD, self.time_ns

    @property
    def exception_type(self) -> str:
        """The last part of its exception's type."""
        return exception_type_name(self.attributes)


def document_of(stored: Stored) -> Document | None:
    """Return what a stored document is; None where it can have no record.

    That is one whose session or ids are not valid, a span that enters no service, and the event of
    a span that is no exception.
    """
    source = stored.source
    attributes = flat(source.get("attributes"))
    claims_session = attributes.get(SESSION_ID) is not None
    session = take_session(attributes)
    trace_id, span_id = _id(source.get("trace_id"), _TRACE_ID), _id(source.get("span_id"), _SPAN_ID)
    kind = _kind(source, attributes)
    if kind is None:
        return None
    if kind is Kind.LOG_RECORD:
        is_valid = session is not None and len(stored.id.encode()) <= _MAX_ID_BYTES
    else:
        is_valid = bool(trace_id and span_id) and (
            session is not None or (kind is Kind.EXCEPTION and not claims_session)
        )
    if kind is Kind.SPAN:
        is_valid &= source.get("kind") in ENTRY_KINDS or not source.get("parent_span_id")
    if not is_valid:
        return None
    return Document(
        kind,
        stored.index,
        stored.id,
        source,
        attributes,
        session,
        nanoseconds(source.get("@timestamp")),
        trace_id,
        span_id,
        _span(source, attributes, session) if kind is Kind.SPAN else None,
    )


def span_of(source: Mapping[str, Any]) -> Span:
    """Return what a span's `_source` says about its exceptions."""
    attributes = flat(source.get("attributes"))
    return _span(source, attributes, take_session(attributes))


class RecordMaker:
    """Makes the replay records of stored documents.

    Args:
        least_level: The least level of records; None for none at all.
        namespace: Where records go whose document names no namespace.
    """

    def __init__(self, least_level: str | None, namespace: str) -> None:
        self._records = ReplayRecords(None, least_level)
        self._namespace = namespace

    def add(
        self, batch: Batch, document: Document, session: SessionId, *, handled: bool = False
    ) -> None:
        """Add the records of a document.

        Args:
            batch: Where to. Documents come by their `rank`.
            document: From `document_of`.
            session: Its session, or its span's.
            handled: Whether the exceptions of the span are answers.
        """
        source = self._source(document, session)
        attributes = document.attributes
        if handled and document.kind is not Kind.LOG_RECORD:
            attributes = {**attributes, HANDLED: True}
        if document.kind is Kind.SPAN:
            level, text = _summary(document, attributes)
            self._records.add(batch, source, document.time_ns, level, one_line(text))
            return
        reduce_exception(attributes)
        if document.kind is Kind.EXCEPTION:
            self._records.add_exception(batch, source, document.time_ns, attributes)
        else:
            self._add_log_record(batch, source, document)

    def _add_log_record(self, batch: Batch, source: Source, document: Document) -> None:
        stored = document.source
        event_name = stored.get("event_name")
        named = {"event_name": event_name} if event_name and isinstance(event_name, str) else {}
        # The Collector, too, writes an attribute of that name into the field.
        own_name = None if EVENT_NAME in document.attributes else named.get("event_name")
        add_records(
            self._records,
            batch,
            source,
            document.time_ns,
            {"severity_number": _whole(stored.get("severity_number")), **named},
            own_name,
            body_without_tokens(_body(stored.get("body"))),
            document.attributes,
        )

    def _source(self, document: Document, session: SessionId) -> Source:
        stored = document.source
        stream = stored.get("data_stream")
        is_span = document.kind is Kind.SPAN
        return (
            document.trace_id + document.span_id if is_span else _escaped(document.id),
            session,
            _indices(
                str(stream.get("namespace") or "") if isinstance(stream, Mapping) else "",
                document.index,
                self._namespace,
            ),
            _service(stored.get("resource")),
            document.trace_id,
            document.span_id,
        )


def decides(span: Span, document: Document) -> bool:
    """Whether a span's record depends on exceptions that are yet to be looked up."""
    return span.may_be_handled(()) and _summary(document, span.attributes) != _summary(
        document, {**span.attributes, HANDLED: True}
    )


def _summary(document: Document, attributes: Mapping[str, Any]) -> tuple[str, str]:
    stored = document.source
    return entry_summary(
        text_of(stored.get("name") or "(no name)"),
        attributes,
        document.span.status if document.span else Status(),
        _whole(stored.get("duration")),
    )


def _kind(source: Mapping[str, Any], attributes: Mapping[str, Any]) -> Kind | None:
    """Return what a document is; None for the event of a span that is no exception."""
    if "kind" in source or "duration" in source:
        return Kind.SPAN
    name = source.get("event_name")
    if (
        not name
        or name != attributes.get(EVENT_NAME)
        or any(field in source for field in _OF_LOG_RECORDS)
    ):
        return Kind.LOG_RECORD
    return Kind.EXCEPTION if name == EXCEPTION_EVENT else None


def _span(
    source: Mapping[str, Any], attributes: Mapping[str, Any], session: SessionId | None
) -> Span:
    return Span(session, str(source.get("kind")), attributes, _status(source.get("status")))


def _status(status: Any) -> Status:
    code = status.get("code") if isinstance(status, Mapping) else None
    if code == "Error":
        return Status(StatusCode.ERROR, text_of(status.get("message") or "") or None)
    return Status(StatusCode.OK if code == "Ok" else StatusCode.UNSET)


def _id(value: object, pattern: re.Pattern[str]) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""


def _escaped(document_id: str) -> str:
    """Return an `_id` as it stands in JSON: other writers choose theirs."""
    return text_of([document_id])[2:-2] if _TO_ESCAPE.search(document_id) else document_id


def _whole(value: Any) -> int:
    if isinstance(value, str) and len(value) <= len(str(_LIMIT)) and value.isdecimal():
        value = int(value)  # Elasticsearch reads numbers from texts, and keeps the text
    return value if type(value) is int and 0 <= value < _LIMIT else 0


def _body(body: Any) -> Any:
    """Return a log record's body from its field; see `documents.log_records`."""
    if not isinstance(body, Mapping):
        return body
    if "text" in body:
        return body["text"]
    structured = body.get("structured")
    if isinstance(structured, Mapping) and list(structured) == ["value"]:
        value = structured["value"]
        return value if isinstance(value, list) else structured
    return structured


@lru_cache(maxsize=1024)
def _indices(namespace: str, index: str, default: str) -> ReplayIndices:
    """Return where records go: by the document's field, else by the name of its data stream."""
    named = _BACKING_INDEX.search(index)
    return ReplayIndices.of(namespace_of(namespace or (named[1] if named else ""), default))


def _service(resource: Any) -> Service:
    attributes = resource.get("attributes") if isinstance(resource, Mapping) else None
    name = flat(attributes).get(_SERVICE_NAME) if attributes else None
    return _service_named(text_of(name or ""))


_service_named: Final = lru_cache(maxsize=1024)(service_of)
