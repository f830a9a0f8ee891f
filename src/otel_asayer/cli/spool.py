"""`otel-asayer spool`: what waits on the disk, for whom, and the way to send it.

The settings are the exporter's own variables; `--directory` and `--endpoint` go before them.
"""

from __future__ import annotations

import json
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from otel_asayer.config import Config
from otel_asayer.counters import Fate
from otel_asayer.documents import one_line
from otel_asayer.elasticsearch import Delivery, spool_root
from otel_asayer.elasticsearch.drain import Drainer
from otel_asayer.errors import AsayerError
from otel_asayer.spool import LOCAL, Spool, destinations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otel_asayer.spool import Destination, SpoolStatus

__all__ = ["spool"]

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_DIRECTORY = click.option(
    "--directory",
    type=click.Path(file_okay=False, resolve_path=True),
    help="Folder of the spool. Default: OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY, or where the exporter keeps it.",
)


@click.group()
def spool() -> None:
    """What waits on the disk to be sent to Elasticsearch."""


@spool.command()
@_DIRECTORY
@_JSON
def status(directory: str | None, *, as_json: bool) -> None:
    """Show how much waits, for which Elasticsearch. Exit status 1 where something was refused for good or cannot be read."""
    config = _config(spool_directory=directory)
    found = [(one, _guarded(_spool(config, one).status)) for one in _guarded(lambda: destinations(spool_root(config)))]
    if as_json:
        click.echo(json.dumps([{"folder": one.folder, "endpoints": one.endpoints, **state._asdict()} for one, state in found], indent=2))
    elif found:
        Console().print(_table(found))
    else:
        click.echo(f"Nothing waits in {spool_root(config)}.")
    click.get_current_context().exit(int(any(state.rejected_documents or state.damaged_files for _, state in found)))


@spool.command()
@_DIRECTORY
@click.option("--endpoint", help="URLs of Elasticsearch. Default: OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT.")
@_JSON
def drain(directory: str | None, endpoint: str | None, *, as_json: bool) -> None:
    """Send what waits for the configured Elasticsearch, and what was kept while none was configured."""
    config = _config(spool_directory=directory, endpoint=endpoint)
    if reason := config.closed or ("" if config.has_destination else "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT is not set, and there is no --endpoint"):
        raise click.UsageError(f"Nothing can be sent: {reason}.")
    delivery = Delivery.of(config)
    drainers = [Drainer(delivery, place) for place in (delivery.spool, _spool(config, LOCAL)) if place is not None]
    with _progress(sum(_guarded(drainer.status).documents for drainer in drainers), quiet=as_json) as advance:
        for drainer in drainers:
            _guarded(partial(drainer.drain, advance))
    drained, left = delivery.counters.total(Fate.DRAINED), sum(_guarded(drainer.status).documents for drainer in drainers)
    trouble = next((str(drainer.trouble) for drainer in drainers if drainer.trouble), None)
    click.echo(json.dumps({"drained": drained, "waiting": left, "trouble": trouble}) if as_json else _sentence(drained, left, trouble))
    click.get_current_context().exit(int(left > 0))


@spool.command()
@click.argument("folder", required=False)
@_DIRECTORY
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Documents to show.")
@_JSON
def inspect(folder: str | None, directory: str | None, limit: int, *, as_json: bool) -> None:
    """Show the oldest documents that wait, of all destinations or of the one with this FOLDER."""
    config = _config(spool_directory=directory)
    chosen = [one for one in _guarded(lambda: destinations(spool_root(config))) if folder in (None, one.folder)]
    if folder and not chosen:
        raise click.UsageError(f"There is no folder {folder!r} in {spool_root(config)}; `otel-asayer spool status` lists them.")
    shown = list(islice(_documents(config, chosen), limit))
    if as_json:
        for document in shown:
            click.echo(json.dumps(document, ensure_ascii=False))
    else:
        Console().print(_documents_table(shown))


def _config(**arguments: Any) -> Config:
    try:
        return Config.from_environment(**arguments)
    except AsayerError as error:
        raise click.UsageError(str(error)) from None


def _guarded(call: Callable[[], Any]) -> Any:
    """Call, and turn an error of the spool into a sentence and exit status 1."""
    try:
        return call()
    except AsayerError as error:
        raise click.ClickException(str(error)) from None


def _spool(config: Config, destination: Destination) -> Spool:
    return Spool(spool_root(config), destination, max_bytes=config.spool_max_bytes)


def _documents(config: Config, chosen: list[Destination]) -> Iterator[dict[str, Any]]:
    for destination in chosen:
        for operation in _spool(config, destination).read():
            header, source, *_ = operation.split(b"\n")
            yield {**json.loads(header)["create"], "_source": json.loads(source)}


def _table(found: list[tuple[Destination, SpoolStatus]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("folder", no_wrap=True)
    table.add_column("for", overflow="fold", min_width=22)
    for column in ("documents", "files", "MB", "oldest", "refused", "damaged"):
        table.add_column(column, justify="right", no_wrap=True)
    for one, state in found:
        oldest = "" if state.oldest_seconds is None else _duration(state.oldest_seconds)
        numbers = (state.documents, state.files, f"{state.bytes / 1e6:.1f}", oldest, state.rejected_documents, state.damaged_files)
        table.add_row(one.folder, Text(", ".join(one.endpoints) or "nobody yet"), *map(str, numbers))
    return table


def _documents_table(documents: list[dict[str, Any]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("data stream", overflow="fold", min_width=19)
    table.add_column("_id", overflow="fold")
    table.add_column("what", no_wrap=True, overflow="ellipsis", ratio=1)
    for document in documents:
        source = document["_source"]
        what: object = source.get("name") or source.get("message") or source.get("event_name") or source.get("body", {}).get("text") or ""
        # As text, never as markup: it is whatever an application logged, and `[…]` would vanish.
        table.add_row(document["_index"], document["_id"], Text(one_line(str(what).partition("\n")[0])))
    return table


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _sentence(drained: int, left: int, trouble: str | None) -> str:
    rest = f" {left} still wait." if left else ""
    return f"{drained} documents were delivered.{rest}" + (f" Elasticsearch takes no more now: {trouble}." if left and trouble else "")


class _progress:  # noqa: N801 (used like a function)
    """A bar on stderr, for a person; nothing where nobody looks."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        columns = (TextColumn("sending"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        console = Console(stderr=True)
        self._bar = Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True)
        self._task = self._bar.add_task("sending", total=total)

    def __enter__(self) -> Callable[[int], None]:
        self._bar.start()
        return lambda number: self._bar.advance(self._task, number)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
