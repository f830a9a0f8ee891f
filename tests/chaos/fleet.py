"""The applications of one exporter, each a process after the other, all at the same time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.ledger import Record, emitted_so_far, read_record
from chaos.plan import APPLICATIONS, Life

from instrumented import clean_environment

if TYPE_CHECKING:
    from chaos.load import Orders

TESTS = Path(__file__).parents[1]
SETTINGS = {
    "PYTHONPATH": os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH")))),
    "OTEL_BSP_SCHEDULE_DELAY": "500",
    "OTEL_BLRP_SCHEDULE_DELAY": "500",
    "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED": "true",
}
"""Of both exporters' applications.

The delays (milliseconds) make many small requests, so that each trial meets many faults.
"""


class Fleet:
    """Runs `APPLICATIONS` applications by the same orders, but for their lives."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.folder = Path(orders.folder)
        self.processor_seconds = 0.0
        """Of all processes that have ended, user and system."""
        self.problems: list[str] = []
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._threads = [
            threading.Thread(target=self._live, args=(number,), daemon=True)
            for number in range(APPLICATIONS)
        ]
        self._ending = False
        self._lock = threading.Lock()

    @property
    def emitted(self) -> int:
        """Documents that were emitted so far."""
        return emitted_so_far(self.folder)

    @property
    def running(self) -> bool:
        """Whether an application runs still."""
        return any(thread.is_alive() for thread in self._threads)

    def start(self) -> None:
        """Start all applications."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Kill what still runs, and start nothing more."""
        self._ending = True
        with self._lock:
            for process in self._processes.values():
                process.kill()
        for thread in self._threads:
            thread.join()

    def records(self) -> dict[Life, Record]:
        """Return what each process wrote down."""
        lives = (
            life
            for application in range(APPLICATIONS)
            for life in self.orders.trial.lives(application)
        )
        return {life: read_record(self.folder, life.name) for life in lives}

    def _live(self, application: int) -> None:
        for life in self.orders.trial.lives(application):
            if not self._ending:
                self._run(life)

    def _run(self, life: Life) -> None:
        command = [sys.executable, "-m", "chaos.load", replace(self.orders, life=life).to_json()]
        with (self.folder / f"{life.name}.console").open("wb") as console:
            process = subprocess.Popen(
                command,
                env={**clean_environment(), **SETTINGS},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        with self._lock:
            self._processes[application := life.application] = process
        _, status, usage = os.wait4(process.pid, 0)
        with self._lock:
            del self._processes[application]
            process.returncode = os.waitstatus_to_exitcode(status)
            self.processor_seconds += usage.ru_utime + usage.ru_stime
        if process.returncode != (-signal.SIGKILL if life.killed else 0):
            self.problems.append(
                f"process {life.name} ended with {process.returncode}: see {life.name}.console"
            )
