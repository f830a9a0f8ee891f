"""`otel-asayer setup`: its options, and what it says.

That it does what it says is shown in `tests/integration`.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner, Result

from otel_asayer.cli.commands import otel_asayer
from otel_asayer.cli.setup import paste, setup
from otel_asayer.cli.setup.paste import Address, address_of, url_of
from otel_asayer.cli.setup.report import curl_notes, curl_text
from otel_asayer.config import Config
from otel_asayer.elasticsearch.api import Api
from otel_asayer.setup.keys import ROLES
from otel_asayer.setup.planner import Request, Step
from otel_asayer.setup.templates import LOGS, REPLAY, TRACES
from unit.elasticsearch.answering import NO_HANDLER, Answering

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., Result]

CLOUD_ID = "shop:ZXhhbXBsZS5jb20kZXMkaw=="  # example.com$es$k
ENDPOINT = {"OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": "https://es.example.com:9200"}
JANE = {
    "OTEL_EXPORTER_ELASTICSEARCH_USERNAME": "jane",
    "OTEL_EXPORTER_ELASTICSEARCH_PASSWORD": "s3cret",
}
AUTHENTICATE = "GET /_security/_authenticate"
CREATE_KEY = "POST /_security/api_key"
KEY = {"id": "the-id", "api_key": "the-key", "encoded": "dGhlLWlkOnRoZS1rZXk="}
ACKNOWLEDGED = (200, {"acknowledged": True})
WRITES = {
    **{
        f"PUT /_index_template/otel-asayer-{name}": ACKNOWLEDGED
        for name in ("traces", "logs", "replay")
    },
    "PUT /_ingest/pipeline/asayer-replay": ACKNOWLEDGED,
    "PUT /_ilm/policy/otel-asayer-replay": ACKNOWLEDGED,
    "POST /_bulk": (200, {"errors": False, "items": [{"create": {"status": 201}}]}),
}
LOGS_INDEX = {"GET /_resolve/index/logs": (200, {"indices": [{"name": "logs"}]})}


class Server(Answering):
    """Gives each key the name that was asked for."""

    def request(self, method: str, target: str, body: Any = None, **keywords: Any) -> Any:
        if (method, target) == ("POST", "/_security/api_key") and body:
            self.answers[CREATE_KEY] = (200, {**KEY, "name": json.loads(body)["name"]})
        return super().request(method, target, body, **keywords)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command against a server that answers by a table: `run("--no-keys", answers={…})`."""

    def start(
        *words: str,
        answers: dict[str, Any] | None = None,
        env: dict[str, str] | None = None,
        answer: str | None = None,
    ) -> Result:
        server = Server({**WRITES, **(answers or {})})
        monkeypatch.setattr(Api, "from_config", lambda _config: Api(server))
        environment = {"COLUMNS": "120", **ENDPOINT, **JANE, **(env or {})}
        return CliRunner().invoke(otel_asayer, ["setup", *words], env=environment, input=answer)

    return start


class TestUsage:
    @pytest.mark.parametrize(
        ("words", "complaint"),
        [
            (
                ("--retention", "30"),
                "'30' is not a time as Elasticsearch writes it, such as 30d or 12h.",
            ),
            (("--expiration", "0d"), "'0d' is not a time"),
            (
                ("--keys", "writer,admin"),
                "expected some of writer, reader, viewer, separated by commas.",
            ),
            (("--keys", ""), "expected some of"),
            (("--namespace", "A B"), "expected a part of a data stream's name"),
            (
                ("--no-keys", "--new-keys"),
                (
                    "--no-keys cannot be combined with --new-keys, --invalidate-old-keys, "
                    "--forget-key or --bridge."
                ),
            ),
            (("--no-keys", "--bridge"), "--no-keys cannot be combined with"),
            (
                ("--no-keys", "--forget-key"),
                (
                    "--no-keys cannot be combined with --new-keys, --invalidate-old-keys, "
                    "--forget-key or --bridge."
                ),
            ),
        ],
    )
    def test_what_cannot_be_is_wrong_usage(
        self, run: Run, words: tuple[str, ...], complaint: str
    ) -> None:
        result = run(*words)
        assert result.exit_code == 2
        assert complaint in " ".join(result.stderr.split())

    def test_without_an_endpoint_it_says_what_to_set(self, run: Run) -> None:
        result = run(env={"OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": ""})
        assert result.exit_code == 2
        assert "No Elasticsearch is named" in result.stderr

    def test_the_password_is_asked_for(self, run: Run) -> None:
        nobody = {
            "OTEL_EXPORTER_ELASTICSEARCH_USERNAME": "",
            "OTEL_EXPORTER_ELASTICSEARCH_PASSWORD": "",
        }
        result = run("--username", "elastic", "--no-keys", env=nobody, answer="s3cret\n")
        assert result.exit_code == 0
        assert "Password of elastic:" in result.stderr
        assert "s3cret" not in result.output

    def test_the_namespace_given_goes_before_the_variable(self, run: Run) -> None:
        assert (
            "first replay record in asayer-logs-live"
            in run("--namespace", "live", "--no-keys").stdout
        )


