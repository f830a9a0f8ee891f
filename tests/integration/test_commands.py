"""The commands that read, against a real Elasticsearch with TLS:

with keys of least rights, and with everything wrong that can be.
"""

from __future__ import annotations

import json
import ssl
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from click.testing import CliRunner, Result

from otel_asayer.cli.commands import otel_asayer
from otel_asayer.config import Config
from otel_asayer.documents import Operation
from otel_asayer.documents.values import iso_timestamp, otel_timestamp
from otel_asayer.elasticsearch.client import Client, Response
from otel_asayer.setup.first_contact import ensure
from otel_asayer.setup.keys import VIEWER as VIEWER_ROLE
from otel_asayer.spool import Spool
from otel_asayer.testing import ElasticsearchDouble, status

from elasticsearch_server import NodeConfig, running
from instrumented import free_port
from patience import HANG_SECONDS
from readers import Gen3Reader
from store import READER, WRITER, action, replay_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from elasticsearch_server import Server

pytestmark = pytest.mark.nodes

SESSION = "2618307011354435587"
START_NS = 1_706_063_259_324_000_000
STREAMS = ["logs-*.otel-*", "traces-*.otel-*", "asayer-logs-*", "logs.otel*"]
VIEWER = {"viewer": VIEWER_ROLE.descriptor}
DELETER = {"deleter": {"index": [{"names": STREAMS, "privileges": ["read", "delete"]}]}}
COMMANDS = {
    "timeline": ["timeline", SESSION],
    "errors": ["errors"],
    "forget": ["forget", SESSION, "--yes"],
    "drain": ["spool", "drain"],
    "demo": ["demo"],
}


@dataclass
class Prepared:
    """A node with our templates, and with keys of each kind."""

    server: Server
    viewer: str
    deleter: str
    writer: str
    when_empty: dict[str, tuple[int, str]] = field(default_factory=dict)
    """What the commands said before there was any stream: exit status and output."""

    def run(self, words: Sequence[str], *, key: str, folder: Path | None = None) -> Result:
        """Run a command of a person who has set the usual variables."""
        url, ca = self.server.url, str(self.server.ca_certificate)
        return run(
            words,
            API_KEY=key,
            ENDPOINT=url,
            CERTIFICATE=ca,
            SPOOL_DIRECTORY=str(folder or "/nowhere"),
        )

    def write(self, stream: str, *documents: dict[str, Any]) -> None:
        lines = [line for document in documents for line in (action(stream), document)]
        body = "".join(json.dumps(line) + "\n" for line in lines)
        answer = self.server.request("POST", "/_bulk?refresh=true", body).json()
        assert not answer["errors"], answer


def run(words: Sequence[str], **variables: str) -> Result:
    environment = {
        f"OTEL_EXPORTER_ELASTICSEARCH_{name}": value for name, value in variables.items()
    }
    return CliRunner().invoke(otel_asayer, list(words), env={"COLUMNS": "200", **environment})


@pytest.fixture(scope="module")
def node() -> Iterator[Prepared]:
    """A node of this module's own: that there is no stream yet can be seen only once."""
    with running(NodeConfig(mode="tls")) as server:
        viewer, deleter, writer = (
            server.create_api_key(next(iter(role)), role) for role in (VIEWER, DELETER, WRITER)
        )
        prepared = Prepared(server, viewer, deleter, writer)
        for name, key in (
            ("timeline", prepared.viewer),
            ("errors", prepared.viewer),
            ("forget", prepared.deleter),
            ("drain", prepared.writer),
        ):
            result = prepared.run(COMMANDS[name], key=key)
            prepared.when_empty[name] = result.exit_code, result.output
        install(server)
        yield prepared


def install(server: Server) -> None:
    given = {
        "endpoint": server.url,
        "certificate": str(server.ca_certificate),
        "username": server.username,
        "password": server.password,
    }
    config = Config.from_environment({}, **given)
    with closing(Client(config)) as client:
        assert not ensure(client, config, timeout=HANG_SECONDS).problems


def log(session_id: str, number: int, service: str = "shop", **fields: Any) -> dict[str, Any]:
    return {
        "@timestamp": otel_timestamp(START_NS + number),
        "attributes": {"session.id": session_id},
        "resource": {"attributes": {"service.name": service}},
        "severity_number": 9,
        "body": {"text": f"number {number}"},
        **fields,
    }


@pytest.fixture
def session_id(namespace: str) -> str:
    """A session of the test's own; of another system's form, so that it has no start but that of
    its documents."""
    return f"visit-{namespace}"


