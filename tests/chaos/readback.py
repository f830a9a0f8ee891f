"""What is in Elasticsearch at the end, and in the spool's `rejected/`:

every single document of both is read.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from chaos.load import CHAOS_ID
from otel_asayer.spool.bodies import operations_of

from store import pages

if TYPE_CHECKING:
    from pathlib import Path

    from elasticsearch_server import Endpoint

_FIELD = f"attributes.{CHAOS_ID}"


def arrived(server: Endpoint, namespace: str) -> Counter[int]:
    """Return how often each document is there, by a point in time over both data streams."""
    server.refresh()
    streams = f"traces-generic.otel-{namespace},logs-generic.otel-{namespace}"
    hits = pages(server, streams, _source=False, docvalue_fields=[_FIELD])
    return Counter(number for hit in hits for number in hit["fields"][_FIELD])


def rejected(spool: Path) -> set[int]:
    """Return the documents in the `rejected/` of all destinations in a spool; each must have a
    reason beside it."""
    found = set()
    for body in spool.glob("*/rejected/*.ndjson.gz"):
        reasons = (
            body.with_name(body.name.replace(".ndjson.gz", ".reasons.ndjson"))
            .read_text()
            .splitlines()
        )
        with body.open("rb") as file:
            numbers = [
                json.loads(operation.splitlines()[1])["attributes"][CHAOS_ID]
                for operation in operations_of(file)
            ]
        if len(reasons) == len(numbers) and all(json.loads(reason)["reason"] for reason in reasons):
            found.update(numbers)
    return found
