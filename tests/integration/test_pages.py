"""The pages about setting up, the doctor and reliability:

their commands as they stand there, on a real Elasticsearch with security.
"""

from __future__ import annotations

import json
import re
import secrets
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind

from otel_asayer.exporter import ElasticsearchSpanExporter

from documentation import HOW_TO, ROOT, blocks, commands, exported, lines, typed
from elasticsearch_server import SECURED, running
from store import SESSION, Store, sessions, templates, wipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from elasticsearch_server import Server

pytestmark = pytest.mark.nodes

PREFIX = "OTEL_EXPORTER_ELASTICSEARCH_"
README = {
    name: value
    for line in lines(ROOT / "README.md")
    if line.startswith("export ")
    for name, value in exported(line).items()
}


@pytest.fixture(scope="module")
def node() -> Iterator[Server]:
    """A node of this module's own: templates and keys belong to a whole cluster."""
    with running(SECURED) as server:
        yield server


class Administrator:
    """Somebody at a terminal who has read a page, and may do everything."""

    def __init__(self, server: Server, namespace: str, folder: Path) -> None:
        self.server = server
        self.variables = {
            f"{PREFIX}ENDPOINT": server.url,
            f"{PREFIX}NAMESPACE": namespace,
            f"{PREFIX}TIMEOUT": "60",
            f"{PREFIX}SPOOL_DIRECTORY": str(folder / "spool"),
        }
        self._folder = folder

    def type(
        self,
        command: str,
        variables: Mapping[str, str] = MappingProxyType({}),
        *,
        answer: str = "",
        status: int = 0,
    ) -> str:
        """Type a command; the password is in its variable where the command asks for one."""
        password = {f"{PREFIX}PASSWORD": self.server.password} if "--username" in command else {}
        here = command.replace("https://elasticsearch.example:9200", self.server.url)
        return typed(
            here,
            self._folder,
            {**self.variables, **password, **variables},
            answer=answer,
            status=status,
        )

    def keys(self) -> list[str]:
        """The names of our valid keys."""
        found = self.server.request("GET", "/_security/api_key?owner=true&active_only=true").json()[
            "api_keys"
        ]
        return sorted(key["name"].removeprefix("otel-asayer-") for key in found)


@pytest.fixture(scope="module")
def administrator(node: Server, tmp_path_factory: pytest.TempPathFactory) -> Administrator:
    return Administrator(
        node, f"test{secrets.token_hex(8)}", tmp_path_factory.mktemp("administrator")
    )


@pytest.fixture(scope="module")
def application(administrator: Administrator) -> dict[str, str]:
    """The variables of an application on an Elasticsearch that is set up:

    the README's, with the keys that setup made.
    """
    made = json.loads(administrator.type("otel-asayer setup --json --new-keys --username elastic"))[
        "keys"
    ]
    return {
        **README,
        **administrator.variables,
        f"{PREFIX}API_KEY": made["writer"]["encoded"],
        "OTEL_ASAYER_VIEWER_API_KEY": made["viewer"]["encoded"],
    }


class TestDoctor:
    PAGE = HOW_TO / "doctor.md"

    def test_its_commands_find_all_well_where_the_page_on_setting_up_was_followed(
        self, administrator: Administrator, application: dict[str, str]
    ) -> None:
        for_a_person, for_a_program = commands(self.PAGE)
        said = administrator.type(for_a_person, application)
        findings: list[dict[str, Any]] = json.loads(administrator.type(for_a_program, application))
        (comment,) = (line for line in lines(self.PAGE) if "--json" in line)
        named = comment.partition("findings with ")[2].split(", ")
        assert {tuple(finding) for finding in findings} == {tuple(named)}
        assert [finding["name"] for finding in findings if finding["name"] not in said] == []

    def test_it_says_what_the_page_shows(
        self, administrator: Administrator, application: dict[str, str]
    ) -> None:
        (shown,) = blocks(self.PAGE.read_text(encoding="utf-8"), "text")
        said = administrator.type(
            commands(self.PAGE)[0],
            {**application, "OTEL_PROPAGATORS": "tracecontext,baggage,asayer"},
            status=1,
        )
        assert [
            line
            for line in without_numbers(shown)
            if line.strip() != "…" and line not in without_numbers(said)
        ] == []


def without_numbers(text: str) -> list[str]:
    """The lines of what the doctor says, whatever was counted and wherever it was written; other
    packages are installed here, with other warnings."""
    return [
        re.sub(r"\d+|asayer-logs-\w+-\*", "N", re.sub(r", \d+ warnings?\.$", ".", line.rstrip()))
        for line in text.splitlines()
    ]


def test_a_file_of_the_spool_is_sent_by_the_command_of_the_page_on_reliability(
    administrator: Administrator, application: dict[str, str], namespace: str, tmp_path: Path
) -> None:
    (command,) = commands(ROOT / "docs" / "reliability.md")
    exporter = ElasticsearchSpanExporter(
        spool="on_failure", spool_directory=str(tmp_path / "spool"), namespace=namespace
    )
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.get_tracer("shop").start_span(
        "GET /cart", kind=SpanKind.SERVER, attributes={"session.id": SESSION}
    ).end()
    provider.shutdown()
    (file,) = (tmp_path / "spool").rglob("*.gz")
    (tmp_path / ".curlrc").write_text(
        f'header = "authorization: ApiKey {application[f"{PREFIX}API_KEY"]}"\n', encoding="utf-8"
    )
    answer = json.loads(
        administrator.type(
            command.replace("FILE", str(file)),
            {"URL": administrator.server.url, "CURL_HOME": str(tmp_path)},
        )
    )
    store = Store(administrator.server, namespace, "")
    assert answer["errors"] is False
    assert sessions(store.spans()) == {SESSION}
    assert sessions(store.replay_records()) == {SESSION}


class TestSetup:
    PAGE = commands(HOW_TO / "setup.md")

    def test_its_commands_bring_everything_exchange_the_keys_and_remove_all_that_may_go(
        self, administrator: Administrator
    ) -> None:
        set_up, dry_run, new_keys, without_old_keys, uninstall = self.PAGE
        all_of_them = ["reader", "viewer", "writer"]
        wipe(administrator.server)
        assert "PUT /_index_template/otel-asayer-replay?create=true" in administrator.type(dry_run)
        assert administrator.keys() == []
        assert "otel-asayer-replay" not in templates(administrator.server)
        administrator.type(set_up)
        lifecycle = templates(administrator.server)["otel-asayer-logs"]["template"]["lifecycle"]
        assert administrator.keys() == all_of_them
        assert lifecycle == {"enabled": True, "data_retention": "30d"}
        administrator.type(new_keys)
        assert administrator.keys() == sorted(2 * all_of_them)
        administrator.type(without_old_keys)
        assert administrator.keys() == all_of_them
        # A data stream has documents, and still needs its template.
        administrator.type(uninstall, answer="y\n", status=1)
        assert administrator.keys() == []
