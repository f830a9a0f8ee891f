"""What a run gave, as a table and as sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from applications.trial import Result

_TITLES = {"spans": "spans", "calls": "outgoing calls", "logs": "logs", "exceptions": "exceptions"}
COLUMNS = (
    "application",
    *_TITLES.values(),
    "console lines",
    "more lines",
    "mixed",
    "missing",
    "ends in s",
    "bare",
    "",
)


def table(results: Sequence[Result]) -> Table:
    """Return a line for each application: seen / expected."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in COLUMNS:
        shown.add_column(column, justify="left" if column in ("application", "") else "right")
    for result in results:
        account, lines = result.account, result.lines
        shown.add_row(
            result.application.name,
            *(
                f"{getattr(account.seen, name)} / {getattr(account.expected, name)}"
                for name in _TITLES
            ),
            f"{lines.seen} / {lines.bare}",
            str(lines.more),
            str(account.mixed),
            str(account.missing),
            f"{result.stop_seconds:.1f}",
            f"{result.bare_stop_seconds:.1f}",
            "✘" if result.problems else "✔",
        )
    return shown


def closing_line(results: Sequence[Result], failed: int = 0) -> str:
    """Return how many applications are as they should be.

    Args:
        results: Of those that ran to the end.
        failed: How many did not.
    """
    failed += sum(bool(result.problems) for result in results)
    return f"{sum(not result.problems for result in results)} passed, {failed} failed"
