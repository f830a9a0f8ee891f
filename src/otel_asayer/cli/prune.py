"""`otel-asayer prune`: delete replay records by whole days."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

import click

from otel_asayer.cli import output
from otel_asayer.cli.base import Command
from otel_asayer.cli.options import connection, require_destination
from otel_asayer.elasticsearch.api import Api
from otel_asayer.setup.retention import Day, days_before, delete_days

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_asayer.config import Config

__all__ = ["prune"]

_AGE: Final = re.compile(r"(0|[1-9][0-9]{0,4})([dh])")
_UNITS: Final = {"d": "days", "h": "hours"}


def _age(context: click.Context, parameter: click.Parameter, value: str | None) -> timedelta | None:
    if value is None:
        return None
    if not (found := _AGE.fullmatch(value)):
        raise click.BadParameter(
            f"{value!r} is not a time in days or hours, such as 30d or 12h.", context, parameter
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@click.command(cls=Command)
@click.option(
    "--older-than",
    callback=_age,
    metavar="TIME",
    help="Delete the days that ended at least this long ago, 30d.",
)
@click.option("--all", "everything", is_flag=True, help="Delete all days, today included.")
@click.option("--namespace", help="Delete only those of this namespace. Default: all namespaces.")
@click.option("--yes", is_flag=True, help="Do not ask. Needed with --json.")
@click.option("--dry-run", is_flag=True, help="Show the days, and delete nothing.")
@output.AS_JSON
@connection(personal=True)
def prune(
    config: Config, older_than: timedelta | None, namespace: str | None, **flags: bool
) -> None:
    """Delete old replay records, whole days at once.

    You need this only where Elasticsearch cannot do it itself (`otel-asayer setup --retention`). It
    shows the days and asks. For a cron job: `otel-asayer prune --older-than 30d --yes`. Data
    streams of spans and log records stay. It needs a key or user with the index privileges read,
    view_index_metadata and delete_index on asayer-logs-*.
    """
    require_destination(config)
    if (older_than is None) is not flags["everything"]:
        raise click.UsageError("Give the days: --older-than 30d, or --all.")
    as_json, agreed = flags["as_json"], flags["yes"]
    if as_json and not (agreed or flags["dry_run"]):
        raise click.UsageError("--json cannot ask: give --yes to delete, or --dry-run to look.")
    with closing(Api.from_config(config)) as api:
        days = days_before(
            api, None if older_than is None else datetime.now(timezone.utc) - older_than, namespace
        )
        if not as_json:
            _show(days)
        wanted = (
            bool(days)
            and not flags["dry_run"]
            and (agreed or click.confirm("Delete them? What is deleted cannot be brought back"))
        )
        if wanted:
            delete_days(api, days)
    if as_json:
        output.print_json([{**day._asdict(), "deleted": wanted} for day in days])
    elif wanted:
        click.echo(
            f"{output.counted(len(days), 'day')} deleted, "
            f"{output.counted(sum(day.records for day in days), 'record')}."
        )


def _show(days: Sequence[Day]) -> None:
    if not days:
        click.echo("No replay records are that old.")
        return
    table = output.plain_table("day", "records", "index")
    for day in days:
        table.add_row(day.day, str(day.records), output.as_text(day.name))
    output.console().print(table)
