"""`otel-asayer doctor` against a real Elasticsearch with TLS and keys:

all is well, and each way in which it is not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from opentelemetry import propagate
from opentelemetry.propagators.composite import CompositePropagator

from otel_asayer import AsayerPropagator
from otel_asayer.cli.doctor import doctor
from otel_asayer.config import Config
from otel_asayer.elasticsearch.client import Client
from otel_asayer.setup.first_contact import ensure
from otel_asayer.setup.keys import VIEWER as VIEWER_ROLE
from otel_asayer.setup.templates import REPLAY

from elasticsearch_server import NodeConfig, running
from instrumented import clean_environment, free_port
from patience import HANG_SECONDS
from store import NOTHING, WRITER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from elasticsearch_server import Server

pytestmark = pytest.mark.nodes

VIEWER = {"viewer": VIEWER_ROLE.descriptor}
STARTED_WELL = {
    "OTEL_PROPAGATORS": "tracecontext,asayer",
    "OTEL_TRACES_EXPORTER": "elasticsearch",
    "OTEL_LOGS_EXPORTER": "elasticsearch",
    "OTEL_METRICS_EXPORTER": "none",
}
READERS = ("OpenReplay 1.21 on", "OpenReplay 1.5 - 1.20", "Asayer")
URL, CERTIFICATE = "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT", "OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE"
KEY, VIEWER_KEY = "OTEL_EXPORTER_ELASTICSEARCH_API_KEY", "OTEL_ASAYER_VIEWER_API_KEY"


@pytest.fixture(autouse=True)
def _started_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """The propagators of a process that starts with the variables below."""
    monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", CompositePropagator([AsayerPropagator()]))


@pytest.fixture(scope="module")
def node() -> Iterator[Server]:
    """A node of this module's own: templates and the alias `logs` belong to a whole cluster."""
    with running(NodeConfig(mode="tls")) as server:
        yield server


def set_up(node: Server) -> None:
    """Install our templates where they are missing."""
    config = Config.from_environment(
        {},
        endpoint=node.url,
        username=node.username,
        password=node.password,
        certificate=str(node.ca_certificate),
    )
    with closing(Client(config)) as client:
        assert ensure(client, config, timeout=HANG_SECONDS).problems == ()


@pytest.fixture(scope="module")
def keys(node: Server) -> dict[str, str]:
    """The variables of an application whose keys have the least rights."""
    set_up(node)
    return {
        URL: node.url,
        CERTIFICATE: str(node.ca_certificate),
        KEY: node.create_api_key("writer", WRITER),
        VIEWER_KEY: node.create_api_key("viewer", VIEWER),
    }


@pytest.fixture
def variables(keys: dict[str, str], namespace: str) -> dict[str, str]:
    return {**keys, "OTEL_EXPORTER_ELASTICSEARCH_NAMESPACE": namespace}


class Report:
    """What the doctor said, and its exit status."""

    def __init__(self, exit_code: int, output: str) -> None:
        self.exit_code = exit_code
        self.findings: list[dict[str, Any]] = json.loads(output)

    def statuses(self, *names: str) -> list[str]:
        """The first status of each of these checks."""
        return [
            next(finding["status"] for finding in self.findings if finding["name"] == name)
            for name in names
        ]

    def detail(self, name: str) -> str:
        return str(next(finding["detail"] for finding in self.findings if finding["name"] == name))

    def unwell(self) -> set[str]:
        """The checks on the server and its documents that found something."""
        areas = ("Elasticsearch", "Replay")
        return {
            finding["name"]
            for finding in self.findings
            if finding["area"] in areas and finding["status"] in ("warning", "problem")
        }


def examined(variables: dict[str, str], *words: str) -> Report:
    """Let the doctor look, with these variables and no others of OpenTelemetry."""
    none = {name: None for name in os.environ if name.startswith("OTEL_")}
    result = CliRunner().invoke(
        doctor, [*words, "--json"], env={**none, **STARTED_WELL, **variables}
    )
    return Report(result.exit_code, result.stdout)


def put_template(node: Server, name: str, *patterns: str, priority: int, **template: Any) -> None:
    streams: dict[str, Any] = {} if patterns[0].startswith("asayer-logs-") else {"data_stream": {}}
    body = {"index_patterns": patterns, **streams, "priority": priority, "template": template}
    assert node.request("PUT", f"/_index_template/{name}", body).status == 200


