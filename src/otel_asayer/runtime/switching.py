"""How soon a thread that computes gives the interpreter to one that waits for it.

A thread of Python asks for the interpreter after it has waited 5 ms, the switch interval, without
any release. An event loop that computes, and looks at its sockets now and then, releases it for a
microsecond each time. That wakes the waiting thread too late, and it begins its 5 ms anew. A thread
that exports may then wait for seconds, again and again, while the queues of the batch processors
overflow.

The switch interval is one for the whole process, and a short one costs an application with several
threads a tenth of its throughput and more. So it is short only while a thread is starved, or
imports.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import (
    LockType,
    RLock,
    allocate_lock,
    start_new_thread,
)  # those of threads, whatever gevent patches
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Turns", "short_switches"]

_SHORT: Final = 1e-4
"""Seconds; the default of Python is 5e-3."""
_PAUSE: Final = 1e-5
"""Seconds; 0 would give the interpreter back to this thread before another one wakes up."""
_MOST_PAUSING: Final = 0.02
"""Seconds that a piece of work may be held up to let requests in: queues must not overflow."""
_LONGEST: Final = 1.0
"""Seconds that switches are short at a stretch."""
_REST: Final = 4.0
"""Seconds that they are as usual after a stretch in which no work was done."""


class _Switches:
    """The switch interval of the process, and how many have shortened it.

    No thread waits for a lock here before it has shortened it: another thread may have held the
    lock when this process was forked. A signal's handler may end a span in the midst of this.
    """

    def __init__(self) -> None:
        self._usual = 0.0
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def shorten(self) -> bool:
        """Make it short until `restore`; return whether that could be done."""
        if self._pid != os.getpid():  # uWSGI runs no hooks
            self._renew()
        if not self._lock.acquire(blocking=False):
            return False
        try:
            self._users += 1
            if self._users == 1:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(min(self._usual, _SHORT))
        finally:
            self._lock.release()
        return True

    def restore(self) -> None:
        """Make it what it was, unless others need it short."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                sys.setswitchinterval(self._usual)

    def _renew(self) -> None:
        """Forget the users: their threads stayed in the parent, but for the one that forked."""
        if getattr(self, "_users", 0):
            sys.setswitchinterval(self._usual)
        self._pid, self._users, self._lock = os.getpid(), 0, RLock()


_switches: Final = _Switches()


@contextmanager
def short_switches() -> Iterator[None]:
    """Let threads give the interpreter away sooner while the block runs."""
    holder = os.getpid() if _switches.shorten() else 0
    try:
        yield
    finally:
        if os.getpid() == holder:  # a fork has forgotten it
            _switches.restore()


class Turns:
    """Sees to it that the threads of an exporter get their turn.

    They are helped while the queue they empty has a backlog, and no longer than it helps: an
    exporter may also be late because the server is.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._holder = 0  # the process in which switches are short because of this; forks have none
        self._stretch: LockType | None = None  # released when it is over
        self._done = 0  # pieces of work
        self._rests_until = 0.0

    @contextmanager
    def work(self) -> Iterator[Callable[[], None]]:
        """Do a piece of work; yields what lets other threads run for a moment.

        A thread that computes gives the interpreter away after 5 ms only, each time that a request
        comes back from reading or writing. So an export of 10 ms would hold up whatever runs beside
        it. Once that has taken too long in all, it does nothing any more.
        """
        left = _MOST_PAUSING

        def pause() -> None:
            nonlocal left
            if left > 0:
                start = time.monotonic()
                with suppress(Exception):  # gevent's hub cannot wait
                    time.sleep(_PAUSE)
                left -= time.monotonic() - start

        try:
            yield pause
        finally:
            self._done += 1
            self._rests_until = 0.0

    def are_short(self) -> bool:
        """Whether threads of this process are switched sooner because of this."""
        return self._holder == os.getpid()

    def hurry(self) -> None:
        """Let threads be switched sooner, for a second at most.

        A request calls it: it never waits.
        """
        if (
            self.are_short()
            or time.monotonic() < self._rests_until
            or not self._lock.acquire(blocking=False)
        ):
            return
        try:
            if not self.are_short() and _switches.shorten():
                self._holder = os.getpid()
                self._stretch = stretch = allocate_lock()
                stretch.acquire()
                start_new_thread(self._end, (stretch, _LONGEST, self._done))
        except RuntimeError:  # no thread can be started: the process ends
            self._restore()
        finally:
            self._lock.release()

    def relax(self) -> None:
        """Let threads be switched as usual: there is no backlog any more.

        A request calls it: it never waits.
        """
        if self.are_short() and self._lock.acquire(blocking=False):
            try:
                self._restore()
            finally:
                self._lock.release()

    def _restore(self) -> None:
        if self.are_short() and self._stretch is not None:
            self._holder = 0
            self._stretch.release()
            _switches.restore()

    def _end(self, stretch: LockType, seconds: float, done: int) -> None:
        """End a stretch after so many seconds, unless it is over before."""
        if stretch.acquire(timeout=seconds):
            return
        with self._lock:
            if self._stretch is stretch and self.are_short():
                if self._done == done:
                    self._rests_until = time.monotonic() + _REST
                self._restore()
