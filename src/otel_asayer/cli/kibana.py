"""`otel-asayer kibana`: data views, searches and a dashboard, in the form that Kibana imports.

`otel-asayer.ndjson` beside this module holds them, one saved object a line, without a link to a
replay and for all namespaces. Change it in Kibana: import it, edit, export, and keep the ids,
because a second import replaces the objects with the same ids.

Kibana's import migrates older objects, and refuses a version it does not know. So each object has
the version that its type had in Kibana 8.9, which 8.12 and newer read.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from string import Formatter
from typing import IO, TYPE_CHECKING, Any, Final

import click

from otel_asayer.attributes import SESSION_ID
from otel_asayer.cli.base import Command
from otel_asayer.cli.options import NAMESPACE
from otel_asayer.cli.output import TO_FILE
from otel_asayer.config import Config
from otel_asayer.config.parsers import BadValueError, parse_replay_url
from otel_asayer.environment_variables import OTEL_ASAYER_REPLAY_URL

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["kibana", "ndjson", "saved_objects", "session_link"]

_SAVED_OBJECTS: Final = Path(__file__).with_name("otel-asayer.ndjson")
# A data view's pattern up to its namespace, which is `*` in the file.
_NAMESPACE: Final = re.compile(r"^(?P<before>.*\.otel-|asayer-logs-)\*")
# The whole name of the field, and the short one that Elasticsearch finds it by as well.
_SESSION_FIELDS: Final = (f"attributes.{SESSION_ID}", SESSION_ID)
# A parameter whose value is a moment, wherever in the URL parameters stand: also behind a `#`,
# where some applications have their paths.
_MOMENT: Final = re.compile(r"(?<=[?&])[^?&#=]*=[^?&#]*\{(?:time_ms|offset_ms)\}[^?&#]*&?")
_DANGLING: Final = re.compile(r"[?&]+(?=#|$)")


@click.command(cls=Command)
@click.option(
    "--replay-url",
    metavar="TEMPLATE",
    help=f"Template of a replay's URL, with {{session_id}}. Default: {OTEL_ASAYER_REPLAY_URL}.",
)
@click.option(
    "--namespace",
    "namespaces",
    multiple=True,
    type=NAMESPACE,
    help="Namespace of the data streams; may be repeated. Default: all.",
)
@TO_FILE
def kibana(replay_url: str | None, namespaces: tuple[str, ...], output: IO[str]) -> None:
    """Print data views, two searches and a dashboard for Kibana. Their session ids open the replay.

    Import the file under Stack Management > Saved Objects > Import, in Kibana 8.12 or newer.
    """
    template = _replay_url(replay_url)
    try:
        content = ndjson(template, namespaces)
    except BadValueError as reason:
        raise click.UsageError(f"The replay's URL cannot be used for Kibana: {reason}.") from None
    if not template:
        click.echo(
            f"Session ids are not links: set {OTEL_ASAYER_REPLAY_URL} or give --replay-url.",
            err=True,
        )
    output.write(content)


def _replay_url(option: str | None) -> str | None:
    """Return the template from the option, else from the variable.

    A bad variable is an error here: the link is what you asked for.
    """
    config = Config.from_environment(replay_url=option)
    for problem in config.problems:
        if problem.variable == OTEL_ASAYER_REPLAY_URL:
            raise click.UsageError(f"{problem.variable} cannot be used: {problem.message}.")
    return config.replay_url


def ndjson(replay_url: str | None = None, namespaces: Sequence[str] = ()) -> str:
    """Return `saved_objects` in the form that Kibana imports: one a line."""
    return "".join(f"{_compact(one)}\n" for one in saved_objects(replay_url, namespaces))


def saved_objects(
    replay_url: str | None = None, namespaces: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return the saved objects of the file, each after those that it refers to.

    Args:
        replay_url: Template of a replay's URL, as in `OTEL_ASAYER_REPLAY_URL`; None leaves session
            ids without a link.
        namespaces: Namespaces that the data views cover; none means all.

    Raises:
        BadValueError: `replay_url` is not a template, or has the moment outside a parameter.
    """
    objects = [json.loads(line) for line in _SAVED_OBJECTS.read_text("utf-8").splitlines()]
    link = session_link(replay_url) if replay_url else None
    for one in objects:
        if one["type"] == "index-pattern":
            _fill_in(one["attributes"], link, namespaces)
    return objects


def _fill_in(view: dict[str, Any], link: str | None, namespaces: Sequence[str]) -> None:
    if namespaces:
        view["title"] = ",".join(
            _NAMESPACE.sub(rf"\g<before>{namespace}", view["title"]) for namespace in namespaces
        )
    if link:
        url = {
            "id": "url",
            "params": {"type": "a", "urlTemplate": link, "labelTemplate": "{{value}}"},
        }
        view["fieldFormatMap"] = _compact(
            {**dict.fromkeys(_SESSION_FIELDS, url), **json.loads(view["fieldFormatMap"])}
        )


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def session_link(replay_url: str) -> str:
    """Return Kibana's template of the link from a session id to its replay.

    Kibana puts the field's value, percent-encoded, in place of `{{value}}`. Its formatter knows no
    other field, so parameters with the moment are left out; the documents have the link to the
    moment as `asayer.replay.url`.

    Raises:
        BadValueError: `replay_url` is not a template, or has the moment outside a parameter.
    """
    without_moment = _DANGLING.sub("", _MOMENT.sub("", parse_replay_url(replay_url)))
    placeholders = {name for _, name, *_ in Formatter().parse(without_moment) if name}
    if placeholders != {"session_id"}:
        raise BadValueError(
            "expected the moment in a parameter of its own, such as ?jumpto={time_ms}: Kibana's "
            "link to a session has to do without it"
        )
    return without_moment.format(session_id="{{value}}")
