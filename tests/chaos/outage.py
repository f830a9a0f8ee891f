"""One process that exports a million spans while nothing listens, with the spool's default cap: how
much memory it takes as it goes on.

    PYTHONPATH=tests python -m chaos.outage

Exports are called one after the other, so that the spool is what limits the pace. Some of it
exceeds the cap, so that evictions are measured too.
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chaos.fleet import SETTINGS
from chaos.plan import BATCH, MIB
from otel_asayer.config import Config
from otel_asayer.delivery.delivery import shared
from otel_asayer.delivery.outcomes import Outcome
from otel_asayer.exporter import ElasticsearchSpanExporter

from instrumented import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SPANS = 1_000_000
PREPARED = 16
"""Batches that are exported in turn."""
GROWTH_MIB = 8.0
"""How much more memory than at a fifth of the way the process may take later."""
_PAGE = os.sysconf("SC_PAGESIZE")


@dataclass(frozen=True)
class Outage:
    """What was measured.

    Attributes:
        spans: How many were exported.
        resident: MiB of resident memory after each hundredth of the way.
        spooled: Documents written to the spool.
        evicted: Documents of them that had to go again, for the cap.
        dropped: Documents that were lost otherwise.
        waiting: Documents in the spool at the end.
        spool_bytes: What they take on the disk.
        processor_seconds: Of the process, in all.
    """

    spans: int
    resident: Sequence[float]
    spooled: int
    evicted: int
    dropped: int
    waiting: int
    spool_bytes: int
    processor_seconds: float

    def at(self, percent: int) -> float:
        """MiB of resident memory at a part of the way."""
        return self.resident[percent - 1]

    @property
    def growth(self) -> float:
        """MiB that the process grew by, at most, after a fifth of the way."""
        return max(self.resident[19:]) - self.at(20)

    @property
    def problems(self) -> list[str]:
        """Sentences; without any, all is well."""
        sentences = (
            (
                self.growth > GROWTH_MIB,
                f"memory grew by {self.growth:.1f} MiB after a fifth of the outage",
            ),
            (
                self.waiting + self.evicted + self.dropped != self.spans,
                "spans that waited, were evicted and were dropped are not all spans",
            ),
        )
        return [sentence for holds, sentence in sentences if holds]


def measure(spans: int = SPANS) -> Outage:
    """Run the process, and return what it measured."""
    with tempfile.TemporaryDirectory(prefix="chaos-outage-") as folder:
        command = [sys.executable, "-m", "chaos.outage", folder, str(spans)]
        return Outage(
            **json.loads(
                subprocess.run(
                    command,
                    env={**clean_environment(), **SETTINGS},
                    check=True,
                    stdout=subprocess.PIPE,
                ).stdout
            )
        )


def prepared_batches() -> list[list[ReadableSpan]]:
    """Return ended spans that do not compress to nothing."""
    memory, numbers = InMemorySpanExporter(), random.Random(7)
    provider = TracerProvider(
        resource=Resource.create({"service.name": "shop"}), shutdown_on_exit=False
    )
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("chaos")
    for number in range(PREPARED * BATCH):
        tracer.start_span(
            "GET /carts/{id}",
            attributes={
                "url.path": f"/carts/{number}",
                "request.token": numbers.randbytes(256).hex(),
            },
        ).end()
    spans = memory.get_finished_spans()
    return [list(spans[start : start + BATCH]) for start in range(0, len(spans), BATCH)]


@contextmanager
def nothing_listens() -> Iterator[str]:
    """Give a URL whose port is taken, and refuses."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def suffer(folder: Path, spans: int) -> Outage:
    """Export so many spans while nothing listens."""
    batches, rounds = prepared_batches(), -(-spans // BATCH)
    resident: list[float] = []
    with nothing_listens() as url:
        options: dict[str, Any] = {"endpoint": url, "spool_directory": str(folder / "spool")}
        exporter, delivery = (
            ElasticsearchSpanExporter(**options),
            shared(Config.from_environment(**options)),
        )
        for number in range(rounds):
            exporter.export(batches[number % PREPARED])
            while len(resident) * rounds < (number + 1) * 100:
                resident.append(_resident_mib())
        # Only then does nothing lease bodies any more: a count meanwhile may miss one.
        exporter.shutdown()
        count, status = delivery.counters.total, delivery.spool.status() if delivery.spool else None
    waiting, size = (status.documents, status.bytes) if status else (0, 0)
    numbers = count(Outcome.SPOOLED), count(Outcome.EVICTED), count(Outcome.DROPPED)
    return Outage(rounds * BATCH, resident, *numbers, waiting, size, sum(os.times()[:2]))


def _resident_mib() -> float:
    return round(
        int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE / MIB, 1
    )


if __name__ == "__main__":
    json.dump(asdict(suffer(Path(sys.argv[1]), int(sys.argv[2]))), sys.stdout)
