"""Names of the files, the only place that knows their form.

::

    01795536236662271530-4711-9f86d081884c7d65-512.ndjson.gz                                   a
    body that waits ….ndjson.gz.5f70bf18-4711-89342-d2c3b4a5.lease
    the same body, held by a process ….ndjson.gz.5f70bf18-4711-89342-d2c3b4a5.tmp
    a file being written ….reasons.ndjson
    beside a rejected body

A body's name is the time it was first written in nanoseconds since 1970 (20 digits: sorted names
are sorted by age), the writer's pid, random digits (unique among hosts) and the number of documents
in it. It stays the same through leases, so that a released body is back in its place. The part
before `.lease` and `.tmp` is the holder (`holders`), and random digits that tell one lease of a
process from its next.
"""

from __future__ import annotations

import os
import re
from typing import Final, NamedTuple

from otel_asayer.spool.holders import Holder, current_holder

__all__ = [
    "Entry",
    "Temporary",
    "held_name",
    "new_body",
    "parse",
    "parse_temporary",
    "reasons_name",
    "temporary_name",
]

_BODY_SUFFIX: Final = ".ndjson.gz"
_REASONS_SUFFIX: Final = ".reasons.ndjson"

_HOLDER: Final = r"([0-9a-f]{8})-([1-9][0-9]{0,9})-([0-9]{1,19})-[0-9a-f]{8}"
_ENTRY: Final = re.compile(
    rf"(([0-9]{{20}})-[0-9]{{1,10}}-[0-9a-f]{{16}}-([0-9]{{1,9}})(?:\.ndjson\.gz|(\.reasons\.ndjson)))(?:\.{_HOLDER}\.lease)?"
)
_TEMPORARY: Final = re.compile(rf".+\.{_HOLDER}\.tmp")


class Entry(NamedTuple):
    """A file of the spool, as its name tells it."""

    body: str
    """The name without a lease: sorts by age."""

    name: str
    written_ns: int
    documents: int
    """0 for the reasons beside a rejected body."""

    holder: Holder | None = None
    """The process that leased it, or None while it waits."""

    @property
    def writer(self) -> int:
        """The pid of the process that wrote it, on whatever host."""
        return int(self.body.split("-")[1])

    @property
    def is_body(self) -> bool:
        """Whether this is a body, and not the reasons beside one."""
        return self.body.endswith(_BODY_SUFFIX)


class Temporary(NamedTuple):
    """A file that is being written, or was when its writer died."""

    name: str
    holder: Holder


def parse(name: str) -> Entry | None:
    """Return what the name of a file says, or None for a file that is no body of ours."""
    match = _ENTRY.fullmatch(name)
    if match is None:
        return None
    body, written, documents, reasons, scope, pid, started = match.groups()
    holder = Holder(scope, int(pid), int(started)) if scope else None
    return Entry(body, name, int(written), 0 if reasons else int(documents), holder)


def parse_temporary(name: str) -> Temporary | None:
    """Return whose temporary file this is, or None for any other file."""
    match = _TEMPORARY.fullmatch(name)
    return match and Temporary(name, Holder(match[1], int(match[2]), int(match[3])))


def new_body(written_ns: int, documents: int) -> str:
    """Return a name for a new body, unique among all processes and hosts."""
    # From the system, not from `random`, whose state forked workers share.
    return (
        f"{max(written_ns, 0):020d}-{os.getpid()}-{os.urandom(8).hex()}-{documents}{_BODY_SUFFIX}"
    )


def held_name(body: str) -> str:
    """Return the name of `body` while this process holds it; another one for each lease."""
    return f"{body}.{current_holder()}-{os.urandom(4).hex()}.lease"


def temporary_name(name: str) -> str:
    """Return the name under which this process writes what will be `name`."""
    return f"{name}.{current_holder()}-{os.urandom(4).hex()}.tmp"


def reasons_name(body: str) -> str:
    """Return the name of the reasons beside a rejected body."""
    return body.removesuffix(_BODY_SUFFIX) + _REASONS_SUFFIX
