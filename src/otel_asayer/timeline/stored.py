"""Documents as they come back from a store, and how many of them are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, Final, NamedTuple

from otel_asayer.timeline.times import nanoseconds

__all__ = [
    "MAX_BYTES",
    "MAX_EVENTS",
    "Part",
    "Stored",
    "earliest",
    "first",
    "flat",
    "identifier",
    "latest",
    "stored_of",
]

MAX_EVENTS: Final = 10_000
"""Documents that are read by default: they take 3 s and 60 MB."""
MAX_BYTES: Final = 64 * 1024 * 1024
"""Bytes of JSON that are read. As Python's objects they take three times as much."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A document: its data stream or index, its `_id`, its `_source`.

    `sequence` is its place in the order in which the store took documents.
    """

    index: str
    id: str
    source: Mapping[str, Any]
    sequence: int = field(default=0, compare=False)
    size: int = field(default=0, compare=False)
    """About how many bytes of JSON it takes."""


class Part(NamedTuple):
    """The first documents of a session or a trace."""

    documents: list[Stored]
    complete: bool
    """Whether these are all of them."""


def stored_of(hit: Mapping[str, Any], size: int = 0) -> Stored:
    """Return the document of a search's hit, which takes about `size` bytes of JSON."""
    number = hit.get("_seq_no")
    return Stored(
        hit["_index"],
        hit["_id"],
        hit.get("_source", {}),
        number if isinstance(number, int) else 0,
        size,
    )


def flat(attributes: Any) -> dict[str, Any]:
    """Return attributes by their dotted names.

    A synthetic `_source` may return them as nested objects.
    """
    result: dict[str, Any] = {}
    # Without recursion: the document of another writer may be nested deeper than Python's stack.
    waiting = [iter(_named("", attributes))] if isinstance(attributes, Mapping) else []
    while waiting:
        for name, value in waiting[-1]:
            if isinstance(value, Mapping) and value:
                waiting.append(iter(_named(f"{name}.", value)))
                break
            result[name] = value
        else:
            waiting.pop()
    return result


def _named(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((f"{prefix}{name}", value) for name, value in values.items())


def identifier(value: object) -> str:
    """Return a session, trace or span id from a field: text or an integer, else nothing."""
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def first(documents: Iterable[Stored], limit: int, max_bytes: int = MAX_BYTES) -> Part:
    """Return the first of documents that come in order; do not read the others."""
    found: list[Stored] = []
    size = 0
    for stored in documents:
        size += stored.size
        if len(found) == limit or (found and size > max_bytes):
            return Part(found, complete=False)
        found.append(stored)
    return Part(found, complete=True)


def earliest(documents: Iterable[Stored], limit: int, max_bytes: int = MAX_BYTES) -> Part:
    """Return the earliest of documents in any order, in the order in which they came.

    No more than these are held at a time.
    """
    kept, number = _foremost(documents, -1, limit, max_bytes)
    return Part(
        [stored for _, _, stored in sorted(kept, key=lambda one: -one[1])], len(kept) == number
    )


def latest(
    documents: Iterable[Stored], limit: int, max_bytes: int = MAX_BYTES
) -> tuple[list[Stored], int]:
    """Return the latest of documents in any order, the latest first, and how many there are.

    No more than these are held at a time.
    """
    kept, number = _foremost(documents, 1, limit, max_bytes)
    return [stored for _, _, stored in sorted(kept, key=lambda one: one[:2], reverse=True)], number


def _foremost(
    documents: Iterable[Stored], sign: int, limit: int, max_bytes: int
) -> tuple[list[tuple[int, int, Stored]], int]:
    """Return the documents of the latest times (sign 1) or the earliest (sign -1); count all.

    Of documents of the same time, return the first ones.
    """
    kept: list[tuple[int, int, Stored]] = []
    size = number = 0
    for number, stored in enumerate(documents, 1):
        heappush(kept, (sign * nanoseconds(stored.source.get("@timestamp")), -number, stored))
        size += stored.size
        while len(kept) > limit or (len(kept) > 1 and size > max_bytes):
            size -= heappop(kept)[2].size
    return kept, number