def test_with_keys_of_least_rights_all_is_well(variables: dict[str, str], tmp_path: Path) -> None:
    environment = {
        **clean_environment(),
        **variables,
        **STARTED_WELL,
        "OTEL_ASAYER_REPLAY_URL": "https://replay.example/7/session/{session_id}?jumpto={time_ms}",
        "XDG_STATE_HOME": str(tmp_path),
    }
    command = [sys.executable, "-c", "from otel_asayer.cli import main; main()", "doctor", "--json"]
    result = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=HANG_SECONDS
    )
    findings = Report(result.returncode, result.stdout).findings
    assert [
        finding
        for finding in findings
        if finding["area"] not in ("Packages", "Browser") and finding["status"] != "ok"
    ] == []
    assert len(findings) > len(READERS)


def test_a_writer_alone_is_well_and_what_it_may_not_see_is_skipped(
    variables: dict[str, str],
) -> None:
    report = examined({**variables, VIEWER_KEY: ""})
    assert report.unwell() == set()
    assert report.statuses("record", "templates", "alias logs", *READERS) == [
        "ok",
        *["skipped"] * 5,
    ]


def test_what_a_writer_may_not_delete_stays_and_is_named(
    node: Server, variables: dict[str, str], namespace: str
) -> None:
    examined(variables)
    detail = examined(variables).detail("removal")
    node.refresh()
    assert node.search(f"asayer-logs-{namespace}-*", {})["hits"]["total"]["value"] == 2
    assert detail.startswith(
        f"one line of test data stays in asayer-logs-{namespace}-*, in session "
    )


def test_who_may_delete_takes_the_record_away_again(
    node: Server, variables: dict[str, str], namespace: str
) -> None:
    examined(variables)  # so that it is not the only one
    almighty = {
        **variables,
        KEY: "",
        VIEWER_KEY: "",
        "OTEL_EXPORTER_ELASTICSEARCH_PASSWORD": node.password,
    }
    report = examined(almighty, "--username", node.username)
    node.refresh()
    assert report.detail("removal") == "the record is deleted again"
    assert report.unwell() == {"exporter's key"}
    assert node.search(f"asayer-logs-{namespace}-*", {})["hits"]["total"]["value"] == 1


def test_a_wrong_key_is_a_problem_and_the_viewers_still_looks(variables: dict[str, str]) -> None:
    report = examined({**variables, KEY: "d3Jvbmc6a2V5"})
    assert report.exit_code == 1
    assert report.unwell() == {"exporter's key"}
    assert report.statuses("templates", "record") == ["ok", "skipped"]
    assert "does not know these credentials" in report.detail("exporter's key")


def test_a_wrong_viewers_key_is_a_problem_and_the_exporter_still_writes(
    variables: dict[str, str],
) -> None:
    report = examined({**variables, VIEWER_KEY: "d3Jvbmc6a2V5"})
    assert report.exit_code == 1
    assert report.unwell() == {"viewer's key"}
    assert report.statuses("record", *READERS) == ["ok", *["skipped"] * 3]


def test_a_key_without_rights_is_told_what_it_lacks(
    node: Server, variables: dict[str, str], namespace: str
) -> None:
    report = examined({**variables, KEY: node.create_api_key("nobody", NOTHING)})
    assert report.exit_code == 1
    assert report.unwell() == {"exporter's key"}
    assert f"it lacks create_doc on traces-generic.otel-{namespace}" in report.detail(
        "exporter's key"
    )


def test_a_viewer_without_a_right_is_a_warning(node: Server, variables: dict[str, str]) -> None:
    limited = {"viewer": {"index": [{"names": ["asayer-logs-*"], "privileges": ["read"]}]}}
    report = examined({**variables, VIEWER_KEY: node.create_api_key("limited", limited)})
    assert report.exit_code == 0
    assert report.unwell() == {"viewer's key"}
    assert report.statuses("clock", "OpenReplay 1.21 on", "Asayer") == ["skipped", "skipped", "ok"]


def test_a_certificate_of_an_unknown_authority_is_a_problem(variables: dict[str, str]) -> None:
    report = examined({**variables, CERTIFICATE: ""})
    assert report.exit_code == 1
    assert report.unwell() == {"endpoint"}
    assert "An authority that is unknown here signed its certificate" in report.detail("endpoint")


