"""`otel-asayer browser`: the script that carries a page's session to its backends."""

from __future__ import annotations

from importlib.resources import files
from typing import IO

import click

from otel_asayer.cli.base import Command
from otel_asayer.cli.output import TO_FILE

__all__ = ["browser"]


@click.command(cls=Command)
@TO_FILE
def browser(output: IO[str]) -> None:
    """Print the script carry-session.js, which puts a page's requests into its replay session.

    Write it to where your web server or your bundler finds your other scripts. It works as
    <script src> and as import "./carry-session.js", and sets the function
    carrySession(tracker, options).
    """
    output.write((files("otel_asayer.browser") / "carry-session.js").read_text(encoding="utf-8"))
