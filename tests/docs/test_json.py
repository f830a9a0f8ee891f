"""The page on the commands' JSON: its examples have the fields that the commands print."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from otel_asayer.bridge.bridge import Counts
from otel_asayer.cli.commands import otel_asayer

from documentation import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
SECTIONS = {
    part.partition("\n")[0].removeprefix("otel-asayer "): part for part in PAGE.split("\n## ")
}


def example(section: str) -> Any:
    found = re.search(r"```json\n(.*?)```", section, re.DOTALL)
    assert found
    return json.loads(found[1])


def run(folder: Path, *words: str) -> Any:
    answer = CliRunner().invoke(otel_asayer, [*words, "--json", "--directory", str(folder)])
    return json.loads(answer.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local store with the demo's session."""
    made = tmp_path_factory.mktemp("store")
    run(made, "demo")
    return made


@pytest.mark.parametrize("command", ["sessions", "errors"])
def test_a_list_has_the_documented_fields(command: str, folder: Path) -> None:
    (printed,) = run(folder, command)
    (documented,) = example(SECTIONS[command])
    assert list(printed) == list(documented)


def test_a_timeline_has_the_documented_fields(folder: Path) -> None:
    (session,) = run(folder, "sessions")
    printed = run(folder, "timeline", session["session_id"])
    documented = example(SECTIONS["timeline"])
    assert list(printed) == list(documented)
    assert list(printed["events"][0]) == list(documented["events"][0])


def test_an_error_has_the_documented_form(folder: Path) -> None:
    assert list(run(folder, "timeline", "7")) == list(example(SECTIONS["Errors"]))


def test_the_counts_of_the_bridge_have_the_documented_fields() -> None:
    assert list(example(SECTIONS["bridge"])) == [field.name for field in fields(Counts)]


def test_what_the_other_commands_print_has_the_documented_fields(tmp_path: Path) -> None:
    demo = run(tmp_path, "demo")
    assert list(demo) == list(example(SECTIONS["demo"]))
    for command, words in {
        "doctor": ["doctor"],
        "spool status": ["spool", "status"],
        "forget": ["forget", demo["session_id"], "--yes"],
    }.items():
        assert list(run(tmp_path, *words)[0]) == list(example(SECTIONS[command])[0]), command
