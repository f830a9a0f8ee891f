"""The content of a file: operations, concatenated and compressed with gzip. That is a request's
body as it stands.

An *operation* is the two lines of one document: what to do with it, and the document, each a JSON
object that ends with a newline.

A file may come back damaged, by a crash of the machine, a bad disk or a hand that meant well. Then
every operation that is whole is still
delivered: two lines of the right shape up to the first that is not, and, as a checksum fails only
    at the end, only if both are JSON.

A file may be forged, too, by whoever can write here, or handed over with a volume. It is sent with
the application's credentials, which may be those of somebody who may do everything. So an operation
is one that this program writes, byte for byte: it creates a document in a place of ours. Any other
action, and any other way to write the same one, is as good as damage. And a small file that
decompresses to a huge one is read to a bound.
"""

from __future__ import annotations

import errno
import gzip
import json
import zlib
from os import SEEK_END
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from otel_asayer.documents import Operation, action_of, is_our_action, source_of
from otel_asayer.spool.directory import explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_asayer.spool.directory import Folder

__all__ = [
    "Damage",
    "DamagedBodyError",
    "foreign_lines",
    "most_bytes",
    "open_body",
    "operations_of",
    "salvage",
]

_MOST_BYTES: Final = 128 * 1024 * 1024
"""Bytes that a file may decompress to.

No request is that long, nor is a batch, which is divided before it is written (`delivery`).
"""
_MOST_BYTES_OF_A_SMALL_ONE: Final = 32 * 1024 * 1024
_MOST_RATIO: Final = 100
"""Beyond those, a file may decompress to a hundred times its size:

telemetry does to ten or thirty times, what is meant to fill memory to 1,000.
"""

_FOREIGN: Final = " of its lines are nothing that this program writes"

_SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""The process is short of something: that says nothing about the file."""


class Damage(NamedTuple):
    """What could not be read of a file."""

    documents: int
    """Documents that are lost, as the file's name counts them."""

    reason: str


class DamagedBodyError(Exception):
    """The rest of a body cannot be read; the message says why."""


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
        if error.errno not in _SHORTAGES:
            raise DamagedBodyError(error.strerror) from error
        with explained(folder.path):
            raise


def operations_of(file: BinaryIO) -> Iterator[Operation]:
    """Yield the operations of a file, one by one.

    Raises:
        DamagedBodyError: after the last operation that can be read, when something is there
            besides.
    """
    foreign = 0
    left = most_bytes(file)
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as lines:
            if not lines.peek(1):
                raise DamagedBodyError("it is empty")
            while action := lines.readline(left + 1):
                left -= len(action)
                if left >= 0 and not is_our_action(action):
                    # Perhaps an action with no document behind it: the next line is looked at as
                    # one
                    foreign += 1
                    continue
                document = lines.readline(left + 1) if left >= 0 else b""
                left -= len(document)
                if left < 0:
                    raise DamagedBodyError("it decompresses to more than any body holds")
                if not _is_object_line(document):
                    raise DamagedBodyError("it holds something else than pairs of JSON lines")
                yield Operation(action + document)
    except (
        EOFError,
        OSError,
        zlib.error,
    ) as error:  # cut short; no gzip, a wrong checksum or a bad disk; broken inside
        raise DamagedBodyError(str(error)) from error
    if foreign:
        raise DamagedBodyError(f"{foreign}{_FOREIGN}")


def foreign_lines(complaint: str) -> int:
    """Return how many lines of a file are something else than what this program writes, by the complaint about it."""
    return int(complaint.removesuffix(_FOREIGN)) if complaint.endswith(_FOREIGN) else 0


def most_bytes(file: BinaryIO) -> int:
    """Return the bytes to which a file may decompress."""
    size = file.seek(0, SEEK_END)
    file.seek(0)
    return min(_MOST_BYTES, max(_MOST_BYTES_OF_A_SMALL_ONE, size * _MOST_RATIO))


def salvage(file: BinaryIO) -> tuple[list[Operation], str]:
    """Return the operations of a file that can be read, and why others cannot, or nothing."""
    operations: list[Operation] = []
    try:
        for operation in operations_of(file):
            operations.append(operation)  # noqa: PERF402 (what came before an error is to be kept)
    except DamagedBodyError as error:
        return list(filter(_is_intact, operations)), str(error)
    return operations, ""


def _is_intact(operation: Operation) -> bool:
    """Whether both lines are JSON objects; too slow to ask of every operation."""
    try:
        return all(
            isinstance(json.loads(line), dict)
            for line in (action_of(operation), source_of(operation))
        )
    except (ValueError, RecursionError):
        return False


def _is_object_line(line: bytes) -> bool:
    return line.startswith(b"{") and line.endswith(b"}\n")
