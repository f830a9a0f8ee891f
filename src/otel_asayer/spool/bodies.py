"""The content of a body: operations, concatenated and gzipped, just as a bulk request has them.

An *operation* is the two lines of one document: the action and the document, each a JSON object and
a newline.

A body may be damaged, by a crash of the machine, a bad disk, or someone who edited it. Then every
operation that is whole is still delivered: pairs of lines of the right shape up to the first that
is not, and, because a checksum fails only at the end, only if both lines are JSON.

A body may also be forged, by anyone who can write here or who hands over a volume. It is sent with
the application's credentials, which may allow everything. So an operation must be one that this
program writes, byte for byte: it creates a document in an index or data stream of ours. Any other
action, or another spelling of the same one, counts as damage. A small file that decompresses to a
huge one is read up to a bound.
"""

from __future__ import annotations

import errno
import gzip
import json
import logging
import zlib
from os import SEEK_END
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from otel_asayer.documents import Operation, action_of, is_our_action, source_of
from otel_asayer.spool.directory import Folder, explained
from otel_asayer.spool.names import SpoolFolders, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Damage",
    "DamagedBodyError",
    "max_bytes",
    "open_body",
    "operations_of",
    "read",
    "read_body",
    "readable_operations",
]

_MAX_BYTES: Final = 128 * 1024 * 1024
"""Bytes that a body may decompress to.

No request is that long, and `delivery` divides a batch before it writes it.
"""
_MAX_BYTES_OF_A_SMALL_BODY: Final = 32 * 1024 * 1024
_MAX_RATIO: Final = 100
"""Beyond those, a body may decompress to a hundred times its size.

Telemetry shrinks to a tenth or a thirtieth; a file made to fill memory, to a thousandth.
"""

_logger = logging.getLogger(__name__)


class Damage(NamedTuple):
    """What could not be read of a body."""

    documents: int
    """Documents that are lost, as the file's name counts them."""

    reason: str


class DamagedBodyError(Exception):
    """The rest of a body cannot be read; the message says why."""

    foreign_lines = 0
    """Lines that this program does not write."""


def open_body(folder: Folder, name: str) -> BinaryIO | None:
    """Open a file for `operations_of`; None when it vanished.

    Raises:
        DamagedBodyError: it cannot be opened, and never will.
        SpoolError: this process has no file descriptor or memory left.
    """
    try:
        return folder.read(name)
    except FileNotFoundError:
        return None
    except OSError as error:
        # A shortage of the process says nothing about the file.
        if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise DamagedBodyError(error.strerror) from error
        with explained(folder.path):
            raise


def operations_of(file: BinaryIO) -> Iterator[Operation]:
    """Yield the operations of a file, one by one.

    Raises:
        DamagedBodyError: after the last operation that can be read, when the file holds more.
    """
    foreign = 0
    left = max_bytes(file)
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as lines:
            if not lines.peek(1):
                raise DamagedBodyError("it is empty")
            while action := lines.readline(left + 1):
                left -= len(action)
                if left >= 0 and not is_our_action(action):
                    # It may be an action without a document, so try the next line as one.
                    foreign += 1
                    continue
                document = lines.readline(left + 1) if left >= 0 else b""
                left -= len(document)
                if left < 0:
                    raise DamagedBodyError("it decompresses to more than any body holds")
                if not (document.startswith(b"{") and document.endswith(b"}\n")):
                    raise DamagedBodyError("it holds something else than pairs of JSON lines")
                yield Operation(action + document)
    # Cut short; not gzip, a wrong checksum or a bad disk; broken inside.
    except (EOFError, OSError, zlib.error) as error:
        raise DamagedBodyError(str(error)) from error
    if foreign:
        damage = DamagedBodyError(f"{foreign} of its lines are nothing that this program writes")
        damage.foreign_lines = foreign
        raise damage


def max_bytes(file: BinaryIO) -> int:
    """Return the number of bytes to which a file may decompress."""
    size = file.seek(0, SEEK_END)
    file.seek(0)
    return min(_MAX_BYTES, max(_MAX_BYTES_OF_A_SMALL_BODY, size * _MAX_RATIO))


def readable_operations(file: BinaryIO) -> tuple[list[Operation], DamagedBodyError | None]:
    """Return the operations of a file that can be read, and why others cannot be, if any."""
    operations: list[Operation] = []
    try:
        for operation in operations_of(file):
            operations.append(operation)  # noqa: PERF402 (keep what came before an error)
    except DamagedBodyError as error:
        return list(filter(_is_intact, operations)), error
    return operations, None


def read_body(folder: Folder, name: str) -> tuple[list[Operation], DamagedBodyError | None]:
    """Return the operations of a body as `readable_operations` does; none when it vanished.

    Raises:
        SpoolError: this process has no file descriptor or memory left.
    """
    try:
        file = open_body(folder, name)
    except DamagedBodyError as error:
        return [], error
    if file is None:
        return [], None
    with file:
        return readable_operations(file)


def _is_intact(operation: Operation) -> bool:
    """Whether both lines are JSON objects; too slow to ask of every operation."""
    try:
        lines = action_of(operation), source_of(operation)
        return all(isinstance(json.loads(line), dict) for line in lines)
    except (ValueError, RecursionError):
        return False


def read(
    folders: SpoolFolders, side: str = "", *, seen: set[str] | None = None
) -> Iterator[Operation]:
    """Yield the operations of all bodies, oldest first, without leasing.

    Leased bodies are read too. One file is open at a time, and no body is held in memory. A body
    that is renamed meanwhile is found under its new name. A body that is delivered meanwhile is
    left out. Damage is left out and logged.

    Args:
        folders: the spool's folders.
        side: the folder beside the waiting bodies to read in place of them.
        seen: names of bodies to leave out; bodies that were read are added. So a reader that polls
            reads only what is new.

    Raises:
        SpoolError: the folder cannot be used.
    """
    done = missed = ""
    while True:
        for body, name in _bodies(folders, side, after=done):
            if seen is not None and body in seen:
                continue
            try:
                with folders.find(side) as folder:
                    file = open_body(folder, name) if folder else None
                if file is None and body != missed:
                    missed = body
                    break  # renamed or removed since it was listed: list again, from here on
                if file:
                    with file:
                        yield from operations_of(file)
            except DamagedBodyError as error:
                _logger.warning(
                    "A body of the spool is damaged, and what cannot be read of it is left out: "
                    "%s: %s.",
                    body,
                    error,
                )
            done = body
            if seen is not None:
                seen.add(body)
        else:
            return


def _bodies(folders: SpoolFolders, side: str, *, after: str) -> list[tuple[str, str]]:
    with folders.find(side) as folder:
        files = filter(None, map(parse, folder.scan())) if folder else ()
        return sorted(
            {file.body: file.name for file in files if file.is_body and file.body > after}.items()
        )
