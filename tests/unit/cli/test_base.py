"""What all commands share: help in groups, errors for a person and for a program, Ctrl-C."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from otel_asayer.cli.commands import otel_asayer

if TYPE_CHECKING:
    from pathlib import Path


def run(*words: str, columns: int = 200) -> Result:
    return CliRunner().invoke(
        otel_asayer, words, env={"COLUMNS": str(columns)}, terminal_width=columns
    )


def test_the_options_of_the_connection_stand_apart_with_their_variables() -> None:
    own, connection = run("sessions", "--help").output.split("\nConnection:\n")
    assert "--since" in own
    assert "--help" in own
    assert "--cloud-id" not in own
    assert "[OTEL_EXPORTER_ELASTICSEARCH_CLOUD_ID]" in connection
    assert "--since" not in connection


@pytest.mark.parametrize("name", sorted(otel_asayer.commands))
def test_the_summary_of_a_command_is_a_whole_sentence(name: str) -> None:
    line = next(line for line in run("--help").output.splitlines() if line.startswith(f"  {name} "))
    assert line.endswith(".")
    assert "..." not in line


def test_an_error_is_json_for_a_program_and_a_sentence_for_a_person(tmp_path: Path) -> None:
    result = run("timeline", "7", "--json", "--directory", str(tmp_path))
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"].startswith("Nothing is stored of session 7")
    assert result.stderr.startswith("Error: Nothing is stored of session 7")


def test_wrong_usage_is_json_too() -> None:
    result = run("sessions", "--since", "soon", "--json")
    assert result.exit_code == 2
    assert "write 90m, 24h or 7d" in json.loads(result.stdout)["error"]


def test_without_json_an_error_is_a_sentence_alone(tmp_path: Path) -> None:
    assert run("timeline", "7", "--directory", str(tmp_path)).stdout == ""


@pytest.mark.parametrize("place", ["otel_asayer.cli.commands", "otel_asayer.timeline.stores"])
def test_an_interruption_ends_quietly_wherever_it_comes(place: str, tmp_path: Path) -> None:
    script = f"""\
import sys
class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == {place!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
sys.argv = ["otel-asayer", "sessions", "--directory", {str(tmp_path)!r}]
from otel_asayer.cli.entry import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert ended.returncode == 130
    assert ended.stderr == b""


def test_an_interruption_of_a_running_command_ends_quietly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("otel_asayer.cli.sessions.open_store", interrupt)
    result = run("sessions")
    assert result.exit_code == 130
    assert result.output == ""