def test_plain_http_to_a_server_with_tls_is_a_problem(variables: dict[str, str]) -> None:
    report = examined(
        {**variables, CERTIFICATE: "", URL: variables[URL].replace("https:", "http:")}
    )
    assert "try https:// in the URL" in report.detail("endpoint")


def test_a_server_that_hangs_is_given_up(node: Server, variables: dict[str, str]) -> None:
    node.pause()
    try:
        report = examined({**variables, "OTEL_EXPORTER_ELASTICSEARCH_TIMEOUT": "1"})
    finally:
        node.resume()
    assert report.exit_code == 1
    assert report.unwell() == {"endpoint"}
    assert "no answer within" in report.detail("endpoint")


def test_a_template_that_hides_ours_is_a_problem(
    node: Server, variables: dict[str, str], namespace: str
) -> None:
    put_template(node, f"theirs-{namespace}", f"asayer-logs-{namespace}-*", priority=1000)
    report = examined(variables)
    assert report.exit_code == 1
    theirs = (
        f"The index template theirs-{namespace} takes the indices "
        f"asayer-logs-{namespace}-* without the alias"
    )
    assert report.detail("templates").startswith(theirs)
    assert (
        report.detail("alias logs")
        == f"The alias 'logs' does not lead to asayer-logs-{namespace}-*: OpenReplay shows nothing"
    )
    assert report.unwell() == {"templates", "alias logs", "mapping", READERS[0]}


@pytest.fixture
def without_template(node: Server, keys: dict[str, str]) -> Iterator[None]:
    """The node as it is before somebody sets it up, for replay records."""
    node.request("DELETE", "/_ingest/pipeline/asayer-replay")
    assert node.request("DELETE", f"/_index_template/{REPLAY.name}").status == 200
    yield
    set_up(node)


def test_a_template_that_is_missing_is_a_problem(
    without_template: None, variables: dict[str, str], namespace: str
) -> None:
    report = examined(variables)
    assert report.unwell() == {"templates", "record"}
    assert report.statuses("alias logs") == ["skipped"]
    assert report.detail("templates").startswith(
        f"No index template makes asayer-logs-{namespace}-*"
    )
    assert "pipeline with id [asayer-replay] does not exist" in report.detail("record")


def test_a_template_that_was_changed_is_a_warning(node: Server, variables: dict[str, str]) -> None:
    body = {**REPLAY.body, "template": {**REPLAY.body["template"], "settings": {}}}
    node.request("PUT", f"/_index_template/{REPLAY.name}", body)
    try:
        report = examined(variables)
    finally:
        node.request("PUT", f"/_index_template/{REPLAY.name}", REPLAY.body)
    assert report.exit_code == 0
    assert report.unwell() == {"templates", "mapping"}
    assert (
        "template.settings.index.number_of_shards, template.settings.index.sort.field"
        in report.detail("templates")
    )


@pytest.fixture
def stranger(node: Server, namespace: str) -> Iterator[str]:
    """An index of somebody else under the alias `logs`."""
    name = f"web-{namespace}"
    node.request("PUT", f"/{name}", {"aliases": {"logs": {}}})
    yield name
    node.request("DELETE", f"/{name}")


def test_a_teams_own_index_under_the_alias_is_well(
    node: Server, variables: dict[str, str], stranger: str
) -> None:
    everywhere = {
        "viewer": {
            **VIEWER["viewer"],
            "index": [{"names": ["*"], "privileges": ["read", "view_index_metadata"]}],
        }
    }
    report = examined({**variables, VIEWER_KEY: node.create_api_key("everywhere", everywhere)})
    assert report.unwell() == set()
    assert report.detail("alias logs").startswith(f"leads to replay records, and to {stranger}: ")


def test_without_security_that_is_said(small_limits: Server, namespace: str) -> None:
    report = examined({URL: small_limits.url, "OTEL_EXPORTER_ELASTICSEARCH_NAMESPACE": namespace})
    assert report.statuses("exporter's key", "viewer's key", "version", "clock") == [
        "warning",
        "ok",
        "ok",
        "ok",
    ]
    assert report.detail("exporter's key").startswith("Security is off")


def test_one_endpoint_of_two_is_enough(variables: dict[str, str]) -> None:
    report = examined({**variables, URL: f"https://127.0.0.1:{free_port()},{variables[URL]}"})
    assert report.exit_code == 0
    assert report.unwell() == {"endpoint"}
    assert report.statuses("endpoint") == ["warning"]
