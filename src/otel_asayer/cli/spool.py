"""`otel-asayer spool`: show what waits on the disk, and send it.

The settings are the exporter's own variables; options override them.
"""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import click
import orjson
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from otel_asayer.cli import output
from otel_asayer.cli.base import CommandGroup
from otel_asayer.cli.options import SPOOL_DIRECTORY, connection, require_destination
from otel_asayer.config import Config
from otel_asayer.delivery.delivery import Delivery
from otel_asayer.delivery.outcomes import Outcome
from otel_asayer.documents import action_of, source_of
from otel_asayer.elasticsearch.api import Api
from otel_asayer.sanitize import sanitize_line
from otel_asayer.spool import (
    LOCAL,
    Destination,
    Spool,
    SpoolStatus,
    destinations,
    spool_root,
)
from otel_asayer.timeline import NS_PER_S, duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rich.table import Table

__all__ = ["spool"]


@click.group(cls=CommandGroup)
def spool() -> None:
    """What waits on the disk to be sent to Elasticsearch."""


@spool.command()
@SPOOL_DIRECTORY
@output.AS_JSON
def status(spool_directory: str | None, *, as_json: bool) -> None:
    """Show how much waits for each Elasticsearch.

    The exit status is 1 if documents were refused for good or cannot be read.
    """
    config = Config.from_environment(spool_directory=spool_directory)
    found = [
        (one, Spool.from_config(config, one).status()) for one in destinations(spool_root(config))
    ]
    if as_json:
        output.print_json(
            [
                {"folder": one.folder, "endpoints": one.endpoints, **state._asdict()}
                for one, state in found
            ]
        )
    elif found:
        output.console().print(_table(found))
    else:
        _say_nothing_waits(config)
    click.get_current_context().exit(
        int(any(state.rejected_documents or state.damaged_files for _, state in found))
    )


@spool.command()
@output.AS_JSON
@connection(personal=True)
def drain(config: Config, *, as_json: bool) -> None:
    """Send what waits for the configured Elasticsearch, or was kept while there was none.

    The exit status is 1 if documents still wait, were refused for good, or cannot be read.
    """
    require_destination(config)
    with closing(Api.from_config(config)) as api:
        api.identify()
    delivery = Delivery.from_config(config)
    drainers = [
        delivery.drainer_of(place)
        for place in (delivery.spool, Spool.from_config(config, LOCAL))
        if place is not None
    ]
    with _progress(
        sum(drainer.spool.status().documents for drainer in drainers), quiet=as_json
    ) as advance:
        for drainer in drainers:
            drainer.drain(advance)
    drained, refused, damaged = map(
        delivery.counters.total, (Outcome.DRAINED, Outcome.REJECTED, Outcome.DROPPED)
    )
    left = sum(drainer.spool.status().documents for drainer in drainers)
    trouble = next((drainer.trouble.with_advice for drainer in drainers if drainer.trouble), None)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "drained": drained,
                    "refused": refused,
                    "damaged": damaged,
                    "waiting": left,
                    "trouble": trouble,
                }
            )
        )
    else:
        click.echo(
            " ".join(
                [_sentence(drained, left, trouble), *_lost(refused, damaged, spool_root(config))]
            )
        )
    click.get_current_context().exit(int(left + refused + damaged > 0))


@spool.command()
@click.argument("folder", required=False)
@SPOOL_DIRECTORY
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Documents to show."
)
@output.AS_JSON
def inspect(folder: str | None, spool_directory: str | None, limit: int, *, as_json: bool) -> None:
    """Show the oldest documents that wait, of all destinations or of the one with this FOLDER."""
    config = Config.from_environment(spool_directory=spool_directory)
    chosen = [one for one in destinations(spool_root(config)) if folder in (None, one.folder)]
    if folder and not chosen:
        raise click.UsageError(
            f"There is no folder {folder!r} in {spool_root(config)}; `otel-asayer spool status` "
            f"lists them."
        )
    shown = list(islice(_documents(config, chosen), limit))
    if as_json:
        for document in shown:
            output.print_json_line(document)
    elif not shown:
        _say_nothing_waits(config)
    else:
        output.console().print(_documents_table(shown))


def _say_nothing_waits(config: Config) -> None:
    click.echo(f"Nothing waits in {spool_root(config)}.")


def _documents(config: Config, chosen: list[Destination]) -> Iterator[dict[str, Any]]:
    for destination in chosen:
        for operation in Spool.from_config(config, destination).read():
            action = json.loads(action_of(operation))["create"]
            yield {**action, "_source": _source(source_of(operation))}


def _source(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except ValueError:  # another program wrote the file
        return {"message": "This document is no JSON that can be read."}


def _table(found: list[tuple[Destination, SpoolStatus]]) -> Table:
    table = output.plain_table()
    table.collapse_padding = True  # all columns have room in 80
    table.add_column("folder, for", overflow="fold")
    for column in ("documents", "files", "MB", "oldest", "refused", "damaged"):
        table.add_column(column, justify="right", no_wrap=True)
    for one, state in found:
        oldest = (
            "" if state.oldest_seconds is None else duration(int(state.oldest_seconds * NS_PER_S))
        )
        numbers = (
            state.documents,
            state.files,
            f"{state.bytes / 1e6:.1f}",
            oldest,
            state.rejected_documents,
            state.damaged_files,
        )
        for_whom = ", ".join(one.endpoints) or "nobody yet"
        table.add_row(Text.assemble(one.folder, "\n", output.as_text(for_whom)), *map(str, numbers))
    return table


def _documents_table(documents: list[dict[str, Any]]) -> Table:
    table = output.plain_table()
    table.add_column("data stream", no_wrap=True)
    table.add_column("_id", overflow="fold")
    table.add_column("what")
    for document in documents:
        source = document["_source"]
        what: object = (
            source.get("name")
            or source.get("message")
            or source.get("event_name")
            or _text(source.get("body"))
            or ""
        )
        shown = output.as_text(str(what).partition("\n")[0])
        # A column that may not be broken takes the room of those that may: so this one may, and its
        # texts are cut.
        shown.no_wrap, shown.overflow = True, "ellipsis"
        table.add_row(output.as_text(document["_index"]), output.as_text(document["_id"]), shown)
    return table


def _text(body: Any) -> Any:
    return body.get("text") or body.get("structured") if isinstance(body, dict) else body


def _sentence(drained: int, left: int, trouble: str | None) -> str:
    done = f"{output.counted(drained, 'document')} {'was' if drained == 1 else 'were'} delivered."
    rest = f" {left} still {'waits' if left == 1 else 'wait'}." if left else ""
    return f"{done}{rest}" + (
        f" Elasticsearch takes no more now: {sanitize_line(trouble)}." if left and trouble else ""
    )


def _lost(refused: int, damaged: int, root: Path) -> Iterator[str]:
    if refused:
        were = "was" if refused == 1 else "were"
        yield f"{refused} {were} refused for good: the reasons lie in rejected/ below {root}."
    if damaged:
        yield f"{damaged} could not be read: their files lie in damaged/ below {root}."


@contextmanager
def _progress(total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on stderr, if that is a terminal; the value advances it."""
    console = output.console(stderr=True)
    with Progress(
        TextColumn("sending"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
        transient=True,
    ) as bar:
        yield partial(bar.advance, bar.add_task("sending", total=total))
