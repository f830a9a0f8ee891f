"""`otel-asayer demo` on the local store: a session to look at, before there is an application."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from otel_asayer.cli.commands import otel_asayer
from otel_asayer.documents import mentions
from otel_asayer.propagation.session_id import SessionId
from otel_asayer.spool import LOCAL, Spool

if TYPE_CHECKING:
    from pathlib import Path

SESSION = "2618307011354435587"
START = "2024-01-24T02:27:39.324000000Z"
REPLAY_URL = "https://replay.example/7/session/{session_id}?jumpto={time_ms}"


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY", str(tmp_path / "spool"))
    monkeypatch.setenv("OTEL_ASAYER_REPLAY_URL", REPLAY_URL)


def run(*words: str, **variables: str) -> Result:
    return CliRunner().invoke(otel_asayer, words, env={"COLUMNS": "200", **variables})


def timeline(session_id: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(run("timeline", session_id, "--json").output)
    return found


def test_a_session_of_three_services_with_an_error_is_written() -> None:
    session_id = json.loads(run("demo", "--json").output)["session_id"]
    found = timeline(session_id)
    assert found["services"] == ["storefront", "pricing", "payments"]


def test_its_error_is_found_among_the_recent_ones() -> None:
    run("demo")
    assert "PaymentDeclinedError: card declined for 349.80 EUR" in run("errors").output


def test_it_is_over_when_it_is_written() -> None:
    session_id = SessionId(json.loads(run("demo", "--json").output)["session_id"])
    assert session_id.started_at_ms is not None
    assert session_id.started_at_ms + 20_000 < time.time_ns() // 1_000_000


def test_its_timeline_is_shown_with_what_to_do_next(tmp_path: Path) -> None:
    lines = run("demo").output.splitlines()
    session_id = lines[0].removeprefix("Session ")
    documents = Spool(tmp_path / "spool", LOCAL, max_bytes=2**30).status().documents
    assert " · 3 services · 10 requests · 22 spans · " in lines[1]
    assert lines[-5:] == [
        f"{documents} documents were written to the local store {tmp_path}/spool/local.",
        f"  otel-asayer timeline {session_id}   shows it again",
        "  otel-asayer sessions                       lists all sessions",
        "  otel-asayer serve                          shows them as a page",
        f"  otel-asayer forget {session_id}     takes it away",
    ]


def test_what_to_do_next_uses_the_same_folder_and_no_secret(tmp_path: Path) -> None:
    folder = tmp_path / "my spool"
    lines = run("demo", "--directory", str(folder), "--api-key", "hush").output.splitlines()
    assert f"  otel-asayer sessions --spool-directory '{folder}'" in lines[-3]
    assert "hush" not in "\n".join(lines)


@pytest.mark.parametrize("given", [SESSION, f"https://replay.example/7/session/{SESSION}?jumpto=1"])
def test_it_becomes_part_of_a_session_that_is_there_from_its_start_on(given: str) -> None:
    told = json.loads(run("demo", given, "--json").output)
    assert told["session_id"] == SESSION
    assert timeline(SESSION)["started_at"] == START


def test_of_a_session_that_is_there_it_does_not_advise_to_delete_everything() -> None:
    assert "forget" not in run("demo", SESSION).output


def test_a_session_of_another_systems_form_has_it_now() -> None:
    run("demo", "visit-1", OTEL_ASAYER_OPAQUE_SESSION_IDS="true")
    shown = run("timeline", "visit-1", OTEL_ASAYER_OPAQUE_SESSION_IDS="true").output
    assert shown.startswith(f"Session visit-1\nstarted {time.strftime('%Y-%m', time.gmtime())}")


def test_what_it_writes_is_marked_as_a_demo(tmp_path: Path) -> None:
    run("demo")
    documents = [
        operation
        for operation in Spool(tmp_path / "spool", LOCAL, max_bytes=2**30).read()
        if not mentions(operation, b"asayer-logs-")
    ]
    assert all(
        mentions(document, b'"deployment.environment.name":"demo"') for document in documents
    )


def test_a_sampler_that_drops_everything_does_not_drop_it() -> None:
    assert "10 requests" in run("demo", OTEL_TRACES_SAMPLER="always_off").output


@pytest.mark.parametrize(
    ("words", "variables", "message"),
    [
        (
            ["a" * 32],
            {},
            "A demo needs the id of a session, or the address of its replay; a trace is neither.",
        ),
        (["no session"], {}, "Not a session id, token, replay URL or trace id"),
        (
            [],
            {"OTEL_SDK_DISABLED": "true"},
            "OTEL_SDK_DISABLED switches OpenTelemetry off, which records the demo: unset it.",
        ),
    ],
)
def test_wrong_usage_is_said_and_nothing_is_written(
    words: list[str], variables: dict[str, str], message: str, tmp_path: Path
) -> None:
    result = run("demo", *words, **variables)
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "spool").exists()
