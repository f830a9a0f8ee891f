"""`rejected/`: operations that were refused for good, with the reasons, for a person to look at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from otel_asayer.documents import Operation, action_of
from otel_asayer.elasticsearch.compression import gzip_of
from otel_asayer.spool.bodies import read_body
from otel_asayer.spool.directory import Folder, SpoolError
from otel_asayer.spool.names import SpoolFile, new_body, parse, reasons_name, temporary_name
from otel_asayer.spool.space import Written, evict, footprint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


__all__ = ["erase_rejected", "reject"]


def reject(
    folder: Folder, rejected: Sequence[tuple[Operation, str]], *, max_bytes: int, now_ns: int
) -> Written:
    """Write operations as a body like any other, and beside it a line with the reason of each.

    Raises:
        SpoolError: they could not be written, or take more than `max_bytes`.
    """
    body = new_body(now_ns, len(rejected))
    operations = gzip_of([operation for operation, _ in rejected])
    reasons = b"".join(
        b"%b%b}\n" % (_beginning(operation), json.dumps(reason).encode())
        for operation, reason in rejected
    )
    size = footprint(len(operations)) + footprint(len(reasons))
    if size > max_bytes:
        raise SpoolError(
            f"The spool cannot keep {size} bytes of rejected documents: {folder.path} may take "
            f"{max_bytes}. Raise the spool's cap."
        )
    evicted = evict(folder, limit=max_bytes - size, goal=max_bytes - size)
    # The reasons first: a process that sees a body can read why it is there.
    folder.write(reasons_name(body), temporary_name(reasons_name(body)), reasons)
    try:
        folder.write(body, temporary_name(body), operations)
    except SpoolError:
        folder.remove(reasons_name(body))
        raise
    return Written(len(rejected), size, evicted.documents)


def erase_rejected(folder: Folder, wanted: Callable[[Operation], bool]) -> int:
    """Remove the operations that are `wanted`, and their reasons; return how many they were.

    Raises:
        SpoolError: the folder cannot be written to.
    """
    return sum(
        _erase_from(folder, file, wanted)
        for name in list(folder.scan())
        if (file := parse(name)) and file.is_body
    )


def _erase_from(folder: Folder, body: SpoolFile, wanted: Callable[[Operation], bool]) -> int:
    operations, _ = read_body(folder, body.name)
    kept = [operation for operation in operations if not wanted(operation)]
    if len(kept) == len(operations):
        return 0
    if kept:
        rest = new_body(body.written_ns, len(kept))
        reasons = _reasons_of(folder, body, kept)
        folder.write(reasons_name(rest), temporary_name(reasons_name(rest)), reasons)
        folder.write(rest, temporary_name(rest), gzip_of(kept))
    folder.remove(body.name)
    folder.remove(reasons_name(body.body))
    return len(operations) - len(kept)


def _reasons_of(folder: Folder, body: SpoolFile, kept: Sequence[Operation]) -> bytes:
    """Return the lines of the body's reasons that belong to these operations."""
    beginnings = tuple(map(_beginning, kept))
    try:
        with folder.read(reasons_name(body.body)) as file:
            return b"".join(line for line in file if line.startswith(beginnings))
    except OSError:  # there are no reasons to keep
        return b""


def _beginning(operation: Operation) -> bytes:
    """Return the beginning of the line with an operation's reason."""
    return b'{"operation":%b,"reason":' % action_of(operation)
