"""Refused operations with their reasons, and removing from a spool for good.

`rejected/` holds operations that were refused for good, with the reasons, for a person to look at.

Where documents can be told apart, they are removed one by one, but not those that another process
is delivering. Other files are searched as `zgrep` searches, whatever they are: files that cannot
be read, files that a dead process was writing, and anything else that lies there.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from otel_asayer.documents import Operation, action_of
from otel_asayer.elasticsearch.compression import gzip_of
from otel_asayer.spool.bodies import read_body
from otel_asayer.spool.directory import Folder, SpoolError
from otel_asayer.spool.names import (
    DAMAGED,
    REJECTED,
    SpoolFile,
    SpoolFolders,
    new_body,
    parse,
    reasons_name,
    temporary_name,
)
from otel_asayer.spool.space import Written, evict, footprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from otel_asayer.spool.lease import Lease

__all__ = ["Remains", "erase_rejected", "erase_remains", "erase_waiting", "reject", "remains"]

_PIECE: Final = 64 * 1024
_MAX_BYTES: Final = 1024 * 1024 * 1024
"""Bytes of a file that are searched, decompressed.

A longer one, which no spool writes, counts as a hit.
"""
_GZIP: Final = b"\x1f\x8b"
_ANY_HEADER: Final = 32 + zlib.MAX_WBITS


class Remains(NamedTuple):
    """A file that still holds the text."""

    path: Path
    why: str
    """Why it is still there, as half a sentence."""
    apart: bool
    """Whether its documents can be told apart, and so be removed one by one.

    Those that are left belong to other sessions, or are being sent.
    """


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
    _, evicted = evict(folder, limit=max_bytes - size, goal=max_bytes - size)
    # The reasons first: a process that sees a body can read why it is there.
    folder.write(reasons_name(body), temporary_name(reasons_name(body)), reasons)
    try:
        folder.write(body, temporary_name(body), operations)
    except SpoolError:
        folder.remove(reasons_name(body))
        raise
    return Written(len(rejected), size, evicted)


def erase_waiting(lease: Callable[[], Lease | None], wanted: Callable[[Operation], bool]) -> int:
    """Remove the operations that are `wanted` from every body that can be leased.

    Returns:
        How many operations were removed.

    Raises:
        SpoolError: the folder cannot be used, or written to.
    """
    erased = 0
    unchanged: list[Lease] = []
    try:
        while leased := lease():
            unchanged.append(leased)
            operations = leased.operations()
            kept = [operation for operation in operations if not wanted(operation)]
            if len(kept) < len(operations):
                unchanged.pop()
                leased.replace(kept)
                erased += len(operations) - len(kept)
    finally:
        # Only now: a body given back at once would be leased again at once.
        for leased in unchanged:
            leased.release()
    return erased


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


def erase_remains(folders: SpoolFolders, text: bytes) -> int:
    """Remove whole files that hold `text`, where documents cannot be told apart.

    These are files in `damaged/`, which are delivered as far as they can be read, files that a dead
    process has not finished, and refused documents that cannot be read. From the reasons beside
    refused documents, only the lines are removed. Files that a process works on stay.

    Returns:
        How many files were removed.

    Raises:
        SpoolError: the folder cannot be used.
    """
    erased = 0
    for folder, side in _all(folders):
        for name in list(folder.scan()):
            if _is_unreadable(folder, name, side) and _holds(folder, name, text):
                erased += folder.remove(name)
            elif side == REJECTED:
                _erase_reasons(folder, name, text)
    return erased


def remains(folders: SpoolFolders, text: bytes) -> list[Remains]:
    """Return the files that hold `text`.

    Raises:
        SpoolError: the folder cannot be used.
    """
    return [
        _remains(folder, name, side)
        for folder, side in _all(folders)
        for name in sorted(folder.scan())
        if _holds(folder, name, text)
    ]


def _all(folders: SpoolFolders) -> Iterator[tuple[Folder, str]]:
    for side in ("", REJECTED, DAMAGED):
        with folders.find(side) as folder:
            if folder:
                yield folder, side


def _remains(folder: Folder, name: str, side: str) -> Remains:
    file = parse(name)
    unreadable = _is_unreadable(folder, name, side)
    if file and (owner := file.owner):
        why = (
            f"process {owner.pid} is at work on it"
            if owner.is_alive
            else f"process {owner.pid}, perhaps of another host, may be at work on it"
        )
    elif file is None:
        why = "it is no file of the spool"
    elif unreadable:
        why = "it cannot be read"
    else:
        why = "documents of other sessions mention it"
    return Remains(
        folder.path / name, why, file is not None and not file.is_temporary and not unreadable
    )


def _is_unreadable(folder: Folder, name: str, side: str) -> bool:
    """Whether nobody works on a file of ours, and its documents cannot be told apart."""
    file = parse(name)
    if file is None:
        return False
    if file.owner:
        return file.is_temporary and not file.owner.is_alive
    return side == DAMAGED or (
        side == REJECTED and file.is_body and read_body(folder, name)[1] is not None
    )


def _erase_reasons(folder: Folder, name: str, text: bytes) -> None:
    file = parse(name)
    if file is None or file.is_body or file.owner or not _holds(folder, name, text):
        return
    with folder.read(name) as reasons:
        lines = [line for line in reasons if text not in line]
    folder.write(name, temporary_name(name), b"".join(lines))


def _holds(folder: Folder, name: str, text: bytes) -> bool:
    """Whether a file holds `text`, compressed or not; False for one that cannot be opened."""
    try:
        with folder.read(name) as file:
            tail, length = b"", 0
            for piece in _decompressed(file):
                length += len(piece)
                if text in tail + piece or length > _MAX_BYTES:
                    return True
                tail = (tail + piece)[-len(text) :]
            return False
    except OSError:
        return False


def _decompressed(file: BinaryIO) -> Iterator[bytes]:
    """Yield what `gunzip` gives, in small pieces, up to the first error.

    Of a file that is not gzip, yield its content.
    """
    start = file.read(2)
    file.seek(0)
    if start != _GZIP:
        yield from iter(lambda: file.read(_PIECE), b"")
        return
    decompressor = zlib.decompressobj(_ANY_HEADER)
    pending = b""
    while pending := pending or file.read(_PIECE):
        try:
            yield decompressor.decompress(pending, _PIECE)
        except zlib.error:
            return
        pending = decompressor.unconsumed_tail
        if decompressor.eof:  # another member may follow, as where someone joined two files
            pending, decompressor = decompressor.unused_data, zlib.decompressobj(_ANY_HEADER)
