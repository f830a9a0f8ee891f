"""Measure what one span costs the exporting process, from ReadableSpan to acknowledged request.

The peer is OTLP/HTTP.

    python benchmarks/export.py [--json FILE] [--sessions]

Measured is processor time of the exporting process, user and system, all its threads. Each exporter
has a process of its own, for isal leaves the processor in a state that slows zlib down, and so has
the server. All send the same spans over loopback, on kept connections, with gzip: OTLP with its own
compressor, ours with zlib at level 1, with isal at level 1 (the default where it has wheels), and,
for what compression costs, with none. Rounds alternate, so that whatever else the machine does
meets all of them; the medians count. Goal: at most a fifth of OTLP's time, which isal meets; of
what zlib takes, its compression alone is a quarter.

The spans are those of a web application: a third are requests, the others its calls to a database
and to another service, with 12 to 15 attributes. One in ten recorded an exception with its stack.
Half of the requests belong to a session, and ours writes a replay record for each of those and for
each exception of a session besides the documents of spans and events: documents that OTLP does not
send. With `--sessions` each span is a request in a session, and has a replay record: the most that
sessions can cost.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from operator import truediv
from pathlib import Path
from typing import IO, TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode

from otel_asayer.exporter import ElasticsearchSpanExporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer
    from opentelemetry.util.types import AttributeValue

GOAL = 0.2
BATCH = 512
"""Spans of one export: the batch processor's default."""
BATCHES = 8
ROUNDS = int(os.environ.get("ROUNDS") or 15)
SERVICE = {
    "service.name": "shop",
    "service.version": "4.2.0",
    "deployment.environment.name": "production",
    "host.name": "web-7",
}
SESSIONS = [str(2618307011354435587 + (number << 24)) for number in range(50)]


def _ours(url: str, *, isal: bool = True, compression: str = "gzip") -> SpanExporter:
    if not isal:
        # The import system's own way to say: not installed
        sys.modules["isal"] = None  # type: ignore[assignment]
    return ElasticsearchSpanExporter(
        endpoint=url, api_key="a2V5OnNlY3JldA==", setup="off", compression=compression
    )


VARIANTS: dict[str, Callable[[str], SpanExporter]] = {
    "OTLP/HTTP, gzip": lambda url: OTLPSpanExporter(
        endpoint=f"{url}/v1/traces", compression=Compression.Gzip
    ),
    "Elasticsearch, gzip by zlib": lambda url: _ours(url, isal=False),
    "Elasticsearch, gzip by isal": _ours,
    "Elasticsearch, not compressed": lambda url: _ours(url, compression="none"),
}