class TestDocumentation:
    def test_it_names_only_options_that_there_are(self) -> None:
        page = (Path(__file__).parents[3] / "docs" / "how-to" / "setup.md").read_text(
            encoding="utf-8"
        )
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page)) <= {
            option for parameter in setup.params for option in parameter.opts
        }

    def test_it_names_every_key_and_template(self) -> None:
        page = (Path(__file__).parents[3] / "docs" / "how-to" / "setup.md").read_text(
            encoding="utf-8"
        )
        assert [
            name
            for name in (*(role.key_name for role in ROLES), TRACES.name, LOGS.name, REPLAY.name)
            if f"`{name}`" not in page
        ] == []


class TestResult:
    def test_a_run_that_left_nothing_open_says_so(self, run: Run) -> None:
        result = run("--no-keys")
        assert result.exit_code == 0
        assert result.stdout.splitlines()[-1] == "Everything is set up."

    def test_only_the_keys_asked_for_are_created(self, run: Run) -> None:
        assert sorted(json.loads(run("--keys", "viewer,reader", "--json").stdout)["keys"]) == [
            "reader",
            "viewer",
        ]

    def test_each_key_is_shown_where_it_is_needed(self, run: Run) -> None:
        output = run().stdout
        shown = (
            f"export OTEL_EXPORTER_ELASTICSEARCH_API_KEY={KEY['encoded']}",
            "API key           the-key",
            "export OTEL_ASAYER_VIEWER_API_KEY=",
        )
        assert [text in output for text in shown] == [True, True, True]

    def test_a_container_is_told_what_to_mount(self, run: Run, tmp_path: Path) -> None:
        authority = tmp_path / "ca.crt"
        authority.touch()
        output = run(env={"OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE": str(authority)}).stdout
        assert "- A container needs" in output

    def test_without_keys_there_is_nothing_to_paste(self, run: Run) -> None:
        assert "export" not in run("--no-keys").stdout

    def test_json_has_each_step_the_environment_and_the_keys(self, run: Run) -> None:
        content = json.loads(run("--keys", "writer", "--json").stdout)
        step = {
            "subject": "API key otel-asayer-writer",
            "result": "created",
            "note": "",
            "problem": False,
            "advised": [],
        }
        assert content["elasticsearch"] == {
            "version": "9.4.3",
            "cluster": "shop",
            "serverless": False,
        }
        assert content["security"] is True
        assert content["steps"][-1] == step
        assert content["keys"] == {"writer": {**KEY, "name": "otel-asayer-writer"}}

    def test_a_problem_is_shown_with_its_way_out_and_makes_the_status_1(self, run: Run) -> None:
        result = run("--no-keys", answers=LOGS_INDEX)
        assert result.exit_code == 1
        assert "\nDELETE /logs\n" in result.stdout
        assert result.stdout.splitlines()[-1] == "1 problem left."

    def test_a_step_that_fails_does_not_keep_the_others_from_being_done(self, run: Run) -> None:
        answers = {
            "PUT /_index_template/otel-asayer-traces": (
                400,
                {"error": {"reason": "no passthrough"}},
            )
        }
        content = json.loads(run("--keys", "writer", "--json", answers=answers).stdout)
        assert [step["result"] for step in content["steps"]] == [
            "failed",
            "installed",
            "installed",
            "installed",
            "written",
            "created",
        ]

    def test_what_was_invalidated_is_told(self, run: Run) -> None:
        keys = [
            {
                "id": name,
                "creation": at,
                "metadata": {"managed_by": "otel-asayer", "role": "writer"},
            }
            for at, name in enumerate("ab")
        ]
        answers = {
            "GET /_security/api_key": (200, {"api_keys": keys}),
            "DELETE /_security/api_key": ACKNOWLEDGED,
        }
        assert (
            "older API keys otel-asayer-writer"
            in run("--keys", "writer", "--invalidate-old-keys", answers=answers).stdout
        )

    def test_how_to_invalidate_an_old_key_is_left_to_its_owner(self, run: Run) -> None:
        keys = [{"id": "old", "metadata": {"managed_by": "otel-asayer", "role": "writer"}}]
        output = run(
            "--keys",
            "writer",
            "--new-keys",
            answers={"GET /_security/api_key": (200, {"api_keys": keys})},
        ).stdout
        assert (
            "Left to you, for the API key otel-asayer-writer:\nDELETE /_security/api_key\n"
            in output
        )

    def test_a_server_that_does_not_say_who_it_is_is_set_up_all_the_same(self, run: Run) -> None:
        assert run("--no-keys", answers={"GET /": (403, {})}).exit_code == 0


