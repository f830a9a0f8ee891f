"""`otel-asayer kibana`:

data views, searches and a dashboard for Kibana, in the form that it imports.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Final

import click

from otel_asayer.config import Config
from otel_asayer.config.parsers import BadValue, parse_namespace
from otel_asayer.environment_variables import OTEL_ASAYER_REPLAY_URL
from otel_asayer.kibana import ndjson

__all__ = ["kibana"]

_NO_LINK: Final = f"Session ids will be no links: {OTEL_ASAYER_REPLAY_URL} is not set, and there is no --replay-url."


def _namespaces(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    try:
        return tuple(map(parse_namespace, values))
    except BadValue as reason:
        raise click.BadParameter(f"{reason}.") from None


def _no_folder(_context: click.Context, _parameter: click.Parameter, output: IO[str]) -> IO[str]:
    if Path(output.name).is_dir():  # click finds out when the content is written beside it
        raise click.BadParameter(f"{output.name!r} is a folder.")
    return output


@click.command()
@click.option(
    "--replay-url",
    metavar="TEMPLATE",
    help=f"Template of a replay's URL, with {{session_id}}. Default: {OTEL_ASAYER_REPLAY_URL}.",
)
@click.option(
    "--namespace",
    "namespaces",
    multiple=True,
    callback=_namespaces,
    help="Namespace of the data streams; may be repeated. Default: all.",
)
@click.option(
    "--output",
    type=click.File("w", encoding="utf-8", lazy=True, atomic=True),
    callback=_no_folder,
    default="-",
    help="File to write. Default: stdout.",
)
def kibana(replay_url: str | None, namespaces: tuple[str, ...], output: IO[str]) -> None:
    """Print data views, two searches and a dashboard for Kibana, whose session ids open the replay.

    Import the file under Stack Management > Saved Objects > Import, in Kibana 8.12 or newer.
    """
    template = _template(replay_url)
    try:
        content = ndjson(template, namespaces)
    except BadValue as reason:
        raise click.UsageError(f"The replay's URL cannot be used for Kibana: {reason}.") from None
    if not template:
        click.echo(_NO_LINK, err=True)
    output.write(content)


def _template(replay_url: str | None) -> str | None:
    """The template given as an option, else the variable's; a bad variable is an error here, where a link is what was asked for."""
    config = Config.from_environment(replay_url=replay_url)
    if problem := next(
        (problem for problem in config.problems if problem.variable == OTEL_ASAYER_REPLAY_URL), None
    ):
        raise click.UsageError(f"{problem.variable} cannot be used: {problem.message}.")
    return config.replay_url
