"""What the documentation lets one type:

installations, variables and targets on every page, and commands that need no Elasticsearch.
"""

from __future__ import annotations

import re
import shlex
import time
from importlib.metadata import entry_points, metadata, version
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import opentelemetry.environment_variables
import opentelemetry.instrumentation.environment_variables
import opentelemetry.sdk.environment_variables
import pytest
import yaml
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    set_span_in_context,
)
from packaging.requirements import Requirement

from otel_asayer import environment_variables
from otel_asayer.cli.kibana import ndjson
from otel_asayer.cli.release import constraints
from otel_asayer.config import Config
from otel_asayer.exporter import ElasticsearchLogRecordExporter, ElasticsearchSpanExporter
from otel_asayer.propagation.session_id import EPOCH_MS
from otel_asayer.testing import ElasticsearchDouble, status
from otel_asayer.version import __version__

from documentation import (
    HOW_TO,
    PAGES,
    ROOT,
    blocks,
    commands,
    exported,
    lines,
    page_name,
    typed,
    typed_until,
)
from instrumented import free_port
from patience import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from otel_asayer.testing import Exchange

EVERY_LINE = [(page, line) for page in PAGES for line in lines(page)]
FRAMEWORKS = ("flask", "fastapi", "django", "aiohttp")
SPOOL_VARIABLE = "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY"
REPLAY_URL = "https://app.openreplay.com/1234/session/{session_id}?jumpto={time_ms}"


def beginning_with(word: str) -> list[Any]:
    """The lines of all pages that begin so, each once."""
    found = {line: page for page, line in EVERY_LINE if line.startswith(f"{word} ")}
    return [
        pytest.param(line, id=f"{page_name(page)}: {line[:60]}") for line, page in found.items()
    ]


KNOWN_VARIABLES = {
    "DJANGO_SETTINGS_MODULE",
    "OTEL_JAVA_EXPERIMENTAL_LOG_ATTRIBUTES_COPY_FROM_BAGGAGE_INCLUDE",
    "OTEL_JAVA_EXPERIMENTAL_SPAN_ATTRIBUTES_COPY_FROM_BAGGAGE_INCLUDE",
    "PIP_CONSTRAINT",
    *vars(environment_variables),
    *vars(opentelemetry.environment_variables),
    *vars(opentelemetry.instrumentation.environment_variables),
    *vars(opentelemetry.sdk.environment_variables),
}
LANGUAGES = ("npm", "node", "java", "go")
"""What starts services in other languages, which tests/fleet/test_languages.py does."""
WHEEL = re.compile(r"[\w./-]*\.whl(\[\w+\])?")
LOOKED_UP = {
    "OTEL_PROPAGATORS": "opentelemetry_propagator",
    "OTEL_TRACES_EXPORTER": "opentelemetry_traces_exporter",
    "OTEL_LOGS_EXPORTER": "opentelemetry_logs_exporter",
}
"""Variables whose values are names, and the group of entry points where OpenTelemetry looks these
up."""


