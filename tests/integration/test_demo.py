"""`make demo`: both of its ways end well, and show the same session."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from elasticsearch_server.external import PASSWORD_VARIABLE, URL_VARIABLE, USERNAME_VARIABLE
from instrumented import clean_environment
from patience import HANG_SECONDS

if TYPE_CHECKING:
    from elasticsearch_server import Endpoint

ROOT = Path(__file__).parents[2]
_CHANGING = re.compile(
    r"\+[0-9:.]+ |(?<=127\.0\.0\.1:)[0-9]+|[0-9.]+ (?:µs|ms|s)\b|started [^·]+|[0-9]{13,}"
)
"""Offsets, ports, durations, times and ids."""


def shown_by_demo(*words: str, **variables: str) -> tuple[int, str]:
    environment = {
        **clean_environment(),
        "PYTHONPATH": str(ROOT / "tests"),
        "NO_COLOR": "1",
        "COLUMNS": "160",
        **variables,
    }
    process = subprocess.run(
        [sys.executable, "-m", "examples.demo", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    return process.returncode, process.stdout + process.stderr


def timeline(shown: str) -> list[str]:
    """The lines of the session's timeline, without what is another one each time."""
    (part,) = re.findall(r"▌ The session .*?\n(.*?)\n╭", shown, re.DOTALL)
    return [_CHANGING.sub("…", line).rstrip() for line in part.splitlines()]


@pytest.fixture(scope="module")
def local() -> tuple[int, str]:
    return shown_by_demo()


@pytest.fixture(scope="module")
def with_elasticsearch(secured: Endpoint) -> tuple[int, str]:
    where = {
        URL_VARIABLE: secured.url,
        USERNAME_VARIABLE: secured.username,
        PASSWORD_VARIABLE: secured.password,
    }
    return shown_by_demo("--elasticsearch", **where)


def test_the_demo_ends_well_with_nothing_but_python(local: tuple[int, str]) -> None:
    status, shown = local
    assert (status, "✘" in shown) == (0, False), shown


def test_the_demo_ends_well_with_elasticsearch(with_elasticsearch: tuple[int, str]) -> None:
    status, shown = with_elasticsearch
    assert (status, "✘" in shown) == (0, False), shown


def test_both_ways_of_the_demo_show_the_same_timeline(
    local: tuple[int, str], with_elasticsearch: tuple[int, str]
) -> None:
    here, there = timeline(local[1]), timeline(with_elasticsearch[1])
    assert len(here) > 15
    assert here == there
