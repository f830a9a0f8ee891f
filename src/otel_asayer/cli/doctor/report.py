"""How findings are shown to a person:

what is well on one quiet line each, what is not with what to do.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Final

from rich.table import Table

from otel_asayer.cli.doctor.findings import Finding, Status
from otel_asayer.cli.output import as_text, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

__all__ = ["show"]

_MARKS: Final = {
    Status.OK: ("✔", "green"),
    Status.WARNING: ("!", "bold yellow"),
    Status.PROBLEM: ("✘", "bold red"),
    Status.SKIPPED: ("·", "dim"),
}
_NAME_WIDTH: Final = 21


def show(findings: Sequence[Finding], console: Console) -> None:
    """Print the findings by area, and one line that sums up."""
    for area, of_area in groupby(findings, lambda finding: finding.area):
        console.print(as_text(area, "bold"))
        console.print(_table(_joined(list(of_area))))
    console.print()
    console.print(_summary(findings), style="bold")


def _joined(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Put what was skipped for the same reason on one line, where the first of them stood."""
    names: dict[str, list[str]] = {}
    for finding in findings:
        if finding.status is Status.SKIPPED:
            names.setdefault(finding.detail, []).append(finding.name)
    for finding in findings:
        together = names.get(finding.detail, []) if finding.status is Status.SKIPPED else []
        if len(together) > 1 and finding.name == together[0]:
            yield replace(finding, name="", detail=f"{', '.join(together)}: {finding.detail}")
        elif finding.name not in together[1:]:
            yield finding


def _table(findings: Iterator[Finding]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=3, justify="right")
    table.add_column(width=_NAME_WIDTH)
    table.add_column(overflow="fold")
    for finding in findings:
        mark, style = _MARKS[finding.status]
        quiet = finding.status in (Status.OK, Status.SKIPPED)
        table.add_row(
            as_text(mark, style),
            as_text(finding.name),
            as_text(finding.detail, "dim" if quiet else ""),
        )
        if finding.remedy:
            table.add_row("", "", as_text(f"→ {finding.remedy}", "dim" if quiet else "cyan"))
    return table


def _summary(findings: Sequence[Finding]) -> str:
    number = Counter(finding.status for finding in findings)
    parts = [counted(number[status], word) for status, word in _COUNTED if number[status]]
    if parts:
        return f"{', '.join(parts)}."
    # What is skipped with a remedy could be looked at, and may be anything but well.
    left_out = any(finding.status is Status.SKIPPED and finding.remedy for finding in findings)
    return "What was looked at is well." if left_out else "All is well."


_COUNTED: Final = ((Status.PROBLEM, "problem"), (Status.WARNING, "warning"))