def recorded_spans(number: int, *, sessions: bool = False) -> list[ReadableSpan]:
    """Return that many ended spans; with `sessions`, requests in sessions only."""
    memory = InMemorySpanExporter()
    resource = Resource.create(
        {
            "service.name": "shop",
            "service.version": "4.2.0",
            "deployment.environment.name": "production",
            "host.name": "web-7",
        }
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer(
        "opentelemetry.instrumentation.flask",
        "0.66b1",
        schema_url="https://opentelemetry.io/schemas/1.37.0",
    )
    numbers = random.Random(7)
    for request in range(number if sessions else 0):
        attributes = _server_attributes(numbers, failed=False)
        session: dict[str, AttributeValue] = {"session.id": SESSIONS[request % len(SESSIONS)]}
        tracer.start_span(
            "GET /cart/{cart_id}/items", kind=SpanKind.SERVER, attributes=attributes | session
        ).end()
    for request in range(0 if sessions else -(-number // 3)):
        _request(tracer, numbers, SESSIONS[request % len(SESSIONS)] if request % 2 else None)
    return list(memory.get_finished_spans())[:number]


def _request(tracer: Tracer, numbers: random.Random, session_id: str | None) -> None:
    session: dict[str, AttributeValue] = {"session.id": session_id} if session_id else {}
    failed = numbers.random() < 0.3
    with tracer.start_as_current_span("GET /cart/{cart_id}/items", kind=SpanKind.SERVER) as span:
        span.set_attributes(_server_attributes(numbers, failed=failed) | session)
        for kind in (_database_attributes, _client_attributes):
            with tracer.start_as_current_span(
                "SELECT shop" if kind is _database_attributes else "GET", kind=SpanKind.CLIENT
            ) as call:
                call.set_attributes(kind(numbers) | session)
        if failed:
            _fail(span, numbers)


def _fail(span: Span, numbers: random.Random) -> None:
    try:
        json.loads("{" * numbers.randint(1, 9))
    except ValueError as error:
        span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR, f"ValueError: {error}"))


def _server_attributes(numbers: random.Random, *, failed: bool) -> dict[str, AttributeValue]:
    cart = numbers.randint(1, 99999)
    return {
        "http.request.method": "GET",
        "url.scheme": "https",
        "url.path": f"/cart/{cart}/items",
        "url.query": f"page={cart % 7}&sort=price",
        "http.route": "/cart/{cart_id}/items",
        "http.response.status_code": 500 if failed else 200,
        "server.address": "shop.example",
        "server.port": 443,
        "client.address": f"203.0.113.{cart % 256}",
        "network.protocol.version": "1.1",
        "network.peer.address": "10.2.7.31",
        "network.peer.port": 40000 + cart % 20000,
        "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like "
        "Gecko) Chrome/140.0.0.0 Safari/537.36",
    }


def _database_attributes(numbers: random.Random) -> dict[str, AttributeValue]:
    cart = numbers.randint(1, 99999)
    return {
        "db.system.name": "postgresql",
        "db.namespace": "shop",
        "db.operation.name": "SELECT",
        "db.collection.name": "cart_items",
        "db.query.summary": "SELECT cart_items",
        "db.query.text": f"SELECT id, product_id, quantity, price FROM cart_items WHERE cart_id = "  # noqa: S608
        f"{cart} ORDER BY price LIMIT 50",
        "db.response.returned_rows": cart % 50,
        "server.address": "db-1.internal",
        "server.port": 5432,
        "network.transport": "tcp",
        "thread.id": 140_000_000 + cart % 16,
        "thread.name": f"worker-{cart % 16}",
        "db.pool.wait_ms": cart / 1000,
    }


def _client_attributes(numbers: random.Random) -> dict[str, AttributeValue]:
    product = numbers.randint(1, 9999)
    return {
        "http.request.method": "GET",
        "url.full": f"http://stock.internal:8080/products/{product}?fields=stock,price",
        "server.address": "stock.internal",
        "server.port": 8080,
        "http.response.status_code": 200,
        "http.request.resend_count": 0,
        "network.protocol.name": "http",
        "network.protocol.version": "1.1",
        "network.peer.address": "10.2.9.12",
        "network.peer.port": 8080,
        "http.response.body.size": product * 3,
        "retry.attempts": [0, 1, 2][: product % 3],
        "cache.hit": product % 2 == 0,
        "feature.flag": "new-stock",
    }


@contextmanager
def process(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> Iterator[tuple[IO[str], IO[str]]]:
    """Run a program until the end of the block; give its standard input and output."""
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        env=environment,
    ) as running:
        assert running.stdin is not None  # noqa: S101 (for the type)
        assert running.stdout is not None  # noqa: S101 (for the type)
        yield running.stdin, running.stdout
        running.stdin.close()


def work(variant: str, url: str, *, profile: bool, sessions: bool) -> None:
    """Export once for each line of standard input.

    Answer with the microseconds of processor time per span.
    """
    spans = recorded_spans(BATCH * BATCHES, sessions=sessions)
    batches = [spans[start : start + BATCH] for start in range(0, len(spans), BATCH)]
    exporter = VARIANTS[variant](url)
    microseconds(exporter, batches)
    if profile:
        cProfile.runctx(
            "microseconds(exporter, batches)",
            globals(),
            {"exporter": exporter, "batches": batches},
            sort="tottime",
        )
    for _ in sys.stdin:
        print(microseconds(exporter, batches), flush=True)
    exporter.shutdown()


def microseconds(exporter: SpanExporter, batches: Sequence[Sequence[ReadableSpan]]) -> float:
    """Export all batches; return processor time per span."""
    start = time.process_time()
    results = {exporter.export(batch) for batch in batches}
    spent = time.process_time() - start
    if results != {SpanExportResult.SUCCESS}:
        raise SystemExit("An export failed, so nothing is measured.")
    return spent * 1e6 / sum(map(len, batches))


def measure(options: Sequence[str]) -> dict[str, list[float]]:
    """Return the microseconds per span of each variant in each round."""
    with ExitStack() as stack:
        _, port = stack.enter_context(
            process([sys.executable, str(Path(__file__).with_name("sink.py"))])
        )
        url = f"http://127.0.0.1:{int(port.readline())}"
        workers = {
            variant: stack.enter_context(
                process([sys.executable, __file__, "--worker", variant, url, *options])
            )
            for variant in VARIANTS
        }
        times: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
        for _ in range(ROUNDS):
            for variant, (commands, answers) in workers.items():
                print(file=commands)
                times[variant].append(float(answers.readline()))
    return times


def report(times: Mapping[str, Sequence[float]], file: Path | None) -> None:
    """Print a table, and write JSON where asked."""
    reference = next(iter(times.values()))
    rows = [
        {
            "exporter": variant,
            "us_per_span": round(statistics.median(values), 2),
            "ratio": round(statistics.median(map(truediv, values, reference)), 3),
        }
        for variant, values in times.items()
    ]
    print(f"{'exporter':32}{'µs per span':>12}{'of OTLP':>10}")
    for row in rows:
        print(f"{row['exporter']:32}{row['us_per_span']:12.2f}{row['ratio']:10.3f}")
    print(f"Goal: at most {GOAL}")
    if file:
        file.write_text(
            json.dumps({"python": platform.python_version(), "goal": GOAL, "rows": rows}, indent=2)
            + "\n"
        )


def main() -> None:
    """Measure and report; with `--worker`, be one of the processes that are measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the numbers to this file as well")
    parser.add_argument(
        "--profile", action="store_true", help="with --worker: print where the time goes"
    )
    parser.add_argument(
        "--sessions", action="store_true", help="let each span be a request in a session"
    )
    parser.add_argument("--worker", nargs=2, metavar=("EXPORTER", "URL"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(*arguments.worker, profile=arguments.profile, sessions=arguments.sessions)
    else:
        report(measure(["--sessions"] if arguments.sessions else []), arguments.json)


if __name__ == "__main__":
    main()
