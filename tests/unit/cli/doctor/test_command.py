"""`otel-asayer doctor`: what a person and a program see, and its exit status."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from otel_asayer.cli.doctor import doctor
from otel_asayer.cli.doctor.command import show
from otel_asayer.cli.doctor.examination import ReportEntry, Status
from otel_asayer.cli.doctor.plan import plan
from otel_asayer.config import opentelemetry_variables
from unit.cli.doctor.support import config, environment, examined

if TYPE_CHECKING:
    from pathlib import Path


def run(*words: str, **variables: str) -> Result:
    cleared = dict.fromkeys(opentelemetry_variables())  # those of the tests' own harness, too
    return CliRunner().invoke(doctor, words, env={**cleared, "COLUMNS": "200", **variables})


def findings(*words: str, **variables: str) -> dict[str, dict[str, Any]]:
    return {
        finding["name"]: finding
        for finding in json.loads(run(*words, "--json", **variables).stdout)
    }


def test_without_an_endpoint_the_local_store_is_looked_at(tmp_path: Path) -> None:
    found = findings(
        OTEL_EXPORTER_ELASTICSEARCH_SPOOL="on_failure",
        OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY=str(tmp_path),
    )
    assert found["documents"]["detail"].startswith(f"0 documents kept in {tmp_path}")
    assert [
        finding["name"]
        for finding in found.values()
        if finding["area"] in ("Elasticsearch", "Replay")
    ] == ["endpoint"]
    assert found["endpoint"] == {
        "area": "Elasticsearch",
        "name": "endpoint",
        "status": "skipped",
        "detail": f"none is configured: documents stay in {tmp_path} until you send them",
        "remedy": "Set OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT; `otel-asayer spool drain` then sends "
        "them",
    }


def test_a_connection_that_cannot_be_used_is_not_used() -> None:
    found = findings(OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT="es:9200")
    assert found["variables"]["status"] == "problem"
    assert found["endpoint"]["status"] == "skipped"


def test_a_server_that_is_down_ends_what_needs_it() -> None:
    found = findings("--endpoint", "http://127.0.0.1:9")
    assert found["endpoint"]["status"] == "problem"
    assert {
        name: finding["detail"]
        for name, finding in found.items()
        if finding["detail"].startswith("endpoint has")
    } == dict.fromkeys(
        (
            "exporter's key",
            "viewer's key",
            "expiration",
            "version",
            "certificates",
            "clock",
            "templates",
            "failure stores",
            "record",
            "alias logs",
            "mapping",
            "OpenReplay 1.21 on",
            "OpenReplay 1.5 - 1.20",
            "Asayer",
            "removal",
        ),
        "endpoint has a problem",
    )


def test_a_problem_is_exit_status_1_and_wrong_usage_2() -> None:
    assert run("--endpoint", "http://127.0.0.1:9").exit_code == 1
    assert run("--endpoint", "es:9200").exit_code == 2


def test_a_person_sees_areas_and_a_sum() -> None:
    output = run("--endpoint", "http://127.0.0.1:9").stdout
    lines = [line.strip() for line in output.splitlines()]
    assert [
        area
        for area in ("Settings", "Packages", "Spool", "Elasticsearch", "Replay", "Browser")
        if area in lines
    ] == [
        "Settings",
        "Packages",
        "Spool",
        "Elasticsearch",
        "Replay",
        "Browser",
    ]
    assert "problem" in lines[-1]


def test_without_replay_records_their_readers_are_not_asked() -> None:
    settings = config(replay_records=False)
    checks = plan(settings, environment(), examined({}, settings))
    assert [
        (check.name, next(iter(check.look())).status) for check in checks if check.area == "Replay"
    ] == [("record", Status.SKIPPED)]


def test_the_browser_is_told_the_first_header() -> None:
    checks = plan(config(session_headers="x-a,x-b"), environment(), None)
    (result,) = checks[-1].look()
    assert result.detail.endswith("Access-Control-Allow-Headers: x-a")


def shown(*found: ReportEntry) -> list[str]:
    output = io.StringIO()
    show(found, Console(file=output, width=80))
    return [line.rstrip() for line in output.getvalue().splitlines()]


def finding(
    name: str, status: Status = Status.OK, detail: str = "fine", remedy: str = ""
) -> ReportEntry:
    return ReportEntry("Area", name, status, detail, remedy)


def test_what_is_well_takes_one_line() -> None:
    assert shown(finding("a")) == ["Area", "  ✔ a                     fine", "", "All is well."]


def test_what_could_be_looked_at_and_was_not_is_not_called_well() -> None:
    assert (
        shown(finding("a"), finding("b", Status.SKIPPED, "no key", "Make one"))[-1]
        == "All that was checked is well."
    )


def test_what_can_never_be_looked_at_is_no_exception() -> None:
    assert (
        shown(finding("a"), finding("b", Status.SKIPPED, "not seen from here"))[-1]
        == "All is well."
    )


def test_what_is_not_well_says_what_to_do() -> None:
    assert shown(
        finding("a", Status.PROBLEM, "bad", "Mend it"), finding("b", Status.WARNING, "hm")
    )[1:] == [
        "  ✘ a                     bad",
        "                          → Mend it",
        "  ! b                     hm",
        "",
        "1 problem, 1 warning.",
    ]


def test_what_was_skipped_for_one_reason_stands_on_one_line() -> None:
    skipped = [finding(name, Status.SKIPPED, "no") for name in "abc"]
    assert shown(skipped[0], finding("x"), *skipped[1:])[1:3] == [
        "  ·                       a, b, c: no",
        "  ✔ x                     fine",
    ]


def test_what_a_server_says_is_never_taken_for_markup() -> None:
    assert "[red]x" in shown(finding("a", detail="[red]x\x1b[0m"))[1]


@pytest.mark.parametrize(("number", "words"), [(1, "1 problem."), (2, "2 problems.")])
def test_problems_are_counted(number: int, words: str) -> None:
    assert shown(*[finding("a", Status.PROBLEM)] * number)[-1] == words
