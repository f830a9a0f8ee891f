"""Measure how well OpenReplay's panel follows a replay.

The panel shows rows in the order of the answer, and marks the first whose time is not before the
player's.

    PYTHONPATH=tests python benchmarks/panel_order.py [VERSION ...]

One session of 430 seconds, among others, arrives in windows of 5 seconds, as batch processors send:
from one writer, or from three at the same time; searchable after each window, or only at the end.
Then its replay is played: at 86 moments the row that the panel marks is compared with the right
one, the earliest that is not before the moment. Compared are our template and the data streams that
replay records went to before it. Without a version both that are tested are measured.
"""

from __future__ import annotations

import json
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from otel_asayer.config import Config
from otel_asayer.documents.operations import ReplayIndices, day_of
from otel_asayer.documents.values import iso_timestamp
from otel_asayer.elasticsearch.client import Client
from otel_asayer.setup.first_contact import ensure
from otel_asayer.setup.templates import REPLAY

from elasticsearch_server import NodeConfig, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from elasticsearch_server import Server

VERSIONS: Final = ("9.4.3", "8.19.16")
START_NS: Final = 1_795_536_236_000_000_000
WINDOW_NS: Final = 5_000_000_000
WINDOWS: Final = 86
OURS: Final = "the shipped template"
STREAMS: Final = {
    "asc": "a data stream, sorted ascending",
    "desc": "a data stream, sorted descending",
}
QUERY: Final = {"size": 1000, "query": {"match_phrase": {"message": "openReplaySession.id=123"}}}


@dataclass(frozen=True)
class Case:
    """Where records go, from how many writers, and when they become searchable."""

    kind: str
    writers: int
    each_window: bool

    @property
    def name(self) -> str:
        """A part of an index's name, of this case alone."""
        return f"{self.kind}-{self.writers}{'w' if self.each_window else 'e'}"

    @property
    def index(self) -> str:
        """The index, or data stream, to search."""
        return f"asayer-logs-{self.name}-*" if self.kind == "ours" else f"panel-{self.name}"

    def operation(self, number: int, time_ns: int, session: int) -> bytes:
        """One record, as the two lines of a bulk request."""
        time = iso_timestamp(time_ns)
        record = {
            "@timestamp": time,
            "utc_time": time,
            "level": "info",
            "message": f"[openReplaySession.id={session}] row {number}",
        }
        if self.kind == "ours":
            return ReplayIndices.of(self.name).operation(f"{number}r", record, day_of(time))
        return (
            json.dumps({"create": {"_index": self.index, "_id": f"{number}r"}}).encode()
            + b"\n"
            + json.dumps(record).encode()
            + b"\n"
        )

    def windows(self) -> Iterator[list[bytes]]:
        """For each window, a request of each writer.

        The records of a window are shared out among the writers as they come.
        """
        chance, number = random.Random(1), 0
        for window in range(WINDOWS):
            requests = [bytearray() for _ in range(self.writers)]
            times = sorted(chance.randrange(WINDOW_NS) for _ in range(30))
            for time in times:
                number += 1
                session = 123 if number % 10 == 0 else chance.randrange(200, 260)
                requests[chance.randrange(self.writers)] += self.operation(
                    number, START_NS + window * WINDOW_NS + time, session
                )
            yield [bytes(request) for request in requests if request]


def install(server: Server) -> None:
    """Install our template and pipeline, and the two templates of earlier versions."""
    config = Config.from_environment(
        {}, endpoint=server.url, username=server.username, password=server.password
    )
    with closing(Client(config)) as client:
        for problem in ensure(client, config, timeout=60).problems:
            raise SystemExit(problem)
    template = REPLAY.body["template"]
    properties = {**template["mappings"]["properties"], "@timestamp": {"type": "date"}}
    for order in STREAMS:
        body: dict[str, Any] = {
            "index_patterns": [f"panel-{order}-*"],
            "data_stream": {},
            "priority": 1,
        }
        settings = {"index.sort.field": "@timestamp", "index.sort.order": order}
        body["template"] = {
            "settings": settings,
            "mappings": {**template["mappings"], "properties": properties},
        }
        server.request("PUT", f"/_index_template/panel-{order}", body)


def rows(server: Server, case: Case) -> list[str]:
    """Send the records of a case; return the times of the watched session's rows in the panel."""
    with ThreadPoolExecutor(case.writers) as writers:
        for window in case.windows():
            answers = list(
                writers.map(lambda body: server.request("POST", "/_bulk", body).json(), window)
            )
            if any(answer["errors"] for answer in answers):
                raise SystemExit(f"Elasticsearch refused a record: {answers}")
            if case.each_window:
                server.request("POST", f"/{case.index}/_refresh")
    server.request("POST", f"/{case.index}/_refresh")
    return [
        hit["_source"]["@timestamp"] for hit in server.search(case.index, QUERY)["hits"]["hits"]
    ]


def rightly_marked(times: Sequence[str]) -> tuple[int, int]:
    """Count the moments at which the panel marks the right row, and all moments."""
    moments = [iso_timestamp(START_NS + window * WINDOW_NS) for window in range(WINDOWS)]
    marked = [next((time for time in times if time >= moment), None) for moment in moments]
    right = [min((time for time in times if time >= moment), default=None) for moment in moments]
    return sum(one == other for one, other in zip(marked, right, strict=True)), len(moments)


def main(versions: Sequence[str]) -> None:
    """Print the moments with the right row marked, and the neighbours that are out of order."""
    print(
        f"{'version':9}{'records in':34}{'writers':>8}  "
        f"{'searchable':12}{'right row marked':>17}{'neighbours out of order':>25}"
    )
    for version in versions:
        with running(NodeConfig(version)) as server:
            install(server)
            for kind in ("ours", *STREAMS):
                for case in [
                    Case(kind, writers, each_window)
                    for writers in (1, 3)
                    for each_window in (True, False)
                ]:
                    times = rows(server, case)
                    marked, moments = rightly_marked(times)
                    when = "each window" if case.each_window else "at the end"
                    wrong = (
                        f"{sum(later < earlier for earlier, later in pairwise(times))} of "
                        f"{len(times) - 1}"
                    )
                    name = STREAMS.get(kind, OURS)
                    print(
                        f"{version:9}{name:34}{case.writers:8}  "
                        f"{when:12}{f'{marked} of {moments}':>17}{wrong:>25}",
                        flush=True,
                    )


if __name__ == "__main__":
    main(sys.argv[1:] or VERSIONS)
