"""Spans and log records made by a real SDK, with ids that count and times that are given:

the same on every machine.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from otel_asayer.config import Config
from otel_asayer.documents import Encoder, Operation

if TYPE_CHECKING:
    from opentelemetry._logs import Logger
    from opentelemetry.context import Context
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Tracer

    from otel_asayer.documents import Encoded

SESSION = "2618307011354435587"
"""Started 2024-01-24T02:27:39.324Z."""
OTHER_SESSION = "2618307011354435588"
START = 1_795_536_236_662_000_005
"""2026-11-24T16:03:56.662Z and five nanoseconds."""
MS = 1_000_000
TRACE_ID = 0x4BF92F3577B34DA6A3CE929D0E0E4736
PARENT_ID = 0x00F067AA0BA902B7
RESOURCE = Resource(
    {"service.name": "shop", "service.version": "4.2.0"},
    schema_url="https://opentelemetry.io/schemas/1.37.0",
)
REPLAY_URL = "https://app.openreplay.com/7/session/{session_id}?jumpto={time_ms}"


class CountingIds(IdGenerator):
    """One trace id, and span ids that count from 1."""

    def __init__(self) -> None:
        self._last = 0

    def generate_trace_id(self) -> int:
        return TRACE_ID

    def generate_span_id(self) -> int:
        self._last += 1
        return self._last


class Recording:
    """A tracer and a logger, and what they made."""

    tracer: Tracer
    logger: Logger

    def __init__(
        self,
        resource: Resource = RESOURCE,
        scope: str = "shop.web",
        limits: SpanLimits | None = None,
        **scope_options: Any,
    ) -> None:
        self._spans, self._log_records = InMemorySpanExporter(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        tracers = TracerProvider(
            resource=resource,
            shutdown_on_exit=False,
            id_generator=CountingIds(),
            span_limits=limits or SpanLimits(),
        )
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
        loggers.add_log_record_processor(SimpleLogRecordProcessor(self._log_records))
        self.tracer = tracers.get_tracer(scope, "1.0", **scope_options)
        self.logger = loggers.get_logger(scope, "1.0", **scope_options)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._spans.get_finished_spans())

    @property
    def log_records(self) -> list[ReadableLogRecord]:
        return list(self._log_records.get_finished_logs())


class Document(NamedTuple):
    """An operation, read."""

    stream: str
    id: str
    source: dict[str, Any]


def caller(*, is_remote: bool = True, trace_state: TraceState | None = None) -> Context:
    """The context of a request that arrives with a trace."""
    context = SpanContext(
        TRACE_ID, PARENT_ID, is_remote, TraceFlags(TraceFlags.SAMPLED), trace_state
    )
    return set_span_in_context(NonRecordingSpan(context))


def encoder(**settings: Any) -> Encoder:
    """An encoder whose random ids count: log-1, log-2."""
    ids = iter(range(1, 1_000_000))
    return Encoder(Config(**settings), lambda: f"log-{next(ids)}")


def encode(recording: Recording, **settings: Any) -> list[Operation]:
    """The operations for all that was recorded, spans first. A failure is none of them:

    it fails the test.
    """
    one = encoder(**settings)
    encoded: list[Encoded] = [one.spans(recording.spans), one.log_records(recording.log_records)]
    assert [failure for part in encoded for failure in part.failures] == []
    return [operation for part in encoded for operation in part.operations]


def documents(recording: Recording, **settings: Any) -> list[Document]:
    """Like `encode`, read again by a strict parser."""
    return [read(operation) for operation in encode(recording, **settings)]


def read(operation: bytes) -> Document:
    """The parts of an operation, if it is two lines of valid JSON."""
    head, source, end = operation.split(b"\n")
    assert end == b""
    action = json.loads(head, parse_constant=_refuse)["create"]
    return Document(action["_index"], action["_id"], json.loads(source, parse_constant=_refuse))


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