class TestWhoAsks:
    def test_without_security_no_keys_are_possible_and_the_rest_goes_on(self, run: Run) -> None:
        result = run(answers={AUTHENTICATE: NO_HANDLER})
        assert result.exit_code == 0
        assert "Security is off on this Elasticsearch" in result.stdout

    def test_without_security_there_is_something_to_paste_all_the_same(self, run: Run) -> None:
        output = run(answers={AUTHENTICATE: NO_HANDLER}).stdout
        assert "export OTEL_PROPAGATORS=tracecontext,asayer" in output
        assert "API_KEY" not in output

    def test_an_api_key_is_told_why_it_cannot(self, run: Run) -> None:
        answers = {AUTHENTICATE: (200, {"username": "jane", "authentication_type": "api_key"})}
        assert (
            "keys that an API key creates have no privileges in Elasticsearch"
            in run(answers=answers).stderr
        )

    def test_who_is_nobody_is_asked_who_it_is(self, run: Run) -> None:
        nobody = {
            "OTEL_EXPORTER_ELASTICSEARCH_USERNAME": "",
            "OTEL_EXPORTER_ELASTICSEARCH_PASSWORD": "",
        }
        result = run(
            answers={"GET /": (401, {"error": {"reason": "missing authentication credentials"}})},
            env=nobody,
        )
        assert result.exit_code == 1
        assert (
            result.stderr
            == "Error: This Elasticsearch needs credentials: give --username (you are asked for "
            "its password) or --bearer-token.\n"
        )

    def test_refused_credentials_are_said_to_be_so(self, run: Run) -> None:
        assert (
            "It does not know these credentials"
            in run(answers={"GET /": (401, {"error": {"reason": "unable to authenticate"}})}).stderr
        )


class TestDryRun:
    def test_it_writes_nothing(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[str] = []
        ask = Api.ask

        def note(api: Api, method: str, *rest: Any) -> Any:
            asked.append(f"{method} {rest[0]}")
            return ask(api, method, *rest)

        monkeypatch.setattr(Api, "ask", note)
        result = run("--dry-run", "--retention", "30d")
        assert result.stdout.splitlines()[-1] == "Nothing was changed. 9 requests would be sent."
        assert {line for line in asked if not line.startswith("GET ")} == {
            "POST /_index_template/_simulate"
        }

    def test_it_says_what_would_be_done(self, run: Run) -> None:
        assert "to be installed   index template otel-asayer-traces" in run("--dry-run").stdout

    def test_a_problem_makes_its_status_1(self, run: Run) -> None:
        assert run("--dry-run", "--json", answers=LOGS_INDEX).exit_code == 1

    def test_nothing_to_do_is_nothing_to_show(self, run: Run) -> None:
        output = run("--uninstall", "--dry-run").stdout
        assert "For a shell" not in output
        assert output.splitlines()[-1] == "Nothing was changed. 0 requests would be sent."


class TestUninstall:
    KEYS = (
        200,
        {"api_keys": [{"id": "a", "metadata": {"managed_by": "otel-asayer", "role": "writer"}}]},
    )

    def test_where_nothing_is_installed_it_says_so(self, run: Run) -> None:
        assert run("--uninstall").stdout.startswith("Nothing of otel-asayer is installed.\n")

    @pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("n\n", 1)])
    def test_it_asks_first(self, run: Run, answer: str, status: int) -> None:
        answers = {"GET /_security/api_key": self.KEYS, "DELETE /_security/api_key": ACKNOWLEDGED}
        result = run("--uninstall", answers=answers, answer=answer)
        assert result.exit_code == status
        assert "Continue? [y/N]" in result.stderr
        assert ("invalidated" in result.stdout) == (not status)

    def test_its_json_has_each_step(self, run: Run) -> None:
        answers = {"GET /_security/api_key": self.KEYS, "DELETE /_security/api_key": ACKNOWLEDGED}
        content = json.loads(run("--uninstall", "--yes", "--json", answers=answers).stdout)
        assert [step["result"] for step in content["steps"]] == ["invalidated"]

    @pytest.mark.parametrize("words", [("--yes",), ("--dry-run",)])
    @pytest.mark.parametrize(("word", "status"), [("left", 1), ("left alone", 0)])
    def test_what_you_still_have_to_remove_makes_its_status_1(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str], word: str, status: int
    ) -> None:
        steps = [Step("index template otel-asayer-traces", word, "A data stream needs it.")]
        monkeypatch.setattr(
            "otel_asayer.cli.setup.command.plan_removal", lambda *_, **__: iter(steps)
        )
        assert run("--uninstall", *words).exit_code == status


