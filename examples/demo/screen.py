"""What the demo shows: one table or tree a question, made with rich."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

    from examples.demo.services import Request

LEVEL_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan", "debug": "dim"}
NS_PER_MS = 1e6


def title(text: str, note: str) -> RenderableType:
    return Text.assemble("\n", ("▌ ", "magenta"), (text, "bold"), ("  " + note, "dim"))


def requests_table(sent: Iterable[tuple[Request, int]]) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("request")
    table.add_column("as a browser", style="dim", overflow="ellipsis", no_wrap=True, max_width=64)
    table.add_column("status", justify="right")
    table.add_column("", style="dim")
    for request, status in sent:
        header = next(iter(f"{name}: {value}" for name, value in request.headers.items()), "no session header")
        table.add_row(f"{request.method} {request.path}", header, _status(status), request.what)
    return table


def _status(status: int) -> Text:
    return Text(str(status), style="bold red" if status >= 500 else "green")


def trace_trees(spans: Sequence[dict[str, Any]]) -> Iterable[RenderableType]:
    children: dict[str | None, list[dict[str, Any]]] = {}
    known = {span["span_id"] for span in spans}
    for span in spans:
        parent = span.get("parent_span_id")
        children.setdefault(parent if parent in known else None, []).append(span)
    for root in children.get(None, []):
        tree = Tree(_span(root), guide_style="dim")
        _grow(tree, root, children)
        yield tree


def _grow(tree: Tree, span: dict[str, Any], children: dict[str | None, list[dict[str, Any]]]) -> None:
    for child in children.get(span["span_id"], []):
        _grow(tree.add(_span(child)), child, children)


def _span(span: dict[str, Any]) -> Text:
    failed = span["status"].get("code") == "Error"
    return Text.assemble(
        (f"{span['resource']['attributes']['service.name']:<11}", "magenta"),
        (f"{span['kind']:<9}", "dim"),
        (f"{span['name']:<28}", "bold red" if failed else ""),
        (f"{span['duration'] / NS_PER_MS:8.1f} ms", "green"),
        (f"  session.id {span['attributes']['session.id']}", "dim"),
    )


def logs_table(logs: Iterable[dict[str, Any]]) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("time", "service", "severity", "message", "trace"):
        table.add_column(column, no_wrap=column != "message")
    for record in logs:
        name = record.get("severity_text") or record.get("event_name") or ""
        text = record.get("body", {}).get("text") or record["attributes"].get("exception.message", "")
        table.add_row(
            Text(_clock(record["@timestamp"]), style="dim"),
            Text(record["resource"]["attributes"]["service.name"], style="magenta"),
            Text(name, style="bold red" if name in ("ERROR", "exception") else "cyan"),
            Text(str(text).splitlines()[0] if text else ""),
            Text(record.get("trace_id", "")[:8], style="dim"),
        )
    return table


def _clock(milliseconds: str | float) -> str:
    moment = datetime.fromtimestamp(float(milliseconds) / 1000, tz=timezone.utc)
    return moment.strftime("%H:%M:%S.%f")[:-3]


def stack(exception: dict[str, Any]) -> RenderableType:
    attributes = exception["attributes"]
    heading = f"[bold red]{attributes['exception.type']}[/]: {attributes['exception.message']}"
    return Panel(Text(own_frames(attributes["exception.stacktrace"].strip())), title=heading, title_align="left", border_style="red")


def own_frames(stacktrace: str) -> str:
    """The stack as it is stored, folded for the screen: libraries' frames are counted, and paths begin at this folder."""
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
        table.add_row(Text(record["@timestamp"][11:-1], style="dim"), Text(record["level"], style=LEVEL_STYLES[record["level"]]), Text(message))
    return table


def summary(checks: Sequence[tuple[str, bool]]) -> RenderableType:
    lines = Text("\n").join(Text.assemble((" ✔ " if good else " ✘ ", "bold green" if good else "bold red"), what) for what, good in checks)
    return Panel(lines, border_style="green" if all(good for _, good in checks) else "red", title="seen in Elasticsearch", title_align="left")
