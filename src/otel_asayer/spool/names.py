"""The names of a spool's files, and the process that a name says is at work on one.

::

    01795536236662271530-4711-9f86d081884c7d65-512.ndjson.gz             a body that waits
    ….ndjson.gz.5f70bf18-4711-89342-d2c3b4a5.lease                       that body, leased
    ….ndjson.gz.5f70bf18-4711-89342-d2c3b4a5.tmp                         a file being written
    ….reasons.ndjson                                                     beside a rejected body

A body's name is the time it was first written in nanoseconds since 1970 (20 digits, so that sorting
by name sorts by age), the writer's pid, random digits (unique among hosts), and its number of
documents. Leases do not change it: a released body returns to its place. Before `.lease` and `.tmp`
stand the owner and random digits, which tell one lease of a process from its next.

An owner is a *scope* (host and pid namespace: a pid means nothing elsewhere), a pid, and the
process's start in clock ticks since boot: the system reuses a pid, but not at the same tick.
Containers that share a folder have different scopes, as each of them has a pid 1; between them,
only time tells whether an owner is gone.
"""

from __future__ import annotations

import hashlib
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

__all__ = [
    "LeaseOwner",
    "SpoolFile",
    "current_process",
    "leased_name",
    "new_body",
    "parse",
    "reasons_name",
    "temporary_name",
]

_BODY_SUFFIX: Final = ".ndjson.gz"
_REASONS_SUFFIX: Final = ".reasons.ndjson"
_TEMPORARY_SUFFIX: Final = ".tmp"

_OWNER: Final = r"([0-9a-f]{8})-([1-9][0-9]{0,9})-([0-9]{1,19})-[0-9a-f]{8}"
_FILE: Final = re.compile(
    r"(([0-9]{20})-[0-9]{1,10}-[0-9a-f]{16}-([0-9]{1,9})(?:\.ndjson\.gz|(\.reasons\.ndjson)))"
    rf"(?:\.{_OWNER}\.lease)?"
)
_TEMPORARY: Final = re.compile(rf".+\.{_OWNER}\.tmp")

_UNKNOWN: Final = 0
"""The start of a process where the system does not tell it."""

_DEAD_STATES: Final = frozenset({b"Z", b"X"})
"""A container's pid 1 may never reap its children: a zombie is as dead as one that was reaped."""


class LeaseOwner(NamedTuple):
    """A process, named so that another one can recognise it later."""

    scope: str
    pid: int
    started: int

    def __str__(self) -> str:
        return f"{self.scope}-{self.pid}-{self.started}"

    @property
    def is_alive(self) -> bool | None:
        """Whether the process runs.

        None: nobody can know that of one on another host or in another container.
        """
        if self.scope != current_process().scope:
            return None
        started = _started(self.pid)
        return started is not None and (
            _UNKNOWN in (started, self.started) or started == self.started
        )


class SpoolFile(NamedTuple):
    """A body, the reasons beside one, or a file being written, as its name describes it."""

    body: str
    """The name without a lease: sorts by age. Of a file being written, all of the name."""

    name: str
    written_ns: int
    documents: int
    """0 for anything but a body."""

    owner: LeaseOwner | None = None
    """The process that leased it, or writes it; None while it waits."""

    @property
    def writer(self) -> int:
        """The pid of the process that wrote it, on whatever host."""
        return int(self.body.split("-")[1])

    @property
    def is_body(self) -> bool:
        """Whether this is a body: not the reasons beside one, and not being written."""
        return self.body.endswith(_BODY_SUFFIX)

    @property
    def is_temporary(self) -> bool:
        """Whether the file is being written, or was when its writer died."""
        return self.body.endswith(_TEMPORARY_SUFFIX)


def parse(name: str) -> SpoolFile | None:
    """Return what a file's name says, or None for a file that is not ours."""
    if match := _FILE.fullmatch(name):
        body, written, documents, reasons, scope, pid, started = match.groups()
        owner = LeaseOwner(scope, int(pid), int(started)) if scope else None
        return SpoolFile(body, name, int(written), 0 if reasons else int(documents), owner)
    match = _TEMPORARY.fullmatch(name)
    return match and SpoolFile(name, name, 0, 0, LeaseOwner(match[1], int(match[2]), int(match[3])))


def new_body(written_ns: int, documents: int) -> str:
    """Return a name for a new body, unique among all processes and hosts."""
    # From the system, not from `random`, whose state forked workers share.
    return (
        f"{max(written_ns, 0):020d}-{os.getpid()}-{os.urandom(8).hex()}-{documents}{_BODY_SUFFIX}"
    )


def leased_name(body: str) -> str:
    """Return the name of `body` while this process leases it; another one for each lease."""
    return f"{body}.{current_process()}-{os.urandom(4).hex()}.lease"


def temporary_name(name: str) -> str:
    """Return the name under which this process writes what will be `name`."""
    return f"{name}.{current_process()}-{os.urandom(4).hex()}.tmp"


def reasons_name(body: str) -> str:
    """Return the name of the reasons beside a rejected body."""
    return body.removesuffix(_BODY_SUFFIX) + _REASONS_SUFFIX


def current_process() -> LeaseOwner:
    """Return the name of this process; right in a forked child, too."""
    return _named(os.getpid())


@lru_cache(maxsize=1)
def _named(pid: int) -> LeaseOwner:
    return LeaseOwner(_scope(), pid, _started(pid) or _UNKNOWN)


def _scope() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        machine = boot + str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # no /proc: the host's name has to do
        machine = ""
    return hashlib.sha256(f"{os.uname().nodename} {machine}".encode()).hexdigest()[:8]


def _started(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot, or None when it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return _UNKNOWN if _answers(pid) else None
    # The second field is the program's name, in parentheses, and may hold anything. The state is
    # the third field and the start the twenty-second.
    state, *fields = text.rpartition(b")")[2].split()
    return None if state in _DEAD_STATES else int(fields[18])


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True
