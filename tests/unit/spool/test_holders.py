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

from otel_asayer.spool import holders
from otel_asayer.spool.holders import Holder, current_holder
from unit.spool.support import failing

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def without_proc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    holders._holder.cache_clear()
    monkeypatch.setattr(Path, "read_bytes", failing(errno.ENOENT))
    monkeypatch.setattr(Path, "read_text", failing(errno.ENOENT))
    yield
    holders._holder.cache_clear()


def knowledge(holder: Holder) -> str:
    return {(True, False): "alive", (False, True): "gone", (False, False): "unknown"}[
        holder.is_alive, holder.is_gone
    ]


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
    assert knowledge(current_holder()) == "alive"


def test_a_process_is_named_by_scope_pid_and_start() -> None:
    holder = current_holder()
    assert str(holder) == f"{holder.scope}-{os.getpid()}-{holder.started}"
    assert holder.pid == os.getpid()


def test_the_start_is_the_one_that_the_system_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Path,
        "read_bytes",
        lambda _: b"17 (sh) S " + b" ".join(b"%d" % number for number in range(4, 53)),
    )
    assert holders._started(17) == 22


def test_a_programs_name_does_not_confuse() -> None:
    comm = Path("/proc/self/comm")
    before = comm.read_text()
    comm.write_text(") Z 1 (1 2")
    try:
        assert knowledge(current_holder()) == "alive"
    finally:
        comm.write_text(before.strip())


def test_an_ended_process_is_gone() -> None:
    assert knowledge(current_holder()._replace(pid=ended_pid())) == "gone"


def test_a_zombie_is_gone() -> None:
    with zombie() as pid:
        assert knowledge(current_holder()._replace(pid=pid, started=0)) == "gone"


def test_a_pid_given_to_another_process_is_gone() -> None:
    holder = current_holder()
    assert knowledge(holder._replace(started=holder.started - 1)) == "gone"


def test_a_holder_without_a_start_is_known_by_its_pid() -> None:
    assert knowledge(current_holder()._replace(started=0)) == "alive"


def test_nothing_is_known_of_another_host_or_container() -> None:
    assert knowledge(current_holder()._replace(scope="00000000", pid=ended_pid())) == "unknown"


def test_a_forked_child_is_another_holder() -> None:
    program = (
        "import os\n"
        "from otel_asayer.spool.holders import current_holder\n"
        "parent = current_holder()\n"
        "if os.fork() == 0:\n"
        "    os._exit(0 if current_holder() == parent._replace(pid=os.getpid(), "
        "started=current_holder().started) != parent else 1)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.wait()[1]))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_without_proc_a_running_process_is_alive(without_proc: None) -> None:
    assert knowledge(current_holder()) == "alive"


def test_without_proc_a_start_is_not_compared(without_proc: None) -> None:
    assert knowledge(current_holder()._replace(started=7)) == "alive"


def test_without_proc_an_ended_process_is_gone(without_proc: None) -> None:
    assert knowledge(current_holder()._replace(pid=ended_pid())) == "gone"


def test_without_proc_a_pid_that_no_system_has_is_gone(without_proc: None) -> None:
    assert knowledge(current_holder()._replace(pid=9999999999)) == "gone"


def test_without_proc_another_users_process_is_alive(
    without_proc: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "kill", failing(errno.EPERM))
    assert knowledge(current_holder()._replace(pid=1)) == "alive"
