"""Render the output of the demo with rich."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from otel_asayer.cli.output import LEVEL_STYLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

    from otel_asayer.timeline import TimelineEvent

    from examples.demo.services import Request


def title(text: str, note: str) -> RenderableType:
    return Text.assemble("\n", ("▌ ", "magenta"), (text, "bold"), ("  " + note, "dim"))


def requests_table(sent: Iterable[tuple[Request, int]]) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("request")
    table.add_column("as a browser", style="dim", overflow="ellipsis", no_wrap=True, max_width=64)
    table.add_column("status", justify="right")
    table.add_column("", style="dim")
    for request, status in sent:
        header = next(
            iter(f"{name}: {value}" for name, value in request.headers.items()), "no session header"
        )
        table.add_row(f"{request.method} {request.path}", header, _status(status), request.what)
    return table


def _status(status: int) -> Text:
    return Text(str(status), style="bold red" if status >= 500 else "green")


def stack(exception: TimelineEvent) -> RenderableType:
    heading = Text(exception.title, style="bold red")
    return Panel(
        Text(own_frames(exception.stack.strip())),
        title=heading,
        title_align="left",
        border_style="red",
    )


def own_frames(stacktrace: str) -> str:
    """The stored stack, folded for the screen: frames of libraries are counted, paths shortened."""
    frames = re.split(r"\n(?=  File |\S)", stacktrace)
    folded = [frame for frame in frames if "site-packages" not in frame]
    if hidden := len(frames) - len(folded):
        folded.insert(1, f"  … {hidden} frames of libraries …")
    return "\n".join(folded).replace(f"{Path.cwd()}/", "")


def replay_panel(records: Iterable[dict[str, Any]]) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("time", "level", "message"):
        table.add_column(column, no_wrap=column != "message")
    for record in records:
        message = record["message"].partition("] ")[2].splitlines()[0]
        table.add_row(
            Text(record["@timestamp"][11:-1], style="dim"),
            Text(record["level"], style=LEVEL_STYLES[record["level"]]),
            Text(message),
        )
    return table


def summary(checks: Sequence[tuple[str, bool]]) -> RenderableType:
    lines = Text("\n").join(
        Text.assemble((" ✔ " if good else " ✘ ", "bold green" if good else "bold red"), what)
        for what, good in checks
    )
    return Panel(
        lines,
        border_style="green" if all(good for _, good in checks) else "red",
        title="checked",
        title_align="left",
    )
