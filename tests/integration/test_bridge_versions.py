"""The bridge beside every supported Elasticsearch, in every mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridging import ROLE, Bridges, Collector
from patience import wait_for
from store import prepare

if TYPE_CHECKING:
    from pathlib import Path

    from elasticsearch_server import Server


def test_what_is_there_and_what_comes_has_its_records(
    matrix_server: Server, namespace: str, tmp_path: Path
) -> None:
    prepare(matrix_server)
    key = matrix_server.create_api_key("bridge", ROLE) if matrix_server.config.secured else ""
    collector, bridges = Collector(matrix_server, namespace), Bridges(matrix_server, key, tmp_path)
    list(collector.write_traces(1000))
    with bridges.running("follower"):
        list(collector.write_traces(1000))
        wait_for(lambda: collector.count() >= len(collector.due), "records are missing")
    assert collector.records() == sorted(collector.due)
