"""Servers with two workers: which one answers, and work that each of them is known to have done.

A worker that has answered has installed its signal handlers. Until then gunicorn loses the signal
that should end it, and waits for 30 s.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from patience import kernel_state, wait_for
from store import SESSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented import Application

    Work = list[tuple[int, int]]
    """Numbers of pieces of work, and the processes in which they were done."""


def is_in_state(state: str, process: int) -> bool:
    """Whether the kernel says that it sleeps (S), or is stopped (T)."""
    return kernel_state(str(process)) == state


@contextmanager
def stopped(process: int) -> Iterator[None]:
    """Stop a process, and let it go on behind the block."""
    os.kill(process, signal.SIGSTOP)
    wait_for(lambda: is_in_state("T", process), "The process does not stop.")
    yield
    os.kill(process, signal.SIGCONT)


def ask(app: Application, *numbers: int, path: str = "jobs") -> Work:
    answers = [app.get(f"/{path}/{number}", X_Session_Id=SESSION) for number in numbers]
    return [(number, int(answer.body)) for number, answer in zip(numbers, answers, strict=True)]


def ask_two_workers(app: Application) -> Work:
    """Let each of two workers do five pieces of work:

    what one does while the other one is stopped is done by nobody else.
    """
    first = ask(app, 1)
    with stopped(first[0][1]):
        second = ask(app, 2, 3, 4, 5, 6)
    with stopped(second[0][1]):
        first += ask(app, 7, 8, 9, 10)
    asked = sorted(first + second)
    assert list(Counter(worker for _, worker in asked).values()) == [5, 5]
    for _, worker in asked[:2]:  # uWSGI is busy for a moment after it has answered
        # Called in this turn
        wait_for(lambda: is_in_state("S", worker), "The worker does not become idle.")  # noqa: B023
    return asked
