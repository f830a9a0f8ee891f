"""`otel-asayer prune`: whole days go, none too early, and nothing else."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from otel_asayer.cli.commands import otel_asayer
from otel_asayer.elasticsearch.api import Api
from otel_asayer.setup.retention import Day, days_before, delete_days
from unit.elasticsearch.answering import Answering

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., Result]

INDICES = "GET /_resolve/index/asayer-logs-*"
OLD, YOUNG = "asayer-logs-eu-2020.02.28", "asayer-logs-default-2020.02.29"
TODAY = f"asayer-logs-default-{datetime.now(timezone.utc):%Y.%m.%d}"
PRIVILEGES = "POST /_security/user/_has_privileges"


def server(*names: str, **answers: Any) -> Answering:
    counts = {f"GET /{name}/_count": (200, {"count": len(name)}) for name in names}
    deletion: dict[str, tuple[int, Any]] = {
        f"DELETE /{some}": (200, {}) for some in (OLD, f"{OLD},{YOUNG}")
    }
    found = {INDICES: (200, {"indices": [{"name": name} for name in names], "data_streams": []})}
    return Answering({PRIVILEGES: (200, {}), **counts, **deletion, **found, **answers})


def names_before(until: datetime | None, *names: str) -> list[str]:
    return [day.name for day in days_before(server(*names).api, until)]


def test_a_day_is_old_once_it_has_ended() -> None:
    midnight = datetime(2020, 2, 29, tzinfo=timezone.utc)
    assert names_before(midnight, OLD, YOUNG) == [OLD]
    assert names_before(midnight - timedelta(microseconds=1), OLD, YOUNG) == []


def test_days_of_all_namespaces_come_oldest_first() -> None:
    assert names_before(None, YOUNG, OLD) == [OLD, YOUNG]


@pytest.mark.parametrize(
    "name",
    [
        "asayer-logs-default",
        "asayer-logs-2020",
        "asayer-logs-x-2020.13.45",
        "asayer-logs-x-2020.02.28-1",
    ],
)
def test_what_is_of_no_day_is_never_old(name: str) -> None:
    assert names_before(datetime(2030, 1, 1, tzinfo=timezone.utc), OLD, name) == [OLD]


def test_a_backing_index_is_no_index_of_ours() -> None:
    listed = {"indices": [{"name": OLD, "data_stream": "x"}]}
    assert days_before(Answering({PRIVILEGES: (200, {}), INDICES: (200, listed)}).api, None) == []


def test_a_namespace_that_begins_like_the_one_asked_for_is_another() -> None:
    days = days_before(server(OLD, "asayer-logs-eu-1-2020.02.28").api, None, "eu")
    assert [day.name for day in days] == [OLD]


def test_indices_are_deleted_by_name_and_not_by_pattern() -> None:
    asked = server(OLD)
    delete_days(asked.api, [Day("2020-02-28", 1, OLD)])
    assert asked.asked == [f"DELETE /{OLD}?ignore_unavailable=true"]


def test_many_are_deleted_in_parts() -> None:
    days = [Day("2020-02-28", 1, f"asayer-logs-{number}-2020.02.28") for number in range(51)]
    parts = [",".join(day.name for day in part) for part in (days[:50], days[50:])]
    asked = Answering({f"DELETE /{part}": (200, {}) for part in parts})
    delete_days(asked.api, days)
    assert len(asked.asked) == 2


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command against a server, by default one with three days."""

    def start(*words: str, asked: Answering | None = None, typed: str | None = None) -> Result:
        answering = asked or server(OLD, YOUNG, TODAY)
        monkeypatch.setattr(Api, "from_config", lambda _config: Api(answering))
        environment = {
            "COLUMNS": "120",
            "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": "http://localhost:9200",
        }
        return CliRunner().invoke(otel_asayer, ["prune", *words], input=typed, env=environment)

    return start


def deletions(asked: Answering) -> list[str]:
    return [line for line in asked.asked if line.startswith("DELETE")]


def test_it_shows_the_days_and_deletes_them_once_agreed(run: Run) -> None:
    asked = server(OLD, YOUNG, TODAY)
    result = run("--older-than", "30d", asked=asked, typed="y\n")
    assert [
        text for text in ("2020-02-28", OLD, "2 days deleted") if text not in result.stdout
    ] == []
    assert deletions(asked) == [f"DELETE /{OLD},{YOUNG}?ignore_unavailable=true"]


def test_without_agreement_nothing_is_deleted(run: Run) -> None:
    asked = server(OLD, YOUNG, TODAY)
    assert run("--older-than", "30d", asked=asked, typed="n\n").exit_code == 0
    assert deletions(asked) == []


def test_a_dry_run_deletes_nothing(run: Run) -> None:
    asked = server(OLD, YOUNG, TODAY)
    assert run("--older-than", "30d", "--dry-run", "--yes", asked=asked).exit_code == 0
    assert deletions(asked) == []


def test_in_json_each_day_is_told(run: Run) -> None:
    asked = server(OLD, TODAY)
    result = run("--older-than", "30d", "--yes", "--json", asked=asked)
    assert json.loads(result.stdout) == [
        {"day": "2020-02-28", "records": len(OLD), "name": OLD, "deleted": True}
    ]


def test_where_nothing_is_old_nobody_is_asked(run: Run) -> None:
    result = run("--older-than", "30d", asked=server(TODAY))
    assert (result.exit_code, result.stdout) == (0, "No replay records are that old.\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Give the days"),
        (("--older-than", "30d", "--all"), "Give the days"),
        (("--older-than", "30"), "is not a time in days or hours"),
        (("--older-than", "30d", "--json"), "--json cannot ask"),
    ],
)
def test_wrong_usage_is_said(run: Run, words: tuple[str, ...], message: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_who_may_not_delete_learns_what_is_missing(run: Run) -> None:
    answer = (200, {"index": {"asayer-logs-*": {"delete_index": False, "read": True}}})
    result = run("--all", "--yes", asked=server(OLD, **{PRIVILEGES: answer}))
    assert result.exit_code == 1
    assert (
        "Not allowed to delete replay records: this needs the index privilege 'delete_index' on "
        "asayer-logs-*." in result.stderr
    )
