"""Measure what it costs to make documents, beside OTLP messages of the same telemetry.

    python benchmarks/encode.py [--profile]

Measured is processor time, from the SDK's objects to the bytes of a request's body, without
compression and network. Rounds alternate, so that whatever else the machine does meets both; the
medians count. Ours writes a replay record besides for each request and log record of a session.
Goal: at most a quarter of OTLP's time for a span, and at most 6 µs for a plain one on the machine
    where this was written.
"""

from __future__ import annotations

import argparse
import cProfile
import statistics
import time
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._internal._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common._internal.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from otel_asayer.config import Config
from otel_asayer.documents import Encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.util.types import AttributeValue

    from otel_asayer.documents import Encoded

_T = TypeVar("_T")

BATCH = 512
"""Records of one export: the batch processor's default."""
ROUNDS = 25
SESSION = "2618307011354435587"
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
    ours: Callable[[], object]
    otlp: Callable[[], object]


def spans(kind: SpanKind, attributes: dict[str, AttributeValue]) -> list[ReadableSpan]:
    """A batch of spans inside of another one."""
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
            tracer.start_span("GET /cart/{id}", kind=kind, attributes=attributes).end()
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


def microseconds(work: Callable[[], object], records: int) -> float:
    """Processor time of one record."""
    start = time.process_time_ns()
    work()
    return (time.process_time_ns() - start) / records / 1000


def measure(contest: Contest) -> tuple[float, float]:
    """Medians of alternating rounds: ours and OTLP's."""
    rounds = [
        (microseconds(contest.ours, contest.records), microseconds(contest.otlp, contest.records))
        for _ in range(ROUNDS)
    ]
    ours, otlp = zip(*rounds, strict=True)
    return statistics.median(ours), statistics.median(otlp)


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
    print(f"{'µs per record':<26}{'ours':>8}{'OTLP':>8}{'ratio':>8}")
    for contest in contests():
        ours, otlp = measure(contest)
        print(f"{contest.name:<26}{ours:>8.1f}{otlp:>8.1f}{ours / otlp:>8.2f}")


if __name__ == "__main__":
    main()
