"""`otel-asayer demo`: write the session of an invented shop's visitor, and show it."""

from __future__ import annotations

import random
import time
from contextlib import closing
from typing import TYPE_CHECKING, Final

import click

from otel_asayer.cli import output
from otel_asayer.cli.base import Command
from otel_asayer.cli.demo.shop import Shop
from otel_asayer.cli.options import connection, given_connection, require_usable
from otel_asayer.cli.timeline_view import print_timeline
from otel_asayer.config import Config, sdk_disabled
from otel_asayer.elasticsearch.api import Api, write
from otel_asayer.elasticsearch.client import Client
from otel_asayer.errors import ElasticsearchError, NotAllowedError
from otel_asayer.exporter import encoder_of
from otel_asayer.propagation.session_id import SessionId, id_of_session_from
from otel_asayer.setup.first_contact import ensure
from otel_asayer.timeline import Selection, Timeline, parse_selection
from otel_asayer.timeline.stores import LocalStore, open_store

if TYPE_CHECKING:
    from rich.console import Console

    from otel_asayer.documents import Operation

__all__ = ["demo"]

_LASTS_MS: Final = 30_000
"""A session without an id of its own began so long ago: none of what it holds is in the future."""
_VISITS_MS: Final = (2_000, 7_500, 11_000)
_CHECKOUT_MS: Final = 19_000


@click.command(cls=Command)
@click.argument("session", required=False)
@output.AS_JSON
@connection()
def demo(config: Config, session: str | None, *, as_json: bool) -> None:
    """Write the session of a visitor of a shop that does not exist, and show its timeline.

    It is written as the exporter would: to Elasticsearch, or to the local store where none is
    configured. With SESSION, the id or the address of a replay, it becomes part of that session,
    from its start on, and Asayer or OpenReplay show it beside that replay. Its documents carry
    `deployment.environment.name: demo`; `otel-asayer forget` takes them away again, and whatever
    else is stored of the session.
    """
    require_usable(config)
    if sdk_disabled():
        raise click.UsageError(
            "OTEL_SDK_DISABLED switches OpenTelemetry off, which records the demo: unset it."
        )
    now_ms = time.time_ns() // 1_000_000
    session_id = _session_id(config, session) if session else id_of_session_from(now_ms - _LASTS_MS)
    started_at_ms = session_id.started_at_ms
    operations = _record(
        session_id, now_ms - _LASTS_MS if started_at_ms is None else started_at_ms
    ).operations(encoder_of(config))
    place = _store(config, operations)
    if as_json:
        output.print_json(
            {"session_id": session_id, "documents": len(operations), "written_to": place}
        )
        return
    console = output.console()
    _show(config, session_id, console)
    output.print_whole(
        console, output.as_text(f"{len(operations)} documents were written to {place}.")
    )
    commands = _next_commands(session_id, own=session is None)
    width = max(len(command) for command, _ in commands)
    for command, purpose in commands:
        output.print_whole(console, output.as_text(f"  {command:<{width}}   {purpose}"))


def _session_id(config: Config, session: str) -> SessionId:
    found = parse_selection(
        session, replay_url=config.replay_url, opaque=config.opaque_session_ids
    ).session_id
    if not found:
        raise click.UsageError(
            "A demo needs the id of a session, or the address of its replay; a trace is neither."
        )
    return SessionId(found)


def _record(session_id: SessionId, started_at_ms: int) -> Shop:
    shop = Shop(session_id, random.Random())  # noqa: S311 (what the visitor looks at)
    for after_ms in _VISITS_MS:
        shop.visit(started_at_ms + after_ms)
    shop.pay(started_at_ms + _CHECKOUT_MS)
    return shop


def _store(config: Config, operations: list[Operation]) -> str:
    """Write, and return where to, for a person."""
    if not config.has_destination:
        local = LocalStore(config)
        local.spool.write(operations)
        return local.name
    with closing(Client(config)) as client:
        Api(client, timeout=config.timeout).identify()
        if config.setup != "off":
            ensure(client, config, timeout=config.timeout)
        findings = write(client, config, operations, timeout=config.timeout)
    if findings:
        sentences = dict.fromkeys(finding.with_advice for finding in findings)
        raise ElasticsearchError(
            f"Elasticsearch did not take {len(findings)} of {len(operations)} documents: "
            f"{'; '.join(sentences)}."
        )
    return config.destination


def _show(config: Config, session_id: SessionId, console: Console) -> None:
    try:
        with open_store(config.as_viewer()) as store:
            found = Timeline.of(
                store.documents(Selection(session_id=session_id)), replay_url=config.replay_url
            )
    except NotAllowedError:
        text = (
            "The application's key may not read what it wrote: set OTEL_ASAYER_VIEWER_API_KEY to "
            "see the timeline."
        )
        output.print_whole(console, output.as_text(text))
    else:
        print_timeline(console, found, f"Session {session_id}")
        console.print()


def _next_commands(session_id: SessionId, *, own: bool) -> list[tuple[str, str]]:
    commands = [
        (f"timeline {session_id}", "shows it again"),
        ("sessions", "lists all sessions"),
        ("serve", "shows them as a page"),
        *([(f"forget {session_id}", "takes it away")] if own else []),
    ]
    given = given_connection()
    return [(f"otel-asayer {command} {given}".rstrip(), purpose) for command, purpose in commands]
