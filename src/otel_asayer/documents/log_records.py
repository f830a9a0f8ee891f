"""Documents of log records, field by field those of the OpenTelemetry Collector's elasticsearchexporter in its OTel mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from otel_asayer.documents.attributes import EVENT_NAME, copied, take_session
from otel_asayer.documents.exceptions import (
    EXCEPTION_EVENT,
    EXCEPTION_MESSAGE,
    EXCEPTION_TYPE,
    attribute_text,
    reduce_exception,
)
from otel_asayer.documents.identifiers import hex_span_id, hex_trace_id
from otel_asayer.documents.replay_records import Source
from otel_asayer.documents.timestamps import otel_timestamp
from otel_asayer.documents.values import text_of
from otel_asayer.propagation.session_id import without_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry._logs import LogRecord
    from opentelemetry.sdk._logs import ReadableLogRecord

    from otel_asayer.documents.batch import Batch
    from otel_asayer.documents.origins import Origins
    from otel_asayer.documents.replay_records import ReplayRecords

__all__ = ["LogRecordDocuments", "level_of"]

_MOST_ITEMS: Final = 100_000
_LEVELS: Final = ((17, "error"), (13, "warning"), (9, "info"), (1, "debug"))
"""Least severity number and level, by the log data model's ranges:

ERROR and FATAL, WARN, INFO, DEBUG and TRACE.
"""


_DEEPEST: Final = 8


class LogRecordDocuments:
    """Makes the documents of log records."""

    def __init__(
        self, origins: Origins, replay_records: ReplayRecords, random_id: Callable[[], str]
    ) -> None:
        self._origins = origins
        self._replay_records = replay_records
        self._random_id = random_id

    def add(self, batch: Batch, record: ReadableLogRecord) -> None:
        """Add a log record's document and its replay records."""
        log_record = record.log_record
        attributes = copied(log_record.attributes)
        origin = self._origins.of(record.resource, record.instrumentation_scope)
        streams = self._origins.settle(attributes, origin)
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
            "resource": origin.resource,
            "scope": origin.scope,
        }
        body = _without_tokens(log_record.body)
        _add_optional(document, log_record, body)
        if record.dropped_attributes:
            document["dropped_attributes_count"] = record.dropped_attributes
        if not attributes:  # as the Collector does; of spans, it writes empty ones
            del document["attributes"]
        document_id = self._random_id()
        batch.operations.append(streams.logs.operation(document_id, document))

        if session is None:
            return
        source = Source(
            document_id,
            session,
            streams.replay,
            origin,
            document.get("trace_id", ""),
            document.get("span_id", ""),
        )
        if not (is_exception and _only_announces(log_record, body, attributes)):
            text = text_of(document.get("event_name", "(no body)") if body is None else body)
            self._replay_records.add(
                batch, source, time, level_of(document.get("severity_number", 0)), text
            )
        if is_exception:
            self._replay_records.add_exception(batch, source, time, attributes)


def _add_optional(document: dict[str, Any], log_record: LogRecord, body: Any) -> None:
    """Add what a log record may have or not."""
    if log_record.trace_id:
        document["trace_id"] = hex_trace_id(log_record.trace_id)
    if log_record.span_id:
        document["span_id"] = hex_span_id(log_record.span_id)
    if log_record.severity_text:
        document["severity_text"] = log_record.severity_text
    if log_record.severity_number is not None and (
        severity := _severity(log_record.severity_number)
    ):
        document["severity_number"] = severity
    event_name = log_record.event_name or document["attributes"].get(EVENT_NAME)
    if event_name and isinstance(event_name, str):
        document["event_name"] = event_name
    if body is not None:
        document["body"] = _body(body)


def _severity(severity_number: Any) -> int:
    return int(getattr(severity_number, "_value_", severity_number))


def _only_announces(log_record: LogRecord, body: Any, attributes: Mapping[str, Any]) -> bool:
    """Whether the body of a record with an exception says nothing beside it:

    the exception's own replay record shows all of it.
    """
    return (
        body is None
        or log_record.event_name == EXCEPTION_EVENT
        or body == attribute_text(attributes, EXCEPTION_MESSAGE)
    )


def level_of(severity: int) -> str:
    """Return the level of a severity number, by the log data model's ranges."""
    return next((level for least, level in _LEVELS if severity >= least), "info")


def _without_tokens(body: Any, depth: int = 0) -> Any:
    """Return a body with each token in its texts reduced to the id of its session; of structures, those of dicts and lists near the top."""
    if type(body) is str:
        return without_tokens(body)
    if depth < _DEEPEST and type(body) is dict:
        return {name: _without_tokens(value, depth + 1) for name, value in body.items()}
    if depth < _DEEPEST and type(body) in (list, tuple):
        return [_without_tokens(value, depth + 1) for value in body]
    return body


def _body(body: Any) -> dict[str, Any]:
    """Return the field `body`:

    text, or a structure, which Elasticsearch wants to be a map or a list of maps.
    """
    if isinstance(body, (str, bytes, bytearray, memoryview)):
        return {"text": body}
    if isinstance(body, Mapping):
        return {"structured": body}
    if isinstance(body, Sequence):
        # Of a list without an end, the beginning tells.
        return {
            "structured": body
            if all(isinstance(item, Mapping) for item in islice(body, _MOST_ITEMS))
            else {"value": body}
        }
    return {"text": body}
