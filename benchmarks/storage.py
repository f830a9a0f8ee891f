"""Measure what our `_id` and the replay records cost Elasticsearch: time, and bytes on its disk.

    PYTHONPATH=tests python benchmarks/storage.py [--spans 600000]

The spans of `export.py`, of which half of the requests are in a session, are written into a real
Elasticsearch in three ways, each to data streams of its own: all that we write; the same without
replay records; and that without our `_id`, as the OpenTelemetry Collector writes it. Requests of
the three alternate, one at a time, uncompressed; the time from a request to its answer counts.
Sizes are those after everything was merged to one segment. The node has a heap of 1 GB.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import orjson
from export import recorded_spans

from otel_asayer.config import Config
from otel_asayer.documents import Encoder, Operation
from otel_asayer.elasticsearch.client import Client

from elasticsearch_server import NodeConfig, running
from store import prepare

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from elasticsearch_server import Server

SPANS = 1500
"""Of a request: with all that belongs to them, 2 MB."""
_ID = re.compile(rb'("_index":"[^"]*"),"_id":"[^"]*"')

Encode = Callable[[Sequence["ReadableSpan"]], list[Operation]]


@dataclass
class Way:
    """One way to write spans, and what it took.

    Attributes:
        name: How the report names it.
        namespace: Of its data streams and indices.
        encode: Makes the operations.
        documents: How many were written.
        seconds: From requests to answers.
    """

    name: str
    namespace: str
    encode: Encode
    documents: int = 0
    seconds: float = 0.0

    def write(self, client: Client, spans: Sequence[ReadableSpan]) -> None:
        """Write spans with one request."""
        operations = self.encode(spans)
        start = time.perf_counter()
        answer = client.request(
            "POST", "/_bulk?require_data_stream=true&filter_path=errors", operations, timeout=120
        )
        self.seconds += time.perf_counter() - start
        self.documents += len(operations)
        if answer.status != 200 or orjson.loads(answer.body)["errors"]:
            raise SystemExit("Elasticsearch refused documents, so nothing is measured.")


def ways() -> list[Way]:
    """Return what is compared."""
    whole, plain = (_encoder("whole"), _encoder("plain", replay_records=False))
    collector = _encoder("collector", replay_records=False)
    return [
        Way("otel-asayer", "whole", whole),
        Way("without replay records", "plain", plain),
        Way("without our _id, too", "collector", partial(_without_ids, collector)),
    ]


def _encoder(namespace: str, *, replay_records: bool = True) -> Encode:
    config = Config.from_environment({}, namespace=namespace, replay_records=replay_records)
    encoder = Encoder(config, lambda: "unused")
    return lambda spans: encoder.spans(spans).operations


def _without_ids(encode: Encode, spans: Sequence[ReadableSpan]) -> list[Operation]:
    return [Operation(_ID.sub(rb"\1", operation, count=1)) for operation in encode(spans)]


def size(server: Server, namespace: str) -> int:
    """Return the bytes that all documents of a namespace take, merged to one segment an index."""
    names = f"traces-*-{namespace},logs-*-{namespace},asayer-logs-{namespace}-*"
    server.request("POST", f"/{names}/_forcemerge?max_num_segments=1")
    server.request("POST", f"/{names}/_flush")
    stats = server.request("GET", f"/{names}/_stats/store").json()
    return int(stats["_all"]["primaries"]["store"]["size_in_bytes"])


def main() -> None:
    """Write, measure and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--spans", type=int, default=600_000)
    options = parser.parse_args()
    compared = ways()
    with running(NodeConfig(mode="secured", heap="1g")) as server:
        prepare(server)
        config = Config.from_environment(
            {},
            endpoint=server.url,
            username=server.username,
            password=server.password,
            compression="none",
        )
        with closing(Client(config)) as client:
            for _ in range(-(-options.spans // SPANS)):
                spans = recorded_spans(SPANS)
                for way in compared:
                    way.write(client, spans)
        server.refresh()
        spans_written = -(-options.spans // SPANS) * SPANS
        print(f"{spans_written:,} spans\n")
        print(
            f"{'':26}{'documents':>12}{'a second':>10}{'µs a span':>11}"
            f"{'MB on disk':>12}{'bytes a span':>14}"
        )
        for way in compared:
            taken = size(server, way.namespace)
            print(
                f"{way.name:26}{way.documents:12,}{way.documents / way.seconds:10,.0f}"
                f"{way.seconds * 1e6 / spans_written:11.1f}{taken / 1e6:12.1f}"
                f"{taken / spans_written:14.0f}"
            )


if __name__ == "__main__":
    main()
