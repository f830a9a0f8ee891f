"""Exceptions in groups: of one type, from one location in the code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_asayer.attributes import HANDLED
from otel_asayer.documents import EXCEPTION_TYPE, exception_message, exception_type_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_asayer.timeline.events import TimelineEvent

__all__ = [
    "CodeLocation",
    "ErrorGroup",
    "StackPart",
    "distinct_exceptions",
    "group_errors",
    "location_of",
    "stack_parts",
]

_FRAME: Final = re.compile(
    r'^ *File "(?P<file>[^"\n]+)", line (?P<line>[0-9]{1,9}), in (?P<function>[^\n]+)$',
    re.MULTILINE,
)
_OF_FRAME: Final = re.compile(r" *File [^\n]*\n?(?:    [^\n]*(?:\n|$))*")
"""A frame with the lines of code below it, which are indented more than other lines."""
_LIBRARY: Final = re.compile(
    r"[/\\](?:site-packages|dist-packages|lib[/\\]python[0-9.]+)[/\\]|^<frozen "
)
_SHOWN_PARTS: Final = 2


@dataclass(frozen=True)
class CodeLocation:
    """Where an exception was raised: the innermost frame of the application's own code.

    If there is none, the innermost frame of any code.
    """

    file: str = ""
    line: int = 0
    function: str = ""

    def __str__(self) -> str:
        if not self.file:
            return ""
        parts = re.split(r"[/\\]", self.file)
        return f"{'/'.join(parts[-_SHOWN_PARTS:])}:{self.line} in {self.function}"


@dataclass(frozen=True)
class ErrorGroup:
    """Exceptions of one type from one code location."""

    type: str
    """Without its module, which not all writers give; empty when the document has no type."""

    location: CodeLocation
    """That of the latest: lines move between releases."""

    events: tuple[TimelineEvent, ...]
    """The latest first. An exception that passed through several spans of a trace counts once."""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.events)

    @property
    def message(self) -> str:
        """That of the latest."""
        return exception_message(self.events[0].attributes)

    @property
    def services(self) -> tuple[str, ...]:
        """The services in which they happened, sorted by name."""
        return tuple(sorted({event.service for event in self.events}))

    @property
    def sessions(self) -> tuple[str, ...]:
        """The sessions in which they happened, the latest first."""
        return tuple(dict.fromkeys(event.session_id for event in self.events if event.session_id))

    @property
    def example(self) -> TimelineEvent:
        """The latest that has a replay, else the latest."""
        return next((event for event in self.events if event.replay_url), self.events[0])


def group_errors(events: Iterable[TimelineEvent]) -> list[ErrorGroup]:
    """Return the exceptions among `events` in groups, the largest first.

    Of two groups of one size, the one that happened last comes first.
    """
    groups: dict[tuple[str, str, str], list[TimelineEvent]] = {}
    for event in reversed(distinct_exceptions(events)):
        location = location_of(event.stack)
        groups.setdefault(
            (exception_type_name(event.attributes), location.file, location.function), []
        ).append(event)
    found = [_group(key[0], members) for key, members in groups.items()]
    return sorted(found, key=lambda group: (-group.count, -group.events[0].time_ns))


def distinct_exceptions(events: Iterable[TimelineEvent]) -> list[TimelineEvent]:
    """Return one event for each exception, in the order of their time.

    Later events of the same trace, type and message are the same exception, passing through. An
    exception that a server span answered as the caller's error does not count.
    """
    once: dict[tuple[str, ...], TimelineEvent] = {}
    for event in sorted(events, key=lambda event: event.time_ns):
        attributes = event.attributes
        if EXCEPTION_TYPE in attributes and attributes.get(HANDLED) is not True:
            once.setdefault(
                (
                    event.trace_id or event.document.id,
                    exception_type_name(attributes),
                    exception_message(attributes),
                ),
                event,
            )
    return list(once.values())


def location_of(stack: str) -> CodeLocation:
    """Return where the exception with this stack, as Python prints it, was raised."""
    # Python prints a chain of exceptions cause first: the last part is the exception itself.
    frames = [
        CodeLocation(frame["file"], int(frame["line"]), frame["function"])
        for frame in _FRAME.finditer(stack)
    ]
    own = [frame for frame in frames if not _LIBRARY.search(frame.file)]
    return (own or frames or [CodeLocation()])[-1]


class StackPart(NamedTuple):
    """Lines of a stack that belong together."""

    text: str
    frames: int
    """How many frames of libraries it has; 0 for the application's own, and for other lines."""


def stack_parts(stack: str) -> list[StackPart]:
    """Return a stack, as Python prints it, in parts: frames of libraries apart from the rest.

    A stack without a frame of the application is one part: to fold all of it would hide it.
    """
    starts = [*_FRAME.finditer(stack)]
    if all(_LIBRARY.search(frame["file"]) for frame in starts):
        return [StackPart(stack, 0)]
    parts: list[StackPart] = []
    # Each frame goes to the next one; the last, and one before a line that is not indented, ends
    # with the lines that belong to it.
    pieces = [(stack[: starts[0].start()], False)]
    for frame, after in zip(starts, [*starts[1:], None], strict=True):
        text = stack[frame.start() : after.start() if after else len(stack)]
        own = _OF_FRAME.match(text)
        end = own.end() if own else len(text)
        pieces.append((text[:end], bool(_LIBRARY.search(frame["file"]))))
        pieces.append((text[end:], False))
    for text, is_library in pieces:
        if not text:
            continue
        if parts and bool(parts[-1].frames) == is_library:
            parts[-1] = StackPart(parts[-1].text + text, parts[-1].frames + is_library)
        else:
            parts.append(StackPart(text, int(is_library)))
    return parts


def _group(type_name: str, members: Sequence[TimelineEvent]) -> ErrorGroup:
    return ErrorGroup(type_name, location_of(members[0].stack), tuple(members))
