"""`otel-asayer constraints`: versions of OpenTelemetry's packages that fit together."""

from __future__ import annotations

from typing import IO

import click

from otel_asayer.cli import release
from otel_asayer.cli.base import Command
from otel_asayer.cli.output import TO_FILE

__all__ = ["constraints"]


@click.command(cls=Command)
@TO_FILE
def constraints(output: IO[str]) -> None:
    """Print a constraints file for pip: OpenTelemetry's packages in one complete release.

    Install with `pip install -c FILE`, or set PIP_CONSTRAINT to the file, which
    opentelemetry-bootstrap obeys, too. This command does not need the extra cli, unless you give
    an option.
    """
    output.write(release.constraints())
