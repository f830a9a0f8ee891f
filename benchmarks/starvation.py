"""Measure what arrives from an event loop that computes all the time.

    python benchmarks/starvation.py [--seconds 5]

The loop looks at its sockets every few hundred microseconds, as a busy ASGI server does, and each
time gives the interpreter away for a moment that is too short for another thread. Its requests
make three spans each. Measured is how many spans a second end, and how many of them an exporter has
sent until the loop stops: with OTLP/HTTP, and with otel-asayer, each in a process of its own, with
the batch processor's defaults. Rounds alternate; medians count.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from export import process
from request import OTLP, OURS

ROUNDS = int(os.environ.get("ROUNDS") or 5)
WORK = 2000
"""Additions in each span."""


def work(kind: str, url: str, seconds: float) -> None:
    """Be one of the processes: print spans a second, and the part of them that was sent."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

    import otel_asayer
    from otel_asayer.delivery.delivery import of_this_process
    from otel_asayer.delivery.outcomes import Outcome

    sent = 0

    class Counting(OTLPSpanExporter):
        def export(self, spans: list[ReadableSpan]) -> SpanExportResult:  # type: ignore[override]
            nonlocal sent
            result = super().export(spans)
            sent += len(spans) if result is SpanExportResult.SUCCESS else 0
            return result

    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    with tempfile.TemporaryDirectory() as spool:
        if kind == OTLP:
            provider.add_span_processor(BatchSpanProcessor(Counting(f"{url}/v1/traces")))
        else:
            otel_asayer.configure(endpoint=url, spool_directory=spool, replay_records=False)
        ended = asyncio.run(_serve(trace.get_tracer("shop"), seconds))
        if kind != OTLP:
            sent = sum(
                number
                for delivery in of_this_process()
                for count, number in delivery.counters.snapshot().items()
                if count.outcome is Outcome.INDEXED
            )
        print(json.dumps([ended / seconds, sent / ended]), flush=True)
        os._exit(0)  # what is queued is not awaited


async def _serve(tracer: object, seconds: float) -> int:
    ended = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(3):
            with tracer.start_as_current_span("GET /cart", attributes={"http.route": "/cart"}):  # type: ignore[attr-defined]
                sum(range(WORK))
        ended += 3
        await asyncio.sleep(0)
    return ended


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5, help="of a process; default: 5")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        kind, url = arguments.work
        work(kind, url, arguments.seconds)
    results: dict[str, list[list[float]]] = {OTLP: [], OURS: []}
    with process([sys.executable, str(Path(__file__).with_name("sink.py"))]) as (_, port):
        url = f"http://127.0.0.1:{int(port.readline())}"
        for _ in range(ROUNDS):
            for kind, several in results.items():
                command = [sys.executable, __file__, "--seconds", str(arguments.seconds)]
                done = subprocess.run(
                    [*command, "--work", kind, url], check=True, stdout=subprocess.PIPE
                )
                several.append(json.loads(done.stdout))
    print(f"{'exporter':34}{'spans a second':>16}{'sent':>8}")
    for kind, several in results.items():
        ended, part = map(statistics.median, zip(*several, strict=True))
        print(f"{kind:34}{ended:16,.0f}{part:8.0%}")


if __name__ == "__main__":
    main()
