"""Runs the programs of `tests/fleet/programs`, and reads from Elasticsearch what they told."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from instrumented import BINARIES, clean_environment
from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from store import Store

PROGRAMS: Final = Path(__file__).parent / "programs"
_TOLD: Final = re.compile(r"(?P<case>\S+) in (?P<session>\S+)")


class Piece(NamedTuple):
    """A piece of work: the session that it should be in, and that of its log record."""

    wanted: str | None
    found: str | None


def told(store: Store) -> dict[str, list[Piece]]:
    """Return the pieces of work that programs logged, by their cases."""
    pieces = defaultdict(list)
    for record in store.logs():
        if match := _TOLD.fullmatch(record.get("body", {}).get("text", "")):
            wanted = None if match["session"] == "None" else match["session"]
            found = record.get("attributes", {}).get("session.id")
            pieces[match["case"]].append(Piece(wanted, found))
    return dict(pieces)


def run(
    store: Store, program: str, *words: str, variables: Mapping[str, str], bare: bool = False
) -> None:
    """Run a program to its end, under `opentelemetry-instrument` unless it is `bare`."""
    done = subprocess.run(
        _command(program, words)[bare:],
        env=_environment(store, variables),
        check=False,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def running(
    store: Store, console: Path, program: str, *words: str, variables: Mapping[str, str]
) -> Iterator[None]:
    """Run a program until the block ends, and let it end in order."""
    with console.open("wb") as output:
        process = subprocess.Popen(
            _command(program, words),
            env=_environment(store, variables),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
        process.send_signal(signal.SIGTERM)
        process.wait(HANG_SECONDS)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _command(program: str, words: tuple[str, ...]) -> list[str]:
    instrument = str(BINARIES / "opentelemetry-instrument")
    return [instrument, sys.executable, str(PROGRAMS / program), *words]


def _environment(store: Store, variables: Mapping[str, str]) -> dict[str, str]:
    return {
        **clean_environment(),
        "PYTHONPATH": str(PROGRAMS.parents[1]),
        "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}",
        **store.environment(OTEL_SERVICE_NAME="fleet"),
        **variables,
    }