class TestEveryPage:
    @pytest.mark.parametrize("line", beginning_with("pip install"))
    def test_what_is_to_be_installed_is_there_with_its_extras(self, line: str) -> None:
        for text in shlex.split(line, comments=True)[2:]:
            if text == "--no-deps":
                continue
            requirement = Requirement(WHEEL.sub(r"otel-asayer\1", text))
            assert version(requirement.name)
            assert requirement.extras <= set(
                metadata(requirement.name).get_all("Provides-Extra") or ()
            )
            assert requirement.url in (None, "git+REPOSITORY_URL")

    def test_a_wheel_is_installed_by_the_name_that_it_is_built_under(self) -> None:
        (line,) = {line for _, line in EVERY_LINE if line.startswith("pip wheel ")}
        folder = shlex.split(line)[-2]
        installed = [
            word for _, line in EVERY_LINE for word in shlex.split(line) if WHEEL.fullmatch(word)
        ]
        wheel = f"{folder}/otel_asayer-{__version__}-py3-none-any.whl"
        assert installed == [wheel, f"{wheel}[distro]"]

    def test_the_clone_is_entered_by_its_name(self) -> None:
        found = {line for _, line in EVERY_LINE if line.startswith("git ")}
        assert sorted(found) == ["git clone REPOSITORY_URL otel-asayer && cd otel-asayer"]

    def test_who_contributes_begins_with_a_clone_and_the_tests(self) -> None:
        clone, test = lines(ROOT / "CONTRIBUTING.md")
        assert clone.startswith("git clone ")
        assert test == "make test"

    def test_instrumentations_are_installed_as_the_readme_does_it(self) -> None:
        found = {
            line.partition(" #")[0].strip()
            for _, line in EVERY_LINE
            if line.startswith("opentelemetry-bootstrap ")
        }
        assert found == {
            "opentelemetry-bootstrap -a install"
        }  # which tests/integration/test_empty_environment.py executes

    @pytest.mark.parametrize("line", beginning_with("export"))
    def test_variables_are_known(self, line: str) -> None:
        assert exported(line).keys() - KNOWN_VARIABLES == set()

    @pytest.mark.parametrize("line", beginning_with("export"))
    def test_values_are_accepted(self, line: str) -> None:
        values = {name: value.replace("…", "a-key") for name, value in exported(line).items()}
        assert Config.from_environment(values).problems == ()

    @pytest.mark.parametrize("line", beginning_with("export"))
    def test_names_are_registered(self, line: str) -> None:
        for variable, value in exported(line).items():
            if group := LOOKED_UP.get(variable):
                # `none` is the configurator's own word.
                assert set(value.split(",")) - {"none"} <= set(entry_points(group=group).names)

    def test_targets_of_make_can_be_made(self, tmp_path: Path) -> None:
        named = {
            name
            for page in PAGES
            for name in re.findall(
                r"(?:^|`)make ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE
            )
        }
        assert {"demo", "test", "chaos"} <= named
        typed(f"make --dry-run --directory {ROOT} {' '.join(sorted(named))}", tmp_path, {})

    def test_pip_takes_the_constraints_of_the_line_before(self, tmp_path: Path) -> None:
        printed = {line for _, line in EVERY_LINE if line.startswith("otel-asayer constraints")}
        set_to = {line for _, line in EVERY_LINE if line.startswith("export PIP_CONSTRAINT")}
        assert set_to == {"export PIP_CONSTRAINT=$PWD/constraints.txt"}
        (command,) = printed
        typed(command, tmp_path, {})
        assert (tmp_path / "constraints.txt").read_text(encoding="utf-8") == constraints()

    def test_every_other_line_is_a_command_that_the_pages_tests_know(self) -> None:
        programs = ("opentelemetry-instrument", "otel-asayer", "curl", "gunzip", *LANGUAGES)
        assert {command.split()[0] for page in PAGES for command in commands(page)} - {
            *programs
        } == set()

    @pytest.mark.parametrize(
        "page",
        [
            ROOT / "README.md",
            *(HOW_TO / f"{name}.md" for name in ("flask", "fastapi", "django", "aiohttp")),
        ],
        ids=page_name,
    )
    def test_an_application_is_started_by_one_command_and_no_other_is_shown(
        self, page: Path
    ) -> None:
        assert [
            command.split()[0]
            for command in commands(page)
            if not command.startswith("otel-asayer constraints")
        ] == ["opentelemetry-instrument"]


