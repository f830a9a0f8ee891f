"""`otel-asayer setup` against a real Elasticsearch with TLS and users, and the keys it makes, used
for what they are made for.

The test distribution has no data stream API: what setup does with that, retention of existing data
streams, is shown in the unit tests alone.
"""

from __future__ import annotations

import json
import shlex
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from otel_asayer.cli.commands import otel_asayer
from otel_asayer.exporter import ElasticsearchSpanExporter
from otel_asayer.processors import SessionSpanProcessor
from otel_asayer.setup.templates import REPLAY

from bridging import Bridges, Collector
from elasticsearch_server import NodeConfig, running
from readers import Gen1Reader, Gen2Reader, Gen3Reader
from store import SESSION, action, put_template, replay_index, templates, wipe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from elasticsearch_server import Endpoint, Server

pytestmark = pytest.mark.nodes

TIME = "2026-11-24T16:03:56.662Z"
RECORD = {
    **dict.fromkeys(("@timestamp", "utc_time", "timestamp"), TIME),
    "message": f"[openReplaySession.id={SESSION}] GET /cart 500",
    "level": "error",
}
TEMPLATES = (
    "index template otel-asayer-traces",
    "index template otel-asayer-logs",
    "index template otel-asayer-replay",
)
PIPELINE = "ingest pipeline asayer-replay"
KEYS = ("API key otel-asayer-writer", "API key otel-asayer-reader", "API key otel-asayer-viewer")


@pytest.fixture(scope="module")
def node() -> Iterator[Server]:
    """A node of this module's own:

    templates, keys and the alias `logs` belong to a whole cluster.
    """
    with running(NodeConfig(mode="tls")) as server:
        yield server


@pytest.fixture
def bare(node: Server) -> Server:
    wipe(node)
    return node


def setup(server: Endpoint, *words: str, answer: str | None = None, **variables: str) -> Result:
    """Run the command as the server's administrator, unless `variables` name somebody else."""
    prefix = "OTEL_EXPORTER_ELASTICSEARCH_"
    who = variables or {"USERNAME": server.username, "PASSWORD": server.password}
    tls = {"CERTIFICATE": str(server.ca_certificate)} if server.ca_certificate else {}
    environment = {
        prefix + name: value
        for name, value in {"ENDPOINT": server.url, "TIMEOUT": "60", **tls, **who}.items()
    }
    return CliRunner().invoke(
        otel_asayer, ["setup", *words], env={"COLUMNS": "150", **environment}, input=answer
    )


def result(server: Endpoint, *words: str, **variables: str) -> dict[str, Any]:
    """What the command says as JSON."""
    ran = setup(server, "--json", *words, **variables)
    content: dict[str, Any] = json.loads(ran.stdout)
    stays = "--uninstall" in words and any(step["result"] == "left" for step in content["steps"])
    assert ran.exit_code == int(stays or any(step["problem"] for step in content["steps"]))
    return content


def words(content: dict[str, Any]) -> dict[str, str]:
    return {step["subject"]: step["result"] for step in content["steps"]}


def create(server: Endpoint, stream: str, document: dict[str, Any]) -> int:
    lines = "".join(json.dumps(line) + "\n" for line in (action(stream), document))
    item = server.request("POST", "/_bulk?refresh=true", lines).json()["items"][0]
    return int(item["create"]["status"])


def add_user(
    server: Endpoint, name: str, cluster: list[str], *indices: dict[str, Any]
) -> dict[str, str]:
    """Add a user with these rights; return what the environment of that user says."""
    server.request("PUT", f"/_security/role/{name}", {"cluster": cluster, "indices": list(indices)})
    server.request(
        "PUT", f"/_security/user/{name}", {"password": "a long password", "roles": [name]}
    )
    return {"USERNAME": name, "PASSWORD": "a long password"}


