"""How long tests wait: until what they wait for has happened.

Only what hangs meets an end, which no busy machine comes near.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HANG_SECONDS = 300
"""After so long nothing is slow any more: it hangs, and that is an error."""


def wait_for(condition: Callable[[], bool], complaint: str) -> None:
    """Return as soon as `condition` holds."""
    deadline = time.monotonic() + HANG_SECONDS
    while not condition():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.005)


def kernel_state(task: str) -> str:
    """Return the letter by which the kernel says what a process or thread does.

    Args:
        task: its folder in /proc: a process's id, or `<id>/task/<id>`.

    Raises:
        FileNotFoundError, ProcessLookupError: it has ended.
    """
    text = Path("/proc", task, "stat").read_text(encoding="ascii", errors="replace")
    return text.rpartition(") ")[2][0]
