"""Taking single operations out of a spool for good: what waits, and what was refused.

Bodies that are being delivered by another process are left alone, and so is `damaged/`, where
nothing can be told apart (`remains`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_asayer.documents import action_of
from otel_asayer.elasticsearch.compression import gzip_of
from otel_asayer.spool.bodies import DamagedBodyError, open_body, salvage
from otel_asayer.spool.names import new_body, parse, reasons_name, temporary_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_asayer.documents import Operation
    from otel_asayer.spool.directory import Folder
    from otel_asayer.spool.lease import Lease
    from otel_asayer.spool.names import Entry

__all__ = ["erase_rejected", "erase_waiting"]


def erase_waiting(lease: Callable[[], Lease | None], wanted: Callable[[Operation], bool]) -> int:
    """Remove the operations that are `wanted` from every body that can be leased; return how many
    they were.

    Raises:
        SpoolError: the folder cannot be used, or written to.
    """
    erased = 0
    looked_at: list[Lease] = []
    try:
        while held := lease():
            looked_at.append(held)
            operations = held.operations()
            kept = [operation for operation in operations if not wanted(operation)]
            if len(kept) < len(operations):
                _leave(looked_at.pop(), kept)
                erased += len(operations) - len(kept)
    finally:
        # Only now: given back at once, they would be leased again at once.
        for held in looked_at:
            held.release()
    return erased


def _leave(held: Lease, kept: Sequence[Operation]) -> None:
    if kept:
        held.replace(kept)
    else:
        held.done()


def erase_rejected(folder: Folder, wanted: Callable[[Operation], bool]) -> int:
    """Remove the operations that are `wanted` from what was refused, and their reasons with them;
    return how many they were.

    Raises:
        SpoolError: the folder cannot be written to.
    """
    bodies = [entry for name in list(folder.scan()) if (entry := parse(name)) and entry.is_body]
    return sum(_erase_from(folder, body, wanted) for body in bodies)


def _erase_from(folder: Folder, body: Entry, wanted: Callable[[Operation], bool]) -> int:
    try:
        file = open_body(folder, body.name)
    except DamagedBodyError:  # whoever cannot open it finds nothing in it either
        return 0
    if file is None:
        return 0
    with file:
        operations, _ = salvage(file)
    kept = [operation for operation in operations if not wanted(operation)]
    if len(kept) == len(operations):
        return 0
    if kept:
        rest = new_body(body.written_ns, len(kept))
        folder.write(
            reasons_name(rest), temporary_name(reasons_name(rest)), _reasons_of(folder, body, kept)
        )
        folder.write(rest, temporary_name(rest), gzip_of(kept))
    folder.remove(body.name)
    folder.remove(reasons_name(body.body))
    return len(operations) - len(kept)


def _reasons_of(folder: Folder, body: Entry, kept: Sequence[Operation]) -> bytes:
    """The lines of the body's reasons that go with these operations."""
    beginnings = tuple(b'{"operation":%b,"reason":' % action_of(operation) for operation in kept)
    try:
        with folder.read(reasons_name(body.body)) as file:
            lines = file.readlines()
    except OSError:  # no reason is there to be kept
        return b""
    return b"".join(line for line in lines if line.startswith(beginnings))