@pytest.fixture(scope="module")
def keys(node: Server) -> dict[str, dict[str, Any]]:
    """The keys of one run, after the writer's has exported a span with an event."""
    wipe(node)
    found: dict[str, dict[str, Any]] = result(node, "--namespace", "keys")["keys"]
    exporter = ElasticsearchSpanExporter(
        endpoint=node.url,
        certificate=node.ca_certificate,
        api_key=found["writer"]["encoded"],
        namespace="keys",
        timeout=60,
    )
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SessionSpanProcessor())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    span = provider.get_tracer("shop").start_span(
        "GET /cart", kind=SpanKind.SERVER, attributes={"session.id": SESSION}
    )
    span.set_status(Status(StatusCode.ERROR))
    span.add_event("looked")
    span.end()
    provider.shutdown()
    node.refresh()
    return found


class TestKeys:
    """The keys of one run, in the hands of those that they are for."""

    def test_the_writer_wrote_all_three(
        self, node: Server, keys: dict[str, dict[str, Any]]
    ) -> None:
        counts = [
            node.request("GET", f"/{name}/_count").json()["count"]
            for name in ("traces-*.otel-keys", "logs-*.otel-keys", "asayer-logs-keys-*")
        ]
        assert sorted(keys) == ["reader", "viewer", "writer"]
        assert counts == [1, 1, 2]

    def test_the_writer_cannot_read(self, node: Server, keys: dict[str, dict[str, Any]]) -> None:
        assert (
            node.request(
                "POST", "/asayer-logs-keys-*/_search", auth=keys["writer"]["encoded"]
            ).status
            == 403
        )

    def test_the_reader_serves_openreplay_of_today(
        self, node: Server, keys: dict[str, dict[str, Any]]
    ) -> None:
        reader = Gen3Reader(node, keys["reader"]["encoded"])
        assert reader.accepts_integration() is True
        assert [row.level for row in reader.rows(SESSION)] == ["error"]

    @pytest.mark.parametrize("generation", [Gen1Reader, Gen2Reader])
    @pytest.mark.parametrize("indexes", ["*log*", "asayer-logs-*"])
    def test_the_reader_serves_asayer_and_the_older_openreplay(
        self, node: Server, keys: dict[str, dict[str, Any]], generation: Any, indexes: str
    ) -> None:
        now = datetime.now(timezone.utc)
        reader = generation(node, keys["reader"]["encoded"], indexes)
        assert [event.session_id for event in reader.events(now - timedelta(hours=1), now)] == [
            SESSION
        ]

    @pytest.mark.parametrize("pattern", ["traces-*", "logs-*"])
    def test_the_reader_sees_nothing_else(
        self, node: Server, keys: dict[str, dict[str, Any]], pattern: str
    ) -> None:
        answer = node.request("POST", f"/{pattern}/_search", auth=keys["reader"]["encoded"])
        assert answer.status == 200
        assert answer.json()["hits"]["total"]["value"] == 0

    def test_the_viewer_reads_all_three(
        self, node: Server, keys: dict[str, dict[str, Any]]
    ) -> None:
        answer = node.request(
            "POST",
            "/traces-*.otel-keys,logs-*.otel-keys,asayer-logs-keys-*/_count",
            auth=keys["viewer"]["encoded"],
        )
        assert answer.status == 200
        assert answer.json()["count"] == 4

    def test_the_viewer_sees_how_the_cluster_is(
        self, node: Server, keys: dict[str, dict[str, Any]]
    ) -> None:
        assert node.request("GET", "/_cluster/health", auth=keys["viewer"]["encoded"]).status == 200

    @pytest.mark.parametrize(
        "target",
        ["/_tasks", "/_cluster/settings", "/_cluster/state", "/_nodes", "/_nodes/hot_threads"],
    )
    def test_the_viewer_sees_nothing_of_what_others_do_there(
        self, node: Server, keys: dict[str, dict[str, Any]], target: str
    ) -> None:
        assert node.request("GET", target, auth=keys["viewer"]["encoded"]).status == 403

    def test_the_writer_writes_no_streams_of_others(
        self, node: Server, keys: dict[str, dict[str, Any]]
    ) -> None:
        answer = node.request(
            "POST",
            "/logs-nginx-default/_doc?op_type=create",
            RECORD,
            auth=keys["writer"]["encoded"],
        )
        assert answer.status == 403

    @pytest.mark.parametrize("role", ["writer", "viewer"])
    def test_a_key_tells_its_own_end(
        self, node: Server, keys: dict[str, dict[str, Any]], role: str
    ) -> None:
        answer = node.request(
            "GET", f"/_security/api_key?id={keys[role]['id']}", auth=keys[role]["encoded"]
        )
        assert answer.status == 200

    @pytest.mark.parametrize("role", ["reader", "viewer"])
    def test_who_reads_cannot_write(
        self, node: Server, keys: dict[str, dict[str, Any]], role: str
    ) -> None:
        answer = node.request(
            "POST",
            "/asayer-logs-keys-2026.11.24/_doc?op_type=create",
            RECORD,
            auth=keys[role]["encoded"],
        )
        assert answer.status == 403


