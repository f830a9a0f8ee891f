"""`PYTHONPATH=tests python -m chaos`:

all trials and the outage, a table of each, and exit status 1 where a document is not accounted for.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from chaos import report
from chaos.outage import SPANS, measure
from chaos.plan import TRIALS, Trial
from chaos.trial import Result, Say, conduct

from elasticsearch_server import NodeConfig, running

OWN = NodeConfig(settings=(("node.attr.for", "chaos"),))
WIDTH = 140
"""Columns where nobody looks, as in the log of a continuous integration."""


def main() -> int:
    """Run what the command line asks for; return the exit status."""
    arguments = _arguments()
    console, began = Console(width=None if sys.stdout.isatty() else WIDTH), time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))

    def say(sentence: str) -> None:
        console.print(
            f"{time.monotonic() - began:6.1f} s  {sentence}",
            style="dim",
            markup=False,
            highlight=False,
        )

    trials = [
        replace(trial, documents=arguments.documents)
        for trial in TRIALS
        if trial.seed in arguments.seeds
    ]
    results = _trials(trials, folder, console, say) if trials else []
    outage = measure(arguments.spans) if arguments.spans else None
    text = report.markdown(results, outage)
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    if arguments.markdown:
        arguments.markdown.write_text(text, encoding="utf-8")
    problems = report.problems(results, outage)
    _conclude(problems, folder, console)
    say("not everything is as it should be" if problems else "every document is accounted for")
    return int(bool(problems))


def _conclude(problems: list[str], folder: Path, console: Console) -> None:
    """Name the problems, and keep what the processes wrote down only for those."""
    if not problems:
        shutil.rmtree(folder)
        return
    for problem in problems:
        console.print(problem, style="bold red", markup=False)
    console.print(f"What the processes wrote down is in {folder}.")


def _trials(trials: list[Trial], folder: Path, console: Console, say: Say) -> list[Result]:
    results = []
    with running(OWN) as server:
        say("Elasticsearch is ready")
        for trial in trials:
            results.append(conduct(trial, server, folder / str(trial.seed), say))
            console.print(report.table(results[-1]))
    return results


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    seeds = [trial.seed for trial in TRIALS]
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="*",
        default=seeds,
        choices=seeds,
        help="which trials; default: all",
    )
    parser.add_argument(
        "--documents",
        type=int,
        default=TRIALS[0].documents,
        help="documents of each trial; default: %(default)s",
    )
    parser.add_argument(
        "--spans",
        type=int,
        default=SPANS,
        help="spans of the outage, 0 for none; default: %(default)s",
    )
    parser.add_argument("--markdown", type=Path, help="a file to write the results to")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
