"""The commands, as click sees them."""

from __future__ import annotations

import click

from otel_asayer.cli.base import CommandGroup
from otel_asayer.cli.bridge import bridge
from otel_asayer.cli.browser import browser
from otel_asayer.cli.constraints import constraints
from otel_asayer.cli.demo import demo
from otel_asayer.cli.doctor import doctor
from otel_asayer.cli.errors import errors
from otel_asayer.cli.forget import forget
from otel_asayer.cli.kibana import kibana
from otel_asayer.cli.prune import prune
from otel_asayer.cli.serve import serve
from otel_asayer.cli.sessions import sessions
from otel_asayer.cli.setup import setup
from otel_asayer.cli.spool import spool
from otel_asayer.cli.timeline import timeline
from otel_asayer.version import __version__

__all__ = ["otel_asayer"]


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def otel_asayer() -> None:
    """Backend logs, errors and traces beside the Asayer / OpenReplay session replay."""


otel_asayer.add_command(bridge)
otel_asayer.add_command(browser)
otel_asayer.add_command(constraints)
otel_asayer.add_command(demo)
otel_asayer.add_command(doctor)
otel_asayer.add_command(errors)
otel_asayer.add_command(forget)
otel_asayer.add_command(kibana)
otel_asayer.add_command(prune)
otel_asayer.add_command(serve)
otel_asayer.add_command(sessions)
otel_asayer.add_command(setup)
otel_asayer.add_command(spool)
otel_asayer.add_command(timeline)