class TestRuns:
    def test_a_first_run_brings_everything(self, bare: Server, namespace: str) -> None:
        found = words(result(bare, "--namespace", namespace))
        assert [
            found[one]
            for one in (
                *TEMPLATES,
                PIPELINE,
                f"first replay record in asayer-logs-{namespace}-*",
                *KEYS,
            )
        ] == [
            *["installed"] * 4,
            "written",
            *["created"] * 3,
        ]

    def test_a_second_run_changes_nothing(self, bare: Server, namespace: str) -> None:
        setup(bare, "--namespace", namespace)
        before = templates(bare)
        again = result(bare, "--namespace", namespace)
        assert set(words(again).values()) == {"present"}
        assert again["keys"] == {}
        assert templates(bare) == before

    def test_a_second_run_says_so(self, bare: Server) -> None:
        setup(bare)
        assert setup(bare).stdout.endswith("Everything was set up already; nothing was changed.\n")

    def test_what_is_printed_names_each_secret_once(self, bare: Server) -> None:
        output = setup(bare).stdout
        shown = [
            line.partition("API_KEY=")[2]
            for line in output.splitlines()
            if line.startswith("export") and "API_KEY=" in line
        ]
        shown.append(
            next(
                line.removeprefix("API key ").strip()
                for line in output.splitlines()
                if line.startswith("API key   ")
            )
        )
        assert [output.count(secret) for secret in shown] == [1, 1, 1]
        assert bare.password not in output

    def test_the_form_of_openreplay_accepts_at_once(self, bare: Server) -> None:
        keys = result(bare)["keys"]
        assert Gen3Reader(bare, keys["reader"]["encoded"]).accepts_integration()

    def test_the_key_of_the_bridge_writes_replay_records(
        self, bare: Server, namespace: str, tmp_path: Path
    ) -> None:
        made = result(bare, "--bridge", "--keys", "reader")["keys"]
        assert made.keys() == {"reader", "bridge"}
        collector = Collector(bare, namespace)
        collector.write(collector.span("5b8aa5a2" * 4, "051581bf3cb55c13"))
        bare.refresh()
        bridges = Bridges(bare, made["bridge"]["encoded"], tmp_path)
        assert bridges.once("bridge", "--since", "1h")["refused"] == 0
        assert collector.records() == [f"{'5b8aa5a2' * 4}051581bf3cb55c13r"]

    def test_the_key_for_forget_deletes_a_session(self, bare: Server, namespace: str) -> None:
        session_id = "2618307011354435599"  # of this test alone: data streams outlive it
        made = result(bare, "--forget-key", "--keys", "viewer")["keys"]
        assert made.keys() == {"viewer", "forget"}
        span = {"@timestamp": TIME, "name": "GET /cart", "attributes": {"session.id": session_id}}
        bare.request(
            "POST", f"/traces-generic.otel-{namespace}/_doc?refresh=true&op_type=create", span
        )
        environment = {
            "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": bare.url,
            "OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE": str(bare.ca_certificate),
            "OTEL_EXPORTER_ELASTICSEARCH_API_KEY": made["forget"]["encoded"],
            "OTEL_EXPORTER_ELASTICSEARCH_TIMEOUT": "60",
        }
        ran = CliRunner().invoke(otel_asayer, ["forget", session_id, "--yes"], env=environment)
        assert ran.output.splitlines()[-1] == "1 document deleted; none is left."

    def test_keys_expire_when_asked_to(self, bare: Server) -> None:
        key = result(bare, "--keys", "writer", "--expiration", "90d")["keys"]["writer"]
        days = datetime.fromtimestamp(key["expiration"] / 1000, timezone.utc) - datetime.now(
            timezone.utc
        )
        assert 89 <= days.days <= 90

    def test_retention_stands_in_our_templates(self, bare: Server) -> None:
        setup(bare, "--no-keys", "--retention", "30d")
        assert templates(bare)["otel-asayer-logs"]["template"]["lifecycle"] == {
            "enabled": True,
            "data_retention": "30d",
        }

    def test_retention_is_kept_by_a_run_that_does_not_speak_of_it(self, bare: Server) -> None:
        setup(bare, "--no-keys", "--retention", "30d")
        assert words(result(bare, "--no-keys"))[TEMPLATES[2]] == "present"

    def test_what_this_distribution_has_no_api_for_is_said(self, bare: Server) -> None:
        found = words(result(bare, "--no-keys", "--retention", "30d"))
        assert found["retention of existing data streams"] == "not possible"
        assert found["retention of replay records"] == "not possible"

    def test_a_new_key_stands_beside_the_old_one_until_that_is_invalidated(
        self, bare: Server
    ) -> None:
        old = result(bare, "--keys", "writer")["keys"]["writer"]
        new = result(bare, "--keys", "writer", "--new-keys")["keys"]["writer"]
        both = [
            bare.request("GET", "/_security/_authenticate", auth=key["encoded"]).status
            for key in (old, new)
        ]
        setup(bare, "--keys", "writer", "--invalidate-old-keys")
        after = [
            bare.request("GET", "/_security/_authenticate", auth=key["encoded"]).status
            for key in (old, new)
        ]
        assert both == [200, 200]
        assert after == [401, 200]

    def test_every_supported_server_is_set_up(self, matrix_server: Server, namespace: str) -> None:
        content = result(matrix_server, "--namespace", namespace)
        assert content["security"] == matrix_server.config.secured
        assert [step["note"] for step in content["steps"] if step["problem"]] == []


