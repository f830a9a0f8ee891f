"""What is left of something in a spool's folder once all operations are erased that can be told
apart: found as `zgrep` would find it.

Whole files are looked at here, without regard to what is in them: those that cannot be read, those
that a dead process was writing, and whatever else lies there.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from otel_asayer.spool.bodies import DamagedBodyError, open_body, salvage
from otel_asayer.spool.names import Entry, Temporary, parse, parse_temporary, temporary_name
from otel_asayer.spool.place import DAMAGED, REJECTED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from otel_asayer.spool.directory import Folder
    from otel_asayer.spool.place import Place

__all__ = ["Remains", "erase_remains", "remains"]

_PIECE: Final = 64 * 1024
_LONGEST: Final = 1024 * 1024 * 1024
"""Bytes of a file that are looked at, decompressed:

one that goes on longer, which no spool writes, counts as a hit.
"""
_GZIP: Final = b"\x1f\x8b"
_ANY_HEADER: Final = 32 + zlib.MAX_WBITS


class Remains(NamedTuple):
    """A file that still holds what is searched for."""

    path: Path
    why: str
    """Why it is still there, as half a sentence."""
    apart: bool
    """Whether its documents can be told apart, and so be erased by themselves:

    those that are left are of other sessions, or being sent.
    """


def erase_remains(place: Place, text: bytes) -> int:
    """Remove whole files that hold `text`, where nothing in them can be told apart and nobody works
    on them; return how many they were.

    These are what lies in `damaged/` and has been delivered as far as it can be read, files that a
    dead process has not finished, and refused documents that cannot be read. Of the reasons beside
    refused documents, the lines go.

    Raises:
        SpoolError: the folder cannot be used.
    """
    erased = 0
    for side in ("", REJECTED, DAMAGED):
        with place.find(side) as folder:
            for name in list(folder.scan()) if folder else ():
                if folder and _is_rubbish(folder, name, side) and _holds(folder, name, text):
                    erased += folder.remove(name)
                elif folder and side == REJECTED:
                    _erase_reasons(folder, name, text)
    return erased


def remains(place: Place, text: bytes) -> list[Remains]:
    """Return the files that hold `text`.

    Raises:
        SpoolError: the folder cannot be used.
    """
    found: list[Remains] = []
    for side in ("", REJECTED, DAMAGED):
        with place.find(side) as folder:
            if folder:
                found += [
                    _left(folder, name, side)
                    for name in sorted(folder.scan())
                    if _holds(folder, name, text)
                ]
    return found


def _left(folder: Folder, name: str, side: str) -> Remains:
    entry = parse(name)
    holder = (
        entry.holder
        if entry
        else (temporary.holder if (temporary := parse_temporary(name)) else None)
    )
    if holder is not None:
        why = (
            f"process {holder.pid} is at work on it"
            if holder.is_alive
            else f"process {holder.pid}, perhaps of another host, may be at work on it"
        )
    elif entry is None:
        why = "it is no file of the spool"
    elif _is_rubbish(folder, name, side):
        why = "it cannot be read"
    else:
        why = "documents of other sessions mention it"
    return Remains(
        folder.path / name, why, apart=entry is not None and not _is_rubbish(folder, name, side)
    )


def _is_rubbish(folder: Folder, name: str, side: str) -> bool:
    file = parse(name) or parse_temporary(name)
    if isinstance(file, Temporary):
        return not file.holder.is_alive
    if not isinstance(file, Entry) or file.holder is not None:
        return False
    return side == DAMAGED or (side == REJECTED and file.is_body and _is_damaged(folder, name))


def _is_damaged(folder: Folder, name: str) -> bool:
    try:
        file = open_body(folder, name)
    except DamagedBodyError:
        return True
    if file is None:
        return False
    with file:
        return bool(salvage(file)[1])


def _erase_reasons(folder: Folder, name: str, text: bytes) -> None:
    entry = parse(name)
    if entry is None or entry.is_body or not _holds(folder, name, text):
        return
    with folder.read(name) as file:
        lines = [line for line in file if text not in line]
    folder.write(name, temporary_name(name), b"".join(lines))


def _holds(folder: Folder, name: str, text: bytes) -> bool:
    """Whether a file holds `text`, compressed or not. What cannot be opened, nobody can search."""
    try:
        with folder.read(name) as file:
            return _found_in(_decompressed(file), text)
    except OSError:
        return False


def _found_in(pieces: Iterator[bytes], text: bytes) -> bool:
    tail, length = b"", 0
    for piece in pieces:
        length += len(piece)
        if text in tail + piece or length > _LONGEST:
            return True
        tail = (tail + piece)[-len(text) :]
    return False


def _decompressed(file: BinaryIO) -> Iterator[bytes]:
    """Yield what `gunzip` gives, or, of a file that is no gzip, what is in it; up to the first error, and in small pieces."""
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
        if decompressor.eof:  # another member may follow, as where a human joined two files
            pending, decompressor = decompressor.unused_data, zlib.decompressobj(_ANY_HEADER)