@pytest.fixture(autouse=True)
def _opaque(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_ASAYER_OPAQUE_SESSION_IDS", "true")


def events(node: Prepared, subject: str) -> dict[str, Any]:
    result = node.run(["timeline", subject, "--json"], key=node.viewer)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.output)
    return found


def test_a_cluster_without_any_stream_holds_nothing(node: Prepared) -> None:
    url = node.server.url
    doctor = " If you expect some, `otel-asayer doctor` looks for the reason."
    assert node.when_empty == {
        "timeline": (1, f"Error: Nothing is stored of session {SESSION} in {url}.{doctor}\n"),
        "errors": (0, f"No exceptions in {url} in this time.{doctor}\n"),
        "forget": (0, f"Nothing is stored of session {SESSION}.\n"),
        "drain": (0, "0 documents were delivered.\n"),
    }


def test_thousands_of_documents_come_complete_and_in_order(
    node: Prepared, namespace: str, session_id: str
) -> None:
    numbers = [*range(0, 2500, 2), *range(1, 2500, 2)]
    node.write(f"logs-generic.otel-{namespace}", *(log(session_id, number) for number in numbers))
    assert [event["title"] for event in events(node, session_id)["events"]] == [
        f"number {number}" for number in range(2500)
    ]


def test_a_session_is_read_from_every_namespace_and_service(
    node: Prepared, namespace: str, session_id: str
) -> None:
    node.write(
        f"logs-generic.otel-{namespace}a", log(session_id, 1, "web"), log(session_id, 3, "web")
    )
    node.write(f"logs-shop.otel-{namespace}b", log(session_id, 2, "pricing"))
    found = events(node, session_id)
    assert [event["title"] for event in found["events"]] == ["number 1", "number 2", "number 3"]
    assert found["services"] == ["web", "pricing"]


def test_a_collectors_documents_stand_among_ours(
    node: Prepared, namespace: str, session_id: str
) -> None:
    collected = log(session_id, 2_000_000) | {"@timestamp": iso_timestamp(START_NS + 2_000_000)}
    node.write(f"logs-collector.otel-{namespace}", collected)
    node.write(
        f"logs-generic.otel-{namespace}", log(session_id, 1_000_000), log(session_id, 3_000_000)
    )
    found = events(node, session_id)["events"]
    assert [(event["title"], event["offset_ms"]) for event in found] == [
        ("number 1000000", 0),
        ("number 2000000", 1),
        ("number 3000000", 2),
    ]


def test_a_stream_without_our_template_is_read_too(node: Prepared, namespace: str) -> None:
    number = str(int(namespace[4:], 16))
    template = {"index_patterns": [f"logs-*.otel-{namespace}"], "data_stream": {}, "priority": 900}
    assert node.server.request("PUT", f"/_index_template/{namespace}", template).status == 200
    far = {
        "@timestamp": "3000-01-01T00:00:00Z"
    }  # mapped as `date`, which has room for more than nanoseconds have
    node.write(f"logs-plain.otel-{namespace}", log(number, 2), log(number, 1), log(number, 3) | far)
    assert [event["title"] for event in events(node, number)["events"]] == [
        "number 1",
        "number 2",
        "number 3",
    ]


def test_a_trace_is_found_by_its_id(node: Prepared, namespace: str) -> None:
    trace_id = f"{int(namespace[4:], 16):032x}"
    node.write(
        f"logs-generic.otel-{namespace}", log("visit-1", 1, trace_id=trace_id), log("visit-1", 2)
    )
    assert [event["title"] for event in events(node, trace_id)["events"]] == ["number 1"]


def test_exceptions_are_found_with_the_viewers_key(
    node: Prepared, namespace: str, session_id: str
) -> None:
    now_ns = int(datetime.now(timezone.utc).timestamp() * 1e9)
    failed = {
        "attributes": {
            "session.id": session_id,
            "exception.type": f"E{namespace}",
            "exception.message": "x",
        },
        "body": None,
    }
    node.write(
        f"logs-generic.otel-{namespace}",
        log(session_id, 1) | failed | {"@timestamp": otel_timestamp(now_ns)},
        log(session_id, 1) | failed,
    )
    result = node.run(["errors", "--json", "--limit", "1000"], key=node.viewer)
    assert [
        group["count"] for group in json.loads(result.output) if group["type"] == f"E{namespace}"
    ] == [1]