class TestDryRun:
    def test_it_changes_nothing(self, bare: Server, namespace: str) -> None:
        before = templates(bare)
        ran = setup(bare, "--namespace", namespace, "--dry-run")
        keys = bare.request("GET", "/_security/api_key?owner=true&active_only=true").json()[
            "api_keys"
        ]
        indices = bare.request("GET", f"/_resolve/index/asayer-logs-{namespace}*").json()["indices"]
        assert ran.exit_code == 0
        assert templates(bare) == before
        assert keys == []
        assert indices == []

    def test_its_requests_do_what_a_run_does(self, bare: Server, namespace: str) -> None:
        for step in result(bare, "--namespace", namespace, "--dry-run")["steps"]:
            for request in step["requests"]:
                self.send(bare, request["curl"])
        assert set(words(result(bare, "--namespace", namespace)).values()) == {"present"}

    def send(self, server: Server, command: str) -> None:
        """Send what a command says as curl would."""
        arguments = shlex.split(command)
        method, url = arguments[arguments.index("-X") + 1 :][:2]
        body = (
            arguments[arguments.index("--data-binary") + 1]
            if "--data-binary" in arguments
            else None
        )
        target = url.removeprefix(f"{urlsplit(url).scheme}://{urlsplit(url).netloc}")
        assert server.request(method, target, body).status == 200

    def test_it_shows_each_request_for_kibanas_console_and_for_curl_without_a_secret(
        self, bare: Server
    ) -> None:
        output = setup(bare, "--dry-run").stdout
        assert "PUT /_index_template/otel-asayer-replay?create=true\n{\n" in output
        assert (
            f'curl -u elastic:"$ELASTIC_PASSWORD" --cacert {bare.ca_certificate} '
            f"-X PUT '{bare.url}/_index_template/" in output
        )
        assert bare.password not in output


