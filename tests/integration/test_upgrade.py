"""A server on which an earlier version wrote replay records to a data stream, and a spool that it
left: nothing of it is lost, and all is said.

The test distribution cannot delete a data stream, so what comes after that is shown on a server
that never had one.
"""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from otel_asayer.cli.commands import otel_asayer
from otel_asayer.config import Config
from otel_asayer.delivery.delivery import Delivery
from otel_asayer.documents import Operation
from otel_asayer.elasticsearch.client import Client
from otel_asayer.setup.first_contact import ensure
from otel_asayer.setup.templates import REPLAY

from elasticsearch_server import NodeConfig, running
from readers import Gen3Reader
from store import SESSION, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from elasticsearch_server import Server

FORMER = "asayer-logs-default"
TIME = "2026-11-24T16:03:56.662Z"
RECORD = {
    **dict.fromkeys(("@timestamp", "utc_time", "timestamp"), TIME),
    "message": (
        f"[asayer_session_id={SESSION}][openReplaySession.id={SESSION}]"
        f"[openReplaySessionToken={SESSION}] GET /cart 500"
    ),
    "level": "error",
    "tags": ["error"],
    "attributes": {"session.id": SESSION},
}
"""As version 0.1 wrote it, before replay records had indices of their own."""


def operation(namespace: str) -> Operation:
    """The bytes that lie in a spool of that version."""
    head = json.dumps(
        {
            "create": {
                "_index": f"asayer-logs-{namespace}",
                "_id": "4bf92f3577b34da6a3ce929d0e0e47360000000000000001r",
            }
        },
        separators=(",", ":"),
    )
    return Operation(f"{head}\n{json.dumps(RECORD)}\n".encode())


@pytest.fixture(scope="module")
def former() -> Iterator[Server]:
    """A server as an earlier version set it up and used it."""
    properties = {
        **REPLAY.body["template"]["mappings"]["properties"],
        "@timestamp": {"type": "date"},
    }
    template = {
        "aliases": {"logs": {}},
        "settings": {"index.sort.field": "@timestamp", "index.sort.order": "asc"},
        "mappings": {"dynamic": False, "properties": properties},
    }
    meta = {"managed_by": "otel-asayer", "version": "0.0.9"}
    body = {
        "index_patterns": ["asayer-logs-*"],
        "data_stream": {},
        "priority": 499,
        "_meta": meta,
        "template": template,
    }
    with running(NodeConfig()) as server:
        assert server.request("PUT", f"/_index_template/{REPLAY.name}", body).status == 200
        assert not server.request(
            "POST", "/_bulk?require_data_stream=true&refresh=true", operation("default").decode()
        ).json()["errors"]
        yield server


def run(server: Server, *words: str) -> Any:
    environment = {
        "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": server.url,
        "OTEL_EXPORTER_ELASTICSEARCH_USERNAME": server.username,
        "OTEL_EXPORTER_ELASTICSEARCH_PASSWORD": server.password,
        "OTEL_EXPORTER_ELASTICSEARCH_TIMEOUT": "60",
    }
    return json.loads(CliRunner().invoke(otel_asayer, [*words, "--json"], env=environment).stdout)


def test_setup_names_the_data_stream_and_the_request_that_deletes_it(former: Server) -> None:
    steps = {step["subject"]: step for step in run(former, "setup", "--no-keys")["steps"]}
    step = steps[f"index template {REPLAY.name}"]
    assert (step["result"], step["problem"]) == ("not possible", True)
    assert [f"{request['method']} {request['path']}" for request in step["advised"]] == [
        f"DELETE /_data_stream/{FORMER}"
    ]


def test_the_doctor_names_it_too(former: Server) -> None:
    findings = {finding["name"]: finding for finding in run(former, "doctor")}
    assert findings["alias logs"]["status"] == "problem"
    assert (
        findings["alias logs"]["remedy"]
        == f"delete it and everything in it (DELETE /_data_stream/{FORMER})"
    )


def test_what_is_written_meanwhile_waits_and_what_was_written_is_still_shown(
    former: Server, tmp_path: Path
) -> None:
    config = Config.from_environment(
        {},
        endpoint=former.url,
        username=former.username,
        password=former.password,
        spool_directory=str(tmp_path),
        timeout=60,
    )
    with closing(Client(config)) as client:
        (problem,) = ensure(client, config, timeout=60).problems
    delivery = Delivery.from_config(config)
    assert delivery.spool is not None
    delivery.spool.write([operation("default")])
    assert delivery.drainer is not None
    assert delivery.drainer.drain() is False
    delivery.close()
    assert problem.startswith(
        f"The index template {REPLAY.name} makes data streams, as an earlier version of it did. "
        f"`otel-asayer setup`"
    )
    assert delivery.spool.status().documents == 1
    assert [row.level for row in Gen3Reader(former).rows(SESSION)] == ["error"]


def test_what_an_earlier_version_spooled_is_delivered_to_the_index_of_its_day(
    store: Store, tmp_path: Path
) -> None:
    config = Config.from_environment(
        {},
        endpoint=store.server.url,
        api_key=store.writer_key,
        namespace=store.namespace,
        spool_directory=str(tmp_path),
        timeout=60,
    )
    delivery = Delivery.from_config(config)
    assert delivery.spool is not None
    delivery.spool.write([operation(store.namespace)])
    assert delivery.drainer is not None
    assert delivery.drainer.drain() is True
    delivery.close()
    assert store.replay_records() == [RECORD]
