"""Times as a person writes them on the command line."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner, Result

from otel_asayer.cli.commands import otel_asayer
from otel_asayer.cli.options import SINCE, parse_offset


def said(*words: str) -> Result:
    return CliRunner().invoke(otel_asayer, words, env={"COLUMNS": "200"})


@pytest.mark.parametrize(
    "text", ["", "soon", "1:2", "1h1h", "-5", "90d", "9" * 500, "9" * 500 + "h", "1:1:" + "9" * 500]
)
def test_what_is_no_offset_is_wrong_usage(text: str) -> None:
    result = said("timeline", "7", "--from", text)
    assert result.exit_code == 2
    assert "90s, 1m30s or 1:30" in result.output


CONTEXT, OPTION = click.Context(click.Command("timeline")), click.Option(["--from"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("1.001", 1.001),
        ("1m30s", 90),
        ("2h", 7200),
        ("1h1m1s", 3661),
        ("1:30", 90),
        ("+0:01.511", 1.511),
        ("1:00:00", 3600),
    ],
)
def test_an_offset_is_read_in_each_form_also_as_it_is_shown(text: str, seconds: float) -> None:
    assert parse_offset(CONTEXT, OPTION, text) == round(seconds * 1_000_000_000)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5), ("90m", 5400), ("24h", 86_400), ("7d", 604_800), ("2w", 1_209_600)],
)
def test_a_time_span_is_read_in_each_unit(text: str, seconds: int) -> None:
    @click.command()
    @SINCE
    def looked_back(since: int) -> None:
        click.echo(since)

    assert CliRunner().invoke(looked_back, ["--since", text]).output == f"{seconds * 10**9}\n"


def test_what_is_not_given_is_nothing() -> None:
    assert parse_offset(CONTEXT, OPTION, None) is None


@pytest.mark.parametrize("command", ["errors", "sessions"])
@pytest.mark.parametrize("text", ["", "soon", "5", "1.5h", "1y", "-5m"])
def test_what_is_no_time_span_is_wrong_usage(command: str, text: str) -> None:
    result = said(command, "--since", text)
    assert result.exit_code == 2
    assert "90m, 24h or 7d" in result.output
