"""`otel-asayer errors` on the local store: groups, how many, and where to see one of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from otel_asayer.cli import errors as command
from otel_asayer.cli.commands import otel_asayer
from unit.timeline.support import (
    REPLAY_URL,
    SESSION,
    STACK,
    START_NS,
    TRACE,
    log,
    raised,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


OTHER = "f" * 32
LINK = f"https://replay.example/7/session/{SESSION}?jumpto=1706063264324"
SHOWN = f"""\
KeyError: 'lamp'
  shop/cart.py:7 in total
  2 times · 1 session · shop · first 1 min ago · last 1 min ago
  {LINK}
  otel-asayer timeline {SESSION}
  otel-asayer timeline {OTHER}

TimeoutError
  place unknown
  once · 0 sessions · pricing · last 1 min ago
  otel-asayer timeline {TRACE}

"""
DOCUMENTS = (
    raised("KeyError", "'lamp'", 2000),
    raised("KeyError", "'lamp'", 5000, trace_id=OTHER),
    raised("TimeoutError", "", 4000, stack="", service="pricing", attributes={"session.id": None}),
)


@pytest.fixture(autouse=True)
def _a_minute_later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY", str(tmp_path / "spool"))
    monkeypatch.setenv("OTEL_ASAYER_REPLAY_URL", REPLAY_URL)
    monkeypatch.setattr("otel_asayer.cli.errors.time.time_ns", lambda: START_NS + 65_000_000_000)


def run(*words: str) -> Result:
    return CliRunner().invoke(otel_asayer, ["errors", *words], env={"COLUMNS": "40"})


def test_exceptions_are_shown_in_groups_with_a_replay(keep: Callable[..., None]) -> None:
    keep(*DOCUMENTS, log("no exception", severity=17))
    result = run()
    assert result.exit_code == 0
    assert result.output == SHOWN


def test_json_tells_the_same_and_more(keep: Callable[..., None]) -> None:
    keep(*DOCUMENTS[:2])
    assert json.loads(run("--json").output) == [
        {
            "type": "KeyError",
            "message": "'lamp'",
            "file": "/app/shop/cart.py",
            "line": 7,
            "function": "total",
            "count": 2,
            "services": ["shop"],
            "sessions": [SESSION],
            "first": "2024-01-24T02:27:41.324000000Z",
            "last": "2024-01-24T02:27:44.324000000Z",
            "replay_url": LINK,
            "session_id": SESSION,
            "trace_id": OTHER,
        }
    ]


def test_nothing_found_is_no_problem(tmp_path: Path) -> None:
    result = run()
    assert result.exit_code == 0
    assert result.output == (
        f"No exceptions in the local store {tmp_path}/spool/local in this time. To look into an "
        "Elasticsearch, set OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT, or give --endpoint. If you "
        "expect some, `otel-asayer doctor` looks for the reason.\n"
    )
    assert run("--json").output == "[]\n"


@pytest.mark.parametrize(
    ("words", "types"),
    [
        (["--since", "62s"], ["KeyError", "TimeoutError"]),
        (["--since", "60s"], ["KeyError"]),
        (["--since", "59s"], []),
        (["--service", "pricing"], ["TimeoutError"]),
        (["--service", "pricing", "--service", "shop"], ["KeyError", "TimeoutError"]),
        (["--limit", "1"], ["KeyError"]),
    ],
)
def test_options_leave_some(keep: Callable[..., None], words: list[str], types: list[str]) -> None:
    keep(*DOCUMENTS)
    assert [group["type"] for group in json.loads(run(*words, "--json").output)] == types


def test_more_groups_are_told_of(keep: Callable[..., None]) -> None:
    keep(*DOCUMENTS)
    assert run("--limit", "1").output.endswith("\n1 more group: --limit 2 shows all.\n")


def test_exceptions_that_were_not_looked_at_are_told_of(
    keep: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(*DOCUMENTS)
    monkeypatch.setattr(command, "_MAX", 1)
    assert run().output.endswith(
        "\n2 older exceptions of this time were not looked at: a shorter --since shows all of its "
        "own.\n"
    )


def test_nothing_found_among_the_latest_is_not_taken_for_nothing(
    keep: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_MAX", 1)
    keep(*DOCUMENTS)
    told, unseen = run("--service", "nobody").output.splitlines()
    assert told.partition(" in ")[0] == "No exceptions of nobody among the latest 1"
    assert "older exceptions of this time were not looked at" in unseen


def test_what_is_called_like_an_exceptions_type_elsewhere_is_none(
    keep: Callable[..., None],
) -> None:
    keep(log("x", body={"structured": {"exception.type": "KeyError"}}))
    assert json.loads(run("--json").output) == []


def test_an_exception_of_hostile_names_is_shown_as_text(keep: Callable[..., None]) -> None:
    keep(
        raised(
            "[bold]E\x1b[2J",
            "a\u202eb\nsecond",
            stack='  File "/a/[red]\x1b.py", line 1, in <f>',
            service="[s]\r",
        )
    )
    output = run().output
    assert output.startswith(
        "[bold]E [2J: a\ufffdb second\n  a/[red] .py:1 in <f>\n  once · 1 session · [s]  · last 1 "
        "min ago\n"
    )


def test_an_exception_without_a_type_is_shown_as_one(keep: Callable[..., None]) -> None:
    keep(raised("", "", stack=""))
    assert run().output.startswith("exception\n")


def test_the_stack_of_the_latest_gives_the_place(keep: Callable[..., None]) -> None:
    keep(
        raised("KeyError", "'x'", 1),
        raised("KeyError", "'y'", 2, trace_id=OTHER, stack=STACK.replace("line 7", "line 9")),
    )
    (group,) = json.loads(run("--json").output)
    assert group["line"] == 9
    assert group["count"] == 2
    assert group["trace_id"] != TRACE


def test_a_destination_that_cannot_be_used_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT", "es:9200")
    result = run()
    assert result.exit_code == 2
    assert "The connection to Elasticsearch is not usable" in " ".join(result.output.split())