class TestWhatStandsThere:
    def test_an_index_that_another_template_took_is_shown_again(
        self, bare: Server, namespace: str
    ) -> None:
        session = str(int(namespace.removeprefix("test"), 16) or 1)
        bare.request("PUT", f"/{replay_index(namespace)}")
        bare.request(
            "PUT", f"/{replay_index(namespace)}/_mapping", REPLAY.body["template"]["mappings"]
        )
        record = {**RECORD, "message": f"[openReplaySession.id={session}] GET /cart 500"}
        bare.request("POST", f"/{replay_index(namespace)}/_doc?refresh=true", record)
        found = words(result(bare, "--namespace", namespace))
        keys = result(bare, "--namespace", namespace, "--new-keys")["keys"]
        rows = Gen3Reader(bare, keys["reader"]["encoded"]).rows(session)
        assert found[f"index {replay_index(namespace)}"] == "repaired"
        assert [row.level for row in rows] == ["error"]

    def test_an_index_whose_mapping_cannot_be_changed_is_named(
        self, bare: Server, namespace: str
    ) -> None:
        bare.request(
            "PUT",
            f"/{replay_index(namespace)}",
            {"mappings": {"properties": {"message": {"type": "keyword"}}}},
        )
        steps = {
            step["subject"]: step["note"]
            for step in result(bare, "--no-keys", "--namespace", namespace)["steps"]
        }
        assert (
            "Its mapping of message is wrong, and no request can change that"
            in steps[f"index {replay_index(namespace)}"]
        )

    def test_an_older_template_is_upgraded_and_its_indices_get_the_new_fields(
        self, bare: Server, namespace: str
    ) -> None:
        setup(bare, "--no-keys", "--namespace", namespace)
        old = templates(bare)["otel-asayer-replay"]
        index = replay_index(f"{namespace}x")
        body = {**old, "_meta": {**old["_meta"], "version": "0.0.1"}}
        body["template"]["mappings"]["properties"].pop("level")
        bare.request(
            "PUT",
            "/_index_template/otel-asayer-replay",
            {key: value for key, value in body.items() if "date" not in key},
        )
        create(bare, index, RECORD)
        found = words(result(bare, "--no-keys", "--namespace", namespace))
        (mapping,) = bare.request("GET", f"/{index}/_mapping").json().values()
        assert found[TEMPLATES[2]] == "upgraded"
        assert found[f"index {index}"] == "repaired"
        assert mapping["mappings"]["properties"]["level"]["type"] == "keyword"

    @pytest.mark.parametrize("name", ["traces", "logs", "replay"])
    def test_what_an_owner_added_to_a_template_stays_until_it_is_restored(
        self, bare: Server, name: str
    ) -> None:
        setup(bare, "--no-keys")
        ours = templates(bare)[f"otel-asayer-{name}"]
        component = {"template": {"settings": {"index.number_of_replicas": 0}}}
        bare.request("PUT", "/_component_template/company", component)
        body = {key: value for key, value in ours.items() if "date" not in key}
        body["_meta"] = {**ours["_meta"], "version": "0.0.1"}
        body["composed_of"] = ["company"]
        body["template"]["settings"]["index"]["priority"] = "7"
        body["template"]["mappings"]["properties"]["company"] = {"type": "keyword"}
        put = bare.request("PUT", f"/_index_template/otel-asayer-{name}", body)
        assert put.status == 200

        (step,) = (
            step
            for step in result(bare, "--no-keys")["steps"]
            if step["subject"] == f"index template otel-asayer-{name}"
        )
        assert step["result"] == "upgraded"
        assert step["note"].endswith(
            "What you added stays: component company, setting index.priority, field company."
        )
        upgraded = templates(bare)[f"otel-asayer-{name}"]
        assert upgraded["_meta"]["version"] == ours["_meta"]["version"]
        assert upgraded["composed_of"] == ["company"]
        assert upgraded["template"]["settings"]["index"]["priority"] == "7"
        assert upgraded["template"]["mappings"]["properties"]["company"] == {"type": "keyword"}

        setup(bare, "--no-keys", "--restore-templates")
        restored = templates(bare)[f"otel-asayer-{name}"]
        assert restored["composed_of"] == []
        assert "company" not in restored["template"]["mappings"]["properties"]

    def test_an_index_called_logs_is_a_problem_whose_way_out_works(
        self, bare: Server, namespace: str
    ) -> None:
        bare.request("PUT", "/logs")
        bare.request("POST", "/logs/_doc?refresh=true", {"@timestamp": TIME})
        put_template(bare, "builtin", "logs-*-*", priority=100)
        stuck = result(bare, "--no-keys", "--namespace", namespace)
        (problem,) = [step for step in stuck["steps"] if step["problem"]]
        assert problem["subject"] == TEMPLATES[2]
        for request in problem["advised"]:
            bare.request(request["method"], request["path"], request["body"])
        bare.request("DELETE", "/logs")  # this distribution has no reindex module
        assert (
            words(result(bare, "--no-keys", "--namespace", namespace))[TEMPLATES[2]] == "installed"
        )

    def test_a_teams_own_index_shares_the_alias(self, bare: Server, namespace: str) -> None:
        bare.request("PUT", "/app-2026", {"aliases": {"logs": {}}})
        found = words(result(bare, "--no-keys", "--namespace", namespace))
        assert found[TEMPLATES[2]] == "installed"
        assert min(bare.request("GET", "/_alias/logs").json()) == "app-2026"

    def test_an_alias_of_a_data_stream_is_a_problem_whose_way_out_works(
        self, bare: Server, namespace: str
    ) -> None:
        put_template(bare, "web", f"web-{namespace}", priority=1, aliases={"logs": {}})
        create(bare, f"web-{namespace}", {"@timestamp": TIME})
        ran = setup(bare, "--no-keys", "--namespace", namespace)
        (request,) = next(
            step["advised"]
            for step in result(bare, "--no-keys", "--namespace", namespace)["steps"]
            if step["problem"]
        )
        bare.request(request["method"], request["path"], request["body"])
        assert ran.exit_code == 1
        assert "1 problem left." in ran.stdout
        assert (
            words(result(bare, "--no-keys", "--namespace", namespace))[TEMPLATES[2]] == "installed"
        )

    def test_beside_such_an_index_the_older_readers_can_do_without_the_alias(
        self, bare: Server, namespace: str
    ) -> None:
        bare.request("PUT", "/logs")
        found = words(result(bare, "--no-keys", "--no-alias", "--namespace", namespace))
        assert found[TEMPLATES[2]] == "installed"
        assert create(bare, replay_index(namespace), RECORD) == 201


