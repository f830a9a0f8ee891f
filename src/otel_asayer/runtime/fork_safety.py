"""Keeps forks out of imports that run on a background thread, and makes these short.

A child that is forked while another thread imports a module waits for that module forever: its lock
is held by a thread that stayed in the parent. That holds for this package's imports, and wherever
the application imports the same module. The first export imports its HTTP client, and a server
forks its workers at about the same time. uWSGI forks without Python's at-fork hooks, and cannot be
made to wait.

An import reads many files, and waits for the interpreter after each. Where the application computes
all the time, that is 5 ms each: measured, more than 10 s for urllib3, in which the batch
processors' queues overflow. So threads give the interpreter away sooner meanwhile.
"""

from __future__ import annotations

# `logging` takes its lock before a fork, and imports need that lock. Hooks run in reverse order:
# ours must be registered later, to wait before `logging` takes its lock.
import logging  # noqa: F401
import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from otel_asayer.runtime.switching import short_switches

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["unforked"]

# Seconds that a fork waits at most.
_LONGEST: Final = 5.0


class _Gate:
    def __init__(self) -> None:
        self.lock = threading.RLock()  # an imported module may fork itself
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._wait, after_in_parent=self._release, after_in_child=self._renew
            )

    def _wait(self) -> None:
        self.lock.acquire(timeout=_LONGEST)

    def _release(self) -> None:
        with suppress(RuntimeError):  # the wait timed out
            self.lock.release()

    def _renew(self) -> None:
        self.lock = threading.RLock()


_gate: Final = _Gate()


@contextmanager
def unforked() -> Iterator[None]:
    """Make forks of this process wait until the block, which imports something, ends."""
    with _gate.lock, short_switches():
        yield
