"""Which process holds a file, and whether that process is gone.

A process is named by its *scope* (host and pid namespace: the only place where its pid means
anything), its pid, and the time it started, in clock ticks since boot: a pid is given again, to
another process, but not at the same tick. Containers that share a folder have different scopes, for
all of them have a pid 1; there, only time tells.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["Holder", "current_holder"]

_UNKNOWN: Final = 0
"""The start of a process where the system does not tell it."""

_DEAD_STATES: Final = frozenset({b"Z", b"X"})
"""A container's pid 1 may never reap its children: a zombie is as dead as one that was reaped."""


class Holder(NamedTuple):
    """A process, named so that it can be recognised later, by another one."""

    scope: str
    pid: int
    started: int

    def __str__(self) -> str:
        return f"{self.scope}-{self.pid}-{self.started}"

    @property
    def is_gone(self) -> bool:
        """Whether the process is known to have ended.

        On another host, or in another container, nobody can know.
        """
        return self._is_near and not self._is_running

    @property
    def is_alive(self) -> bool:
        """Whether the process is known to be running."""
        return self._is_near and self._is_running

    @property
    def _is_near(self) -> bool:
        return self.scope == current_holder().scope

    @property
    def _is_running(self) -> bool:
        started = _started(self.pid)
        return started is not None and (
            _UNKNOWN in (started, self.started) or started == self.started
        )


def current_holder() -> Holder:
    """Return the name of this process; right in a forked child, too."""
    return _holder(os.getpid())


@lru_cache(maxsize=1)
def _holder(pid: int) -> Holder:
    return Holder(_scope(), pid, _started(pid) or _UNKNOWN)


def _scope() -> str:
    try:
        place = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii") + str(
            Path("/proc/self/ns/pid").readlink()
        )
    except OSError:  # no /proc: the host's name has to do
        place = ""
    return hashlib.sha256(f"{os.uname().nodename} {place}".encode()).hexdigest()[:8]


def _started(pid: int) -> int | None:
    """Start of a process, or None when it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return _UNKNOWN if _answers(pid) else None
    # The second field is the program's name, in parentheses, and may hold anything; the state is
    # the third and the start the twenty-second.
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
