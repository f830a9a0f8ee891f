"""Imports on a thread behind, which no fork comes into the middle of.

A child that is forked while another thread imports a module waits for ever for that module, whose
lock is held by a thread that stayed in the
parent: here, and wherever the application imports the same one. The first export imports some
    hundreds, and takes half a second; a server that
forks its workers does so at about the same time. uWSGI, which forks behind Python's back, cannot be
kept waiting.
"""

from __future__ import annotations

# Its own lock is taken before a fork, and imports need it: what is registered later waits before
# that
import logging  # noqa: F401
import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["unforked"]

_LONGEST: Final = 5.0
"""Seconds for which a fork waits."""


class _Gate:
    def __init__(self) -> None:
        self.lock = threading.RLock()  # what is imported may fork by itself
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._wait, after_in_parent=self._go_on, after_in_child=self._begin_anew
            )

    def _wait(self) -> None:
        self.lock.acquire(timeout=_LONGEST)

    def _go_on(self) -> None:
        with suppress(RuntimeError):  # the fork did not wait for the end
            self.lock.release()

    def _begin_anew(self) -> None:
        self.lock = threading.RLock()


_gate: Final = _Gate()


@contextmanager
def unforked() -> Iterator[None]:
    """Let forks of this process wait until the block ends."""
    with _gate.lock:
        yield
