"""Measure how fast the bridge works off a backlog on a real Elasticsearch, and its memory.

    PYTHONPATH=tests python benchmarks/bridge.py [--documents 240000]

Documents are those of requests as a Collector stores them: a server's span, a call inside, two log
records, and in one request of twenty an exception. The bridge reads three or four of these; the
goal counts only what it reads. Elasticsearch runs on the same machine, with a heap of 1 GB. Goal:
5,000 documents a second, and memory that does not grow. What else runs on the machine takes part of
the time, so the processor time of both is told too, and what it would allow on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from bridging import ROLE, Bridges, Collector
from elasticsearch_server import NodeConfig, running
from store import prepare

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from elasticsearch_server import Server

GOAL = 5000
BULK = 5000
SAMPLE_SECONDS = 0.1
NAMESPACE = "default"


def documents(collector: Collector) -> Iterator[dict[str, Any]]:
    """Yield documents of requests without end."""
    while True:
        trace, entry, inner = collector.ids()
        yield collector.span(trace, entry)
        yield collector.inner_span(trace, inner, entry)
        yield collector.log_record(trace, entry, f"Showing the cart of {trace}")
        yield collector.log_record(trace, inner, "Asking for prices")
        if collector.random.random() < 0.05:
            yield collector.exception(trace, inner, message=f"no price for {trace}")


def fill(server: Server, number: int) -> None:
    """Write a backlog."""
    found = islice(documents(Collector(server, NAMESPACE)), number)
    while batch := list(islice(found, BULK)):
        lines = b"".join(
            b'{"create":{"_index":"%s-generic.otel-%s"}}\n%s\n'
            % (
                b"traces" if "kind" in document else b"logs",
                NAMESPACE.encode(),
                orjson.dumps(document),
            )
            for document in batch
        )
        answer = server.request("POST", "/_bulk?filter_path=errors", lines).json()
        if answer["errors"]:
            raise RuntimeError("Elasticsearch refused documents")
    server.refresh()


def processor_seconds(process_id: int) -> float:
    """Return what a process has used so far, of both kinds."""
    text = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    return sum(map(int, text.split()[11:13])) / os.sysconf("SC_CLK_TCK")


def memory(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the bytes that a process held, until it ends."""
    page = os.sysconf("SC_PAGE_SIZE")
    samples = []
    while process.poll() is None:
        samples.append(int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * page)
        time.sleep(SAMPLE_SECONDS)
    return [sample for sample in samples if sample]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=240_000)
    options = parser.parse_args()
    with (
        running(NodeConfig(mode="secured", heap="1g")) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        prepare(server)
        fill(server, options.documents)
        bridges = Bridges(server, server.create_api_key("bridge", ROLE), Path(folder))
        load, of_server = os.getloadavg()[0], processor_seconds(server.pid)
        start, before = time.perf_counter(), os.times()
        process = bridges.start("measured", "--once", "--json", "--since", "1d")
        held = memory(process)
        seconds, after = time.perf_counter() - start, os.times()
        of_server = processor_seconds(server.pid) - of_server
        counts = json.loads((Path(folder) / "measured" / "answer").read_bytes())
    read = counts["read"]
    per_document = (sum(after[2:4]) - sum(before[2:4])) / read, of_server / read
    early, last = held[len(held) // 5], held[-1]
    print(f"{options.documents:,} documents, of which the bridge reads {read:,}; load {load:.1f}")
    print(f"{counts['written']:,} records written, {counts['present']:,} there already")
    print(
        f"{seconds:.1f} s, with the start of the process: {read / seconds:,.0f} documents read a "
        f"second (goal {GOAL:,}), {options.documents / seconds:,.0f} of all"
    )
    own, other = (f"{one * 1e6:.0f} µs" for one in per_document)
    print(
        f"processor time of a document read: bridge {own}, Elasticsearch {other}; two cores of "
        f"their own allow {2 / sum(per_document):,.0f} a second"
    )
    print(f"memory: {early / 1e6:.0f} MB after a fifth of the time, {last / 1e6:.0f} MB at the end")
    return int(read / seconds < GOAL)


if __name__ == "__main__":
    sys.exit(main())
