"""Measure what a small Flask process takes to start and in memory with each kind of telemetry.

    python benchmarks/process.py [--json FILE]

Each kind is set up as in `request.py`, in processes of its own that alternate: the application
alone, OpenTelemetry without an exporter, with OTLP/HTTP, and with otel-asayer. A process starts,
answers one request in a session, and sends everything recorded. Measured are its processor time,
user and system, and its resident memory, before that request and after. Byte code is cached as an
installation has it. Medians count.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from export import process
from request import (
    BARE,
    BINARIES,
    FAILS,
    OTLP,
    OURS,
    SETUPS,
    answer_one,
    flush_opentelemetry,
    shop,
    variables,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROUNDS = int(os.environ.get("ROUNDS") or 11)
SDK = "OpenTelemetry, no exporter"
KINDS = (BARE, SDK, OTLP, OURS)
COLUMNS = ("start, ms", "start, MiB", "first request, ms", "in all, MiB")


def work(kind: str, url: str) -> None:
    """Be one of the processes: print the four numbers as JSON."""
    app = shop()
    start = _spent()
    answer_one(app, kind, FAILS + 1)
    SETUPS.get(kind, flush_opentelemetry)(url)()
    end = _spent()
    print(json.dumps([start[0], start[1], end[0] - start[0], end[1]]))


def _spent() -> tuple[float, float]:
    """Milliseconds of processor time, and MiB of resident memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return time.process_time() * 1e3, pages * os.sysconf("SC_PAGESIZE") / 2**20


def measure() -> dict[str, list[list[float]]]:
    """Return the numbers of each kind's processes."""
    numbers: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    with (
        tempfile.TemporaryDirectory() as byte_code,
        process([sys.executable, str(Path(__file__).with_name("sink.py"))]) as (_, port),
    ):
        url = f"http://127.0.0.1:{int(port.readline())}"
        for number in range(1 + ROUNDS):
            for kind in KINDS:
                numbers[kind] += [_one(kind, url, byte_code)] if number else []
                if not number:  # compiles, and is not counted
                    _one(kind, url, byte_code)
    return numbers


def _one(kind: str, url: str, byte_code: str) -> list[float]:
    script = [sys.executable, __file__, "--worker", kind, url]
    environment = sdk_variables(kind, url) | {"PYTHONPYCACHEPREFIX": byte_code}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = script if kind == BARE else [str(BINARIES / "opentelemetry-instrument"), *script]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    answer: list[float] = json.loads(done.stdout)
    return answer


def sdk_variables(kind: str, url: str, framework: str = "flask") -> dict[str, str]:
    """What a kind is told by its variables, with the instrumentations of a small application."""
    others = {one.name for one in entry_points(group="opentelemetry_instrumentor")} - {
        framework,
        "logging",
    }
    chosen = variables(OTLP if kind == SDK else kind, url)
    if kind == SDK:
        chosen |= {"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    return chosen | {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": ",".join(others)}


def report(numbers: Mapping[str, Sequence[Sequence[float]]], file: Path | None) -> None:
    """Print a table, and write JSON where asked."""
    rows = {
        kind: [round(statistics.median(column), 1) for column in zip(*several, strict=True)]
        for kind, several in numbers.items()
    }
    print(f"{'telemetry':28}" + "".join(f"{name:>19}" for name in COLUMNS))
    for kind, row in rows.items():
        print(f"{kind:28}" + "".join(f"{value:19.1f}" for value in row))
    if file:
        file.write_text(json.dumps(rows, indent=2) + "\n")


def main() -> None:
    """Measure and report; with `--worker`, be one of the processes that are measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the numbers to this file as well")
    parser.add_argument("--worker", nargs=2, metavar=("KIND", "URL"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(*arguments.worker)
    else:
        report(measure(), arguments.json)


if __name__ == "__main__":
    main()