class TestPaste:
    def config(self, **settings: Any) -> Config:
        return Config.from_environment(
            {}, **{"endpoint": "https://es.example.com:9200", **settings}
        )

    def test_the_environment_has_what_differs_from_the_defaults(self, tmp_path: Path) -> None:
        authority = tmp_path / "ca.crt"
        authority.touch()
        config = self.config(
            endpoint="https://a:1,https://b:2",
            certificate=authority,
            namespace="live",
            verify_certs=False,
            api_key="never=",
        )
        assert paste.environment(config) == {
            "OTEL_SERVICE_NAME": "your-service",
            "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": "https://a:1,https://b:2",
            "OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE": str(authority),
            "OTEL_EXPORTER_ELASTICSEARCH_VERIFY_CERTS": "false",
            "OTEL_EXPORTER_ELASTICSEARCH_NAMESPACE": "live",
            "OTEL_PROPAGATORS": "tracecontext,asayer",
            "OTEL_TRACES_EXPORTER": "elasticsearch",
            "OTEL_LOGS_EXPORTER": "elasticsearch",
            "OTEL_METRICS_EXPORTER": "none",
        }

    def test_the_application_s_environment_is_one_that_the_exporter_can_use(self) -> None:
        environment = {
            **paste.environment(self.config(namespace="live")),
            "OTEL_EXPORTER_ELASTICSEARCH_API_KEY": KEY["encoded"],
        }
        config = Config.from_environment(environment)
        assert config.problems == ()
        assert config.namespace == "live"
        assert config.endpoint == ("https://es.example.com:9200",)
        assert config.api_key == KEY["encoded"]

    def test_a_shell_reads_back_what_is_exported(self) -> None:
        text = (
            paste.shell({"A": "x y'$z"}, "k=")
            + '\nprintf "%s|%s" "$A" "$OTEL_EXPORTER_ELASTICSEARCH_API_KEY"'
        )
        assert (
            subprocess.run(["sh", "-c", text], check=True, capture_output=True, text=True).stdout
            == "x y'$z|k="
        )

    def test_a_compose_file_names_the_variables_and_holds_no_value(self) -> None:
        assert paste.compose({"A": "x"}, keyed=True).splitlines() == [
            "services:",
            "  your-service:",
            "    environment:",
            "      - A",
            "      - OTEL_EXPORTER_ELASTICSEARCH_API_KEY",
        ]

    def test_a_compose_file_gives_each_service_a_name_of_its_own(self) -> None:
        lines = paste.compose(paste.environment(self.config()), keyed=True).splitlines()
        assert "      - OTEL_SERVICE_NAME=your-service" in lines

    def test_kubernetes_gives_each_container_a_name_of_its_own(self) -> None:
        variables = paste.environment(self.config())
        secret, _, container = paste.kubernetes(variables, keyed=True).partition("\nEND\n")
        assert "OTEL_SERVICE_NAME" not in secret
        assert yaml.safe_load(container)["env"] == [
            {"name": "OTEL_SERVICE_NAME", "value": "your-service"}
        ]

    def test_a_kubernetes_secret_takes_the_key_from_the_shell_and_leaves_the_rest_as_it_is(
        self,
    ) -> None:
        command = (
            paste.kubernetes({"A": "x$y`z"}, keyed=True)
            .partition("\n\n")[0]
            .replace("kubectl apply -f -", "cat")
        )
        ran = subprocess.run(
            ["sh", "-c", command],
            check=True,
            capture_output=True,
            text=True,
            env={"OTEL_EXPORTER_ELASTICSEARCH_API_KEY": "k="},
        )
        assert ran.stdout.splitlines() == [
            "apiVersion: v1",
            "kind: Secret",
            "metadata:",
            "  name: otel-asayer",
            "stringData:",
            '  A: "x$y`z"',
            '  OTEL_EXPORTER_ELASTICSEARCH_API_KEY: "k="',
        ]

    def test_the_forms_get_the_parts_of_the_address_and_of_the_key(self) -> None:
        assert paste.form(self.config(), KEY) == [
            ("URL (OpenReplay)", "https://es.example.com:9200"),
            ("Host (Asayer)", "es.example.com"),
            ("Port (Asayer)", "9200"),
            ("API key ID", "the-id"),
            ("API key", "the-key"),
        ]

    @pytest.mark.parametrize(
        ("settings", "word", "is_said"),
        [
            ({}, "OpenReplay trusts public certificate authorities only.", True),
            ({"endpoint": "http://es.example.com:9200"}, "certificate", False),
            (
                {"certificate_fingerprint": "a" * 64},
                "put a proxy with a trusted certificate in front",
                True,
            ),
            (
                {"endpoint": "http://elasticsearch:9200"},
                "elasticsearch is a name in this network",
                True,
            ),
            ({}, "is a name in this network", False),
            ({}, '"invalid credentials"', True),
            ({}, "1.21.0 stops its whole service", True),
            ({}, "OpenReplay 1.5 is the oldest", True),
        ],
    )
    def test_the_forms_traps_are_told_where_they_lie(
        self, settings: dict[str, str], word: str, *, is_said: bool
    ) -> None:
        assert (word in " ".join(paste.form_notes(self.config(**settings)))) is is_said

    def test_a_container_is_told_to_mount_the_files(self, tmp_path: Path) -> None:
        authority = tmp_path / "ca.crt"
        authority.touch()
        assert (
            paste.file_note(self.config(certificate=authority))
            == f"A container needs {authority}, too, mounted at the same path."
        )

    def test_a_cloud_id_is_taken_apart(self) -> None:
        config = Config.from_environment({}, cloud_id=CLOUD_ID)
        assert url_of(config) == "https://es.example.com:443"
        assert address_of(config) == Address("es.example.com", 443)


