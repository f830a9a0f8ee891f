"""`otel-asayer sessions` on the local store: a line a session, filters, and JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from otel_asayer.cli.commands import otel_asayer
from unit.timeline.support import REPLAY_URL, SESSION, START_NS, log, raised, span

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


OTHER = "2618307011354435588"
HTTP = {"http.request.method": "GET", "http.route": "/cart", "http.response.status_code": 500}
DOCUMENTS = (
    span("a", 100, attributes={**HTTP, "user_agent.original": "Firefox"}),
    raised("KeyError", "'lamp'", 120, inside="a"),
    log("Low", 2000, service="stock"),
    log("Hello", 3000, attributes={"session.id": OTHER}),
)
SHOWN = f"""\
{OTHER}  1 min ago  3.0 s  0 requests                          shop
{SESSION}  1 min ago  2.0 s   1 request  1 error  GET /cart 500  shop, stock
"""


@pytest.fixture(autouse=True)
def _a_minute_later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY", str(tmp_path / "spool"))
    monkeypatch.setenv("OTEL_ASAYER_REPLAY_URL", REPLAY_URL)
    monkeypatch.setattr("otel_asayer.cli.sessions.time.time_ns", lambda: START_NS + 65 * 10**9)


def run(*words: str) -> Result:
    return CliRunner().invoke(otel_asayer, ["sessions", *words], env={"COLUMNS": "40"})


def test_each_session_is_a_line_whole_in_a_pipe(keep: Callable[..., None]) -> None:
    keep(*DOCUMENTS)
    result = run()
    assert result.exit_code == 0
    assert result.output == SHOWN


def test_json_tells_the_same_and_more(keep: Callable[..., None]) -> None:
    keep(*DOCUMENTS[:3])
    assert json.loads(run("--json").output) == [
        {
            "session_id": SESSION,
            "started_at": "2024-01-24T02:27:39.324000000Z",
            "last": "2024-01-24T02:27:41.324000000Z",
            "duration_ms": 2000,
            "services": ["shop", "stock"],
            "requests": 1,
            "errors": 1,
            "documents": 3,
            "first_request": "GET /cart 500",
            "user_agent": "Firefox",
            "replay_url": f"https://replay.example/7/session/{SESSION}?jumpto=1706063259424",
        }
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--errors"], [SESSION]),
        (["--service", "stock"], [SESSION]),
        (["--service", "stock", "--service", "shop"], [OTHER, SESSION]),
        (["--text", "hello"], [OTHER]),
        (["--text", "http.route:/cart"], [SESSION]),
        (["--since", "62s"], [OTHER]),
        (["--limit", "1"], [OTHER]),
    ],
)
def test_options_leave_some(
    keep: Callable[..., None], words: list[str], expected: list[str]
) -> None:
    keep(*DOCUMENTS)
    assert [one["session_id"] for one in json.loads(run(*words, "--json").output)] == expected


def test_more_sessions_are_told_of(keep: Callable[..., None]) -> None:
    keep(*DOCUMENTS)
    assert run("--limit", "1").output.endswith("There are more: --limit 10 shows more of them.\n")


def test_nothing_found_is_no_problem_and_points_to_the_doctor(tmp_path: Path) -> None:
    result = run()
    assert result.exit_code == 0
    assert result.output.startswith(f"No sessions in the local store {tmp_path}/spool/local in")
    assert "`otel-asayer doctor` looks for the reason" in result.output
    assert run("--json").output == "[]\n"


def test_what_an_application_wrote_cannot_steer_the_terminal(keep: Callable[..., None]) -> None:
    keep(span("\x1b[2Jevil", 1, service="a\x07b"))
    assert "\x1b" not in run().output
    assert "\x07" not in run().output
