"""`otel-asayer errors`: recent exceptions in groups, each with a link to a replay."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click

from otel_asayer.cli import output
from otel_asayer.cli.base import Command
from otel_asayer.cli.options import SERVICES, SINCE, connection, require_usable
from otel_asayer.cli.timeline_view import link_text
from otel_asayer.sanitize import sanitize_line
from otel_asayer.timeline import ErrorGroup, Timeline, ago, group_errors, iso
from otel_asayer.timeline.stores import nothing_found, open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from otel_asayer.config import Config

__all__ = ["errors"]

_MAX: Final = 10_000
"""Exceptions that are read, the latest first: nobody reads a longer list to its end."""


@click.command(cls=Command)
@SINCE
@SERVICES
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Groups to show, the largest first.",
)
@output.AS_JSON
@connection(viewer=True)
def errors(
    config: Config, *, since: int, services: Sequence[str], limit: int, as_json: bool
) -> None:
    """Show recent exceptions, grouped by type and place in the code.

    Each group shows how often it happened, in how many sessions and services, when first and last,
    and of one exception the replay and the commands that show its session and its trace.
    """
    require_usable(config)
    since_ns = time.time_ns() - since
    with open_store(config) as store:
        documents, total = store.exceptions(since_ns, _MAX)
        found = Timeline.of(documents, replay_url=config.replay_url).only(services=services)
        groups = group_errors(found.events)
        unseen = total - len(documents)
        if as_json:
            output.print_json([_as_json(group) for group in groups[:limit]])
            return
        if not groups:
            of = f" of {' or '.join(services)}" if services else ""
            among = f" among the latest {_MAX}" if unseen else ""
            click.echo(sanitize_line(nothing_found(config, f"exceptions{of}{among}", store.name)))
        _show(groups, limit, unseen=unseen)


def _show(groups: Sequence[ErrorGroup], limit: int, *, unseen: int) -> None:
    console = output.console()
    for group in groups[:limit]:
        _show_group(console, group)
    if len(groups) > limit:
        output.print_whole(
            console,
            output.as_text(
                f"{output.counted(len(groups) - limit, 'more group')}: --limit {len(groups)} shows "
                f"all.",
                "dim",
            ),
        )
    if unseen:
        output.print_whole(
            console,
            output.as_text(
                f"{unseen} older exceptions of this time were not looked at: a shorter --since "
                f"shows all of its own.",
                "dim",
            ),
        )


def _show_group(console: Console, group: ErrorGroup) -> None:
    times = "once" if group.count == 1 else f"{group.count} times"
    sessions = output.counted(len(group.sessions), "session")
    location = str(group.location) or "place unknown"
    output.print_whole(
        console,
        output.as_text(
            ": ".join(filter(None, (group.type or "exception", group.message))), "bold red"
        ),
    )
    output.print_whole(console, output.as_text(f"  {location}", "cyan"))
    now_ns = time.time_ns()
    last, first = (ago(now_ns - event.time_ns) for event in (group.events[0], group.events[-1]))
    seen = f"last {last}" if group.count == 1 else f"first {first} · last {last}"
    facts = f"  {times} · {sessions} · {', '.join(group.services)} · {seen}"
    output.print_whole(console, output.as_text(facts, "dim"))
    example = group.example
    if example.replay_url:
        output.print_whole(console, output.as_text(f"  {link_text(example)}", "blue"))
    for subject in filter(None, (example.session_id, example.trace_id)):
        output.print_whole(console, output.as_text(f"  otel-asayer timeline {subject}", "blue"))
    console.print()


def _as_json(group: ErrorGroup) -> dict[str, Any]:
    location = group.location
    return {
        "type": group.type,
        "message": group.message,
        "file": location.file or None,
        "line": location.line or None,
        "function": location.function or None,
        "count": group.count,
        "services": list(group.services),
        "sessions": list(group.sessions),
        "first": iso(group.events[-1].time_ns),
        "last": iso(group.events[0].time_ns),
        "replay_url": group.example.replay_url,
        "session_id": group.example.session_id or None,
        "trace_id": group.example.trace_id or None,
    }
