"""What a document costs to write to the spool and to read back, beside what it costs to deliver it.

    python benchmarks/spool.py [--directory FOLDER]

A body holds 512 documents, as one export does. Measured are the time that passes, fsync included,
and the processor time of this process. The rounds of all ways alternate, so that whatever else the
machine does meets all of them; the medians count. "Deliver" is one request over loopback to
`sink.py`, on a kept connection, compressed as a body of the spool is.

The spool is written to FOLDER; by default to the folder of this file, for the one of temporary
files may be memory, where fsync is free.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unittest.mock import patch

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from otel_asayer.config import Config
from otel_asayer.documents import Encoder, Operation
from otel_asayer.elasticsearch import bulk
from otel_asayer.elasticsearch.client import Client
from otel_asayer.elasticsearch.compression import gzip_of
from otel_asayer.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DOCUMENTS = 512
ROUNDS = 40
WAITING = (0, 1000, 65536)
"""Bodies that already wait while one is written: as many as the default cap has room for."""


class Way(NamedTuple):
    """Something to do with a body."""

    name: str
    run: Callable[[], object]


class Cost(NamedTuple):
    """Microseconds per document."""

    elapsed: float
    processor: float


def documents() -> list[Operation]:
    """Return the operations of one export of a web application."""
    memory, numbers = InMemorySpanExporter(), random.Random(7)
    provider = TracerProvider(
        resource=Resource.create({"service.name": "shop", "service.version": "4.2.0"}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("opentelemetry.instrumentation.flask", "0.66b1")
    for _ in range(DOCUMENTS):
        cart = numbers.randint(1, 99999)
        with tracer.start_as_current_span(
            "GET /cart/{cart_id}/items", kind=SpanKind.CLIENT
        ) as span:
            span.set_attributes(
                {
                    "http.request.method": "GET",
                    "url.full": (
                        f"https://shop.example/cart/{cart}/items?page={cart % 7}&sort=price"
                    ),
                    "http.response.status_code": 200,
                    "server.address": "shop.example",
                    "server.port": 443,
                    "network.peer.address": f"10.2.{cart % 256}.31",
                    "network.peer.port": 40000 + cart % 20000,
                    "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
                    "(KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
                    "session.id": str(2618307011354435587 + (cart << 24)),
                    "db.query.text": f"SELECT id, product_id, quantity, price FROM cart_items "  # noqa: S608
                    # Only text
                    f"WHERE cart_id = {cart} ORDER BY price",
                }
            )
    return (
        Encoder(Config(), lambda: os.urandom(12).hex())
        .spans(memory.get_finished_spans())
        .operations
    )


@contextmanager
def sink() -> Iterator[str]:
    """Run the server in a process of its own; give its URL."""
    command = [sys.executable, str(Path(__file__).with_name("sink.py"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None  # noqa: S101 (for the type)
        assert server.stdout is not None  # noqa: S101 (for the type)
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        server.stdin.close()


def ways(operations: Sequence[Operation], url: str, spool: Spool, unsynced: Spool) -> list[Way]:
    """Return what is compared; each leaves the spools as it found them."""
    client = Client(Config.from_environment({}, endpoint=url))

    def without_sync() -> None:
        with patch("os.fsync"):
            write_and_remove(unsynced, operations)

    def read_back() -> None:
        lease = spool.lease()
        if lease is None or len(lease.operations()) != len(operations):
            raise SystemExit("What was written is not what was read, so nothing is measured.")
        lease.release()

    spool.write(operations)
    return [
        Way("compress", lambda: gzip_of(operations)),
        Way(
            "deliver",
            lambda: client.request("POST", bulk.target(), b"".join(operations), timeout=10),
        ),
        Way(
            "write to the spool, delivered from memory", lambda: write_and_remove(spool, operations)
        ),
        Way("the same without fsync", without_sync),
        Way("lease, read and give back", read_back),
    ]


def write_and_remove(spool: Spool, operations: Sequence[Operation]) -> None:
    _, lease = spool.write_ahead(operations)
    lease.done()


def cost(way: Way) -> Cost:
    elapsed, processor = time.perf_counter(), time.process_time()
    way.run()
    return Cost(
        (time.perf_counter() - elapsed) * 1e6 / DOCUMENTS,
        (time.process_time() - processor) * 1e6 / DOCUMENTS,
    )


def compare(contenders: Sequence[Way]) -> None:
    for way in contenders:
        way.run()
    rounds = [[cost(way) for way in contenders] for _ in range(ROUNDS)]
    print(f"{'per document':44}{'µs that pass':>14}{'µs of processor':>18}")
    for way, costs in zip(contenders, zip(*rounds, strict=True), strict=True):
        elapsed, processor = (statistics.median(column) for column in zip(*costs, strict=True))
        print(f"{way.name:44}{elapsed:14.2f}{processor:18.2f}")


def crowd(spool: Spool, number: int) -> None:
    """Fill the spool with small bodies, made by hand: 65,536 fsyncs would take a minute."""
    spool.write([Operation(b"{}\n{}\n")])
    for position in range(number - len(list(spool.folder.glob("*.ndjson.gz")))):
        (spool.folder / f"{position:020d}-1-{position:016x}-1.ndjson.gz").write_bytes(b"")


def compare_crowds(root: Path, operations: Sequence[Operation]) -> None:
    print(
        f"\n{f'a body of {DOCUMENTS} documents, of which wait already':54}"
        f"{'ms that pass, median':>22}{'slowest':>10}"
    )
    for number in WAITING:
        spool = Spool(root / str(number), max_bytes=1 << 40)
        crowd(spool, number)
        times = [
            cost(Way("", lambda spool=spool: spool.write(operations))).elapsed * DOCUMENTS / 1e3  # type: ignore[misc]
            for _ in range(ROUNDS)
        ]
        print(f"{number:54}{statistics.median(times):22.2f}{max(times):10.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--directory", type=Path, default=Path(__file__).parent, help="the spool is written here"
    )
    operations = documents()
    size = sum(map(len, operations)) / DOCUMENTS
    with tempfile.TemporaryDirectory(dir=parser.parse_args().directory) as name, sink() as url:
        root = Path(name)
        spools = (
            Spool(root / "synced", max_bytes=1 << 30),
            Spool(root / "unsynced", max_bytes=1 << 30),
        )
        print(
            f"{DOCUMENTS} documents of {size:.0f} bytes, "
            f"{len(gzip_of(operations)) / DOCUMENTS:.0f} compressed\n"
        )
        compare(ways(operations, url, *spools))
        compare_crowds(root, operations)


if __name__ == "__main__":
    main()
