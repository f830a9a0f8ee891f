"""What crashes leave behind."""

from __future__ import annotations

import os

import pytest

from otel_asayer.spool import Recovered, Spool
from otel_asayer.spool.directory import Folder
from otel_asayer.spool.names import LeaseOwner, current_process
from unit.spool.support import Clock, files_in, leased, names_of, operation
from unit.spool.test_lease_owner import ended_pid

US = current_process()
ELSEWHERE = US._replace(scope="00000000")


@pytest.fixture
def dead() -> int:
    return ended_pid()


def lease_by(spool: Spool, owner: LeaseOwner, age: float = 0.0) -> None:
    """Make the only body look as if this process held it since `age` seconds."""
    spool.write([operation("a")])
    (body,) = files_in(spool.folder)
    name = f"{body}.{owner}-d2c3b4a5.lease"
    (spool.folder / body).rename(spool.folder / name)
    touch(spool, name, age)


def touch(spool: Spool, name: str, age: float) -> None:
    now_ns = spool._folders.clock() - int(age * 1e9)
    os.utime(spool.folder / name, ns=(now_ns, now_ns))


def half_write(spool: Spool, owner: LeaseOwner, age: float, folder: str = ".") -> None:
    spool.reject([(operation("refused"), "reason")])
    name = f"{folder}/x.ndjson.gz.{owner}-d2c3b4a5.tmp"
    (spool.folder / name).write_bytes(b"half")
    touch(spool, name, age)


def test_a_lease_of_a_process_that_died_is_given_back(spool: Spool, dead: int) -> None:
    lease_by(spool, US._replace(pid=dead))
    assert spool.recover() == Recovered(1, 0)
    assert names_of(leased(spool).operations()) == ["a"]


def test_a_lease_of_a_process_whose_pid_was_given_again_is_given_back(spool: Spool) -> None:
    lease_by(spool, US._replace(started=1))
    assert spool.recover() == Recovered(1, 0)


def test_a_lease_of_a_running_process_stays(spool: Spool) -> None:
    lease_by(spool, US._replace(pid=os.getppid(), started=0))
    assert spool.recover() == Recovered(0, 0)


@pytest.mark.parametrize("age", [601, -601])
def test_a_lease_of_a_running_process_that_hangs_is_given_back(spool: Spool, age: float) -> None:
    lease_by(spool, US, age)
    assert spool.recover() == Recovered(1, 0)


def test_a_lease_of_another_host_stays_while_it_is_renewed(spool: Spool) -> None:
    lease_by(spool, ELSEWHERE, 590)
    assert spool.recover() == Recovered(0, 0)


def test_a_lease_of_another_host_is_given_back_when_it_is_not_renewed(spool: Spool) -> None:
    lease_by(spool, ELSEWHERE, 601)
    assert spool.recover() == Recovered(1, 0)


def test_a_lease_that_another_process_gives_back_first_is_not_counted(
    spool: Spool, dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease_by(spool, US._replace(pid=dead))
    monkeypatch.setattr(Folder, "status", lambda *_: None)
    assert spool.recover() == Recovered(0, 0)


def test_recovering_twice_finds_nothing_more(spool: Spool, dead: int) -> None:
    lease_by(spool, US._replace(pid=dead))
    spool.recover()
    assert spool.recover() == Recovered(0, 0)


@pytest.mark.parametrize("folder", [".", "rejected"])
def test_an_old_half_written_file_of_a_process_that_died_is_removed(
    spool: Spool, dead: int, folder: str
) -> None:
    half_write(spool, US._replace(pid=dead), 601, folder)
    assert spool.recover() == Recovered(0, 1)
    assert [file for file in files_in(spool.folder) if file.endswith(".tmp")] == []


def test_an_old_half_written_file_of_another_host_is_removed(spool: Spool) -> None:
    half_write(spool, ELSEWHERE, 601)
    assert spool.recover() == Recovered(0, 1)


def test_a_young_half_written_file_stays(spool: Spool, dead: int) -> None:
    half_write(spool, US._replace(pid=dead), 590)
    assert spool.recover() == Recovered(0, 0)


def test_an_old_half_written_file_of_a_running_process_stays(spool: Spool) -> None:
    half_write(spool, US, 601)
    assert spool.recover() == Recovered(0, 0)


def test_waiting_bodies_rejected_ones_and_foreign_files_stay(spool: Spool, clock: Clock) -> None:
    spool.write([operation("a")])
    spool.reject([(operation("b"), "refused")])
    (spool.folder / "notes.tmp").write_text("mine")
    before = files_in(spool.folder)
    clock.advance(3600)
    assert spool.recover() == Recovered(0, 0)
    assert files_in(spool.folder) == before
