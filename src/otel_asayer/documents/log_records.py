"""Documents of log records.

Each field is that of the OpenTelemetry Collector's elasticsearchexporter in its OTel mapping.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber

from otel_asayer.documents.attributes import EVENT_NAME, ResourceScopeCache, copied, take_session
from otel_asayer.documents.summaries import (
    EXCEPTION_EVENT,
    EXCEPTION_MESSAGE,
    EXCEPTION_TYPE,
    attribute_text,
    level_of,
    reduce_exception,
)
from otel_asayer.documents.values import hex_span_id, hex_trace_id, otel_timestamp, text_of
from otel_asayer.propagation.session_id import without_tokens
from otel_asayer.runtime.sdk import enum_value

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord

    from otel_asayer.documents.replay_records import Batch, ReplayRecords, Source
    from otel_asayer.runtime.sdk import CompactLogRecord


__all__ = ["LogRecordDocuments", "add_records", "body_without_tokens"]

_MAX_ITEMS: Final = 100_000
_MAX_DEPTH: Final = 8


class LogRecordDocuments:
    """Makes the documents of log records."""

    def __init__(
        self,
        resource_scopes: ResourceScopeCache,
        replay_records: ReplayRecords,
        random_id: Callable[[], str],
    ) -> None:
        self._resource_scopes = resource_scopes
        self._replay_records = replay_records
        self._random_id = random_id

    def add(self, batch: Batch, record: ReadableLogRecord | CompactLogRecord) -> None:
        """Add a log record's document and its replay records."""
        log_record = record.log_record
        attributes = copied(log_record.attributes)
        resource_scope = self._resource_scopes.of(record.resource, record.instrumentation_scope)
        streams = self._resource_scopes.settle(attributes, resource_scope)
        session = take_session(attributes)
        time = log_record.timestamp or log_record.observed_timestamp or 0
        is_exception = EXCEPTION_TYPE in attributes
        if is_exception:
            reduce_exception(attributes)
        if session is not None and is_exception:
            self._replay_records.add_link(attributes, session, time)

        document: dict[str, Any] = {
            "@timestamp": otel_timestamp(time),
            "observed_timestamp": otel_timestamp(log_record.observed_timestamp or time),
            "data_stream": streams.logs.data_stream,
            "attributes": attributes,
            "resource": resource_scope.resource,
            "scope": resource_scope.scope,
        }
        body = body_without_tokens(log_record.body)
        _add_optional(document, log_record, body)
        if record.dropped_attributes:
            document["dropped_attributes_count"] = record.dropped_attributes
        if not attributes:  # as the Collector does; of spans, it writes empty ones
            del document["attributes"]
        document_id = self._random_id()
        batch.operations.append(streams.logs.operation(document_id, document))

        if session is None:
            return
        source = (
            document_id,
            session,
            streams.replay,
            resource_scope,
            document.get("trace_id", ""),
            document.get("span_id", ""),
        )
        add_records(
            self._replay_records,
            batch,
            source,
            time,
            document,
            log_record.event_name,
            body,
            attributes,
        )


def _add_optional(
    document: dict[str, Any], log_record: LogRecord | CompactLogRecord, body: Any
) -> None:
    """Add the fields that not every log record has."""
    if log_record.trace_id:
        document["trace_id"] = hex_trace_id(log_record.trace_id)
    if log_record.span_id:
        document["span_id"] = hex_span_id(log_record.span_id)
    if log_record.severity_text:
        document["severity_text"] = log_record.severity_text
    number: Any = log_record.severity_number
    if severity := int(enum_value(number) if isinstance(number, SeverityNumber) else number or 0):
        document["severity_number"] = severity
    event_name = log_record.event_name or document["attributes"].get(EVENT_NAME)
    if event_name and isinstance(event_name, str):
        document["event_name"] = event_name
    if body is not None:
        document["body"] = _body(body)


def add_records(  # noqa: PLR0913, PLR0917 (a log record needs each call of this to be cheap)
    replay_records: ReplayRecords,
    batch: Batch,
    source: Source,
    time_ns: int,
    document: Mapping[str, Any],
    event_name: str | None,
    body: Any,
    attributes: Mapping[str, Any],
) -> None:
    """Add the replay records of a log record: its own, and that of its exception.

    Args:
        replay_records: What writes them.
        batch: Where to.
        source: The log record's document, as `ReplayRecords.add` takes it.
        time_ns: Its time, in nanoseconds since 1970.
        document: Its fields `severity_number` and `event_name`, where it has them.
        event_name: The name that the log record itself has, and not an attribute of it.
        body: Its body, without tokens; None where it has none.
        attributes: Its attributes, reduced as `reduce_exception` does it.
    """
    is_exception = EXCEPTION_TYPE in attributes
    if not (is_exception and _only_announces(event_name, body, attributes)):
        replay_records.add(
            batch,
            source,
            time_ns,
            level_of(document.get("severity_number", 0)),
            text_of(document.get("event_name", "(no body)") if body is None else body),
        )
    if is_exception:
        replay_records.add_exception(batch, source, time_ns, attributes)


def _only_announces(event_name: str | None, body: Any, attributes: Mapping[str, Any]) -> bool:
    """Whether the body of a record says no more than the exception's own replay record."""
    return (
        body is None
        or event_name == EXCEPTION_EVENT
        or body == attribute_text(attributes, EXCEPTION_MESSAGE)
    )


def body_without_tokens(body: Any, depth: int = 0) -> Any:
    """Return a body with each token in its texts reduced to the id of its session.

    Dicts and lists are searched down to a bounded depth.
    """
    if type(body) is str:
        return without_tokens(body)
    if depth < _MAX_DEPTH and type(body) is dict:
        return {name: body_without_tokens(value, depth + 1) for name, value in body.items()}
    if depth < _MAX_DEPTH and type(body) in (list, tuple):
        return [body_without_tokens(value, depth + 1) for value in body]
    return body


def _body(body: Any) -> dict[str, Any]:
    """Return the field `body`: a text, or a map or list of maps, as Elasticsearch requires."""
    if isinstance(body, (str, bytes, bytearray, memoryview)):
        return {"text": body}
    if isinstance(body, Mapping):
        return {"structured": body}
    if isinstance(body, Sequence):
        # A list may be endless: its beginning decides.
        return {
            "structured": body
            if all(isinstance(item, Mapping) for item in islice(body, _MAX_ITEMS))
            else {"value": body}
        }
    return {"text": body}
