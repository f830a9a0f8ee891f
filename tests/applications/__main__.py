"""`PYTHONPATH=tests python -m applications`:

all applications, a table, and exit status 1 where something is missing or in a wrong session.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from applications import report
from applications.catalogue import APPLICATIONS
from applications.environments import environments_of
from applications.trial import Result, conduct
from otel_asayer.config import Config
from otel_asayer.elasticsearch.client import Client
from otel_asayer.setup.first_contact import ensure

from elasticsearch_server import Endpoint, default_server
from instrumented import heed_ctrl_c
from store import WRITER

WIDTH = 150
"""Columns where nobody looks, as in the log of a continuous integration."""


def main() -> int:
    """Run what the command line asks for; return the exit status."""
    arguments = _arguments()
    heed_ctrl_c()
    console, began = Console(width=None if sys.stdout.isatty() else WIDTH), time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="applications-"))

    def say(sentence: str) -> None:
        console.print(
            f"{time.monotonic() - began:6.1f} s  {sentence}",
            style="dim",
            markup=False,
            highlight=False,
        )

    results: list[Result] = []
    chosen = [one for one in APPLICATIONS if not arguments.names or one.name in arguments.names]
    with environments_of(chosen) as environments, default_server() as server:
        say("Elasticsearch is ready")
        key = _prepared(server)
        for application in chosen:
            try:
                environment = environments[application.environment].result()
                place = folder / application.name.replace(" ", "-")
                results.append(
                    conduct(application, environment, server, writer_key=key, folder=place, say=say)
                )
            except Exception as error:  # the others are looked at all the same
                console.print(
                    f"{application.name}: {error}", style="bold red", markup=False, highlight=False
                )
                continue
            say(f"{application.name}: {results[-1].seconds:.0f} s")
            for problem in results[-1].problems:
                console.print(
                    f"{application.name}: {problem}",
                    style="bold red",
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )
    console.print(report.table(results))
    failed = len(chosen) - len(results)
    bad = failed or any(result.problems for result in results)
    if bad or arguments.keep:
        console.print(f"What the processes printed is in {folder}.", highlight=False)
    else:
        shutil.rmtree(folder)
    sys.stdout.write(f"{report.closing_line(results, failed)}\n")
    return int(bool(bad))


def _prepared(server: Endpoint) -> str:
    """Install the templates, as somebody with the right to do so, and return a key that may write
    and nothing else."""
    config = Config.from_environment(
        {}, endpoint=server.url, username=server.username, password=server.password
    )
    client = Client(config)
    try:
        if problems := ensure(client, config, timeout=60).problems:
            raise RuntimeError(f"The templates cannot be installed: {problems}")
    finally:
        client.close()
    return server.create_api_key("writer", WRITER)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="applications", description=__doc__)
    names = [application.name for application in APPLICATIONS]
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"which applications; default: all of {', '.join(names)}",
    )
    parser.add_argument("--keep", action="store_true", help="keep what the processes printed")
    arguments = parser.parse_args()
    if strange := set(arguments.names) - set(names):
        parser.error(f"there is no application {', '.join(sorted(strange))}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
