"""Random numbers that no application can seed, and that do not starve its other threads.

`os.urandom` gives the interpreter away for the microsecond that it takes. A thread that waits for
the interpreter is woken, comes too late, and begins its wait anew: what computes and reads the
system's randomness now and then, as each request would for its ids, keeps all other threads from
running. Measured: a busy application, and exports that took 10 s instead of 0.05 s.

So a generator of our own is seeded by the system, once in each process: `random.seed()` does not
reach it. A fork is noticed by the process's id, as uWSGI runs no at-fork hooks. The time goes into
each number, as two machines that are restored from one snapshot go on from the same state.
"""

from __future__ import annotations

from os import getpid
from random import Random
from time import time_ns
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["random_bits"]


class _Source:
    pid = -1
    getrandbits: Callable[[int], int]


def random_bits(number: int) -> int:
    """Return a number of so many random bits, at least 64.

    Safe with threads, greenlets and forks.
    """
    if _Source.pid != getpid():
        _Source.getrandbits = Random().getrandbits  # noqa: S311 (seeded by the system)
        _Source.pid = getpid()
    return _Source.getrandbits(number) ^ time_ns()
