"""A process that is killed before its k-th call to the system, for every k.

    python crashing.py ROOT SCENARIO

Each try has a spool of its own, in ROOT/<k>. What the process knew before it was killed stands in
the file `said` there, one word per line. Ends with the first try that was not killed.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_asayer.spool import Spool

sys.path.insert(0, str(Path(__file__).parents[2]))
from unit.spool.support import (
    BLOCK,
    ROOMY,
    leased,
    operation,
    operations,
)  # (found by the line above)

if TYPE_CHECKING:
    from collections.abc import Callable

    Say = Callable[[str], object]

CALLS = (
    "chmod",
    "close",
    "fchmod",
    "fsync",
    "mkdir",
    "open",
    "rename",
    "scandir",
    "stat",
    "unlink",
    "utime",
    "write",
)


def write(spool: Spool, say: Say) -> None:
    spool.write(operations("a", "b"))
    say("written")


def write_ahead(spool: Spool, say: Say) -> None:
    _, lease = spool.write_ahead(operations("a", "b"))
    say("written")
    say("delivered")
    lease.done()
    say("done")


def deliver(spool: Spool, say: Say) -> None:
    lease = leased(spool)
    lease.operations()
    say("delivered")
    lease.done()
    say("done")


def release(spool: Spool, say: Say) -> None:
    leased(spool).release()
    say("released")


def replace(spool: Spool, say: Say) -> None:
    lease = leased(spool)
    say("delivered")
    lease.replace([operation("b")])
    say("done")


def evict(spool: Spool, say: Say) -> None:
    Spool(spool.folder.parent, max_bytes=2 * BLOCK).write([operation("c")])
    say("written")


def join(spool: Spool, say: Say) -> None:
    spool.write(operations("a", "b"), join=True)
    say("first")
    spool.write([operation("c")], join=True)
    say("written")


def reject(spool: Spool, say: Say) -> None:
    spool.reject([(operation("c"), "refused")])
    say("written")


SCENARIOS = {
    function.__name__: function
    for function in (write, write_ahead, deliver, release, replace, evict, join, reject)
}


def kill_before_call(number: int) -> None:
    calls = count(1)

    def killing(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if next(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    for name in CALLS:
        setattr(os, name, killing(getattr(os, name)))


def prepare(root: Path, scenario: str) -> Spool:
    spool = Spool(root, max_bytes=ROOMY)
    if scenario in ("deliver", "release", "replace", "reject"):
        spool.write(operations("a", "b"))
    if scenario == "evict":
        spool.write([operation("a")])
        spool.write([operation("b")])
    return spool


def attempt(root: Path, scenario: str, number: int) -> bool:
    """Run the scenario in a child that is killed before its call of that number.

    Returns:
        Whether it was killed.
    """
    spool = prepare(root / str(number), scenario)
    (root / str(number)).mkdir(mode=0o700, exist_ok=True)
    said, say = os.open(root / str(number) / "said", os.O_CREAT | os.O_WRONLY), os.write
    child = os.fork()
    if child == 0:
        kill_before_call(number)
        SCENARIOS[scenario](spool, lambda word: say(said, word.encode() + b"\n"))
        os._exit(0)
    os.close(said)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, -signal.SIGKILL):
        raise SystemExit(f"try {number} of {scenario} ended with {status}")
    return status != 0


if __name__ == "__main__":
    next(number for number in count(1) if not attempt(Path(sys.argv[1]), sys.argv[2], number))
