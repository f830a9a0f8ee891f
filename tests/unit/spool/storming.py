"""A process that writes and drains a spool without end, and says on standard output what it was
told; made to be killed.

    python storming.py ROOT NAME

Lines: `written NAME-<n>` when `write` has returned, `delivering <name>` for each document before
    its body is marked done.
"""

from __future__ import annotations

import os
import sys
from itertools import count
from pathlib import Path

from otel_asayer.spool import Spool

sys.path.insert(0, str(Path(__file__).parents[2]))
from unit.spool.support import ROOMY, names_of, operations


def say(*lines: str) -> None:
    os.write(1, "".join(f"{line}\n" for line in lines).encode())


def main(root: Path, name: str) -> None:
    spool = Spool(root, max_bytes=ROOMY)
    spool.recover()
    for number in count():
        document = f"{name}-{number}"
        spool.write(operations(f"{document}-a", f"{document}-b"))
        say(f"written {document}-a", f"written {document}-b")
        if number % 3 == 2:
            lease = spool.lease()
            if lease:
                say(*(f"delivering {delivered}" for delivered in names_of(lease.operations())))
                lease.done()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
