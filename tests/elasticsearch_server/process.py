"""A node's processes:

a supervisor, Elasticsearch's launcher, and the JVM that the launcher starts.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from elasticsearch_server import supervisor
from elasticsearch_server.accounts import Account
from elasticsearch_server.errors import HarnessError
from patience import kernel_state, wait_for

END_SECONDS = 30.0


class NodeProcess:
    """Starts a command under a supervisor, knows the JVM by its pid file, and ends all of them.

    Args:
        command: What to run; it writes the JVM's process id to `pid_file`.
        environment: All of its environment.
        folder: Its working folder, which `close` and the supervisor remove.
        account: Who runs it.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path, account: Account
    ) -> None:
        self._command = command
        self._environment = environment
        self._folder = folder
        self._identity = "-" if account.is_ours else f"{account.uid}:{account.gid}"
        self.pid_file = folder / "pid"
        self.console = folder / "console.log"
        self._supervisor: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run the command; its output is appended to `console`."""
        self.pid_file.unlink(missing_ok=True)  # that of a killed node would pass for success
        script = [
            sys.executable,
            "-I",
            "-S",
            supervisor.__file__,
            str(self._folder),
            self._identity,
            *self._command,
        ]
        with self.console.open("ab") as console:
            self._supervisor = subprocess.Popen(
                script,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=console,
                # A Ctrl-C in the terminal is for the owner, who then ends us in order
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether the command that was started still runs; a paused one does."""
        return self._supervisor is not None and self._supervisor.poll() is None

    @property
    def pid(self) -> int:
        """The JVM's process id.

        Raises:
            HarnessError: It does not run, or has not written its pid file yet.
        """
        text = (
            self.pid_file.read_text(encoding="ascii").strip()
            if self.running and self.pid_file.exists()
            else ""
        )
        if not text:
            raise HarnessError("The node has no process now: start it first.")
        return int(text)

    def signal_jvm(self, number: signal.Signals) -> None:
        """Send a signal to the JVM alone."""
        os.kill(self.pid, number)

    def freeze_jvm(self) -> None:
        """Stop the JVM, and return when it stands still.

        `kill` returns while threads still run: each stops when it comes to the signal, and until
        then it may answer a request. Where there is no /proc to look at, nothing is waited for.
        """
        tasks = Path(f"/proc/{self.pid}/task")
        self.signal_jvm(signal.SIGSTOP)
        wait_for(lambda: all(map(_is_stopped, tasks.glob("*"))), "the JVM does not stop")

    def kill(self) -> None:
        """End launcher and JVM at once; the folder stays."""
        if self._supervisor is not None and self._supervisor.stdin is not None and self.running:
            with suppress(BrokenPipeError):  # it ends by itself at this very moment
                os.write(self._supervisor.stdin.fileno(), b"k")
            self.wait(END_SECONDS)

    def wait(self, timeout: float | None) -> None:
        """Return when the command has ended by itself, or raise `subprocess.TimeoutExpired` after
        so many seconds."""
        if self._supervisor is None:
            return
        self._supervisor.wait(timeout)
        if self._supervisor.stdin:
            self._supervisor.stdin.close()

    def close(self) -> None:
        """End everything at once, the folder included."""
        if self._supervisor is not None and self.running:
            # Not only its input's end: a forked child may hold a copy of that
            self._supervisor.terminate()
            self.wait(END_SECONDS)

    def log_end(self, lines: int = 40) -> str:
        """The last lines of the output, without the frames of stack traces:

        they are many, and the cause stands above them.
        """
        text = self.console.read_text(encoding="utf-8", errors="replace")
        return "\n".join(
            [line for line in text.splitlines() if not line.lstrip().startswith("at ")][-lines:]
        )


def _is_stopped(task: Path) -> bool:
    """Whether the thread with this folder in /proc stands still, or is gone."""
    try:
        return kernel_state(str(task)) in "Tt"
    except (FileNotFoundError, ProcessLookupError):
        return True
