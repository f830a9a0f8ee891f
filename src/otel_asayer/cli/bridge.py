"""`otel-asayer bridge`: write replay records for what a Collector stores."""

from __future__ import annotations

import re
import signal
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from otel_asayer.bridge.bridge import Bridge, Options
from otel_asayer.bridge.checkpoint import Checkpoint
from otel_asayer.bridge.metrics import observe
from otel_asayer.bridge.queries import Slice
from otel_asayer.cli import output
from otel_asayer.cli.base import Command
from otel_asayer.cli.entry import INTERRUPTED
from otel_asayer.cli.options import connection, parse_span, require_destination
from otel_asayer.delivery.delivery import Delivery
from otel_asayer.delivery.metrics import meter_of
from otel_asayer.elasticsearch.api import Api
from otel_asayer.environment_variables import OTEL_ASAYER_REPLAY_RECORDS
from otel_asayer.timeline import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from rich.console import Console
    from rich.status import Status

    from otel_asayer.bridge.bridge import Counts
    from otel_asayer.config import Config

__all__ = ["bridge"]

_SLICE: Final = re.compile(r"([1-9][0-9]{0,2})/([1-9][0-9]{0,2})")


def _slice(_context: click.Context, _parameter: click.Parameter, value: str) -> Slice:
    found = _SLICE.fullmatch(value)
    part = Slice(*map(int, found.groups())) if found else None
    if part is None or part.number > part.of:
        raise click.BadParameter(f"{value!r} is not a slice, such as 2/8.")
    return part


@click.command(cls=Command)
@click.option(
    "--since",
    callback=parse_span,
    help="How far to look back first, 7d. Default: to where the last bridge here ended.",
)
@click.option("--once", is_flag=True, help="End when nothing is left. Default: follow.")
@click.option(
    "--slice",
    "part",
    callback=_slice,
    default="1/1",
    metavar="NUMBER/OF",
    help="Take a part of all traces, 2/8. Default: all.",
)
@click.option(
    "--lateness",
    callback=parse_span,
    default="15m",
    show_default=True,
    help="How late documents may arrive while no bridge runs.",
)
@output.AS_JSON
@connection(personal=True)
def bridge(config: Config, *, since: int | None, part: Slice, lateness: int, **flags: bool) -> None:
    """Write the replay records of what others than our exporter store, as Collectors do.

    It reads the data streams traces-*.otel-*, logs-*.otel-* and logs.otel*, and writes what
    OpenReplay's panel shows: one record for each request, log record and exception that has a
    session. Any number of bridges may run: records that are there already stay as they are. It
    needs the key of `otel-asayer setup --bridge`. With --once, the exit status is 1 if
    Elasticsearch refused records for good.
    """
    require_destination(config)
    if not config.replay_records:
        raise click.UsageError(
            f"{OTEL_ASAYER_REPLAY_RECORDS} is false, and the bridge writes nothing else."
        )
    context = Delivery(config).context
    console = output.console(stderr=True)
    with (
        closing(Api.from_config(config)) as api,
        closing(context.client),
        _progress(console, quiet=flags["as_json"]) as show,
    ):
        one = Bridge(
            config,
            api,
            context,
            Checkpoint(config, part),
            Options(lateness / NS_PER_S, since, part, flags["once"]),
            say=lambda sentence: output.print_whole(console, output.as_text(sentence)),
            on_progress=lambda: show(one.counts()),
        )
        observe(meter_of(None), one.counts)
        with _ended_by_signals(one) as signals:
            one.run()
    counts = one.counts()
    if flags["as_json"]:
        output.print_json(asdict(counts))
    else:
        click.echo(_sentence(counts))
    if signals:
        click.get_current_context().exit(INTERRUPTED if signal.SIGINT in signals else 0)
    click.get_current_context().exit(int(counts.refused > 0))


@contextmanager
def _ended_by_signals(one: Bridge) -> Iterator[list[int]]:
    """Let SIGTERM and Ctrl-C end the bridge quietly; collect which came.

    A second one ends the process as usual.
    """
    came: list[int] = []
    before: dict[int, object] = {}

    def stop(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        one.stop()
        signal.signal(number, before[number])  # type: ignore[arg-type]

    for one_of_them in (signal.SIGTERM, signal.SIGINT):
        before[one_of_them] = signal.signal(one_of_them, stop)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]


@contextmanager
def _progress(console: Console, *, quiet: bool) -> Iterator[Callable[[Counts], None]]:
    """Show what was done so far, if the console is a terminal."""
    if quiet or not console.is_terminal:
        yield lambda _: None
        return
    status: Status
    with console.status("reading") as status:
        yield lambda counts: status.update(
            f"{counts.read:,} documents read, {counts.written:,} records written"
        )


def _sentence(counts: Counts) -> str:
    parts = (
        (counts.refused, "refused for good"),
        (counts.ignored, "ignored because the session or an id is not valid"),
        (counts.without_span, "given up because the span did not come"),
        (counts.waiting, "still waiting for the span"),
    )
    return (
        f"{output.counted(counts.read, 'document')} read, "
        f"{output.counted(counts.written, 'record')} written, {counts.present} there already"
        + "".join(f", {number} {what}" for number, what in parts if number)
        + "."
    )
