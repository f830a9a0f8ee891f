"""How much of a session is read:

somebody may log a million lines in one, and a line may be a megabyte.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_asayer.timeline.stored import nanoseconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_asayer.timeline.stored import Stored

__all__ = ["MAX_EVENTS", "MOST_BYTES", "Part", "earliest", "first", "latest"]

MAX_EVENTS: Final = 10_000
"""Events that are read unless more are asked for: they take 3 s and 60 MB."""
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of JSON. As Python's objects they take three times as much."""


class Part(NamedTuple):
    """The first documents of a session or a trace."""

    documents: list[Stored]
    complete: bool
    """Whether these are all."""


def first(documents: Iterable[Stored], most: int, most_bytes: int = MOST_BYTES) -> Part:
    """Return the first of documents that come in order; what follows is not read."""
    found: list[Stored] = []
    size = 0
    for stored in documents:
        size += stored.size
        if len(found) == most or (found and size > most_bytes):
            return Part(found, complete=False)
        found.append(stored)
    return Part(found, complete=True)


def earliest(documents: Iterable[Stored], most: int, most_bytes: int = MOST_BYTES) -> Part:
    """Return those of documents in any order that have the earliest times, in the order in which they came; no more are held at a time."""
    kept, number = _foremost(documents, -1, most, most_bytes)
    return Part(
        [stored for _, _, stored in sorted(kept, key=lambda one: -one[1])], len(kept) == number
    )


def latest(
    documents: Iterable[Stored], most: int, most_bytes: int = MOST_BYTES
) -> tuple[list[Stored], int]:
    """Return those of documents in any order that have the latest times, the latest first, and how many there are; no more are held at a time."""
    kept, number = _foremost(documents, 1, most, most_bytes)
    return [stored for _, _, stored in sorted(kept, key=lambda one: one[:2], reverse=True)], number


def _foremost(
    documents: Iterable[Stored], sign: int, most: int, most_bytes: int
) -> tuple[list[tuple[int, int, Stored]], int]:
    """Return the documents with the greatest times, or, where the sign is negative, the least; of those of one time the first; and count all."""
    kept: list[tuple[int, int, Stored]] = []
    size = number = 0
    for number, stored in enumerate(documents, 1):
        heappush(kept, (sign * nanoseconds(stored.source.get("@timestamp")), -number, stored))
        size += stored.size
        while len(kept) > most or (len(kept) > 1 and size > most_bytes):
            size -= heappop(kept)[2].size
    return kept, number
