"""`otel-asayer timeline`: what the backend did in a session, event by event."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from otel_asayer.attributes import REPLAY_LEVELS
from otel_asayer.cli import output
from otel_asayer.cli.base import Command
from otel_asayer.cli.options import SERVICES, SESSION, connection, parse_offset, require_usable
from otel_asayer.cli.timeline_view import (
    as_json,
    line,
    print_heading,
    print_line,
    print_link,
    print_timeline,
    service_width,
)
from otel_asayer.errors import ElasticsearchError
from otel_asayer.sanitize import sanitize_line
from otel_asayer.spool import SpoolError
from otel_asayer.timeline import (
    MAX_EVENTS,
    Selection,
    Stored,
    Timeline,
    TimelineEvent,
    iso,
    parse_selection,
)
from otel_asayer.timeline.stores import Store, nothing_stored, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otel_asayer.config import Config

__all__ = ["timeline"]

_POLL_SECONDS: Final = 1.0
_LATE_NS: Final = 600 * 1_000_000_000
"""The longest duration of a span, in nanoseconds, that --follow still shows.

A span is stored when it ends, with the time of its start.
"""


@click.command(cls=Command)
@SESSION
@SERVICES
@click.option(
    "--level",
    type=click.Choice(REPLAY_LEVELS),
    default="debug",
    help="Only of this level and worse.",
)
@click.option(
    "--from",
    "from_ns",
    callback=parse_offset,
    help="Only from this time after the session's start on: 90s, 1m30s, 1:30.",
)
@click.option(
    "--to", "to_ns", callback=parse_offset, help="Only up to this time after the session's start."
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=MAX_EVENTS,
    show_default=True,
    help="Events to read at most, the first ones.",
)
@click.option("--follow", "-f", is_flag=True, help="Go on, and show what comes. Ctrl-C ends it.")
@click.option(
    "--links",
    is_flag=True,
    help="Show the address of the replay at each event, on a line of its own.",
)
@output.AS_JSON
@connection(viewer=True)
def timeline(
    config: Config, session: str, *, follow: bool, links: bool, as_json: bool, **only: Any
) -> None:
    """Show what the backend did in a SESSION, in order.

    These are requests, spans, logs and exceptions of all services. SESSION is a session id, an
    OpenReplay token, a replay URL, or a trace id; - reads it from standard input, where a token
    does not show. Documents are read from Elasticsearch, or from the local store if no
    Elasticsearch is configured.
    """
    require_usable(config)
    selection = parse_selection(
        session, replay_url=config.replay_url, opaque=config.opaque_session_ids
    )
    view = View(config, selection, only, links=links, as_json=as_json)
    with open_store(config) as store:
        found = view.read(store)
        if follow:
            view.follow(store, found)
        elif found.events:
            with output.paged(view.console):
                view.show(found)
        else:
            raise click.ClickException(nothing_stored(config, selection, store.name))


class View:
    """What was asked for, and how it is shown."""

    def __init__(
        self,
        config: Config,
        selection: Selection,
        only: dict[str, Any],
        *,
        links: bool,
        as_json: bool,
    ) -> None:
        self._config = config
        self._selection = selection
        self._only = only
        self._links = links
        self._as_json = as_json
        self.console = output.console()
        self._limit: int = only.get("limit", MAX_EVENTS)
        self._complete = True
        self._documents: dict[str, Stored] = {}
        self._complaint = ""

    def read(self, store: Store) -> Timeline:
        """Return the timeline of what the store holds, or of its beginning."""
        part = store.first_documents(self._selection, self._limit)
        self._complete = part.complete
        self._documents = {stored.id: stored for stored in part.documents}
        return self._timeline()

    def _timeline(self) -> Timeline:
        return Timeline.of(self._documents.values(), replay_url=self._config.replay_url)

    def show(self, found: Timeline) -> None:
        """Print the whole of it."""
        shown = self._filtered(found)
        if self._as_json:
            events = [as_json(shown, event) for event in shown.events]
            started_at = iso(found.started_at_ns)
            left_out = {} if self._complete else {"complete": False}
            facts = {
                "session_id": found.session_id,
                "started_at": started_at,
                "services": list(found.services),
                **left_out,
            }
            output.print_json({**facts, "events": events})
            return
        print_timeline(
            self.console, found, title(self._selection, found), shown=shown, links=self._links
        )
        if not self._complete:
            number = len(found.events)
            text = (
                f"Only the first {output.counted(number, 'event')} were read, and there are more: "
                f"--limit {number * 10} reads on."
            )
            output.print_whole(self.console, output.as_text(text, "yellow"))

    def follow(
        self, store: Store, found: Timeline, wait: Callable[[float], object] = time.sleep
    ) -> None:
        """Print what is there, and what comes, until the user ends it.

        What cannot be read now is said once, and tried again.
        """
        seen: set[str] = set()
        if not self._as_json:
            print_heading(self.console, found, title(self._selection, found))
        with suppress(KeyboardInterrupt):
            while True:
                for one in self._new(found, seen):
                    self._print(found, one)
                wait(_POLL_SECONDS)
                found = self._read_on(store, found)

    def _read_on(self, store: Store, found: Timeline) -> Timeline:
        """Return recent events, with the session's start so far; `found` if nothing can be read."""
        # A service whose clock is ahead must not hide what the others write.
        latest = min(max((event.time_ns for event in found.events), default=0), time.time_ns())
        since_ns = max(latest - _LATE_NS, 0)
        # What is known stays as far as new events can lie within it.
        self._documents = {
            event.document.id: event.document for event in found.events if event.time_ns >= since_ns
        }
        selection = replace(self._selection, since_ns=since_ns, known=frozenset(self._documents))
        try:
            part = store.first_documents(selection, self._limit)
        except (ElasticsearchError, SpoolError) as error:
            self._complain(str(error))
            return found
        self._complaint = ""
        new = {stored.id: stored for stored in part.documents if stored.id not in self._documents}
        if not new:
            return found
        self._documents |= new
        fresh = self._timeline()
        return replace(fresh, started_at_ns=found.started_at_ns) if found.events else fresh

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            click.echo(f"{sanitize_line(complaint)} Trying on.", err=True)
        self._complaint = complaint

    def _new(self, found: Timeline, seen: set[str]) -> Iterator[TimelineEvent]:
        for event in self._filtered(found).events:
            if event.document.id not in seen:
                seen.add(event.document.id)
                yield event

    def _print(self, found: Timeline, event: TimelineEvent) -> None:
        if self._as_json:
            output.print_json_line(as_json(found, event))
            return
        print_line(self.console, line(found, event, service_width(found.services)))
        if self._links:
            print_link(self.console, event)

    def _filtered(self, found: Timeline) -> Timeline:
        only = self._only
        return found.only(
            services=only["services"],
            least_level=only["level"],
            since_ns=only["from_ns"],
            until_ns=only["to_ns"],
        )


def title(selection: Selection, found: Timeline) -> str:
    """Return what is shown, and for a trace, of which session it is."""
    text = selection.title
    is_news = selection.trace_id and found.session_id not in (None, selection.session_id)
    return f"{text}, of session {found.session_id}" if is_news else text
