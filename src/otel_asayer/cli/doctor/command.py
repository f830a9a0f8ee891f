"""The command itself."""

from __future__ import annotations

from contextlib import closing, nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from otel_asayer.cli.connection import connection
from otel_asayer.cli.doctor.examination import examine
from otel_asayer.cli.doctor.findings import Finding, Status
from otel_asayer.cli.doctor.plan import plan
from otel_asayer.cli.doctor.report import show
from otel_asayer.cli.doctor.subject import Subject
from otel_asayer.cli.doctor.surroundings import Surroundings
from otel_asayer.cli.output import AS_JSON, console, print_json

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from otel_asayer.config import Config

__all__ = ["doctor"]

_CHECK_SECONDS: Final = 10.0


@click.command()
@connection(personal=True)
@AS_JSON
def doctor(config: Config, *, as_json: bool) -> None:
    """Look at settings, packages, spool and Elasticsearch, and say what to do.

    One record is written, looked for as Asayer and OpenReplay do, and taken away where the key may.
    Run it where the application runs, with its variables. Exit status 1 where a problem was found;
    warnings are none.
    """
    findings = _findings(config, quiet=as_json)
    if as_json:
        print_json([{**asdict(finding), "status": finding.status.value} for finding in findings])
    else:
        show(findings, console())
    click.get_current_context().exit(
        int(any(finding.status is Status.PROBLEM for finding in findings))
    )


def _findings(config: Config, *, quiet: bool) -> list[Finding]:
    usable = config.has_destination and not config.closed
    with _waiting(quiet=quiet), closing(Subject.of(config)) if usable else nullcontext() as subject:
        return examine(
            plan(config, Surroundings.of_this_process(), subject), seconds=_CHECK_SECONDS
        )


def _waiting(*, quiet: bool) -> AbstractContextManager[object]:
    """A sign of life on stderr, for a person."""
    stderr = console(stderr=True)
    return nullcontext() if quiet or not stderr.is_terminal else stderr.status("looking …")
