"""What a load process writes down about each document, so that a kill -9 leaves it: each line is
one `write` to a file opened for appending.

NAME.emitted    one line per document, before its span is ended or its log record emitted
NAME.journal    received BATCH NUMBERS      the exporter's `export` was called with these documents
                written-ahead BATCH         the spool holds them: its `write_ahead` has returned
                returned BATCH RESULT       `export` has returned counted WHAT CAUSE NUMBER   a
                counter of the exporter, or of the SDK's batch processor, was raised
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

RECORD_BYTES = 8
"""Length of a line in NAME.emitted."""


class Ledger:
    """Writes the files of one process."""

    def __init__(self, folder: Path, name: str) -> None:
        self._emitted = _appending(folder / f"{name}.emitted")
        self._journal = _appending(folder / f"{name}.journal")
        self._batches = count()
        self._exporting = threading.local()

    def emitted(self, number: int) -> None:
        """Write down a document that is emitted next."""
        os.write(self._emitted, record(number))

    def received(self, numbers: Sequence[int]) -> int:
        """Write down what this thread exports; return the number of the batch."""
        batch = self._exporting.batch = next(self._batches)
        self._write(f"received {batch} {','.join(map(str, numbers))}")
        return batch

    def written_ahead(self) -> None:
        """Write down that the spool holds what this thread exports."""
        self._write(f"written-ahead {self._exporting.batch}")

    def returned(self, batch: int, result: str) -> None:
        """Write down that `export` is over."""
        self._write(f"returned {batch} {result}")

    def counted(self, what: str, cause: str, number: int) -> None:
        """Write down that a counter was raised."""
        self._write(f"counted {what} {cause.replace(' ', '_') or '-'} {number}")

    def _write(self, line: str) -> None:
        os.write(self._journal, f"{line}\n".encode())


@dataclass
class Batch:
    """What one call of `export` was given, and what became of it."""

    written_ahead: bool = False
    result: str = ""
    """Empty while `export` has not returned."""


@dataclass
class Record:
    """What the ledger of one process says."""

    emitted: list[int] = field(default_factory=list)
    batches: dict[int, Batch] = field(default_factory=dict)
    batch_of: dict[int, Batch] = field(default_factory=dict)
    """By document."""
    counted: Counter[str] = field(default_factory=Counter)
    """By what was counted, whatever the cause."""

    def read(self, line: str) -> None:
        """Take over one line of the journal."""
        word, first, *rest = line.split(" ")
        if word == "counted":
            self.counted[first] += int(rest[1])
            return
        batch = self.batches.setdefault(int(first), Batch())
        if word == "received":
            self.batch_of |= dict.fromkeys(map(int, rest[0].split(",")), batch)
        elif word == "written-ahead":
            batch.written_ahead = True
        else:
            batch.result = rest[0]


def read_record(folder: Path, name: str) -> Record:
    """Return what a process wrote down."""
    found = Record(emitted=read_numbers(folder / f"{name}.emitted"))
    for line in (folder / f"{name}.journal").read_text(encoding="ascii").splitlines():
        found.read(line)
    return found


def record(number: int) -> bytes:
    """Return the line for a document."""
    return b"%07d\n" % number


def read_numbers(path: Path) -> list[int]:
    """Return the documents of a file that has a line for each."""
    return list(map(int, path.read_bytes().split()))


def emitted_so_far(folder: Path) -> int:
    """Return how many documents all processes have emitted."""
    return sum(file.stat().st_size for file in folder.glob("*.emitted")) // RECORD_BYTES


def append_numbers(descriptor: int, numbers: Iterable[int]) -> None:
    """Append a line for each document, in one `write`."""
    os.write(descriptor, b"".join(map(record, numbers)))


def _appending(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
