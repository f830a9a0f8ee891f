"""Documents that came by Elastic's own ways are read as ours: its OTLP endpoint, wired streams."""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from otel_asayer.cli.commands import otel_asayer
from otel_asayer.setup.keys import FORGETTER, VIEWER, WRITER, Role
from otel_asayer.setup.templates import LOGS

from bridging import ROLE, Bridges
from elasticsearch_server import NodeConfig
from store import pages, prepare, put_template

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from elasticsearch_server import Server

pytestmark = [pytest.mark.elasticsearch, pytest.mark.nodes]

OWN = NodeConfig(mode="secured", settings=(("node.attr.for", "other ways"),))
SESSION = "2618307011354435587"
WIRED = "logs.otel.shop"
DECLINED = "shop.Declined: no money"


@pytest.fixture(scope="module")
def server(elasticsearch_node: Callable[..., Server]) -> Server:
    """A node with wired streams, and a session of documents as Elastic's endpoint stores them."""
    node = elasticsearch_node(OWN)
    prepare(node)
    put_template(node, "logs.otel", "logs.otel*", priority=200, **LOGS.body["template"])
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    common = {
        "@timestamp": time.time_ns() // 1_000_000,  # without a fraction of a millisecond
        "trace_id": trace_id,
        "span_id": span_id,
        "resource": {"attributes": {"service.name": "shop"}},
        "scope": {"name": "shop.web"},
    }
    mine = {"session.id": SESSION}
    span = {
        **common,
        "name": "GET /cart",
        "kind": "Server",
        "duration": 132_000_000,
        "attributes": {**mine, "http.request.method": "GET", "http.route": "/cart"},
        "status": {"code": "Error"},
    }
    raised = {
        "exception.type": "shop.Declined",
        "exception.message": "no money",
        "exception.stacktrace": "Traceback\nshop.Declined: no money\n",
    }
    exception = {**common, "event_name": "exception", "attributes": raised}
    log = {
        **common,
        "observed_timestamp": common["@timestamp"],
        "severity_number": 17,
        "severity_text": "ERROR",
        "attributes": mine,
    }
    documents = (
        ("traces-generic.otel-default", span),
        ("logs-generic.otel-default", exception),
        (WIRED, {**log, "body": {"text": "in a child"}}),
        ("logs.otel", {**log, "body": {"text": "in the root"}, "attributes": {**mine, **raised}}),
    )
    lines = [line for name, body in documents for line in ({"create": {"_index": name}}, body)]
    answer = node.request("POST", "/_bulk", "".join(f"{json.dumps(line)}\n" for line in lines))
    assert not answer.json()["errors"], answer.json()
    node.refresh()
    return node


def command(server: Server, role: Role, *words: str, status: int = 0) -> Any:
    """What a command prints as JSON, with the application's key, and one of this role to read."""
    key, more = (
        server.create_api_key(each.name, {each.name: each.descriptor}) for each in (WRITER, role)
    )
    environment = {
        "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": server.url,
        "OTEL_EXPORTER_ELASTICSEARCH_API_KEY": more if role is FORGETTER else key,
        "OTEL_ASAYER_VIEWER_API_KEY": more,
        "OTEL_TRACES_EXPORTER": "elasticsearch",
        "OTEL_LOGS_EXPORTER": "elasticsearch",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_PROPAGATORS": "tracecontext,asayer",
    }
    done = CliRunner().invoke(otel_asayer, [*words, "--json"], env=environment)
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)


def test_the_timeline_shows_them(server: Server) -> None:
    events = command(server, VIEWER, "timeline", SESSION)["events"]
    assert {event["title"] for event in events} >= {"GET /cart ERROR", "in a child", "in the root"}


def test_the_list_of_sessions_counts_them(server: Server) -> None:
    (listed,) = command(server, VIEWER, "sessions")
    assert (listed["session_id"], listed["documents"]) == (SESSION, 3)


def test_errors_show_their_exceptions(server: Server) -> None:
    (group,) = command(server, VIEWER, "errors")
    assert group["type"].endswith("Declined")


def test_the_doctor_finds_nothing_wrong_with_them(server: Server) -> None:
    """It finds that this process has no propagator of ours."""
    findings = command(server, VIEWER, "doctor", status=1)
    problems = [finding["name"] for finding in findings if finding["status"] == "problem"]
    assert problems == ["propagators"]


def test_the_bridge_writes_their_records(server: Server, tmp_path: Path) -> None:
    Bridges(server, server.create_api_key("bridge", ROLE), tmp_path).once("bridge")
    server.refresh()
    records = [hit["_source"]["message"] for hit in pages(server, "asayer-logs-default-*")]
    mine = [message for message in records if f"={SESSION}]" in message]
    texts = sorted(message.partition("] ")[2].partition(" \u00b7")[0] for message in mine)
    assert texts == ["GET /cart ERROR in 132 ms", "in a child", "in the root", DECLINED]


def test_forget_deletes_them(server: Server) -> None:
    """The last one: nothing is left for others."""
    command(server, FORGETTER, "forget", SESSION, "--yes")
    server.refresh()
    left = pages(server, "traces-*,logs-*,logs.otel*", query={"term": {"session.id": SESSION}})
    assert list(left) == []