class TestUninstall:
    @pytest.fixture
    def installed(self, bare: Server) -> Server:
        """A server that was set up, and whose data streams of traces need our template no more:

        Elasticsearch's own takes them.
        """
        setup(bare, "--no-keys")
        put_template(bare, "traces-otel@template", "traces-*.otel-*", priority=120)
        return bare

    def test_templates_that_no_stream_needs_go_and_keys_are_invalid(
        self, installed: Server
    ) -> None:
        key = result(installed, "--keys", "writer")["keys"]["writer"]["encoded"]
        found = words(result(installed, "--uninstall", "--yes"))
        answer = installed.request("GET", "/_security/_authenticate", auth=key)
        assert found[TEMPLATES[0]] == "removed"
        assert (found[PIPELINE], found[TEMPLATES[2]]) == ("removed", "removed")
        assert answer.status == 401

    def test_what_is_removed_is_installed_again_by_the_next_run(self, installed: Server) -> None:
        setup(installed, "--uninstall", "--yes")
        installed.request("DELETE", "/_index_template/traces-otel@template")
        put_template(installed, "traces-otel@template", "traces-*.other-*", priority=120)
        assert words(result(installed, "--no-keys"))[TEMPLATES[0]] == "installed"

    def test_it_says_what_it_leaves(self, installed: Server) -> None:
        assert "otel-asayer prune --all" in setup(installed, "--uninstall", "--yes").stdout

    def test_its_status_is_1_where_a_data_stream_still_needs_a_template(
        self, installed: Server
    ) -> None:
        assert words(result(installed, "--uninstall", "--yes"))[TEMPLATES[1]] == "left"
        assert setup(installed, "--uninstall", "--yes").exit_code == 1

    @pytest.mark.parametrize(("answer", "is_there"), [("n\n", True), ("y\n", False)])
    def test_it_asks_first(self, installed: Server, answer: str, *, is_there: bool) -> None:
        setup(installed, "--uninstall", answer=answer)
        assert ("otel-asayer-traces" in templates(installed)) == is_there