class Service:
    """The telemetry of a service, in the local store."""

    def __init__(self, name: str, folder: Path) -> None:
        resource = Resource({"service.name": name})
        where: dict[str, Any] = {
            "spool": "on_failure",
            "spool_directory": str(folder),
            "replay_url": REPLAY_URL,
        }
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._traces.add_span_processor(SimpleSpanProcessor(ElasticsearchSpanExporter(**where)))
        self._logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
        self._logs.add_log_record_processor(
            SimpleLogRecordProcessor(ElasticsearchLogRecordExporter(**where))
        )

    def fail(self, name: str, at_ms: int, session_id: str, trace_id: str = "") -> None:
        """A request that ends with an exception."""
        caller = SpanContext(
            int(trace_id or "1", 16), 1, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)
        )
        span = self._traces.get_tracer("shop").start_span(
            name,
            set_span_in_context(NonRecordingSpan(caller)),
            SpanKind.SERVER,
            {"session.id": session_id, "http.route": "/cart"},
            start_time=at_ms * 1_000_000,
        )
        span.record_exception(RuntimeError("card declined"), timestamp=at_ms * 1_000_000)
        span.end((at_ms + 3) * 1_000_000)

    def warn(self, text: str, at_ms: int, session_id: str) -> None:
        """A log record of level warning."""
        record = LogRecord(
            timestamp=at_ms * 1_000_000,
            severity_number=SeverityNumber.WARN,
            body=text,
            attributes={"session.id": session_id},
        )
        self._logs.get_logger("shop").emit(record)

    def shutdown(self) -> None:
        self._traces.shutdown()
        self._logs.shutdown()


SESSION = "4119699929734054237"
TRACE = "039355a552b33ac432cdd8894b6a690d"
SAYS = {
    f"otel-asayer timeline {SESSION}": "RuntimeError: card declined",
    (
        f"otel-asayer timeline "
        f"'https://app.openreplay.com/1234/session/{SESSION}?jumpto=1795553262740'"
    ): "RuntimeError: card declined",
    (
        f"otel-asayer timeline {SESSION} --service pricing --level warning --from 1m30s"
    ): "The price is of yesterday",
    f"otel-asayer timeline {TRACE}": f"Trace {TRACE}, of session {SESSION}",
    (
        f"otel-asayer timeline {SESSION} --level error --json | python3 -m json.tool"
    ): '"title": "RuntimeError: card declined"',
    "otel-asayer errors": "RuntimeError: card declined",
    "otel-asayer errors --since 7d --service checkout": "RuntimeError: card declined",
    "otel-asayer sessions": "1 request  1 error  POST /checkout  checkout",
    "otel-asayer sessions --errors --since 7d": "2618307011354435587",
    "otel-asayer sessions --service checkout --text 'http.route:/cart'": "2618307011354435587",
    f"otel-asayer forget {SESSION}": "8 documents deleted; none is left.",
}
"""What each command of the page prints, among other things."""
FOLLOWS = f"otel-asayer timeline {SESSION} --follow"
PRUNES = "otel-asayer prune --older-than 30d --yes"


