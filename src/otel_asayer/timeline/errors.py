"""Exceptions in groups: of one type, from one place in the code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_asayer.attributes import HANDLED
from otel_asayer.documents import EXCEPTION_TYPE, exception_message, exception_type_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_asayer.timeline.events import TimelineEvent

__all__ = ["ErrorGroup", "Place", "distinct_exceptions", "group_errors", "place_of"]

_FRAME: Final = re.compile(
    r'^ *File "(?P<file>[^"\n]+)", line (?P<line>[0-9]{1,9}), in (?P<function>[^\n]+)$',
    re.MULTILINE,
)
_LIBRARY: Final = re.compile(
    r"[/\\](?:site-packages|dist-packages|lib[/\\]python[0-9.]+)[/\\]|^<frozen "
)
_SHOWN_PARTS: Final = 2


@dataclass(frozen=True)
class Place:
    """Where an exception was raised:

    the innermost frame of the application's own code, or of any where there is none.
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
    """Exceptions of one type from one place."""

    type: str
    """Without its module, which not all writers give; nothing where the document has no type."""

    place: Place
    """As the last of them has it: lines move between releases."""

    events: tuple[TimelineEvent, ...]
    """The latest first; what passed through several spans of a trace counts once."""

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
        """Where they happened, in the order of their names."""
        return tuple(sorted({event.service for event in self.events}))

    @property
    def sessions(self) -> tuple[str, ...]:
        """In which sessions, the latest first."""
        return tuple(dict.fromkeys(event.session_id for event in self.events if event.session_id))

    @property
    def example(self) -> TimelineEvent:
        """The latest that has a replay, or else the latest."""
        return next((event for event in self.events if event.replay_url), self.events[0])


def group_errors(events: Iterable[TimelineEvent]) -> list[ErrorGroup]:
    """Return the exceptions among `events` in groups, the largest first, and of two of one size that which happened last."""
    groups: dict[tuple[str, str, str], list[TimelineEvent]] = {}
    for event in reversed(distinct_exceptions(events)):
        place = place_of(event.stack)
        groups.setdefault(
            (exception_type_name(event.attributes), place.file, place.function), []
        ).append(event)
    found = [_group(key[0], members) for key, members in groups.items()]
    return sorted(found, key=lambda group: (-group.count, -group.events[0].time_ns))


def distinct_exceptions(events: Iterable[TimelineEvent]) -> list[TimelineEvent]:
    """Return the events at which exceptions were raised, the first one first; those after it of
    the same trace, type and message only passed.

    One that a server span answered as an error of the caller's counts as none.
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


def place_of(stack: str) -> Place:
    """Return where the exception with this stack, as Python's traceback prints it, was raised."""
    # A chain of exceptions is printed cause first: the last part is that of the exception itself.
    frames = [
        Place(frame["file"], int(frame["line"]), frame["function"])
        for frame in _FRAME.finditer(stack)
    ]
    own = [frame for frame in frames if not _LIBRARY.search(frame.file)]
    return (own or frames or [Place()])[-1]


def _group(type_name: str, members: Sequence[TimelineEvent]) -> ErrorGroup:
    return ErrorGroup(type_name, place_of(members[0].stack), tuple(members))
