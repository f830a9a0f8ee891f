"""Which process holds a file, and whether it is gone."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from otel_asayer.spool import names
from otel_asayer.spool.names import LeaseOwner, current_process
from unit.spool.support import failing

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def without_proc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    names._named.cache_clear()
    monkeypatch.setattr(Path, "read_bytes", failing(errno.ENOENT))
    monkeypatch.setattr(Path, "read_text", failing(errno.ENOENT))
    yield
    names._named.cache_clear()


def knowledge(owner: LeaseOwner) -> str:
    return {True: "alive", False: "gone", None: "unknown"}[owner.is_alive]


def ended_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


@contextmanager
def zombie() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        yield process.pid


def test_this_process_is_alive() -> None:
    assert knowledge(current_process()) == "alive"


def test_a_process_is_named_by_scope_pid_and_start() -> None:
    owner = current_process()
    assert str(owner) == f"{owner.scope}-{os.getpid()}-{owner.started}"
    assert owner.pid == os.getpid()


def test_the_start_is_the_one_that_the_system_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Path,
        "read_bytes",
        lambda _: b"17 (sh) S " + b" ".join(b"%d" % number for number in range(4, 53)),
    )
    assert names._started(17) == 22


def test_a_programs_name_does_not_confuse() -> None:
    comm = Path("/proc/self/comm")
    before = comm.read_text()
    comm.write_text(") Z 1 (1 2")
    try:
        assert knowledge(current_process()) == "alive"
    finally:
        comm.write_text(before.strip())


def test_an_ended_process_is_gone() -> None:
    assert knowledge(current_process()._replace(pid=ended_pid())) == "gone"


def test_a_zombie_is_gone() -> None:
    with zombie() as pid:
        assert knowledge(current_process()._replace(pid=pid, started=0)) == "gone"


def test_a_pid_given_to_another_process_is_gone() -> None:
    owner = current_process()
    assert knowledge(owner._replace(started=owner.started - 1)) == "gone"


def test_an_owner_without_a_start_is_known_by_its_pid() -> None:
    assert knowledge(current_process()._replace(started=0)) == "alive"


def test_nothing_is_known_of_another_host_or_container() -> None:
    assert knowledge(current_process()._replace(scope="00000000", pid=ended_pid())) == "unknown"


def test_a_forked_child_is_another_owner() -> None:
    program = (
        "import os\n"
        "from otel_asayer.spool.names import current_process\n"
        "parent = current_process()\n"
        "if os.fork() == 0:\n"
        "    os._exit(0 if current_process() == parent._replace(pid=os.getpid(), "
        "started=current_process().started) != parent else 1)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.wait()[1]))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_without_proc_a_running_process_is_alive(without_proc: None) -> None:
    assert knowledge(current_process()) == "alive"


def test_without_proc_a_start_is_not_compared(without_proc: None) -> None:
    assert knowledge(current_process()._replace(started=7)) == "alive"


def test_without_proc_an_ended_process_is_gone(without_proc: None) -> None:
    assert knowledge(current_process()._replace(pid=ended_pid())) == "gone"


def test_without_proc_a_pid_that_no_system_has_is_gone(without_proc: None) -> None:
    assert knowledge(current_process()._replace(pid=9999999999)) == "gone"


def test_without_proc_another_users_process_is_alive(
    without_proc: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "kill", failing(errno.EPERM))
    assert knowledge(current_process()._replace(pid=1)) == "alive"
