"""Runs a node's command, and ends it when its owner is gone. Executed as a script of its own, so it
imports no other part of the harness.

Usage: supervisor.py FOLDER UID:GID|- COMMAND...

The owner holds the other end of standard input. However the owner ends, kill -9 included, the
system closes that end; then the node's whole process group is killed and its folder removed;
SIGTERM does the same. When the node ends first, or the owner has it killed by writing a byte, the
supervisor leaves with it and the folder stays: its owner may start it again.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType


def main(folder: Path, identity: str, command: list[str]) -> None:
    """Run the command until it ends by itself, or until standard input says so."""
    signal.signal(signal.SIGTERM, _end_input)
    _adopt_orphans()
    node = _start(folder, identity, command)
    abandoned = threading.Event()
    threading.Thread(target=_leave_with, args=(node, folder, abandoned), daemon=True).start()
    owner_lives = sys.stdin.buffer.read(1) != b""
    abandoned.set()
    _end(node, folder)
    if not owner_lives:
        shutil.rmtree(folder)


def _start(folder: Path, identity: str, command: list[str]) -> subprocess.Popen[bytes]:
    if identity == "-":
        return subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, start_new_session=True
        )
    uid, gid = map(int, identity.split(":"))
    return subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        user=uid,
        group=gid,
        extra_groups=[],
    )


def _leave_with(node: subprocess.Popen[bytes], folder: Path, abandoned: threading.Event) -> None:
    status = node.wait()
    if not abandoned.is_set():
        _end(node, folder)  # the launcher may end and leave its JVM
        os._exit(min(abs(status), 255))  # the main thread is blocked on its input


def _end(node: subprocess.Popen[bytes], folder: Path) -> None:
    _kill_group(node)
    node.wait()
    _await_group(node)
    _remove_attach_socket(folder)


def _kill_group(node: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(node.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # all of it has ended already


def _adopt_orphans() -> None:
    """Become the parent of a JVM whose launcher is gone, so that its end can be awaited:

    until then it holds port and folder. Only Linux can.
    """
    if sys.platform == "linux":
        set_child_subreaper = 36
        ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def _await_group(node: subprocess.Popen[bytes]) -> None:
    try:
        while True:
            os.waitpid(-node.pid, 0)
    except ChildProcessError:
        return  # none is left


def _remove_attach_socket(folder: Path) -> None:
    """Elasticsearch attaches to itself, and a JVM that is killed leaves the socket for that, always
    under /tmp."""
    pid_file = folder / "pid"
    pid = pid_file.read_text(encoding="ascii").strip() if pid_file.exists() else ""
    if pid.isdigit():
        Path(f"/tmp/.java_pid{pid}").unlink(missing_ok=True)


def _end_input(_signal: int, _frame: FrameType | None) -> None:
    """Make standard input end, as if the owner were gone.

    Raising here instead could lose a node that is just being started.
    """
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
