"""Measure how long the list of sessions takes on a real Elasticsearch with a million documents.

    PYTHONPATH=tests python benchmarks/sessions.py [--documents 1000000] [--sessions 50000]

Spans and log records of the sessions are spread over 24 hours; each request is a server's span with
a call and two log records inside, and one in fifty fails. Each list is asked for several times, and
median and maximum count; the first time, before Elasticsearch has anything in memory, is told
apart. The node has a heap of 1 GB. Goal: a list in 2 s.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson

from otel_asayer.config import Config
from otel_asayer.documents.values import otel_timestamp
from otel_asayer.elasticsearch.api import Api
from otel_asayer.elasticsearch.client import Client
from otel_asayer.propagation.session_id import id_of_session_from
from otel_asayer.timeline import SessionFilter, SessionSummary
from otel_asayer.timeline.search import Search

from elasticsearch_server import NodeConfig, running
from store import prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elasticsearch_server import Server

GOAL_SECONDS = 2.0
ROUNDS = 7
BULK = 5000
DAY_NS = 86_400 * 10**9
PATHS = [f"/products/{number}" for number in range(2000)] + ["/cart", "/checkout"]
LISTS: dict[str, dict[str, Any]] = {
    "the last 24 hours": {},
    "the last hour": {"since_ns": -3600 * 10**9},
    "with errors": {"errors_only": True},
    "of a service": {"services": ("pricing",)},
    "with a text": {"text": "products/19"},
    "with an attribute": {"text": "url.path:/checkout"},
    "errors of a service with a text": {
        "services": ("shop",),
        "errors_only": True,
        "text": "checkout",
    },
}


def documents(sessions: int, now_ns: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield streams and documents of requests without end, as they would be exported."""
    random_ = random.Random(7)
    starts = [now_ns - random_.randrange(DAY_NS) for _ in range(sessions)]
    ids = [id_of_session_from(start // 1_000_000) for start in starts]
    while True:
        chosen = random_.randrange(sessions)
        at_ns = min(starts[chosen] + random_.randrange(20 * 60 * 10**9), now_ns)
        yield from request(ids[chosen], at_ns, random_)


def request(
    session: str, at_ns: int, random_: random.Random
) -> Iterator[tuple[str, dict[str, Any]]]:
    trace, outer, inner = (random_.randbytes(length).hex() for length in (16, 8, 8))
    fails, path = random_.random() < 0.02, random_.choice(PATHS)
    status = {"code": "Error"} if fails else {}

    def document(after_ms: int, service: str, span_id: str, **fields: Any) -> dict[str, Any]:
        attributes = {"session.id": session, **fields.pop("attributes", {})}
        return {
            "@timestamp": otel_timestamp(at_ns + after_ms * 1_000_000),
            "trace_id": trace,
            "span_id": span_id,
            "resource": {"attributes": {"service.name": service}},
            "attributes": attributes,
            **fields,
        }

    http = {
        "http.request.method": "GET",
        "url.path": path,
        "http.response.status_code": 500 if fails else 200,
        "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64) Chrome/142.0",
    }
    span = {"duration": 20_000_000, "links": []}
    traces, logs = "traces-generic.otel-default", "logs-generic.otel-default"
    yield (
        traces,
        document(
            0, "shop", outer, name="GET", kind="Server", status=status, attributes=http, **span
        ),
    )
    yield (
        traces,
        document(
            2,
            "pricing",
            inner,
            name="price",
            kind="Internal",
            status={},
            parent_span_id=outer,
            **span,
        ),
    )
    for number in range(2):
        body = {"text": f"Showing {path}, line {number}"}
        yield logs, document(3 + number, "shop", outer, body=body, severity_number=9)


def fill(server: Server, number: int, sessions: int) -> None:
    found = islice(documents(sessions, time.time_ns()), number)
    while batch := list(islice(found, BULK)):
        lines = b"".join(
            orjson.dumps({"create": {"_index": stream}}) + b"\n" + orjson.dumps(document) + b"\n"
            for stream, document in batch
        )
        answer = server.request("POST", "/_bulk?filter_path=errors", lines).json()
        if answer["errors"]:
            raise RuntimeError("Elasticsearch refused documents")
    server.refresh()


def measured(search: Search, settings: dict[str, Any]) -> tuple[list[float], int]:
    """Return the seconds of each round, and how many sessions the list has."""
    back_ns = -settings.get("since_ns", -DAY_NS)
    seconds: list[float] = []
    found: list[SessionSummary] = []
    for _ in range(ROUNDS):
        wanted = SessionFilter(**{**settings, "since_ns": time.time_ns() - back_ns})
        start = time.perf_counter()
        found, _ = search.sessions(wanted, 100)
        seconds.append(time.perf_counter() - start)
    return seconds, len(found)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--sessions", type=int, default=50_000)
    options = parser.parse_args()
    with running(NodeConfig(mode="secured", heap="1g")) as server:
        prepare(server)
        fill(server, options.documents, options.sessions)
        config = Config.from_environment(
            {}, endpoint=server.url, username=server.username, password=server.password
        )
        with closing(Client(config)) as client:
            search = Search(Api(client, timeout=60))
            print(f"{options.documents:,} documents of {options.sessions:,} sessions\n")
            print(f"{'list':<34}{'first':>8}{'median':>9}{'maximum':>9}{'sessions':>10}")
            slowest = 0.0
            for name, settings in LISTS.items():
                seconds, number = measured(search, settings)
                slowest = max(slowest, *seconds)
                print(
                    f"{name:<34}{seconds[0]:>7.2f}s{statistics.median(seconds):>8.2f}s"
                    f"{max(seconds):>8.2f}s{number:>10}"
                )
    print(f"\nslowest {slowest:.2f} s, goal {GOAL_SECONDS:.0f} s")
    return int(slowest > GOAL_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
