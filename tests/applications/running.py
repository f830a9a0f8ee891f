"""The processes of an application, bare or under `opentelemetry-instrument`, from the first start
to the last end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from applications.environments import PROGRAMS

from instrumented import clean_environment, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from applications.plan import Application, Process

START_SECONDS = 120.0
STOP_SECONDS = 60.0
POLL_SECONDS = 0.02


@dataclass
class Run:
    """An application that runs inside of a `with` block; whatever happens there, its processes have
    ended behind it.

    Attributes:
        application: What runs.
        environment: The folder of its packages.
        folder: Where it runs; its consoles are there, too.
        variables: Those of OpenTelemetry; None for a bare run.
        stop_seconds: How long that of its processes took to end which took longest.
        problems: Sentences about processes that did not end as they should.
    """

    application: Application
    environment: Path
    folder: Path
    variables: Mapping[str, str] | None = None
    stop_seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    _ports: dict[str, int] = field(default_factory=dict)
    _started: list[tuple[Process, subprocess.Popen[bytes]]] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Where requests go."""
        return self._ports[self.application.processes[-1].name]

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in self.application.files:
            (self.folder / name).symlink_to(self.environment / name)
        self._ports = {process.name: free_port() for process in self.application.processes}
        try:
            for process in self.application.processes:
                self._start(process)
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            for process, running in reversed(self._started):
                began = time.monotonic()
                self._stop(process, running)
                if not process.plain:
                    self.stop_seconds = max(self.stop_seconds, time.monotonic() - began)
        finally:
            self._kill()

    def console(self) -> str:
        """What its processes printed so far, without the name of the run's folder."""
        consoles = (
            self._console(process).read_text(errors="replace")
            for process in self.application.processes
            if not process.plain
        )
        return "".join(consoles).replace(str(self.folder), "FOLDER")

    def _console(self, process: Process) -> Path:
        return self.folder / f"{process.name}.console"

    def _start(self, process: Process) -> None:
        places = {
            **{name: str(port) for name, port in self._ports.items()},
            "folder": str(self.folder),
            "programs": str(PROGRAMS),
        }
        places["environment"] = str(self.environment)
        command = [word.format(**places) for word in process.command]
        variables = {name: value.format(**places) for name, value in process.variables.items()}
        if self.variables is not None and not process.plain:
            command = [str(self.environment / "bin" / "opentelemetry-instrument"), *command]
            variables = {**variables, **self.variables}
        paths = {
            "PATH": f"{self.environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder),
            "PYTHONPATH": str(PROGRAMS),
        }
        with self._console(process).open("wb") as console:
            running = subprocess.Popen(
                command,
                env={**clean_environment(), **paths, "PYTHONUNBUFFERED": "1", **variables},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append((process, running))
        self._await(process, running)

    def _await(self, process: Process, running: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready(process):
            if running.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"{process.name} of {self.application.name} did not "
                    f"start:\n{self._console(process).read_text(errors='replace')}"
                )
            time.sleep(POLL_SECONDS)

    def _is_ready(self, process: Process) -> bool:
        if process.ready:
            return process.ready in self._console(process).read_text(errors="replace")
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", self._ports[process.name]), timeout=1),
        ):
            return True
        return False

    def _stop(self, process: Process, running: subprocess.Popen[bytes]) -> None:
        if running.poll() is None:
            running.send_signal(process.ends_by)
        elif not process.plain:
            self.problems.append(f"{process.name} ended by itself, with {running.returncode}")
        try:
            running.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.problems.append(f"{process.name} did not end within {STOP_SECONDS:.0f} s")

    def _kill(self) -> None:
        for _, running in self._started:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()
