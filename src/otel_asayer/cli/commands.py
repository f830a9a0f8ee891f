"""The commands, as click sees them."""

from __future__ import annotations

import click

from otel_asayer.cli.spool import spool
from otel_asayer.version import __version__

__all__ = ["otel_asayer"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def otel_asayer() -> None:
    """Backend logs, errors and traces beside the Asayer / OpenReplay session replay."""


otel_asayer.add_command(spool)
