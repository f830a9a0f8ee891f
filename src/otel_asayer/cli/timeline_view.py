"""A session's timeline on a terminal: one line an event, with its time from the start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text

from otel_asayer.cli.output import LEVEL_STYLES, as_text, counted, print_whole
from otel_asayer.timeline import EventKind, Timeline, TimelineEvent, date, duration, iso, offset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console

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
    EventKind.REQUEST: "▶",
    EventKind.SPAN: "─",
    EventKind.LOG: "·",
    EventKind.EVENT: "·",
    EventKind.EXCEPTION: "✖",
}
_BAD_MARKS: Final = {"error": "✖", "warning": "!"}
"""Without colour, only they show the level; a request's status is in its title."""
_INDENT: Final = "  "
_MOST_INDENTS: Final = 12
_OFFSET_WIDTH: Final = 12
_MOST_SERVICE_WIDTH: Final = 24


def heading(timeline: Timeline, title: str) -> Text:
    """Return the title, and facts about the whole timeline, in two lines."""
    facts = " · ".join(_facts(timeline)) if timeline.events else "nothing is stored of it yet"
    return Text.assemble((title, "bold"), "\n", (facts, "dim"))


def _facts(timeline: Timeline) -> list[str]:
    counts = timeline.counts
    spans = counts[EventKind.REQUEST] + counts[EventKind.SPAN]
    last = max(
        (event.time_ns + (event.duration_ns or 0) for event in timeline.events),
        default=timeline.started_at_ns,
    )
    return [
        f"started {date(timeline.started_at_ns)}",
        f"{duration(max(last - timeline.started_at_ns, 0))} long",
        counted(len(timeline.services), "service"),
        counted(counts[EventKind.REQUEST], "request"),
        counted(spans, "span"),
        counted(counts[EventKind.LOG], "log record"),
        counted(timeline.failures, "error"),
    ]


def rows(timeline: Timeline) -> Iterator[Text]:
    """Yield one line for each event."""
    width = service_width(timeline.services)
    return (line(timeline, event, width) for event in timeline.events)


def print_timeline(
    console: Console,
    found: Timeline,
    title: str,
    *,
    shown: Timeline | None = None,
    links: bool = False,
) -> None:
    """Print a timeline for a person: its heading, and the events that are to be shown."""
    shown = found if shown is None else shown
    print_heading(console, found, title)
    console.print()
    for event, text in zip(shown.events, rows(shown), strict=True):
        print_line(console, text)
        if links:
            print_link(console, event)
    if len(shown.events) < len(found.events):
        console.print(
            as_text(f"{len(shown.events)} of {len(found.events)} events are shown.", "dim")
        )
    first_error = next((event for event in shown.errors if event.replay_url), None)
    if first_error is not None and not links:
        console.print()
        console.print(as_text("the first error in the replay:", "dim"))
        print_whole(console, as_text(link_text(first_error), "blue"))


def print_heading(console: Console, found: Timeline, title: str) -> None:
    """Print the heading; on a terminal, break its lines between words."""
    console.print(heading(found, title), soft_wrap=not console.is_terminal)


def print_line(console: Console, text: Text) -> None:
    """Print a line: whole into a pipe or a file, cut to its width on a terminal."""
    if console.is_terminal:
        console.print(text, no_wrap=True, overflow="ellipsis")
    else:
        print_whole(console, text)


def print_link(console: Console, event: TimelineEvent) -> None:
    """Print the address of the replay at an event, if it has one, below the event's own line."""
    if event.replay_url:
        print_whole(console, as_text(f"{'':{_OFFSET_WIDTH + 2}}{link_text(event)}", "blue"))


def link_text(event: TimelineEvent) -> str:
    """Return the replay's URL; before it the host, if only documents name that host."""
    return (
        f"leads to {event.strange_host}: {event.replay_url}"
        if event.strange_host
        else str(event.replay_url)
    )


def service_width(services: Iterable[str]) -> int:
    """Return the columns that the longest name of a service takes, up to a limit."""
    return min(
        max((cell_len(as_text(service).plain) for service in services), default=0),
        _MOST_SERVICE_WIDTH,
    )


def line(timeline: Timeline, event: TimelineEvent, width: int) -> Text:
    """Return an event as one line; its time links to the replay, if the terminal shows links."""
    style = _style(event)
    shown = Text.assemble(
        # A style of its own, not parsed from text: the address is the document's. A link shows no
        # host: a strange one is only printed.
        (
            f"{offset(timeline.offset_ns(event)):>{_OFFSET_WIDTH}}",
            Style(dim=True, link=None if event.strange_host else event.replay_url),
        ),
        "  ",
        (set_cell_size(as_text(event.service).plain, width), "magenta"),
        "  ",
        _INDENT * min(event.depth, _MOST_INDENTS),
        (f"{_mark(event)} ", style),
        as_text(event.title, style),
    )
    if event.duration_ns is not None:
        shown.append(f"  {duration(event.duration_ns)}", "green")
    return shown


def as_json(timeline: Timeline, event: TimelineEvent) -> dict[str, Any]:
    """Return an event for a program: times in ISO 8601, durations in milliseconds."""
    return {
        "time": iso(event.time_ns),
        "offset_ms": timeline.offset_ns(event) / _NS_PER_MS,
        "kind": event.kind.value,
        "service": event.service,
        "level": event.level,
        "title": event.title,
        "body": event.body or None,
        "duration_ms": None if event.duration_ns is None else event.duration_ns / _NS_PER_MS,
        "depth": event.depth,
        "session_id": event.session_id or None,
        "trace_id": event.trace_id or None,
        "span_id": event.span_id or None,
        "parent_span_id": event.parent_span_id or None,
        "replay_url": event.replay_url,
        "attributes": event.attributes,
    }


def _mark(event: TimelineEvent) -> str:
    mark = _MARKS[event.kind]
    return mark if event.kind is EventKind.REQUEST else _BAD_MARKS.get(event.level, mark)


def _style(event: TimelineEvent) -> str:
    if event.level in ("error", "warning"):
        return LEVEL_STYLES[event.level]
    return "bold" if event.kind is EventKind.REQUEST else "dim" if event.level == "debug" else ""
