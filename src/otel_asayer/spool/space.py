"""How much a folder takes on the disk, and what goes when it is too much: the oldest bodies that
nobody holds.

Space is counted as disks give it, in whole blocks: a quiet service writes many small files, and by
their sizes alone they would take several times the cap. Looking at a full folder is slow (measured:
3 microseconds per file, 65,536 files in 256 MiB at most). So `Room` keeps an estimate, looks only
when that says full, and after every 32nd write for what other processes wrote; and it makes room
for more than one write at once.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_asayer.spool.names import Entry, Temporary, parse, parse_temporary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_asayer.spool.directory import Folder

__all__ = ["Evicted", "Room", "Written", "evict", "footprint", "sizes"]

_BLOCK: Final = 4096
_SLACK: Final = 32
"""One part in 32 of a full spool is freed at once; under 128 KiB that is less than a block, and nothing is freed beyond need."""

_WRITES_BETWEEN_LOOKS: Final = 32
_VICTIMS: Final = 1024
"""Names kept in memory at once, however many files there are."""


class Written(NamedTuple):
    """What a write did."""

    documents: int
    bytes: int
    """What the file takes on the disk, in whole blocks."""

    evicted: int
    """Documents of the oldest bodies that had to go for this one: they are lost."""


class Evicted(NamedTuple):
    """What `evict` did."""

    left: int
    """Bytes that the folder still takes."""

    documents: int
    """Documents that are lost."""


class _Sized(NamedTuple):
    body: str
    size: int
    entry: Entry

    @property
    def stem(self) -> str:
        return self.body.partition(".")[0]


class _Survey(NamedTuple):
    taken: int
    held: int
    oldest: list[_Sized]


def footprint(size: int) -> int:
    """Return the bytes that a file of `size` bytes takes on the disk."""
    return -(-size // _BLOCK) * _BLOCK


def sizes(folder: Folder) -> Iterator[tuple[Entry | Temporary, int]]:
    """Yield every file of ours, and its footprint."""
    for name in folder.scan():
        file = parse(name) or parse_temporary(name)
        size = folder.size(name) if file else None
        if file and size is not None:
            yield file, footprint(size)


def evict(folder: Folder, *, limit: int, goal: int) -> Evicted:
    """Where the files take more than `limit` bytes, remove the oldest that nobody holds until they
    take at most `goal`.

    Nothing is removed where what is held takes more than `limit` by itself: it would be lost for
    nothing.
    """
    found = _survey(folder)
    documents = 0
    if found.taken > limit >= found.held:
        while found.taken > goal and found.oldest:
            documents += _remove(folder, found.oldest, found.taken - goal)
            found = _survey(folder)
    return Evicted(found.taken, documents)


def _survey(folder: Folder) -> _Survey:
    taken = held = 0

    def waiting() -> Iterator[_Sized]:
        nonlocal taken, held
        for file, size in sizes(folder):
            taken += size
            if isinstance(file, Entry) and file.holder is None:
                yield _Sized(file.body, size, file)
            else:
                held += size

    oldest = heapq.nsmallest(_VICTIMS, waiting())
    return _Survey(taken, held, oldest)


def _remove(folder: Folder, oldest: list[_Sized], excess: int) -> int:
    """Remove files in the order given until `excess` bytes are gone; a body's reasons stand next to it, and go with it."""
    documents, stem = 0, None
    for victim in oldest:
        if excess <= 0 and victim.stem != stem:
            break
        if not folder.remove(victim.entry.name):
            break  # others are at work: look again, for they may have made the room
        excess -= victim.size
        documents += victim.entry.documents
        stem = victim.stem
    return documents


class Room:
    """One process's knowledge of how full a folder is. Not safe for threads: its owner locks."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._slack = max_bytes // _SLACK // _BLOCK * _BLOCK
        self._taken = 0
        self._writes = _WRITES_BETWEEN_LOOKS

    def make(self, folder: Folder, size: int) -> Evicted:
        """Make room for a file that takes `size` bytes; `left` is what the folder takes before it, more than allowed when all is held."""
        evicted = Evicted(self._taken, 0)
        self._writes += 1
        if self._writes > _WRITES_BETWEEN_LOOKS or self._taken + size > self._max_bytes:
            limit = self._max_bytes - size
            evicted = evict(folder, limit=limit, goal=max(limit - self._slack, 0))
            self._writes = 0
        self._taken = evicted.left + size
        return evicted

    def free(self, size: int) -> None:
        """Know that a file that took `size` bytes is gone."""
        self._taken = max(self._taken - size, 0)