def test_a_session_is_forgotten_and_its_neighbours_are_not(
    node: Prepared, namespace: str, session_id: str, tmp_path: Path
) -> None:
    node.write(
        f"logs-generic.otel-{namespace}",
        *(log(session_id, number) for number in range(1200)),
        log("visit-2", 1),
    )
    record = {
        "@timestamp": iso_timestamp(START_NS),
        "message": "x",
        "level": "info",
        "attributes": {"session.id": session_id},
    }
    node.write(replay_index(namespace), record)
    Spool(tmp_path, max_bytes=2**30).write(
        [
            Operation(
                b'{"create":{"_index":"logs-generic.otel-x","_id":"1"}}\n%b\n'
                % json.dumps(log(session_id, 1)).encode()
            )
        ]
    )
    result = node.run(["forget", session_id, "--yes", "--json"], key=node.deleter, folder=tmp_path)
    assert result.exit_code == 0
    assert json.loads(result.output) == (
        [
            {"place": f"{tmp_path}/local", "found": 1, "deleted": 1, "left": 0, "remains": []},
            {"place": node.server.url, "found": 1201, "deleted": 1201, "left": 0, "remains": []},
        ]
    )
    node.server.refresh()
    left = node.server.search(f"logs-generic.otel-{namespace}", {"size": 10})["hits"]["hits"]
    assert [hit["_source"]["attributes"]["session.id"] for hit in left] == ["visit-2"]


def test_old_days_of_replay_records_are_pruned_and_younger_ones_stay(
    node: Prepared, namespace: str
) -> None:
    today = f"{datetime.now(timezone.utc):%Y.%m.%d}"
    record = {"@timestamp": iso_timestamp(START_NS), "message": "x", "level": "info"}
    for day in ("2020.02.29", today):
        node.write(replay_index(namespace, day), record)
    pruner = {
        "pruner": {
            "index": [
                {
                    "names": ["asayer-logs-*"],
                    "privileges": ["read", "view_index_metadata", "delete_index"],
                }
            ]
        }
    }
    key = node.server.create_api_key("pruner", pruner)
    result = node.run(
        ["prune", "--older-than", "30d", "--namespace", namespace, "--yes", "--json"], key=key
    )
    assert json.loads(result.output) == [
        {
            "day": "2020-02-29",
            "records": 1,
            "name": replay_index(namespace, "2020.02.29"),
            "deleted": True,
        }
    ]
    left = node.server.request("GET", f"/_resolve/index/asayer-logs-{namespace}-*").json()[
        "indices"
    ]
    assert [index["name"] for index in left] == [replay_index(namespace, today)]


def test_who_may_not_delete_days_is_told(node: Prepared) -> None:
    result = node.run(["prune", "--all", "--yes"], key=node.writer)
    assert result.exit_code == 1
    assert "Not allowed to delete replay records: this needs" in result.output


@pytest.mark.parametrize("name", ["timeline", "errors", "forget"])
def test_with_a_writers_key_the_answer_is_not_allowed_and_never_nothing(
    node: Prepared, name: str
) -> None:
    result = node.run(COMMANDS[name], key=node.writer)
    assert result.exit_code == 1
    assert result.output.startswith("Error: Not allowed to use what is stored: ")
    assert "'read' on " in result.output


def test_with_a_viewers_key_nothing_is_forgotten(node: Prepared) -> None:
    result = node.run(COMMANDS["forget"], key=node.viewer)
    assert result.exit_code == 1
    assert "'delete' on " in result.output


