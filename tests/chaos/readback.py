"""What is in Elasticsearch at the end, and in the spool's `rejected/`: every single document of both is read."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from chaos.load import CHAOS_ID
from otel_asayer.spool.bodies import operations_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from elasticsearch_server import Endpoint

PAGE = 10_000
_FIELD = f"attributes.{CHAOS_ID}"


def arrived(server: Endpoint, namespace: str) -> Counter[int]:
    """Return how often each document is there, by a point in time over both data streams."""
    server.refresh()
    streams = f"traces-generic.otel-{namespace},logs-generic.otel-{namespace}"
    return Counter(number for hit in _hits(server, streams) for number in hit["fields"][_FIELD])


def _hits(server: Endpoint, streams: str) -> Iterator[dict[str, Any]]:
    point = {"id": _expect(server, "POST", f"/{streams}/_pit?keep_alive=2m&ignore_unavailable=true", None)["id"], "keep_alive": "2m"}
    query: dict[str, Any] = {
        "size": PAGE,
        "pit": point,
        "sort": ["_shard_doc"],
        "_source": False,
        "docvalue_fields": [_FIELD],
        "track_total_hits": False,
    }
    while page := _expect(server, "POST", "/_search", query)["hits"]["hits"]:
        yield from page
        query["search_after"] = page[-1]["sort"]
    _expect(server, "DELETE", "/_pit", {"id": point["id"]})


def _expect(server: Endpoint, method: str, path: str, body: object) -> dict[str, Any]:
    answer = server.request(method, path, body)
    if answer.status != 200:
        raise RuntimeError(f"{method} {path}: Elasticsearch answers {answer.status} {answer.body.decode(errors='replace')}")
    content: dict[str, Any] = answer.json()
    return content


def rejected(spool: Path) -> set[int]:
    """Return the documents in the `rejected/` of all destinations in a spool; each must have a reason beside it."""
    found = set()
    for body in spool.glob("*/rejected/*.ndjson.gz"):
        reasons = body.with_name(body.name.replace(".ndjson.gz", ".reasons.ndjson")).read_text().splitlines()
        with body.open("rb") as file:
            numbers = [json.loads(operation.splitlines()[1])["attributes"][CHAOS_ID] for operation in operations_of(file)]
        if len(reasons) == len(numbers) and all(json.loads(reason)["reason"] for reason in reasons):
            found.update(numbers)
    return found
