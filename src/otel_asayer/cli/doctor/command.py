"""The command `otel-asayer doctor`, and its report.

The report shows what is well on one quiet line each, and every problem with its remedy.
"""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict, replace
from itertools import groupby
from typing import TYPE_CHECKING, Final

import click
from rich.table import Table

from otel_asayer.cli.base import Command
from otel_asayer.cli.doctor.declared import with_declared
from otel_asayer.cli.doctor.examination import ReportEntry, Status, examine
from otel_asayer.cli.doctor.plan import plan
from otel_asayer.cli.doctor.server import ExaminedServer
from otel_asayer.cli.doctor.settings import Environment
from otel_asayer.cli.options import connection
from otel_asayer.cli.output import AS_JSON, as_text, console, counted, print_json
from otel_asayer.config import SETTINGS, Config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

__all__ = ["doctor", "show"]

_MARKS: Final = {
    Status.OK: ("✔", "green"),
    Status.WARNING: ("!", "bold yellow"),
    Status.PROBLEM: ("✘", "bold red"),
    Status.SKIPPED: ("·", "dim"),
}
_NAME_WIDTH: Final = 21


def show(entries: Sequence[ReportEntry], console: Console) -> None:
    """Print the report by area, and a summary."""
    for area, of_area in groupby(entries, lambda entry: entry.area):
        console.print(as_text(area, "bold"))
        console.print(_table(_joined(list(of_area))))
    console.print()
    console.print(_summary(entries), style="bold")


def _joined(entries: Sequence[ReportEntry]) -> Iterator[ReportEntry]:
    """Join checks that were skipped for the same reason on one line, at the first one's place."""
    names: dict[str, list[str]] = {}
    for entry in entries:
        if entry.status is Status.SKIPPED:
            names.setdefault(entry.detail, []).append(entry.name)
    for entry in entries:
        together = names.get(entry.detail, []) if entry.status is Status.SKIPPED else []
        if len(together) > 1 and entry.name == together[0]:
            yield replace(entry, name="", detail=f"{', '.join(together)}: {entry.detail}")
        elif entry.name not in together[1:]:
            yield entry


def _table(entries: Iterator[ReportEntry]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=3, justify="right")
    table.add_column(width=_NAME_WIDTH)
    table.add_column(overflow="fold")
    for entry in entries:
        mark, style = _MARKS[entry.status]
        quiet = entry.status in (Status.OK, Status.SKIPPED)
        table.add_row(
            as_text(mark, style),
            as_text(entry.name),
            as_text(entry.detail, "dim" if quiet else ""),
        )
        if entry.remedy:
            table.add_row("", "", as_text(f"→ {entry.remedy}", "dim" if quiet else "cyan"))
    return table


def _summary(entries: Sequence[ReportEntry]) -> str:
    number = Counter(entry.status for entry in entries)
    parts = [counted(number[status], word) for status, word in _COUNTED if number[status]]
    if parts:
        return f"{', '.join(parts)}."
    # A skipped check with a remedy could run, and may well find a problem.
    left_out = any(entry.status is Status.SKIPPED and entry.remedy for entry in entries)
    return "All that was checked is well." if left_out else "All is well."


_COUNTED: Final = ((Status.PROBLEM, "problem"), (Status.WARNING, "warning"))


_CHECK_SECONDS: Final = 10.0


@click.command(cls=Command)
@connection(personal=True)
@AS_JSON
def doctor(config: Config, *, as_json: bool) -> None:
    """Check settings, packages, spool and Elasticsearch, and say what to do.

    Run it where your application runs, with the same variables. It writes one record, searches for
    it as Asayer and OpenReplay do, and deletes it where the key may. Exit status 1 means a problem;
    warnings do not count.
    """
    context = click.get_current_context()
    given = [name for name in SETTINGS if context.params.get(name) is not None]
    entries = _entries(config, given, quiet=as_json)
    if as_json:
        print_json([{**asdict(entry), "status": entry.status.value} for entry in entries])
    else:
        show(entries, console())
    context.exit(int(any(entry.status is Status.PROBLEM for entry in entries)))


def _entries(config: Config, given: list[str], *, quiet: bool) -> list[ReportEntry]:
    """Run the checks on `config`; `given` names the settings that options gave."""
    environment = Environment.of_this_process()
    if environment.configuration_file:
        config = with_declared(config, environment.declaration.block, given)
    usable = config.has_destination and not config.closed
    with (
        _waiting(quiet=quiet),
        closing(ExaminedServer.from_config(config)) if usable else nullcontext() as server,
    ):
        return examine(plan(config, environment, server), seconds=_CHECK_SECONDS)


def _waiting(*, quiet: bool) -> AbstractContextManager[object]:
    """Show a person on stderr that the checks run."""
    stderr = console(stderr=True)
    return nullcontext() if quiet or not stderr.is_terminal else stderr.status("checking …")
