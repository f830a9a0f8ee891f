"""The order in which OpenReplay's panel lists a session that is being recorded: it shows rows as the answer brings them, and its query has no sort.

    PYTHONPATH=tests python benchmarks/panel_order.py

300 replay records arrive in order of time, in batches that are made searchable one by one, as happens once a second in operation. Each batch is a
segment. Within a segment the index sort decides; among segments Elasticsearch puts the newest of a data stream first, whatever the index sort
says. Compared are our template and the same one sorted the other way, on a real Elasticsearch.
"""

from __future__ import annotations

import copy
import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from otel_asayer.documents.timestamps import iso_timestamp
from otel_asayer.elasticsearch.template_bodies import REPLAY

from elasticsearch_server import NodeConfig, running

if TYPE_CHECKING:
    from elasticsearch_server import Server

RECORDS: Final = 300
START_NS: Final = 1_795_536_236_000_000_000
STEP_NS: Final = 137_000_000
QUERY: Final = {"size": 1000, "query": {"match_phrase": {"message": "openReplaySession.id=123"}}}


def install(server: Server, order: str) -> None:
    """Install our replay template for streams of this name, sorted in this order."""
    body: dict[str, Any] = copy.deepcopy(dict(REPLAY.body))
    body |= {"index_patterns": [f"asayer-logs-{order}-*"], "priority": REPLAY.priority + 1 + len(order)}
    body["template"] = {**body["template"], "aliases": {}, "settings": {"index.sort.field": "@timestamp", "index.sort.order": order}}
    server.request("PUT", f"/_index_template/panel-order-{order}", body)


def record(position: int) -> bytes:
    """One replay record, as the two lines of a bulk request."""
    document = {"@timestamp": iso_timestamp(START_NS + position * STEP_NS), "level": "info", "message": f"[openReplaySession.id=123] row {position}"}
    return b'{"create":{}}\n' + json.dumps(document).encode() + b"\n"


def rows(server: Server, order: str, batches: int) -> list[str]:
    """Send all records in so many batches, and return the times of the rows as the panel gets them."""
    stream, size = f"asayer-logs-{order}-{batches}", RECORDS // batches
    for start in range(0, RECORDS, size):
        body = b"".join(map(record, range(start, start + size)))
        server.request("POST", f"/{stream}/_bulk?refresh=true", body, headers={"content-type": "application/x-ndjson"})
    return [hit["_source"]["@timestamp"] for hit in server.search(stream, QUERY)["hits"]["hits"]]


def main() -> None:
    """Print, for each order of the index sort, how many neighbours stand out of order in either direction."""
    print("index sort  batches  rows  not ascending  not descending")
    with running(NodeConfig()) as server:
        for order in ("asc", "desc"):
            install(server, order)
            for batches in (1, 5, 30):
                times = rows(server, order, batches)
                up, down = sum(b < a for a, b in pairwise(times)), sum(b > a for a, b in pairwise(times))
                print(f"{order:10}  {batches:7}  {len(times):4}  {up:13}  {down:14}")


if __name__ == "__main__":
    main()