class TestWhoMayNot:
    def test_a_wrong_password(self, bare: Server) -> None:
        ran = setup(bare, USERNAME="elastic", PASSWORD="wrong")
        assert ran.exit_code == 1
        assert "It does not know these credentials" in ran.stderr
        assert "wrong" not in ran.stderr

    def test_nobody(self, bare: Server) -> None:
        ran = setup(bare, HEADERS="x-from=shop")
        sentence = (
            "Error: This Elasticsearch needs credentials: "
            "give --username (you are asked for its password) or --bearer-token.\n"
        )
        assert ran.exit_code == 1
        assert ran.stderr == sentence

    def test_an_api_key_cannot_make_keys(self, bare: Server) -> None:
        ran = setup(bare, API_KEY=bare.create_api_key("all", {}))
        sentence = (
            "Error: These credentials are an API key, "
            "and keys that an API key creates have no privileges in Elasticsearch"
        )
        assert ran.exit_code == 1
        assert ran.stderr.partition(". Give")[0] == sentence

    def test_an_api_key_can_do_the_rest(self, bare: Server) -> None:
        assert (
            words(result(bare, "--no-keys", API_KEY=bare.create_api_key("all", {})))[TEMPLATES[0]]
            == "installed"
        )

    def test_a_user_without_privileges_learns_which(self, bare: Server) -> None:
        ran = setup(bare, "--keys", "reader", **add_user(bare, "nobody", []))
        sentences = (
            "Error: The user 'nobody' may not set this up: it lacks the cluster privileges "
            "'manage_index_templates', "
            "'manage_ingest_pipelines', 'manage_own_api_key'; "
            "the index privileges 'auto_configure', 'create_doc' on asayer-logs-default-*; "
            "the index privileges 'read', 'view_index_metadata' on asayer-logs-*, logs. "
            "Add these privileges, or use another user. Part of it is what the API keys may do: a "
            "key can have no more privileges than the user who creates it. With --no-keys you do "
            "not need that.\n"
        )
        assert ran.exit_code == 1
        assert ran.stderr == sentences

    @pytest.fixture
    def operator(self, bare: Server) -> dict[str, str]:
        """A user with just the privileges that the documentation names."""
        streams = {
            "names": ["logs-*", "traces-*", "asayer-logs-*"],
            "privileges": ["create_doc", "auto_configure", "read", "view_index_metadata"],
        }
        logs = {"names": ["logs", "logs.otel*"], "privileges": ["read", "view_index_metadata"]}
        return add_user(
            bare,
            "operator",
            ["manage_index_templates", "manage_ingest_pipelines", "manage_own_api_key", "monitor"],
            streams,
            logs,
        )

    def test_a_user_with_just_these_privileges_sets_up_and_manages_own_keys(
        self, bare: Server, namespace: str, operator: dict[str, str]
    ) -> None:
        setup(bare, "--no-keys")  # repairs what other tests left
        bare.request("DELETE", "/_index_template/otel-asayer-logs")
        first = result(bare, "--namespace", namespace, **operator)
        result(bare, "--namespace", namespace, "--new-keys", "--invalidate-old-keys", **operator)
        old = [
            bare.request("GET", "/_security/_authenticate", auth=key["encoded"]).status
            for key in first["keys"].values()
        ]
        assert [step["note"] for step in first["steps"] if step["problem"]] == []
        assert old == [401, 401, 401]

    def test_who_may_not_repair_an_index_learns_what_that_takes(
        self, bare: Server, namespace: str, operator: dict[str, str]
    ) -> None:
        bare.request(
            "PUT", f"/{replay_index(namespace)}", {"mappings": REPLAY.body["template"]["mappings"]}
        )
        steps = {
            step["subject"]: step["note"]
            for step in result(bare, "--no-keys", "--namespace", namespace, **operator)["steps"]
        }
        assert steps[f"index {replay_index(namespace)}"] == (
            f"Not allowed for the index {replay_index(namespace)} to be repaired: the index "
            f"privilege 'manage' on {replay_index(namespace)} is "
            "missing. Use a key or user that has it."
        )


class TestWithoutSecurity:
    def test_there_are_no_keys_and_the_rest_goes_on(self, elasticsearch_node: Any) -> None:
        plain = elasticsearch_node(NodeConfig())
        content = result(plain)
        assert content["security"] is False
        assert words(content)["API keys"] == "not possible"
        assert words(content)[TEMPLATES[0]] == "installed"
