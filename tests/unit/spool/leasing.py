"""A process that leases all bodies it can get, says their documents' names on standard output, and
holds them until its standard input ends.

python leasing.py ROOT
"""

from __future__ import annotations

import sys
from pathlib import Path

from otel_asayer.spool import Spool

sys.path.insert(0, str(Path(__file__).parents[2]))
from unit.spool.support import ROOMY, names_of


def say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def main(root: Path) -> None:
    spool = Spool(root, max_bytes=ROOMY)
    say("ready")
    sys.stdin.readline()
    while lease := spool.lease():
        say(*names_of(lease.operations()))
    say("end")
    sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