class TestCurl:
    def curl(self, **settings: Any) -> str:
        return curl_text(
            Request("POST", "/a"),
            Config.from_environment({}, endpoint="https://es:9200", **settings),
        )

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"username": "jane doe", "password": "x"}, """-u 'jane doe:'"$ELASTIC_PASSWORD" """),
            ({"bearer_token": "x"}, '-H "authorization: Bearer $ELASTIC_TOKEN" '),
            ({"api_key": "x"}, '-H "authorization: ApiKey $ELASTIC_API_KEY" '),
            ({"verify_certs": False}, "--insecure "),
            ({}, ""),
        ],
    )
    def test_secrets_are_variables(self, settings: dict[str, Any], words: str) -> None:
        assert self.curl(**settings) == f"curl {words}-X POST https://es:9200/a"

    @pytest.mark.parametrize(
        ("settings", "notes"),
        [
            ({}, []),
            (
                {"username": "jane", "password": "s"},
                ["Each command reads $ELASTIC_PASSWORD from the shell: set it first."],
            ),
            (
                {"bearer_token": "t"},
                ["Each command reads $ELASTIC_TOKEN from the shell: set it first."],
            ),
            (
                {"api_key": "dGhlLWlkOnRoZS1rZXk="},
                ["Each command reads $ELASTIC_API_KEY from the shell: set it first."],
            ),
            (
                {"certificate_fingerprint": "ab" * 32},
                [
                    (
                        "curl cannot check fingerprints of certificates: add --cacert with the "
                        "CA's file."
                    )
                ],
            ),
            (
                {"headers": "x-from=shop"},
                [
                    (
                        "OTEL_EXPORTER_ELASTICSEARCH_HEADERS may contain secrets, and is not "
                        "shown: "
                        "add "
                        "its headers, each with -H."
                    )
                ],
            ),
        ],
    )
    def test_what_curl_needs_besides_is_said(
        self, settings: dict[str, str], notes: list[str]
    ) -> None:
        assert (
            curl_notes(Config.from_environment({}, endpoint="https://es:9200", **settings)) == notes
        )

    def test_a_dry_run_says_what_curl_needs_besides(self, run: Run) -> None:
        assert (
            "- Each command reads $ELASTIC_PASSWORD from the shell: set it first.\n"
            in run("--dry-run", "--no-keys").output
        )
