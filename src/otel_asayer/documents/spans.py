"""Documents of spans and of their events.

Each field is that of the OpenTelemetry Collector's elasticsearchexporter in its OTel mapping.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.trace import DEFAULT_TRACE_STATE, Link, Status

from otel_asayer.attributes import HANDLED, SESSION_ID
from otel_asayer.documents.attributes import (
    EVENT_NAME,
    ResourceScope,
    ResourceScopeCache,
    copied,
    take_session,
)
from otel_asayer.documents.summaries import (
    EXCEPTION_EVENT,
    blames_the_caller,
    entry_summary,
    exception_type_name,
    is_answer,
    reduce_exception,
)
from otel_asayer.documents.values import hex_span_id, hex_trace_id, one_line, otel_timestamp
from otel_asayer.propagation.session_id import without_tokens
from otel_asayer.runtime.sdk import enum_value, fields_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.trace import Event, ReadableSpan

    from otel_asayer.documents.replay_records import Batch, ReplayRecords, Source
    from otel_asayer.runtime.sdk import CompactSpan


__all__ = ["SpanDocuments"]

# By the value of `SpanKind`.
_KINDS: Final = ("Internal", "Server", "Client", "Producer", "Consumer")


class SpanDocuments:
    """Makes the documents of spans."""

    def __init__(self, resource_scopes: ResourceScopeCache, replay_records: ReplayRecords) -> None:
        self._resource_scopes = resource_scopes
        self._replay_records = replay_records

    def add(self, batch: Batch, span: ReadableSpan | CompactSpan) -> None:
        """Add a span's document, those of its events, and its replay records.

        One pass and one encoding, written out in one function: an exporter spends its time here.
        """
        (
            name,
            trace_number,
            span_number,
            trace_state,
            span_kind,
            parent_number,
            is_root,
            start_time,
            end_time,
            status,
            own_attributes,
            events,
            links,
            resource,
            scope,
        ) = fields_of(span)
        trace_id = hex_trace_id(trace_number)
        span_id = hex_span_id(span_number)
        start = start_time or 0
        end = end_time or start
        kind = _KINDS[enum_value(span_kind)]

        attributes = copied(own_attributes)
        resource_scope = self._resource_scopes.of(resource, scope)
        streams = self._resource_scopes.settle(attributes, resource_scope)
        session = take_session(attributes)
        if session is not None and is_root:
            self._replay_records.add_link(attributes, session, start)
        if events and kind == "Server" and _is_handled(attributes, status, events):
            attributes[HANDLED] = True

        document: dict[str, Any] = {
            "@timestamp": otel_timestamp(start),
            "data_stream": streams.traces.data_stream,
            "trace_id": trace_id,
            "span_id": span_id,
            "name": name,
            "kind": kind,
            "duration": end - start if end > start else 0,
            "attributes": attributes,
            "links": list(map(_link, links)) if links else (),
            "status": {} if status.is_unset else _status(status),
            "resource": resource_scope.resource,
            "scope": resource_scope.scope,
        }
        if parent_number is not None:
            document["parent_span_id"] = hex_span_id(parent_number)
        if trace_state is not DEFAULT_TRACE_STATE and trace_state:
            document["trace_state"] = trace_state.to_header()
        # The SDK's lists count what they dropped. The span's public names are slower, and only
        # asked for lists of another class.
        if getattr(own_attributes, "dropped", True) and span.dropped_attributes:
            document["dropped_attributes_count"] = span.dropped_attributes
        if getattr(events, "dropped", True) and span.dropped_events:
            document["dropped_events_count"] = span.dropped_events
        if getattr(links, "dropped", True) and span.dropped_links:
            document["dropped_links_count"] = span.dropped_links
        batch.operations.append(streams.traces.operation(trace_id + span_id, document))

        exceptions = (
            self._add_events(batch, _Written(document, resource_scope), events) if events else ()
        )
        if session is not None and (is_root or kind in ("Server", "Consumer")):
            level, text = entry_summary(name, attributes, status, document["duration"])
            source = (
                trace_id + span_id,
                session,
                streams.replay,
                resource_scope,
                trace_id,
                span_id,
            )
            self._replay_records.add(batch, source, start, level, one_line(text))
        for exception in exceptions:
            self._replay_records.add_exception(batch, *exception)

    def _add_events(
        self, batch: Batch, written: _Written, events: Sequence[Event]
    ) -> list[tuple[Source, int, dict[str, Any]]]:
        """Add the documents of a span's events; return its exceptions, as `_add_event` does."""
        return [
            exception
            for item in enumerate(events)
            if (exception := self._add_event(batch, written, *item))
        ]

    def _add_event(
        self, batch: Batch, written: _Written, index: int, event: Event
    ) -> tuple[Source, int, dict[str, Any]] | None:
        """Add an event's document; return what the replay record of an exception needs, if any."""
        attributes = copied(event.attributes)
        if SESSION_ID in written.document["attributes"]:
            attributes.setdefault(SESSION_ID, written.document["attributes"][SESSION_ID])
        streams = self._resource_scopes.settle(attributes, written.resource_scope)
        session = take_session(attributes)
        is_exception = event.name == EXCEPTION_EVENT
        if is_exception:
            reduce_exception(attributes)
            if written.document["attributes"].get(HANDLED) is True:
                attributes[HANDLED] = True
        if session is not None and is_exception:
            self._replay_records.add_link(attributes, session, event.timestamp)
        attributes[EVENT_NAME] = event.name
        document = {
            "@timestamp": otel_timestamp(event.timestamp),
            "data_stream": streams.logs.data_stream,
            "trace_id": written.document["trace_id"],
            "span_id": written.document["span_id"],
            "event_name": event.name,
            "attributes": attributes,
            "resource": written.resource_scope.resource,
            "scope": written.resource_scope.scope,
        }
        if event.dropped_attributes:
            document["dropped_attributes_count"] = event.dropped_attributes
        document_id = f"{document['trace_id']}{document['span_id']}-{index}"
        batch.operations.append(streams.logs.operation(document_id, document))
        if session is None or not is_exception:
            return None
        source = (
            document_id,
            session,
            streams.replay,
            written.resource_scope,
            document["trace_id"],
            document["span_id"],
        )
        return source, event.timestamp, attributes


class _Written(NamedTuple):
    """A span whose document is written, and whose events follow."""

    document: dict[str, Any]
    resource_scope: ResourceScope


def _is_handled(attributes: Mapping[str, Any], status: Status, events: Sequence[Event]) -> bool:
    """Whether a server span's exceptions are answers, as Django's `Http404` is.

    Instrumentations record those as exceptions, and some set the span's status to an error with the
    exception's type and text. An error that the application set stays one.
    """
    if not blames_the_caller(attributes):
        return False
    types = {
        exception_type_name(event.attributes or {})
        for event in events
        if event.name == EXCEPTION_EVENT
    }
    return is_answer(status, types)


def _status(status: Status) -> dict[str, str]:
    if status.is_ok:
        return {"code": "Ok"}
    return (
        {"code": "Error", "message": without_tokens(status.description)}
        if status.description
        else {"code": "Error"}
    )


def _link(link: Link) -> dict[str, Any]:
    document: dict[str, Any] = {
        "trace_id": hex_trace_id(link.context.trace_id),
        "span_id": hex_span_id(link.context.span_id),
    }
    if attributes := copied(link.attributes):
        document["attributes"] = attributes
    if link.context.trace_state:
        document["trace_state"] = link.context.trace_state.to_header()
    if link.dropped_attributes:
        document["dropped_attributes_count"] = link.dropped_attributes
    return document
