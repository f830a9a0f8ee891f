"""`make soak`: `make test`, time and again, on a machine that has no processor to spare.

Usage: soak.py [RUNS [BURNERS]]. The exit status is 1 when one of the runs was not green.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS, BURNERS = 5, 4
_BURN = "while True: pass"


@contextmanager
def burning() -> Iterator[None]:
    """A process that takes all it can get, until the block ends."""
    process = subprocess.Popen([sys.executable, "-c", _BURN])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def main(runs: int = RUNS, burners: int = BURNERS) -> int:
    """Run the tests so often beside so many burners, and say how each run went."""
    results = []
    with ExitStack() as stack:
        for _ in range(burners):
            stack.enter_context(burning())
        for number in range(1, runs + 1):
            began = time.monotonic()
            green = subprocess.run(["make", "test"], check=False).returncode == 0
            results.append(
                f"run {number}: {'green' if green else 'RED'} after {time.monotonic() - began:.0f} "
                f"s"
            )
            print(results[-1], flush=True)
    red = sum("RED" in result for result in results)
    print(f"beside {burners} burners:", *results, f"{runs - red} passed, {red} failed", sep="\n")
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
