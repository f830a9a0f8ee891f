"""What a spool's folder holds, how much that takes on the disk, and what goes when it is too much.

Then the oldest bodies that nobody leases are removed.

Space is counted in whole blocks, as disks give it: a quiet service writes many small files, which
take several times the sum of their sizes. Looking at a full folder is slow (measured: 3
microseconds per file, and 256 MiB hold up to 65,536 files). So `Room` keeps an estimate. It looks
only when that says full, and after every 32nd write for what other processes wrote; and it makes
room for several writes at once.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_asayer.spool.names import SpoolFile, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_asayer.spool.directory import Folder

__all__ = [
    "Contents",
    "Room",
    "SpoolStatus",
    "Written",
    "contents_of",
    "evict",
    "footprint",
]

_BLOCK: Final = 4096
_WRITES_BETWEEN_LOOKS: Final = 32
_VICTIMS: Final = 1024
"""Names kept in memory at once, however many files there are."""


class SpoolStatus(NamedTuple):
    """What a spool holds. Bytes are what files take on the disk, in whole blocks.

    A body that is being leased or given back while the folder is read may be missed or counted
    twice: its file changes its name.

    Only the evicted documents, which are lost, are counted from the start of the process.
    """

    files: int
    """Bodies that wait or are leased."""

    documents: int
    bytes: int
    oldest_seconds: float | None
    """Seconds since the oldest body was first written, or None without one."""

    leased_files: int
    rejected_files: int
    rejected_documents: int
    rejected_bytes: int
    damaged_files: int
    evicted_documents: int
    evicted_rejected_documents: int


class Contents(NamedTuple):
    """What one folder holds."""

    files: int = 0
    documents: int = 0
    bytes: int = 0
    oldest_ns: int | None = None
    leased: int = 0


class Written(NamedTuple):
    """What a write did."""

    documents: int
    bytes: int
    """What the file takes on the disk, in whole blocks."""

    evicted: int
    """Documents of the oldest bodies that had to go for this one: they are lost."""


def footprint(size: int) -> int:
    """Return the bytes that a file of `size` bytes takes on the disk."""
    return -(-size // _BLOCK) * _BLOCK


def contents_of(folder: Folder) -> Contents:
    """Count the bodies in `folder`, and the bytes of all its files."""
    found = Contents()
    for file, size in _sizes(folder):
        found = found._replace(bytes=found.bytes + size)
        if file.is_body:
            oldest_ns = file.written_ns if found.oldest_ns is None else found.oldest_ns
            found = found._replace(
                files=found.files + 1,
                documents=found.documents + file.documents,
                oldest_ns=min(oldest_ns, file.written_ns),
                leased=found.leased + (file.owner is not None),
            )
    return found


def _sizes(folder: Folder) -> Iterator[tuple[SpoolFile, int]]:
    """Yield every file of ours, and its footprint."""
    for name in folder.scan():
        file = parse(name)
        status = folder.status(name) if file else None
        if file and status:
            yield file, footprint(status.st_size)


def evict(folder: Folder, *, limit: int, goal: int) -> tuple[int, int]:
    """Remove the oldest files, where all take more than `limit` bytes, until they take `goal`.

    Leased files stay. Where these alone take more than `limit`, nothing is removed: it would be
    lost for nothing.

    Returns:
        The bytes that the folder still takes, and the documents that are lost.
    """
    taken, kept, oldest = _survey(folder)
    documents = 0
    if taken > limit >= kept:
        while taken > goal and oldest:
            documents += _remove(folder, oldest, taken - goal)
            taken, _, oldest = _survey(folder)
    return taken, documents


def _survey(folder: Folder) -> tuple[int, int, list[tuple[SpoolFile, int]]]:
    """Return the bytes of all files, those that cannot be evicted, and the oldest files that can.

    What is leased, and what is being written, stays.
    """
    taken = kept = 0

    def waiting() -> Iterator[tuple[SpoolFile, int]]:
        nonlocal taken, kept
        for file, size in _sizes(folder):
            taken += size
            if file.owner is None:
                yield file, size
            else:
                kept += size

    oldest = heapq.nsmallest(_VICTIMS, waiting())
    return taken, kept, oldest


def _remove(folder: Folder, oldest: list[tuple[SpoolFile, int]], excess: int) -> int:
    """Remove files in this order until `excess` bytes are gone; return their documents.

    A body's reasons stand next to it, and go with it.
    """
    documents, last = 0, None
    for file, size in oldest:
        stem = file.body.partition(".")[0]
        if excess <= 0 and stem != last:
            break
        if not folder.remove(file.name):
            break  # another process is at work: look again, it may have made the room
        excess -= size
        documents += file.documents
        last = stem
    return documents


class Room:
    """What one process knows of how full a folder is. Not thread-safe: its owner locks."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        # One part in 32 of a full spool is freed at once. Under 128 KiB that is less than a block,
        # and nothing is freed beyond need.
        self._slack = max_bytes // 32 // _BLOCK * _BLOCK
        self._taken = 0
        self._writes = _WRITES_BETWEEN_LOOKS

    def make(self, folder: Folder, size: int) -> tuple[int, int]:
        """Make room for a file that takes `size` bytes; return what `evict` does.

        The folder takes more than allowed when all of it is leased.
        """
        taken, documents = self._taken, 0
        self._writes += 1
        if self._writes > _WRITES_BETWEEN_LOOKS or self._taken + size > self._max_bytes:
            limit = self._max_bytes - size
            taken, documents = evict(folder, limit=limit, goal=max(limit - self._slack, 0))
            self._writes = 0
        self._taken = taken + size
        return taken, documents

    def free(self, size: int) -> None:
        """Note that a file that took `size` bytes is gone."""
        self._taken = max(self._taken - size, 0)
