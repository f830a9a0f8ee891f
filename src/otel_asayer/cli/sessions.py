"""`otel-asayer sessions`: recent sessions, so that nobody needs an id to begin with."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from otel_asayer.cli import output
from otel_asayer.cli.base import Command
from otel_asayer.cli.options import SERVICES, SINCE, connection, require_usable
from otel_asayer.cli.timeline_view import print_line
from otel_asayer.sanitize import sanitize_line
from otel_asayer.timeline import (
    MAX_SESSIONS,
    SessionFilter,
    SessionSummary,
    TimelineEvent,
    ago,
    duration,
    iso,
    linked,
)
from otel_asayer.timeline.stores import nothing_found, open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_asayer.config import Config

__all__ = ["sessions"]

_NS_PER_MS: Final = 1_000_000
_MOST_WIDTH: Final = 48
_COLUMNS: Final = (
    ("bold", False),
    ("", True),
    ("", True),
    ("", True),
    ("bold red", True),
    ("", False),
    ("magenta", False),
)
"""The style of each column, and whether it holds numbers: those end below one another."""


@click.command(cls=Command)
@SINCE
@SERVICES
@click.option("--errors", "errors_only", is_flag=True, help="Only sessions with an error.")
@click.option(
    "--text",
    default="",
    help="Only sessions with this text in a name, route, path, user agent, exception or log "
    "message; or with this attribute: http.route:/cart.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_SESSIONS),
    default=20,
    show_default=True,
    help="Sessions to show, the latest first.",
)
@output.AS_JSON
@connection(viewer=True)
def sessions(
    config: Config, *, since: int, limit: int, as_json: bool, text: str, **filters: Any
) -> None:
    """Show recent sessions, the latest first.

    Each line shows the session's id, when its last event began, how long it lasted, how many
    requests it made, how many errors it has, the first request, and the services. With several
    filters, one event of the session has to pass all of them.
    """
    require_usable(config)
    wanted = SessionFilter(
        since_ns=time.time_ns() - since,
        text=text.strip(),
        opaque=config.opaque_session_ids,
        **filters,
    )
    with open_store(config) as store:
        found, complete = store.sessions(wanted, limit)
        requests = linked(found, config.replay_url)
        if as_json:
            output.print_json([_as_json(one, requests.get(one.session_id)) for one in found])
        elif found:
            _show(found, complete=complete)
        else:
            sought = "sessions of this kind" if wanted.is_filtered else "sessions"
            click.echo(sanitize_line(nothing_found(config, sought, store.name)))


def _show(found: Sequence[SessionSummary], *, complete: bool) -> None:
    console, now_ns = output.console(), time.time_ns()
    rows = [_cells(one, now_ns) for one in found]
    widths = [min(max(map(cell_len, column)), _MOST_WIDTH) for column in zip(*rows, strict=True)]
    for row in rows:
        line = Text()
        for cell, width, (style, is_number) in zip(row, widths, _COLUMNS, strict=True):
            if width:
                line.append(f"{cell:>{width}}" if is_number else set_cell_size(cell, width), style)
                line.append("  ")
        line.rstrip()
        print_line(console, line)
    if not complete:
        hint = f"There are more: --limit {min(len(found) * 10, MAX_SESSIONS)} shows more of them."
        output.print_whole(console, output.as_text(hint, "dim"))


def _cells(one: SessionSummary, now_ns: int) -> list[str]:
    cells = (
        one.session_id,
        ago(now_ns - one.last_ns),
        duration(one.duration_ns),
        output.counted(one.requests, "request"),
        output.counted(one.errors, "error") if one.errors else "",
        one.first_request.title if one.first_request else "",
        ", ".join(one.services),
    )
    return [output.as_text(cell).plain for cell in cells]


def _as_json(one: SessionSummary, request: TimelineEvent | None) -> dict[str, Any]:
    return {
        "session_id": one.session_id,
        "started_at": iso(one.started_at_ns),
        "last": iso(one.last_ns),
        "duration_ms": one.duration_ns / _NS_PER_MS,
        "services": list(one.services),
        "requests": one.requests,
        "errors": one.errors,
        "documents": one.documents,
        "first_request": request.title if request else None,
        "user_agent": one.user_agent or None,
        "replay_url": request.replay_url if request else None,
    }
