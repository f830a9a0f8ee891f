"""The tutorial, done as it is written: each command in its order, on a real Elasticsearch.

Also from a wheel in a fresh environment, with the constraints and without.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import venv
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from documentation import ROOT, blocks
from elasticsearch_server import SECURED, running
from instrumented import BINARIES, application, clean_environment, free_port
from patience import HANG_SECONDS, wait_for
from readers import Gen3Reader
from store import READER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from elasticsearch_server import Endpoint
    from instrumented import Application

SESSION = "2618307011354435587"
INSTALLATIONS = ("pip ", "opentelemetry-bootstrap ")
CONSTRAINTS = ("pip install --no-deps ", "otel-asayer constraints ", "export PIP_CONSTRAINT=")
SOURCES = ("src", "pyproject.toml", "README.md", "LICENSE")
INSTRUMENT = "opentelemetry-instrument "


class Terminal:
    """What a reader types, one block after the other, and what comes of it.

    In the tests' own environment, installations are left out; in one of `binaries`, they are made,
    of `wheel`.
    """

    binaries = BINARIES
    wheel = ""

    def __init__(self, folder: Path, stack: ExitStack, server: Endpoint, namespace: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.said: list[str] = []
        self._stack = stack
        self.server = server
        self._running: Application | None = None
        self._keys: dict[str, str] = {}
        self._variables = {
            "OTEL_EXPORTER_ELASTICSEARCH_NAMESPACE": namespace,
            "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(folder / "spool"),
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_BLRP_SCHEDULE_DELAY": "100",
            "PYTHONPATH": str(folder),
            "COLUMNS": "200",
        }

    def type(self, block: str) -> None:
        for line in block.splitlines():
            if line.startswith("export "):
                self._export(line)
            elif line.startswith(INSTRUMENT):
                self._start(line)
            elif self.wheel and line.startswith(INSTALLATIONS):
                self._run(line.replace("otel-asayer", self.wheel, 1))
            elif line and not line.startswith(INSTALLATIONS):
                self._run(line)

    def stop(self) -> None:
        """Ctrl-C in the application's terminal."""
        if self._running is not None:
            assert self._running.stop(signal.SIGINT) in (0, 1)

    def _export(self, line: str) -> None:
        for word in shlex.split(line)[1:]:
            name, _, value = word.partition("=")
            self._variables[name] = self._keys.get(
                value,
                value.replace("https://elasticsearch.example:9200", self.server.url).replace(
                    "$PWD", str(self.folder)
                ),
            )

    def _start(self, line: str) -> None:
        self.stop()
        command = shlex.split(line.removeprefix(INSTRUMENT).replace("8000", str(self.port)))
        self._running = self._stack.enter_context(
            application(
                command,
                self.port,
                self.folder / "console",
                self._environment(),
                binaries=self.binaries,
            )
        )

    def _run(self, line: str) -> None:
        command = line.replace(":8000/", f":{self.port}/")
        if line.startswith("otel-asayer sessions"):
            self._wait_for(f"otel-asayer timeline {SESSION}")
        if line.startswith(("otel-asayer timeline", "otel-asayer errors")):
            self._wait_for(command)
        environment = {**clean_environment(), **self._environment()}
        if line.startswith("otel-asayer setup"):
            environment["OTEL_EXPORTER_ELASTICSEARCH_PASSWORD"] = (
                self.server.password
            )  # in place of the question
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            env=environment,
            cwd=self.folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        self.said.append(done.stdout)
        if line.startswith("otel-asayer setup"):
            self._take_keys(done.stdout)

    def _wait_for(self, command: str) -> None:
        """Wait, as the reader does, for what the batch processors send within their delay."""
        environment = {**clean_environment(), **self._environment()}

        def is_shown() -> bool:
            command_line = ["/bin/sh", "-c", f"{command} --json"]
            found = subprocess.run(
                command_line,
                env=environment,
                check=False,
                capture_output=True,
                text=True,
                timeout=HANG_SECONDS,
            )
            return (
                found.returncode == 0
                and found.stdout.count('"exception"') + found.stdout.count('"count": 2') > 0
            )

        wait_for(is_shown, f"{command} does not show what it should")

    def _take_keys(self, printed: str) -> None:
        for placeholder, variable in (
            ("the-writers-key", "OTEL_EXPORTER_ELASTICSEARCH_API_KEY"),
            ("the-viewers-key", "OTEL_ASAYER_VIEWER_API_KEY"),
        ):
            found = re.search(rf"{variable}=['\"]?([A-Za-z0-9+/=_-]+)", printed)
            assert found, f"setup printed no {variable}:\n{printed}"
            self._keys[placeholder] = found[1]

    def _environment(self) -> dict[str, str]:
        return {**self._variables, "PATH": f"{self.binaries}:/usr/bin:/bin"}

    def install_the_first_that_pip_finds(self, commands: Sequence[str]) -> None:
        """As the doctor says: where pip does not find the one, the other."""
        environment = {**clean_environment(), **self._environment()}
        assert commands
        for command in commands:
            words = [str(self.binaries / "pip"), *shlex.split(command)[1:]]
            if subprocess.run(words, env=environment, check=False).returncode == 0:
                return
        raise AssertionError(f"pip installs none of {commands}")

    def doctor(self) -> list[dict[str, str]]:
        """What `otel-asayer doctor` finds wrong."""
        said = subprocess.run(
            [str(self.binaries / "otel-asayer"), "doctor", "--json"],
            env={**clean_environment(), **self._environment()},
            cwd=self.folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
        )
        found: list[dict[str, str]] = json.loads(said.stdout)
        return [entry for entry in found if entry["status"] == "problem"]


