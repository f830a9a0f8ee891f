"""Measure what it costs to make documents, beside OTLP messages of the same telemetry.

    python benchmarks/encode.py [--profile]

Measured is processor time, from the SDK's objects to the bytes of a request's body. Rounds
alternate, and of each side the fastest counts: whatever else the machine does only adds time. Ours
writes a replay record besides for each request and log record of a session.

The first table is about encoding alone. The second one adds gzip at level 1, by zlib, and sets
beside ours the bare limit: the same bodies, written by orjson from dicts that exist already, and
compressed the same.
Goals: at most a quarter of OTLP's time for a span; for a request in a session at most 6 µs more
    than for a plain span, on the machine where this was written; at most 1.6 times the bare limit.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import time
import zlib
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import orjson
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._internal._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common._internal.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    set_span_in_context,
)

from otel_asayer.config import Config
from otel_asayer.documents import Encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.util.types import AttributeValue

    from otel_asayer.documents import Encoded

_T = TypeVar("_T")

BATCH = 512
"""Records of one export: the batch processor's default."""
ROUNDS = int(os.environ.get("ROUNDS") or 25)
SESSION = "2618307011354435587"
CALLER = set_span_in_context(
    NonRecordingSpan(SpanContext(1, 1, is_remote=True, trace_flags=TraceFlags(1)))
)
"""Where a request comes from: its span is the first one in this process."""
RESOURCE = Resource.create(
    {
        "service.name": "shop",
        "service.version": "4.2.0",
        "deployment.environment.name": "production",
        "host.name": "web-7",
    }
)
ATTRIBUTES: dict[str, AttributeValue] = {
    "http.request.method": "GET",
    "url.scheme": "https",
    "server.address": "shop.example",
    "server.port": 443,
    "url.path": "/cart/42",
    "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36",
    "network.protocol.version": "1.1",
    "client.address": "203.0.113.7",
    "client.port": 54321,
    "network.peer.address": "10.0.0.7",
    "http.route": "/cart/{id}",
    "http.response.status_code": 200,
}


class Contest(NamedTuple):
    """The same records for both."""

    name: str
    records: int
    ours: Callable[[], bytes]
    otlp: Callable[[], bytes]

    def with_gzip(self) -> tuple[Callable[[], bytes], Callable[[], bytes]]:
        """Return what makes our body, compressed, and what makes it from finished dicts."""
        documents = [orjson.loads(line) for line in self.ours().splitlines()]
        return (
            lambda: _gzip(self.ours()),
            lambda: _gzip(
                b"".join(
                    orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
                    for document in documents
                )
            ),
        )


def spans(kind: SpanKind, attributes: dict[str, AttributeValue]) -> list[ReadableSpan]:
    """A batch of spans inside of another one; those of servers have their parent elsewhere."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer(
        "opentelemetry.instrumentation.flask",
        "0.66b1",
        schema_url="https://opentelemetry.io/schemas/1.37.0",
    )
    with tracer.start_as_current_span("outer"):
        for _ in range(BATCH):
            tracer.start_span(
                "GET /cart/{id}", CALLER if kind is SpanKind.SERVER else None, kind, attributes
            ).end()
    return list(memory.get_finished_spans())[:BATCH]


def log_records(attributes: dict[str, AttributeValue]) -> list[ReadableLogRecord]:
    """A batch of log records as a handler of the standard library's logging makes them."""
    memory = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(memory))
    logger = provider.get_logger("shop.cart")
    place: dict[str, AttributeValue] = {
        "code.file.path": "/srv/shop/cart.py",
        "code.function.name": "add",
        "code.line.number": 42,
    }
    for number in range(BATCH):
        body = f"item {number} added to the cart"
        logger.emit(
            LogRecord(
                timestamp=time.time_ns(),
                severity_number=SeverityNumber.INFO,
                severity_text="INFO",
                body=body,
                attributes={**place, **attributes},
            )
        )
    return list(memory.get_finished_logs())


def contests() -> list[Contest]:
    """What is measured."""
    numbers = count()
    encoder = Encoder(
        Config(replay_url="https://app.openreplay.com/7/session/{session_id}?jumpto={time_ms}"),
        lambda: f"{next(numbers):020}",
    )
    session: dict[str, AttributeValue] = {"session.id": SESSION}
    batches = {
        "plain span": spans(SpanKind.CLIENT, ATTRIBUTES),
        "span in a session": spans(SpanKind.CLIENT, {**ATTRIBUTES, **session}),
        "request in a session": spans(SpanKind.SERVER, {**ATTRIBUTES, **session}),
    }
    logs = {"plain log record": log_records({}), "log record in a session": log_records(session)}
    return [
        *(
            Contest(
                name,
                BATCH,
                partial(_ours, encoder.spans, batch),
                partial(_otlp, encode_spans, batch),
            )
            for name, batch in batches.items()
        ),
        *(
            Contest(
                name,
                BATCH,
                partial(_ours, encoder.log_records, batch),
                partial(_otlp, encode_logs, batch),
            )
            for name, batch in logs.items()
        ),
    ]


def _ours(encode: Callable[[Sequence[_T]], Encoded], batch: Sequence[_T]) -> bytes:
    operations, failures = encode(batch)
    if failures:
        raise RuntimeError(failures[0])
    return b"".join(operations)


def _otlp(encode: Callable[[Sequence[_T]], Any], batch: Sequence[_T]) -> bytes:
    return bytes(encode(batch).SerializeToString())


def _gzip(body: bytes) -> bytes:
    compressor = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


def microseconds(work: Callable[[], object], records: int) -> float:
    """Processor time of one record."""
    start = time.process_time_ns()
    work()
    return (time.process_time_ns() - start) / records / 1000


def measure(
    contests: Sequence[Contest], sides: Callable[[Contest], Sequence[Callable[[], object]]]
) -> dict[str, list[float]]:
    """Return the fastest of alternating rounds, by contest, for each of its sides."""
    works = {contest: sides(contest) for contest in contests}
    rounds = [
        {
            contest.name: [microseconds(work, contest.records) for work in works[contest]]
            for contest in contests
        }
        for _ in range(ROUNDS)
    ]
    return {
        contest.name: [min(times) for times in zip(*(r[contest.name] for r in rounds), strict=True)]
        for contest in contests
    }


def report(heads: Sequence[str], times: Mapping[str, Sequence[float]]) -> None:
    """Print a table of two sides and their ratio."""
    print(f"{heads[0]:<26}{heads[1]:>12}{heads[2]:>12}{'ratio':>8}")
    for name, (ours, other) in times.items():
        print(f"{name:<26}{ours:>12.1f}{other:>12.1f}{ours / other:>8.2f}")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--profile", action="store_true", help="show where the time of a plain span goes, instead"
    )
    if parser.parse_args().profile:
        cProfile.runctx(
            "for _ in range(40): work()", {"work": contests()[0].ours}, {}, sort="tottime"
        )
        return
    measured = contests()
    report(
        ("µs per record", "ours", "OTLP"),
        measure(measured, lambda contest: (contest.ours, contest.otlp)),
    )
    print()
    report(
        ("with gzip", "ours", "bare limit"),
        measure(measured, lambda contest: contest.with_gzip()),
    )


if __name__ == "__main__":
    main()
