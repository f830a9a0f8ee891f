"""Where output cannot go: each command ends with a status, and never with a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from otel_asayer.cli import output

from instrumented import clean_environment

COMMANDS = [
    ["--help"],
    ["--version"],
    ["demo"],
    ["doctor"],
    ["doctor", "--json"],
    ["errors"],
    ["errors", "--json"],
    ["forget", "17", "--dry-run"],
    ["kibana"],
    ["spool", "status"],
    ["spool", "status", "--json"],
    ["spool", "inspect"],
    ["serve", "--port", "0"],
    ["timeline", "--help"],
]
FULL = "Error: The output cannot be written: No space left on device.\n"


def run(folder: Path, words: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
    environment = {
        **clean_environment(),
        "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(folder / "spool"),
    }
    command = [sys.executable, "-c", "from otel_asayer.cli import main; main()", *words]
    return subprocess.run(
        command,
        env=environment,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        **options,
    )


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_full_disk_ends_it_with_one_sentence(words: list[str], tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(tmp_path, words, stdout=full)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines(keepends=True)[-1] == FULL


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_reader_that_has_gone_ends_it_without_a_word(words: list[str], tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = run(tmp_path, words, stdout=writing)
    finally:
        os.close(writing)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"Broken pipe" not in done.stderr


@pytest.mark.parametrize(
    "words", [["--version"], ["spool", "status", "--json"], ["errors"]], ids=" ".join
)
def test_a_closed_output_loses_what_would_go_there(words: list[str], tmp_path: Path) -> None:
    done = run(tmp_path, words, preexec_fn=lambda: os.close(1))
    assert done.stderr == b""


def paged(monkeypatch: pytest.MonkeyPatch, lines: int, *, terminal: bool) -> list[str]:
    """What goes to the pager when some lines are printed on a screen of ten."""
    pages: list[str] = []
    monkeypatch.setattr("click.echo_via_pager", pages.append)
    console = Console(force_terminal=terminal, height=10, width=80, highlight=False)
    with output.paged(console):
        for number in range(lines):
            console.print(f"line {number}")
    return pages


def test_more_lines_than_a_terminal_shows_go_to_the_pager(monkeypatch: pytest.MonkeyPatch) -> None:
    (page,) = paged(monkeypatch, 10, terminal=True)
    assert page.splitlines()[-1] == "line 9"


def test_what_fits_or_goes_to_no_terminal_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert paged(monkeypatch, 9, terminal=True) == paged(monkeypatch, 50, terminal=False) == []
    assert len(capsys.readouterr().out.splitlines()) == 59