@pytest.fixture
def terminal(tmp_path: Path, prepared: Endpoint, namespace: str) -> Iterator[Terminal]:
    with ExitStack() as stack:
        yield Terminal(tmp_path, stack, prepared, namespace)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this tree, built apart from it: old files of a build would come along."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    subprocess.run([*command, str(folder / "dist"), str(folder)], check=True)
    (made,) = (folder / "dist").iterdir()
    return made


@pytest.fixture
def fresh(tmp_path: Path, namespace: str, wheel: Path) -> Iterator[Terminal]:
    """A terminal with an empty environment, a wheel in place of a package index, and a cluster
    that nobody used: keys, and the page's session, belong to all of a cluster."""
    with ExitStack() as stack:
        reader = Terminal(tmp_path, stack, stack.enter_context(running(SECURED)), namespace)
        venv.create(tmp_path / "environment", with_pip=True)
        reader.binaries = tmp_path / "environment" / "bin"
        reader.wheel = str(wheel)
        yield reader


def pages_blocks(terminal: Terminal) -> list[str]:
    """Save the tutorial's application; return what is to be typed."""
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    (app,) = (block for block in blocks(text, "python") if block.startswith("# file: shop.py"))
    (terminal.folder / "shop.py").write_text(app, encoding="utf-8")
    return blocks(text, "sh")


@pytest.mark.parametrize(
    "where",
    ["terminal", pytest.param("fresh", marks=[pytest.mark.processes, pytest.mark.elasticsearch])],
)
def test_the_tutorial_leads_to_the_replay_with_backend_errors(
    where: str, request: pytest.FixtureRequest
) -> None:
    reader: Terminal = request.getfixturevalue(where)
    for block in pages_blocks(reader):
        reader.type(block)
    reader.stop()
    assert_all_was_shown(reader)


@pytest.mark.elasticsearch
@pytest.mark.processes
def test_without_the_constraints_the_doctor_names_what_is_missing(fresh: Terminal) -> None:
    installing, setting, *others = pages_blocks(fresh)
    fresh.type(
        "\n".join(line for line in installing.splitlines() if not line.startswith(CONSTRAINTS))
    )
    fresh.type(setting)
    # What pip gets is complete on one day and not on the next: leave something out.
    fresh.type("pip uninstall --quiet --yes opentelemetry-instrumentation-flask")
    (problem,) = fresh.doctor()
    assert "flask" in problem["detail"].lower()
    fresh.install_the_first_that_pip_finds(
        re.findall(r"pip install(?: [a-z-]+==[0-9.b]+[0-9])+", problem["remedy"])
    )
    assert fresh.doctor() == []
    for block in others:
        fresh.type(block)
    fresh.stop()
    assert_all_was_shown(fresh)


def assert_all_was_shown(terminal: Terminal) -> None:
    first_timeline, last_timeline = (
        said for said in terminal.said if said.startswith(f"Session {SESSION}")
    )
    (listed,) = (said for said in terminal.said if said.startswith(f"{SESSION}  "))
    assert "  2 requests  1 error  GET /products/<sku> 200  shop" in listed
    assert first_timeline.count("POST /checkout 500") == 1
    assert last_timeline.count("POST /checkout 500") == 2
    (errors,) = (
        said
        for said in terminal.said
        if "RuntimeError: card declined" in said and not said.startswith("Session")
    )
    assert "2 times · 1 session · shop" in errors
    terminal.server.refresh()
    reader = Gen3Reader(terminal.server, terminal.server.create_api_key("reader", READER))
    assert any(
        "RuntimeError: card declined" in row.message
        for row in reader.rows(SESSION)
        if row.level == "error"
    )
