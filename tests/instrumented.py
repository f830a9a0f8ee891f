"""Applications as processes under `opentelemetry-instrument`, for the end-to-end tests and the
demo."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

BINARIES = Path(sys.executable).parent


def heed_ctrl_c() -> None:
    """Let this process, and what it starts, end by Ctrl-C again.

    A shell makes what it starts in the background ignore it, and programs inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Answer:
    """What an application answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Application:
    """A running application: where it listens, and what it printed so far."""

    process: subprocess.Popen[bytes]
    port: int
    console: Path

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG_SECONDS)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            return Answer(
                answer.status,
                {name.lower(): value for name, value in answer.getheaders()},
                answer.read(),
            )
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """GET with headers whose names are given with `_` for `-`."""
        return self.request(
            "GET", path, {name.replace("_", "-"): value for name, value in headers.items()}
        )

    def output(self) -> str:
        """What the application wrote to stdout and stderr."""
        return self.console.read_text(errors="replace")

    def stop(self, with_signal: int = signal.SIGINT) -> int:
        """End it as an operator would, and return its exit status; a process that does not end is
        killed and is an error."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        try:
            return self.process.wait(HANG_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            raise AssertionError(
                f"The application did not end within {HANG_SECONDS} s:\n{self.output()}"
            ) from None

    def _kill(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:  # it ended by itself
            return
        self.process.wait()


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment() -> dict[str, str]:
    """The process's environment without any setting of OpenTelemetry, so that a test says all it
    depends on."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}


@contextmanager
def application(
    command: Sequence[str],
    port: int,
    console: Path,
    environment: Mapping[str, str],
    *,
    binaries: Path = BINARIES,
    bare: bool = False,
) -> Iterator[Application]:
    """Run `opentelemetry-instrument <command>`, or `bare` the command alone, until the block ends;
    it must listen on `port`."""
    with console.open("wb") as output:
        process = subprocess.Popen(
            [*([] if bare else [str(binaries / "opentelemetry-instrument")]), *command],
            env={
                **clean_environment(),
                "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
                "XDG_STATE_HOME": str(console.parent / "state"),
                **environment,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = Application(process, port, console)
    try:
        _wait_until_listening(running)
        yield running
        running.stop()
    finally:
        running._kill()


def _wait_until_listening(running: Application) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while time.monotonic() < deadline and running.process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", running.port), timeout=HANG_SECONDS).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"The application did not start. It says:\n{running.output()}")
