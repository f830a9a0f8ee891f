"""Outages of a real Elasticsearch, and ends of real applications:

with the spool, every document arrives, and arrives once.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from otel_asayer.documents import mentions, metadata_of
from otel_asayer.spool import Destination, Spool

from elasticsearch_server import NodeConfig
from patience import wait_for
from store import SESSION, Store, sessions

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from elasticsearch_server import Server
    from instrumented import Application

    Run = Callable[..., AbstractContextManager[Application]]

pytestmark = [pytest.mark.elasticsearch, pytest.mark.nodes]

FLASK = ("python", "{applications}/flask_app.py")
OWN = NodeConfig(settings=(("node.attr.for", "faults"),))


class Outage:
    """A node that a test may stop, kill or freeze, and the spool of the applications that deliver
    to it."""

    def __init__(self, server: Server, namespace: str, folder: Path) -> None:
        self.server = server
        self.store = Store(server, namespace, "")
        self.spool = Spool(folder, Destination.of((server.url,)), max_bytes=2**30)
        self.environment = {
            **self.store.environment(OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY=str(folder)),
            "OTEL_EXPORTER_ELASTICSEARCH_API_KEY": "",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_BLRP_SCHEDULE_DELAY": "100",
        }

    def wait_until_drained(self) -> None:
        wait_for(lambda: self.spool.status().documents == 0, "the spool was not drained")

    def arrived(self) -> list[str]:
        """The names of the spans that arrived; they all belong to the session."""
        assert sessions(self.store.spans()) <= {SESSION}
        return [span["name"] for span in self.store.spans()]


@pytest.fixture
def outage(
    elasticsearch_node: Callable[[NodeConfig], Server], namespace: str, tmp_path: Path
) -> Outage:
    return Outage(elasticsearch_node(OWN), namespace, tmp_path / "spool")


def visit(app: Application, times: int) -> None:
    assert [app.get("/ok", X_Session_Id=SESSION).status for _ in range(times)] == [200] * times


def test_what_one_process_could_not_deliver_the_next_one_does(outage: Outage, run: Run) -> None:
    outage.server.stop()
    with run(outage.environment, *FLASK) as app:
        visit(app, 5)
    assert outage.spool.status().documents >= 5
    outage.server.restart()
    with run(outage.environment, *FLASK) as app:
        visit(app, 1)
        outage.wait_until_drained()
    assert outage.arrived() == ["GET /ok"] * 6


def test_an_elasticsearch_killed_and_started_again_has_everything_once(
    outage: Outage, run: Run
) -> None:
    with run(outage.environment, *FLASK) as app:
        visit(app, 5)
        outage.server.kill()
        visit(app, 5)
        wait_for(lambda: outage.spool.status().documents > 0, "nothing was spooled")
        outage.server.restart()
        visit(app, 5)
        outage.wait_until_drained()
    assert outage.arrived() == ["GET /ok"] * 15
    assert f"Telemetry waits for Elasticsearch in {outage.spool.folder}" in app.output()


def test_a_frozen_elasticsearch_does_not_hold_the_process_and_loses_nothing(
    outage: Outage, run: Run
) -> None:
    outage.server.pause()
    with run(outage.environment, *FLASK) as app:
        visit(app, 5)
        assert app.stop(signal.SIGINT) == 0
    assert outage.spool.status().documents >= 5
    outage.server.resume()
    with run(outage.environment, *FLASK) as app:
        visit(app, 1)
        outage.wait_until_drained()
    assert outage.arrived() == ["GET /ok"] * 6


def test_with_always_a_process_killed_while_it_exports_loses_nothing_of_that(
    outage: Outage, run: Run
) -> None:
    environment = {
        **outage.environment,
        "OTEL_EXPORTER_ELASTICSEARCH_SPOOL": "always",
        "OTEL_LOGS_EXPORTER": "none",
    }
    outage.server.pause()
    with run(environment, *FLASK) as app:
        visit(app, 5)
        wait_for(lambda: outage.spool.status().leased_files > 0, "nothing was written ahead")
        held = sum(
            metadata_of(operation).stream_type == "traces" for operation in outage.spool.read()
        )
        app.process.kill()
        app.process.wait()
    outage.server.resume()
    assert held > 0
    with run(outage.environment, *FLASK) as app:
        visit(app, 1)
        outage.wait_until_drained()
    assert len(outage.arrived()) >= held + 1


def test_without_an_endpoint_everything_is_in_the_local_store(
    outage: Outage, run: Run, tmp_path: Path
) -> None:
    with run({**outage.environment, "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": ""}, *FLASK) as app:
        visit(app, 3)
    local = Spool(tmp_path / "spool", max_bytes=2**30)
    assert sum(mentions(operation, b'"name":"GET /ok"') for operation in local.read()) == 3
    assert app.output().count(f"It is kept in {local.folder}: ") == 1
    assert outage.arrived() == []
