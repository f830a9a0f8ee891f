"""The list of the README, as it stands there, in an empty virtual environment:

nothing else is needed.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from instrumented import application, clean_environment, free_port
from store import SESSION, sessions

if TYPE_CHECKING:
    from store import Store

pytestmark = [pytest.mark.elasticsearch, pytest.mark.processes]

ROOT = Path(__file__).parents[2]
APP = ROOT / "tests" / "integration" / "applications" / "flask_app.py"


def documented_commands() -> list[list[str]]:
    """The words of each line of the README's section on adding it to an application."""
    section = (
        (ROOT / "README.md").read_text(encoding="utf-8").split("## Add it to your application")[1]
    )
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block
    return [shlex.split(line) for line in block[1].splitlines() if line]


def exported(commands: list[list[str]]) -> dict[str, str]:
    """The variables that the README exports."""
    pairs = (
        word.partition("=")
        for command in commands
        if command[0] == "export"
        for word in command[1:]
    )
    return {name: value for name, _, value in pairs}


def install(folder: Path, distribution: list[str]) -> Path:
    """Make an environment, install the application's own packages and what the README says, and
    return where its commands are."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    binaries = folder / "bin"
    environment = {
        **clean_environment(),
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        # The README's own file, and the tested set, for packages that it leaves open.
        "PIP_CONSTRAINT": f"{folder}/constraints.txt {ROOT}/requirements/constraints.txt",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    bare = ["install", "--quiet", "--no-deps", "--disable-pip-version-check", str(ROOT)]
    subprocess.run([str(binaries / "pip"), *bare], check=True)
    (folder / "constraints.txt").write_bytes(
        subprocess.run(
            [str(binaries / "otel-asayer"), "constraints"], check=True, capture_output=True
        ).stdout
    )
    for command in (
        ["pip", "install", "--quiet", "flask", "requests"],
        ["pip", "install", "--quiet", *distribution],
        ["opentelemetry-bootstrap", "-a", "install"],
    ):
        subprocess.run(
            [str(binaries / command[0]), *command[1:]],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
    return binaries


def run_as_documented(store: Store, binaries: Path, console: Path, **put_in: str) -> None:
    """Run the application with the README's variables, the places for the reader's own values
    filled in."""
    own = {
        "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": store.server.url,
        "OTEL_EXPORTER_ELASTICSEARCH_API_KEY": store.writer_key,
        # The tests' own: they share one Elasticsearch
        "OTEL_EXPORTER_ELASTICSEARCH_NAMESPACE": store.namespace,
    }
    environment = {**exported(documented_commands()), **own, **put_in}
    port = free_port()
    with application(
        ["python", str(APP)], port, console, {**environment, "PORT": str(port)}, binaries=binaries
    ) as app:
        assert app.get("/ok", X_Session_Id=SESSION).status == 200
        assert app.get("/boom", X_Session_Id=SESSION).status == 500
    assert "asayer" not in app.output().lower()


def assert_everything_arrived(store: Store) -> None:
    assert sessions(store.spans()) == {SESSION}
    assert "all is well" in {
        record.get("body", {}).get("text")
        for record in store.logs()
        if sessions([record]) == {SESSION}
    }
    assert {record["attributes"]["exception.message"] for record in store.exceptions()} == {
        "the handler failed"
    }
    assert store.exceptions()[0]["attributes"]["asayer.replay.url"].startswith(
        f"https://app.openreplay.com/1234/session/{SESSION}?jumpto="
    )
    assert store.replay_records()


def test_the_readme_asks_for_nothing_but_installations_variables_and_one_command() -> None:
    commands = documented_commands()
    assert [command for command in commands if command[0] != "export"] == [
        ["pip", "install", "--no-deps", "otel-asayer"],
        ["otel-asayer", "constraints", ">", "constraints.txt"],
        ["pip", "install", "otel-asayer[distro]"],
        ["opentelemetry-bootstrap", "-a", "install"],
        ["opentelemetry-instrument", "python", "app.py"],
    ]


def test_exactly_the_documented_list_works(store: Store, tmp_path: Path) -> None:
    run_as_documented(
        store, install(tmp_path / "venv", [f"{ROOT}[distro]"]), tmp_path / "console.log"
    )
    assert_everything_arrived(store)


@pytest.mark.matrix
def test_elastic_opentelemetry_does_in_place_of_the_extra(store: Store, tmp_path: Path) -> None:
    binaries = install(tmp_path / "venv", [str(ROOT), "elastic-opentelemetry"])
    run_as_documented(store, binaries, tmp_path / "console.log")
    assert_everything_arrived(store)


@pytest.mark.matrix
def test_the_client_of_elasticsearch_8_does_as_well(store: Store, tmp_path: Path) -> None:
    binaries = install(
        tmp_path / "venv", [f"{ROOT}[distro]", "opentelemetry-instrumentation-flask"]
    )
    subprocess.run(
        [str(binaries / "pip"), "install", "--quiet", "elasticsearch>=8.12,<9"],
        check=True,
        env=clean_environment(),
    )
    run_as_documented(store, binaries, tmp_path / "console.log")
    assert_everything_arrived(store)


def test_the_propagator_works_without_any_extra(tmp_path: Path) -> None:
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    constraints = str(ROOT / "requirements" / "constraints.txt")
    subprocess.run(
        [
            str(folder / "bin" / "pip"),
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-c",
            constraints,
            str(ROOT),
        ],
        check=True,
    )
    code = (
        "from opentelemetry import propagate; import otel_asayer; "
        f"print(otel_asayer.get_session_id(propagate.extract({{'X-Session-Id': '{SESSION}'}})))"
    )
    environment = {**clean_environment(), "OTEL_PROPAGATORS": "tracecontext,asayer"}
    said = subprocess.run(
        [str(folder / "bin" / "python"), "-c", code],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert said.stdout == f"{SESSION}\n"
    assert said.stderr == ""
