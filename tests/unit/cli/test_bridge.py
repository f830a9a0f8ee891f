"""`otel-asayer bridge` as a person types it; the rest is tested beside a real Elasticsearch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from otel_asayer.bridge.bridge import Counts
from otel_asayer.cli.bridge import _sentence
from otel_asayer.cli.commands import otel_asayer

if TYPE_CHECKING:
    from click.testing import Result

ENDPOINT = {"OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": "http://127.0.0.1:9"}


def run(*words: str, **variables: str) -> Result:
    return CliRunner().invoke(otel_asayer, ["bridge", *words], env={**ENDPOINT, **variables})


@pytest.mark.parametrize("part", ["0/2", "3/2", "2", "a/b", "1/0", "-1/2", "1/2/3", "1/1000"])
def test_what_is_no_slice_is_wrong_usage(part: str) -> None:
    result = run("--slice", part)
    assert result.exit_code == 2
    assert f"{part!r} is not a slice, such as 2/8." in result.stderr


@pytest.mark.parametrize("option", ["--since", "--lateness"])
def test_what_is_no_time_span_is_wrong_usage(option: str) -> None:
    result = run(option, "yesterday")
    assert result.exit_code == 2
    assert "'yesterday' is not a time span: write 90m, 24h or 7d" in result.stderr


def test_without_an_endpoint_it_says_what_to_set() -> None:
    result = run(OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT="")
    assert result.exit_code == 2
    assert "No Elasticsearch is named" in result.stderr


def test_without_replay_records_there_is_nothing_to_do() -> None:
    result = run(OTEL_ASAYER_REPLAY_RECORDS="false")
    assert result.exit_code == 2
    assert "OTEL_ASAYER_REPLAY_RECORDS is false" in result.stderr


def test_wrong_usage_is_json_where_a_program_asked_for_it() -> None:
    assert list(json.loads(run("--json", "--slice", "x").stdout)) == ["error"]


def test_the_last_sentence_counts_what_there_is_to_count() -> None:
    assert (
        _sentence(Counts(read=1, written=1))
        == "1 document read, 1 record written, 0 there already."
    )
    assert _sentence(Counts(read=9, refused=1, ignored=2, without_span=3, waiting=4)) == (
        "9 documents read, 0 records written, 0 there already, 1 refused for good, 2 ignored "
        "because the session or an id is not valid, 3 given up because the span did not come, 4 "
        "still waiting for the span."
    )
