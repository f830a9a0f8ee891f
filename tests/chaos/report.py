"""What a run gave, as tables for a terminal and as Markdown."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from chaos.accounts import Account, Loss
from chaos.plan import APPLICATIONS, Fault

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Sequence

    from chaos.outage import Outage
    from chaos.trial import Result

COLUMNS = (
    "seed",
    "exporter",
    "emitted",
    "arrived once",
    "more than once",
    "lost with its process",
    "lost, counted",
    "lost silently",
)


def table(result: Result) -> Table:
    """Return one trial, with the reasons of all losses."""
    losses = [loss for loss in Loss if result.ours.lost[loss] or result.otlp.lost[loss]]
    trial = result.trial
    title = (
        f"seed {trial.seed}: spool={trial.spool}, {trial.kills * APPLICATIONS} "
        f"applications killed, {result.seconds:.0f} s"
    )
    shown = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, title_justify="left")
    for column in ("", "emitted", "once", "more", *(loss.value for loss in losses), "CPU s"):
        shown.add_column(column, justify="right" if column else "left")
    for name, account, seconds in _both([result]):
        shown.add_row(
            name,
            *_cells(
                (
                    account.emitted,
                    account.once,
                    account.more,
                    *(account.lost[loss] for loss in losses),
                )
            ),
            f"{seconds:.1f}",
        )
    return shown


def problems(results: Sequence[Result], outage: Outage | None) -> list[str]:
    """Return what went wrong with the exporter to Elasticsearch, as sentences."""
    ours = [
        f"seed {result.trial.seed}: {problem}"
        for result in results
        for problem in result.ours.problems
    ]
    return [*ours, *(f"outage: {problem}" for problem in (outage.problems if outage else ()))]


def markdown(results: Sequence[Result], outage: Outage | None) -> str:
    """Return the run as Markdown."""
    tables = [_comparison(results), _reasons(results), _faults(results)] if results else []
    return "\n\n".join([*tables, *([_memory(outage)] if outage else [])]) + "\n"


def _comparison(results: Sequence[Result]) -> str:
    trials = [(str(result.trial.seed), [result]) for result in results]
    rows = [
        (
            seed,
            name,
            *_cells(
                (
                    one.emitted,
                    one.once,
                    one.more,
                    one.with_process,
                    one.counted,
                    one.lost[Loss.SILENT],
                )
            ),
        )
        for seed, some in [*trials, ("all", results)]
        for name, one, _ in _both(some)
    ]
    return _markdown_table(COLUMNS, rows, names=2)


def _reasons(results: Sequence[Result]) -> str:
    rows = [
        (name, *_cells((*(account.lost[loss] for loss in Loss), account.rescued)), f"{seconds:.0f}")
        for name, account, seconds in _both(results)
    ]
    return _markdown_table(
        ("lost", *(loss.value for loss in Loss), "in flight, rescued", "processor seconds"), rows
    )


def _faults(results: Sequence[Result]) -> str:
    met: list[Counter[Fault]] = [
        reduce(add, (result.met[side] for result in results)) for side in range(2)
    ]
    return _markdown_table(
        ("requests", "to Elasticsearch", "of OTLP"),
        [(fault.value, *_cells(one[fault] for one in met)) for fault in Fault],
    )


def _memory(outage: Outage) -> str:
    parts = (10, 20, 50, 100)
    row = (
        f"{outage.spans:,}",
        *(f"{outage.at(part):.1f} MiB" for part in parts),
        f"{outage.evicted:,}",
        f"{outage.processor_seconds:.0f}",
    )
    return _markdown_table(
        (
            "spans",
            *(f"memory at {part} %" for part in parts),
            "evicted, counted",
            "processor seconds",
        ),
        [row],
    )


def _both(results: Sequence[Result]) -> list[tuple[str, Account, float]]:
    ours, otlp = (
        reduce(add, accounts)
        for accounts in zip(*((result.ours, result.otlp) for result in results), strict=True)
    )
    seconds = (
        sum(result.ours_seconds for result in results),
        sum(result.otlp_seconds for result in results),
    )
    return [("Elasticsearch", ours, seconds[0]), ("OTLP/HTTP", otlp, seconds[1])]


def _cells(numbers: Iterable[int]) -> list[str]:
    return [f"{number:,}" for number in numbers]


def _markdown_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, names: int = 1
) -> str:
    lines = [columns, [*["---"] * names, *["---:"] * (len(columns) - names)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