class TestSessions:
    @pytest.fixture
    def store(self, tmp_path: Path) -> dict[str, str]:
        """A store with the page's session, and with an exception of today in another one."""
        started_at_ms = (int(SESSION) >> 24) + EPOCH_MS
        checkout, pricing = Service("checkout", tmp_path), Service("pricing", tmp_path)
        checkout.fail("POST /checkout", started_at_ms + 60_000, SESSION, TRACE)
        pricing.warn("The price is of today", started_at_ms + 61_000, SESSION)
        pricing.warn("The price is of yesterday", started_at_ms + 95_000, SESSION)
        checkout.fail("POST /checkout", time.time_ns() // 1_000_000, "2618307011354435587")
        for service in (checkout, pricing):
            service.shutdown()
        return {SPOOL_VARIABLE: str(tmp_path)}

    def test_every_command_of_the_page_is_typed(self) -> None:
        assert sorted(commands(HOW_TO / "sessions.md")) == sorted([*SAYS, FOLLOWS, PRUNES])

    @pytest.mark.parametrize("command", SAYS)
    def test_a_command_shows_what_is_stored(
        self, command: str, store: dict[str, str], tmp_path: Path
    ) -> None:
        assert SAYS[command] in typed(command, tmp_path, store, answer="y\n")

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_a_shell_learns_to_complete_the_commands(self, shell: str, tmp_path: Path) -> None:
        page = (HOW_TO / "sessions.md").read_text(encoding="utf-8")
        assert f"_OTEL_ASAYER_COMPLETE={shell}_source otel-asayer" in page
        said = typed("otel-asayer", tmp_path, {"_OTEL_ASAYER_COMPLETE": f"{shell}_source"})
        assert "_OTEL_ASAYER_COMPLETE" in said

    def test_old_days_are_pruned(self, tmp_path: Path) -> None:
        old = "asayer-logs-default-2020.02.29"
        with ElasticsearchDouble() as double:
            double.reply_with(
                status(200, {"username": "ann"}),
                status(200),
                status(200, {"indices": [{"name": old}]}),
                status(200, {"count": 7}),
                status(200),
            )
            said = typed(PRUNES, tmp_path, {"OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": double.url})
        assert "1 day deleted, 7 records." in said
        assert double.exchanges[-1].target == f"/{old}?ignore_unavailable=true"

    def test_the_trace_of_an_error_in_the_browser_leads_to_its_session(
        self, store: dict[str, str], tmp_path: Path
    ) -> None:
        _, command = commands(HOW_TO / "browser.md")
        assert command == f"otel-asayer timeline {TRACE}"
        assert SESSION in typed(command, tmp_path, store)

    def test_offsets_count_from_the_start_of_the_session(
        self, store: dict[str, str], tmp_path: Path
    ) -> None:
        (command,) = (one for one in SAYS if "--from 1m30s" in one)
        assert "The price is of today" not in typed(command, tmp_path, store)

    def test_a_session_is_followed_until_ctrl_c(
        self, store: dict[str, str], tmp_path: Path
    ) -> None:
        with typed_until("The price is of yesterday", FOLLOWS, tmp_path, store) as said:
            assert "RuntimeError: card declined" in said


def test_the_script_of_the_browser_is_written(tmp_path: Path) -> None:
    command, _ = commands(HOW_TO / "browser.md")
    typed(command, tmp_path, {})
    assert "globalThis.carrySession" in (tmp_path / "carry-session.js").read_text(encoding="utf-8")


def test_the_session_page_is_served_and_opened(tmp_path: Path) -> None:
    (command,) = commands(HOW_TO / "session-page.md")
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\necho "$1" > opened\n', encoding="utf-8")
    browser.chmod(0o700)
    port = free_port()
    variables = {SPOOL_VARIABLE: str(tmp_path / "spool"), "BROWSER": str(browser)}
    with (
        typed_until("The session page is at", f"{command} --port {port}", tmp_path, variables),
        urlopen(f"http://127.0.0.1:{port}/") as answer,
    ):
        assert answer.status == 200
        assert (tmp_path / "opened").read_text(encoding="utf-8") == f"http://127.0.0.1:{port}/\n"


class TestKibana:
    @pytest.fixture
    def kibana(self) -> Iterator[ElasticsearchDouble]:
        """Something that takes requests in the place of Kibana."""
        with ElasticsearchDouble() as server:
            server.reply_with(status(200, {"success": True}))
            yield server

    @pytest.fixture
    def imported(self, kibana: ElasticsearchDouble, tmp_path: Path) -> Exchange:
        """The request by which the page's commands import the file."""
        for command in commands(HOW_TO / "kibana.md"):
            typed(
                command.replace("http://127.0.0.1:5601", kibana.url),
                tmp_path,
                {},
                answer="secret\n",
            )
        (exchange,) = kibana.exchanges
        return exchange

    def test_the_objects_are_imported_with_the_replays_address(self, imported: Exchange) -> None:
        assert ndjson(REPLAY_URL).encode() in imported.body

    def test_they_replace_those_of_before(self, imported: Exchange) -> None:
        assert imported.method == "POST"
        assert imported.target == "/api/saved_objects/_import?overwrite=true"

    def test_kibana_takes_it_for_a_form_that_no_web_page_sent(self, imported: Exchange) -> None:
        assert imported.headers["kbn-xsrf"] == "true"
        assert imported.headers["content-type"].partition(";")[0] == "multipart/form-data"

    def test_the_password_is_asked_for(self, imported: Exchange) -> None:
        assert imported.headers["authorization"] == "Basic ZWxhc3RpYzpzZWNyZXQ="


def test_a_task_of_celery_is_in_the_session_that_queued_it(tmp_path: Path) -> None:
    page = HOW_TO / "celery.md"
    (app,) = blocks(page.read_text(encoding="utf-8"), "python")
    (tmp_path / "shop.py").write_text(app, encoding="utf-8")
    worker, producer, timeline = commands(page)
    variables = {
        "OTEL_PROPAGATORS": "tracecontext,asayer",
        "OTEL_TRACES_EXPORTER": "elasticsearch",
        "OTEL_LOGS_EXPORTER": "elasticsearch",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_BLRP_SCHEDULE_DELAY": "100",
        SPOOL_VARIABLE: str(tmp_path / "spool"),
    }
    exports = [line for line in lines(page) if line.startswith("export ")]
    assert {
        name: value
        for line in exports
        for name, value in exported(line).items()
        if name != "OTEL_SERVICE_NAME"
    }.items() <= variables.items()
    with typed_until("[queues]", worker, tmp_path, variables, kill=True) as said:
        typed(producer, tmp_path, variables)
        wait_for(
            lambda: "Order 7 has no address" in _shown(timeline, tmp_path, variables),
            "the task's warning",
        )
    assert "needs your attention" not in said
    assert "send_invoice" in _shown(timeline, tmp_path, variables)


def _shown(command: str, folder: Path, variables: dict[str, str]) -> str:
    """What a command shows, whether it finds something or not."""
    return typed(f"{command} || true", folder, variables)


JOB = """\
from opentelemetry import trace

trace.get_tracer("job").start_span("job").end()
"""


class TestContainers:
    """`containers.md`: a job whose first exports fail, and the command that sends the rest."""

    PAGE = HOW_TO / "containers.md"

    def test_a_job_and_the_command_behind_it_deliver_all(self, tmp_path: Path) -> None:
        (tmp_path / "job.py").write_text(JOB, encoding="utf-8")
        drain, job, again = commands(self.PAGE)
        assert drain == again
        with ElasticsearchDouble() as elasticsearch:
            elasticsearch.reply_with(*[status(503)] * 99)
            variables = {
                "OTEL_TRACES_EXPORTER": "elasticsearch",
                "OTEL_METRICS_EXPORTER": "none",
                "OTEL_LOGS_EXPORTER": "none",
                "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": elasticsearch.url,
                "OTEL_EXPORTER_ELASTICSEARCH_SETUP": "off",
                "OTEL_EXPORTER_ELASTICSEARCH_SHUTDOWN_TIMEOUT": "1",
                SPOOL_VARIABLE: str(tmp_path / "spool"),
            }
            typed(job, tmp_path, variables)
            assert elasticsearch.documents == []
            elasticsearch.forget_replies()
            assert "1 document was delivered." in typed(drain, tmp_path, variables)

    def test_the_variables_and_the_volume_of_the_service_fit(self) -> None:
        compose, _ = map(yaml.safe_load, blocks(self.PAGE.read_text(encoding="utf-8"), "yaml"))
        service = compose["services"]["shop"]
        config = Config.from_environment(service["environment"])
        assert config.problems == ()
        assert service["volumes"] == [f"spool:{config.spool_directory}"]

    def test_the_hook_is_the_command_of_the_page(self) -> None:
        _, hook = map(yaml.safe_load, blocks(self.PAGE.read_text(encoding="utf-8"), "yaml"))
        assert " ".join(hook["lifecycle"]["preStop"]["exec"]["command"]) == commands(self.PAGE)[0]


def test_the_page_on_openreplay_shows_the_address_of_a_replay_by_time_and_by_offset() -> None:
    urls = [exported(line)["OTEL_ASAYER_REPLAY_URL"] for line in lines(HOW_TO / "openreplay.md")]
    assert [re.findall(r"\{(.*?)\}", url) for url in urls] == [
        ["session_id", "time_ms"],
        ["session_id", "offset_ms"],
    ]
