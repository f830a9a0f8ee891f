"""The content of a file: operations, concatenated and compressed with gzip. That is a request's body as it stands.

An *operation* is the two lines of one document: what to do with it, and the document, each a JSON object that ends with a newline.

A file may come back damaged, by a crash of the machine, a bad disk or a hand that meant well. Then every operation that is whole is still
delivered: two lines of the right shape up to the first that is not, and, as a checksum fails only at the end, only if both are JSON.
"""

from __future__ import annotations

import errno
import gzip
import json
import zlib
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from otel_asayer.spool.directory import explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_asayer.spool.directory import Folder

__all__ = ["Damage", "DamagedBodyError", "open_body", "operations_of", "salvage"]

_LONGEST_LINE: Final = 128 * 1024 * 1024
"""Bytes. No request is that long; without a limit, a damaged file could decompress to a thousand times its size in one line."""

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


def operations_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield the operations of a file, one by one.

    Raises:
        DamagedBodyError: after the last operation that can be read, when something follows that cannot.
    """
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as lines:
            if not lines.peek(1):
                raise DamagedBodyError("it is empty")
            while action := lines.readline(_LONGEST_LINE):
                document = lines.readline(_LONGEST_LINE)
                if not (_is_object_line(action) and _is_object_line(document)):
                    raise DamagedBodyError("it holds something else than pairs of JSON lines")
                yield action + document
    except (EOFError, OSError, zlib.error) as error:  # cut short; no gzip, a wrong checksum or a bad disk; broken inside
        raise DamagedBodyError(str(error)) from error


def salvage(file: BinaryIO) -> tuple[list[bytes], str]:
    """Return the operations of a file that can be read, and why others cannot, or nothing."""
    operations: list[bytes] = []
    try:
        for operation in operations_of(file):
            operations.append(operation)  # noqa: PERF402 (what came before an error is to be kept)
    except DamagedBodyError as error:
        return list(filter(_is_intact, operations)), str(error)
    return operations, ""


def _is_intact(operation: bytes) -> bool:
    """Whether both lines are JSON objects; too slow to ask of every operation."""
    try:
        return all(isinstance(json.loads(line), dict) for line in operation.splitlines())
    except (ValueError, RecursionError):
        return False


def _is_object_line(line: bytes) -> bool:
    return line.startswith(b"{") and line.endswith(b"}\n")