def test_a_demo_is_shown_to_who_has_the_viewers_key_too(
    node: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_ASAYER_VIEWER_API_KEY", node.viewer)
    result = node.run(["demo"], key=node.writer)
    assert result.exit_code == 0
    assert (
        "✖ storefront.payment.PaymentDeclinedError: card declined for 349.80 EUR" in result.output
    )


def test_a_demo_is_found_as_openreplay_asks_for_it(node: Prepared) -> None:
    result = node.run(["demo", "--json"], key=node.writer)
    rows = Gen3Reader(node.server, node.server.create_api_key("reader", READER)).rows(
        json.loads(result.output)["session_id"]
    )
    assert "error" in {row.level for row in rows}


def test_a_demo_is_written_with_the_writers_key_alone(node: Prepared) -> None:
    result = node.run(["demo"], key=node.writer)
    assert result.exit_code == 0
    assert (
        "may not read what it wrote: set OTEL_ASAYER_VIEWER_API_KEY to see the timeline."
        in result.output
    )


def test_a_demo_with_a_key_that_may_not_write_says_which_rights_it_needs(node: Prepared) -> None:
    result = node.run(["demo"], key=node.viewer)
    assert result.exit_code == 1
    assert (
        "needs the privileges create_doc and auto_configure on logs-*.otel-*, traces-*.otel-* and "
        "asayer-logs-*" in result.output
    )


def test_with_a_viewers_key_nothing_is_drained_and_nothing_is_lost(
    node: Prepared, tmp_path: Path
) -> None:
    spool = Spool(tmp_path, max_bytes=2**30)
    spool.write(
        [
            Operation(
                b'{"create":{"_index":"logs-generic.otel-x","_id":"1"}}\n%b\n'
                % json.dumps(log(SESSION, 1)).encode()
            )
        ]
    )
    result = node.run(COMMANDS["drain"], key=node.viewer, folder=tmp_path)
    assert result.exit_code == 1
    assert spool.status().documents == 1
    assert "unauthorized" in result.output


def tls(
    authority: trustme.CA, certificate: trustme.LeafCert, resources: ExitStack, folder: Path
) -> dict[str, str]:
    """Variables that lead to a server of TLS with this certificate, and trust its authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    double = resources.enter_context(ElasticsearchDouble(tls=context))
    return {"ENDPOINT": double.url, "CERTIFICATE": str(folder / "ca.pem")}


def answering(response: Response, resources: ExitStack) -> dict[str, str]:
    double = resources.enter_context(ElasticsearchDouble())
    double.reply_with(response)
    return {"ENDPOINT": double.url}


def expired(authority: trustme.CA) -> trustme.LeafCert:
    begin, end = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (2020, 2021))
    return authority.issue_cert("127.0.0.1", not_before=begin, not_after=end)


WRONG = {
    "wrong key": "It does not know these credentials: check that the key (or user and password) is "
    "complete, and was created on this cluster.",
    "expired key": "The API key has expired: create a new one",
    "no key": "No credentials are given: set OTEL_EXPORTER_ELASTICSEARCH_API_KEY",
    "unknown authority": "An authority that is unknown here signed its certificate: set "
    "OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE to the CA's file",
    "expired certificate": "Its certificate has expired: renew it on the server.",
    "another host's certificate": "Its certificate is made for other names: use one of those in "
    "the URL",
    "http to a port of https": "try https:// in the URL",
    "https to a port of http": "It does not speak TLS on this port: write http:// in the URL",
    "nothing listens": "Nothing listens there: check host and port",
    "an old version": "This is Elasticsearch 7.17.9, and 8.12 is the oldest supported version: "
    "update it.",
    "no Elasticsearch": ("Something else answers there: give the URL of Elasticsearch itself"),
}


@pytest.fixture(scope="module")
def expired_key(node: Prepared) -> str:
    return node.server.create_api_key("expired", VIEWER, expiration="1ms")


@pytest.fixture
def wrong(
    request: pytest.FixtureRequest, node: Prepared, expired_key: str, tmp_path: Path
) -> Iterator[tuple[dict[str, str], str]]:
    """Variables that do not lead to an Elasticsearch, and what is to be said of it."""
    url, ca = node.server.url, str(node.server.ca_certificate)
    authority = trustme.CA()
    with ExitStack() as resources:
        makers = {
            "wrong key": lambda: {
                "ENDPOINT": url,
                "CERTIFICATE": ca,
                "API_KEY": "aWQ6bm9ib2R5cy1rZXktYXQtYWxs",
            },
            "expired key": lambda: {"ENDPOINT": url, "CERTIFICATE": ca, "API_KEY": expired_key},
            "no key": lambda: {"ENDPOINT": url, "CERTIFICATE": ca},
            "unknown authority": lambda: {"ENDPOINT": url, "API_KEY": node.viewer},
            "expired certificate": lambda: tls(authority, expired(authority), resources, tmp_path),
            "another host's certificate": lambda: tls(
                authority, authority.issue_cert("es.example"), resources, tmp_path
            ),
            "http to a port of https": lambda: {
                "ENDPOINT": url.replace("https:", "http:"),
                "API_KEY": node.viewer,
            },
            "https to a port of http": lambda: {
                "ENDPOINT": answering(status(200), resources)["ENDPOINT"].replace("http:", "https:")
            },
            "nothing listens": lambda: {"ENDPOINT": f"http://127.0.0.1:{free_port()}"},
            "an old version": lambda: answering(
                status(200, {"version": {"number": "7.17.9"}}), resources
            ),
            "no Elasticsearch": lambda: answering(Response(200, {}, b"<html>"), resources),
        }
        yield makers[request.param](), WRONG[request.param]


@pytest.mark.parametrize("wrong", WRONG, indirect=True)
@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_wrong_is_said_with_what_to_do(
    name: str, wrong: tuple[dict[str, str], str], tmp_path: Path
) -> None:
    variables, advice = wrong
    result = run(COMMANDS[name], SPOOL_DIRECTORY=str(tmp_path / "spool"), **variables)
    assert result.exit_code == 1
    assert result.output.startswith(("Error: Elasticsearch ", "Error: This is Elasticsearch "))
    assert advice in result.output
