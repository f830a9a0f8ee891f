"""A session's timeline on a terminal:

one line a moment, with its offset from the session's start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text

from otel_asayer.cli.output import LEVEL_STYLES, as_text, counted, print_whole
from otel_asayer.timeline import Kind, date, duration, iso, offset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console

    from otel_asayer.timeline import Moment, Timeline

__all__ = [
    "as_json",
    "heading",
    "line",
    "print_heading",
    "print_line",
    "print_link",
    "print_timeline",
    "rows",
    "service_width",
]

_NS_PER_MS: Final = 1_000_000
_MARKS: Final = {
    Kind.REQUEST: "▶",
    Kind.SPAN: "─",
    Kind.LOG: "·",
    Kind.EVENT: "·",
    Kind.EXCEPTION: "✖",
}
_BAD_MARKS: Final = {"error": "✖", "warning": "!"}
"""Where there is no colour, they alone tell; a request's status is in its title."""
_INDENT: Final = "  "
_MOST_INDENTS: Final = 12
_OFFSET_WIDTH: Final = 12
_MOST_SERVICE_WIDTH: Final = 24


def heading(timeline: Timeline, title: str) -> Text:
    """Return what the whole of it is, in two lines."""
    facts = " · ".join(_facts(timeline)) if timeline.moments else "nothing is stored of it yet"
    return Text.assemble((title, "bold"), "\n", (facts, "dim"))


def _facts(timeline: Timeline) -> list[str]:
    counts = timeline.counts
    spans = counts[Kind.REQUEST] + counts[Kind.SPAN]
    last = max(
        (moment.time_ns + (moment.duration_ns or 0) for moment in timeline.moments),
        default=timeline.started_at_ns,
    )
    return [
        f"started {date(timeline.started_at_ns)}",
        f"{duration(max(last - timeline.started_at_ns, 0))} long",
        counted(len(timeline.services), "service"),
        counted(counts[Kind.REQUEST], "request"),
        counted(spans, "span"),
        counted(counts[Kind.LOG], "log record"),
        counted(timeline.exceptions, "exception"),
    ]


def rows(timeline: Timeline) -> Iterator[Text]:
    """Yield one line for each moment."""
    width = service_width(timeline.services)
    return (line(timeline, moment, width) for moment in timeline.moments)


def print_timeline(
    console: Console,
    found: Timeline,
    title: str,
    *,
    shown: Timeline | None = None,
    links: bool = False,
) -> None:
    """Print a timeline for a person:

    what the whole of it is, and the moments of it that are to be shown.
    """
    shown = found if shown is None else shown
    print_heading(console, found, title)
    console.print()
    for moment, text in zip(shown.moments, rows(shown), strict=True):
        print_line(console, text)
        if links:
            print_link(console, moment)
    if len(shown.moments) < len(found.moments):
        console.print(
            as_text(f"{len(shown.moments)} of {len(found.moments)} moments are shown.", "dim")
        )
    first_error = next((moment for moment in shown.errors if moment.replay_url), None)
    if first_error is not None and not links:
        console.print()
        console.print(as_text("the first error in the replay:", "dim"))
        print_whole(console, as_text(link_text(first_error), "blue"))


def print_heading(console: Console, found: Timeline, title: str) -> None:
    """Print what the whole of it is, broken between words on a terminal alone."""
    console.print(heading(found, title), soft_wrap=not console.is_terminal)


def print_line(console: Console, text: Text) -> None:
    """Print a line whole into a pipe or a file, and on a terminal no more than fits."""
    if console.is_terminal:
        console.print(text, no_wrap=True, overflow="ellipsis")
    else:
        print_whole(console, text)


def print_link(console: Console, moment: Moment) -> None:
    """Print the address of the replay at a moment, if it has one, below the moment's own line."""
    if moment.replay_url:
        print_whole(console, as_text(f"{'':{_OFFSET_WIDTH + 2}}{link_text(moment)}", "blue"))


def link_text(moment: Moment) -> str:
    """Return the address of the replay, with its host before it where that is unlike the others' and nobody configured it."""
    return (
        f"leads to {moment.strange_host}: {moment.replay_url}"
        if moment.strange_host
        else str(moment.replay_url)
    )


def service_width(services: Iterable[str]) -> int:
    """Return the columns that the longest name of a service takes, within reason."""
    return min(
        max((cell_len(as_text(service).plain) for service in services), default=0),
        _MOST_SERVICE_WIDTH,
    )


def line(timeline: Timeline, moment: Moment, width: int) -> Text:
    """Return a moment as one line; its offset is a link to the replay, where the terminal can show links."""
    style = _style(moment)
    shown = Text.assemble(
        # A style of its own, not parsed from text: the address is the document's. A link shows no
        # host: a strange one is only printed.
        (
            f"{offset(timeline.offset_ns(moment)):>{_OFFSET_WIDTH}}",
            Style(dim=True, link=None if moment.strange_host else moment.replay_url),
        ),
        "  ",
        (set_cell_size(as_text(moment.service).plain, width), "magenta"),
        "  ",
        _INDENT * min(moment.depth, _MOST_INDENTS),
        (f"{_mark(moment)} ", style),
        as_text(moment.title, style),
    )
    if moment.duration_ns is not None:
        shown.append(f"  {duration(moment.duration_ns)}", "green")
    return shown


def as_json(timeline: Timeline, moment: Moment) -> dict[str, Any]:
    """Return a moment for a program:

    times in ISO 8601 and milliseconds, everything that is stored of it in `attributes`.
    """
    return {
        "time": iso(moment.time_ns),
        "offset_ms": timeline.offset_ns(moment) / _NS_PER_MS,
        "kind": moment.kind.value,
        "service": moment.service,
        "level": moment.level,
        "title": moment.title,
        "body": moment.body or None,
        "duration_ms": None if moment.duration_ns is None else moment.duration_ns / _NS_PER_MS,
        "depth": moment.depth,
        "session_id": moment.session_id or None,
        "trace_id": moment.trace_id or None,
        "span_id": moment.span_id or None,
        "parent_span_id": moment.parent_span_id or None,
        "replay_url": moment.replay_url,
        "attributes": moment.attributes,
    }


def _mark(moment: Moment) -> str:
    mark = _MARKS[moment.kind]
    return mark if moment.kind is Kind.REQUEST else _BAD_MARKS.get(moment.level, mark)


def _style(moment: Moment) -> str:
    if moment.level in ("error", "warning"):
        return LEVEL_STYLES[moment.level]
    return "bold" if moment.kind is Kind.REQUEST else "dim" if moment.level == "debug" else ""
