"""Writing, the cap, and what a spool says of itself."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from otel_asayer.spool import Destination, Spool, SpoolError, SpoolStatus, Written, space
from otel_asayer.spool.directory import Folder
from unit.spool.support import (
    BLOCK,
    ROOMY,
    Clock,
    failing,
    files_in,
    incompressible,
    leased,
    names_of,
    operation,
    operations,
)

if TYPE_CHECKING:
    from pathlib import Path


# Writing.


def test_a_body_is_a_file_that_gunzip_reads(spool: Spool) -> None:
    spool.write(operations("a", "b"))
    (file,) = files_in(spool.folder)
    unzipped = subprocess.run(
        ["gunzip", "-c", spool.folder / file], capture_output=True, check=True
    ).stdout
    assert unzipped == operation("a") + operation("b")


def test_a_write_tells_documents_and_whole_blocks(spool: Spool) -> None:
    assert spool.write(operations("a", "b")) == Written(documents=2, bytes=BLOCK, evicted=0)


def test_nothing_written_makes_no_file_and_no_folder(spool: Spool, root: Path) -> None:
    assert spool.write([]) == Written(0, 0, 0)
    assert not root.exists()


def test_bodies_come_back_oldest_first(spool: Spool) -> None:
    for name in "abc":
        spool.write([operation(name)])
    assert names_of(spool.read()) == ["a", "b", "c"]


# Joining.


def test_what_is_joined_lies_in_one_body_in_the_place_of_the_older(spool: Spool) -> None:
    spool.write([operation("a")], join=True)
    spool.write([operation("z")])
    assert spool.write(operations("b", "c"), join=True) == Written(
        documents=2, bytes=BLOCK, evicted=0
    )
    assert names_of(spool.read()) == ["a", "b", "c", "z"]
    assert [leased(spool).file.documents for _ in range(2)] == [3, 1]


def test_nothing_is_joined_to_what_was_written_without_being_asked_to(spool: Spool) -> None:
    spool.write([operation("a")])
    spool.write([operation("b")], join=True)
    assert spool.status().files == 2


def test_nothing_is_joined_to_a_body_that_is_on_its_way(spool: Spool) -> None:
    spool.write([operation("a")], join=True)
    on_its_way = leased(spool)
    spool.write([operation("b")], join=True)
    on_its_way.done()
    assert names_of(spool.read()) == ["b"]


def test_nothing_is_joined_to_a_body_that_was_delivered(spool: Spool) -> None:
    spool.write([operation("a")], join=True)
    leased(spool).done()
    spool.write([operation("b")], join=True)
    assert names_of(spool.read()) == ["b"]


def test_nothing_is_joined_to_a_large_body(spool: Spool) -> None:
    spool.write([incompressible(200_000)], join=True)
    spool.write([operation("b")], join=True)
    assert spool.status().files == 2


def test_a_damaged_body_is_met_alone(spool: Spool) -> None:
    spool.write([operation("a")], join=True)
    (file,) = files_in(spool.folder)
    (spool.folder / file).write_bytes(b"no gzip")
    spool.write([operation("b")], join=True)
    assert names_of(spool.read()) == ["b"]


def test_where_the_joined_body_cannot_be_written_the_older_one_stays(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.write([operation("a")], join=True)
    with monkeypatch.context() as full:
        full.setattr(os, "write", failing(errno.ENOSPC))
        with pytest.raises(SpoolError, match="the disk is full"):
            spool.write([operation("b")], join=True)
    assert names_of(spool.read()) == ["a"]
    assert spool.status().leased_files == 0


def test_nothing_joined_is_nothing_written(spool: Spool) -> None:
    spool.write([operation("a")], join=True)
    assert spool.write([], join=True) == Written(0, 0, 0)
    spool.write([operation("b")], join=True)
    assert spool.status().files == 1


def test_a_child_joins_nothing_to_its_parents_body(spool: Spool) -> None:
    spool.write([operation("a")], join=True)
    child = os.fork()
    if child == 0:
        spool.write([operation("b")], join=True)
        os._exit(0)
    os.waitpid(child, 0)
    assert spool.status().files == 2


def test_destinations_do_not_share_bodies(root: Path) -> None:
    first, second = (
        Spool(root, Destination.of([f"https://{host}:9200"]), max_bytes=ROOMY) for host in "ab"
    )
    first.write([operation("for a")])
    assert second.lease() is None
    assert names_of(first.read()) == ["for a"]


def test_a_body_written_ahead_is_held(spool: Spool) -> None:
    written, lease = spool.write_ahead(operations("a", "b"))
    assert written == Written(2, BLOCK, 0)
    assert lease.file.documents == 2
    assert spool.empty is True
    assert spool.lease() is None


def test_a_body_written_ahead_and_delivered_is_gone(spool: Spool) -> None:
    _, lease = spool.write_ahead([operation("a")])
    lease.done()
    assert files_in(spool.folder) == []
    assert spool.status().files == 0


def test_a_body_written_ahead_and_not_delivered_waits(spool: Spool) -> None:
    _, lease = spool.write_ahead([operation("a")])
    lease.release()
    assert names_of(leased(spool).operations()) == ["a"]


def test_nothing_written_ahead_is_a_lease_on_nothing(spool: Spool, root: Path) -> None:
    written, lease = spool.write_ahead([])
    lease.release()
    assert written == Written(0, 0, 0)
    assert lease.operations() == []
    assert not root.exists()


# Empty or not.


def test_a_spool_is_empty_before_its_first_write_and_after_its_last_delivery(spool: Spool) -> None:
    before = spool.empty
    spool.write([operation("a")])
    between = spool.empty
    leased(spool).done()
    assert before is True
    assert between is False
    assert spool.empty is True


def test_rejected_documents_and_reasons_do_not_wait(spool: Spool) -> None:
    spool.reject([(operation("a"), "refused")])
    assert spool.empty is True
    assert spool.lease() is None
    assert list(spool.read()) == []


def test_rejected_documents_that_a_human_moves_back_wait_again(
    spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    spool.reject([(operation("a"), "refused")])
    for file in files_in(spool.folder):
        (spool.folder / file).rename(spool.folder / file.removeprefix("rejected/"))
    assert names_of(spool.read()) == ["a"]
    assert names_of(leased(spool).operations()) == ["a"]
    assert spool.lease() is None
    assert spool.status().files == 1
    assert caplog.messages == []  # their reasons are not taken for a body


def test_foreign_files_do_not_wait(spool: Spool) -> None:
    spool.write([operation("a")])
    (spool.folder / "notes.txt").write_text("mine")
    leased(spool).done()
    assert spool.empty is True
    assert files_in(spool.folder) == ["notes.txt"]


# The cap.


def test_the_oldest_bodies_make_room(root: Path, clock: Clock) -> None:
    spool = Spool(root, max_bytes=3 * BLOCK, clock=clock)
    written = [spool.write(operations(f"{name}1", f"{name}2")) for name in "abcde"]
    assert [each.evicted for each in written] == [0, 0, 0, 2, 2]
    assert names_of(spool.read()) == ["c1", "c2", "d1", "d2", "e1", "e2"]


def test_evicted_documents_are_counted(root: Path, clock: Clock) -> None:
    spool = Spool(root, max_bytes=BLOCK, clock=clock)
    for names in ("abc", "de", "f"):
        spool.write(operations(*names))
    assert spool.status().evicted_documents == 5


def test_evicted_documents_are_counted_even_when_the_write_fails(
    root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(root, max_bytes=BLOCK, clock=clock)
    spool.write(operations("a", "b"))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing(errno.EIO))
        with pytest.raises(SpoolError):
            spool.write([operation("c")])
    assert spool.status().evicted_documents == 2


def test_evicted_documents_are_told_once(root: Path, clock: Clock) -> None:
    spool = Spool(root, max_bytes=BLOCK, clock=clock)
    for name in "abc":
        spool.write([operation(name)])
    assert spool.newly_evicted() == 2
    assert spool.newly_evicted() == 0
    assert spool.status().evicted_documents == 2


def test_leased_bodies_are_not_evicted(root: Path, clock: Clock) -> None:
    spool = Spool(root, max_bytes=2 * BLOCK, clock=clock)
    spool.write([operation("a")])
    lease = leased(spool)
    for name in "bcd":
        spool.write([operation(name)])
    assert names_of(lease.operations()) == ["a"]
    assert names_of(spool.read()) == ["a", "d"]


def test_a_spool_full_of_leased_bodies_refuses(root: Path, clock: Clock) -> None:
    spool = Spool(root, max_bytes=2 * BLOCK, clock=clock)
    spool.write_ahead([operation("a")]), spool.write_ahead([operation("b")])
    with pytest.raises(SpoolError) as raised:
        spool.write([operation("c")])
    assert str(raised.value) == (
        f"The spool {spool.folder} is full, and what is being delivered takes too much to make "
        f"room: "
        "8192 of 8192 bytes are taken, and 4096 are needed. Raise its cap."
    )
    assert names_of(spool.read()) == ["a", "b"]


def test_nothing_is_evicted_for_a_body_that_finds_no_room_all_the_same(
    root: Path, clock: Clock
) -> None:
    spool = Spool(root, max_bytes=6 * BLOCK, clock=clock)
    spool.write_ahead([incompressible(3 * BLOCK + 1)])
    spool.write([operation("a")])
    with pytest.raises(SpoolError, match="is full, and what is being delivered takes"):
        spool.write([incompressible(2 * BLOCK + 1)])
    assert spool.status().evicted_documents == 0
    assert spool.status().documents == 2


def test_a_spool_that_refused_writes_again_when_there_is_room(root: Path, clock: Clock) -> None:
    spool = Spool(root, max_bytes=BLOCK, clock=clock)
    _, lease = spool.write_ahead([operation("a")])
    with pytest.raises(SpoolError):
        spool.write([operation("b")])
    lease.done()
    spool.write([operation("c")])
    assert names_of(spool.read()) == ["c"]


def test_one_body_larger_than_the_cap_is_refused_and_evicts_nothing(
    root: Path, clock: Clock
) -> None:
    spool = Spool(root, max_bytes=2 * BLOCK, clock=clock)
    spool.write([operation("a")])
    with pytest.raises(SpoolError) as raised:
        spool.write([incompressible(3 * BLOCK)])
    assert (
        str(raised.value)
        == f"The spool {spool.folder} may take 8192 bytes, and one body alone takes 16384. Raise "
        f"its cap."
    )
    assert names_of(spool.read()) == ["a"]


def test_a_lower_cap_than_before_holds_from_the_next_write_on(root: Path, clock: Clock) -> None:
    before, after = (
        Spool(root, max_bytes=ROOMY, clock=clock),
        Spool(root, max_bytes=2 * BLOCK, clock=clock),
    )
    for name in "abcd":
        before.write([operation(name)])
    after.write([operation("e")])
    assert names_of(after.read()) == ["d", "e"]


def test_a_large_spool_makes_room_for_more_than_one_write(root: Path, clock: Clock) -> None:
    spool = Spool(root, max_bytes=64 * BLOCK, clock=clock)  # a 32nd: two blocks
    evicted = [spool.write([operation(number)]).evicted for number in range(70)]
    assert evicted == [0] * 64 + [3, 0, 0, 3, 0, 0]


def test_a_full_spool_is_not_looked_through_at_each_write(
    root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    survey = space._survey

    def counted_survey(folder: Folder) -> Any:
        looks.append(folder)
        return survey(folder)

    monkeypatch.setattr(space, "_survey", counted_survey)
    spool = Spool(root, max_bytes=ROOMY, clock=clock)
    for number in range(67):
        spool.write([operation(number)])
    assert len(looks) == 3


def test_what_other_processes_wrote_is_seen_after_32_writes(root: Path, clock: Clock) -> None:
    ours, theirs = (Spool(root, max_bytes=40 * BLOCK, clock=clock) for _ in range(2))
    ours.write([operation("first")])
    for number in range(39):
        theirs.write([operation(number)])
    evicted = [ours.write([operation(number)]).evicted for number in range(33)]
    assert sum(evicted[:-1]) == 0
    assert evicted[-1] > 0
    assert ours.status().bytes <= 40 * BLOCK


def test_more_files_than_are_remembered_at_once_are_evicted(
    root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "_VICTIMS", 2)
    before, after = (
        Spool(root, max_bytes=ROOMY, clock=clock),
        Spool(root, max_bytes=BLOCK, clock=clock),
    )
    for number in range(7):
        before.write([operation(number)])
    assert after.write([operation("last")]).evicted == 7
    assert names_of(after.read()) == ["last"]


def test_a_body_that_another_process_takes_while_room_is_made_is_not_counted(
    root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, other = (Spool(root, max_bytes=2 * BLOCK, clock=clock) for _ in range(2))
    spool.write([operation("a")]), spool.write([operation("b")])
    survey = space._survey

    def slow_survey(folder: Folder) -> Any:
        found = survey(folder)
        monkeypatch.setattr(space, "_survey", survey)
        other.lease()
        return found

    monkeypatch.setattr(space, "_survey", slow_survey)
    assert spool.write([operation("c")]).evicted == 1
    assert names_of(spool.read()) == ["a", "c"]


def test_room_that_another_process_makes_meanwhile_is_not_made_again(
    root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, other = (Spool(root, max_bytes=2 * BLOCK, clock=clock) for _ in range(2))
    spool.write([operation("a")])
    spool.write([operation("b")])
    survey = space._survey

    def slow_survey(folder: Folder) -> Any:
        found = survey(folder)
        monkeypatch.setattr(space, "_survey", survey)
        leased(other).done()
        return found

    monkeypatch.setattr(space, "_survey", slow_survey)
    assert spool.write([operation("c")]).evicted == 0
    assert names_of(spool.read()) == ["b", "c"]


def test_files_of_others_do_not_count(root: Path, clock: Clock) -> None:
    spool = Spool(root, max_bytes=2 * BLOCK, clock=clock)
    spool.write([operation("a")])
    (spool.folder / "notes.txt").write_bytes(bytes(10 * BLOCK))
    assert spool.write([operation("b")]).evicted == 0
    assert spool.status().bytes == 2 * BLOCK


def test_a_half_written_file_of_another_process_counts(root: Path, clock: Clock) -> None:
    before, spool = (Spool(root, max_bytes=2 * BLOCK, clock=clock) for _ in range(2))
    before.write([operation("a")])
    (spool.folder / "x.5f70bf18-1-1-d2c3b4a5.tmp").write_bytes(bytes(BLOCK))
    assert spool.write([operation("b")]).evicted == 1
    assert spool.status().bytes == 2 * BLOCK


def test_a_file_that_vanishes_while_it_is_measured_takes_no_space(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.write([operation("a")])
    monkeypatch.setattr(Folder, "status", lambda *_: None)
    assert spool.status().bytes == 0


# What a spool says of itself.


def test_a_spool_that_is_not_there_says_so(spool: Spool) -> None:
    assert spool.status() == SpoolStatus(0, 0, 0, None, 0, 0, 0, 0, 0, 0, 0)


def test_a_spool_says_what_it_holds(root: Path, clock: Clock) -> None:
    spool = Spool(root, max_bytes=64 * BLOCK, clock=clock)
    spool.write(operations(*"abc"))
    spool.write(operations(*"de"))
    spool.reject([(operation("f"), "refused")])
    spool.lease()
    clock.advance(60)
    status = spool.status()
    assert status == SpoolStatus(
        files=2,
        documents=5,
        bytes=2 * BLOCK,
        oldest_seconds=status.oldest_seconds,
        leased_files=1,
        rejected_files=1,
        rejected_documents=1,
        rejected_bytes=2 * BLOCK,
        damaged_files=0,
        evicted_documents=0,
        evicted_rejected_documents=0,
    )
    assert round(status.oldest_seconds or 0.0, 1) == 60.0


def test_a_clock_set_back_makes_no_negative_age(spool: Spool, clock: Clock) -> None:
    spool.write([operation("a")])
    clock.advance(-3600)
    assert spool.status().oldest_seconds == 0.0


# Threads and forks.


def test_threads_write_and_drain_without_loss(root: Path) -> None:
    spool = Spool(root, max_bytes=ROOMY)
    drained: list[str] = []
    stop = threading.Event()

    def write(thread: int) -> None:
        for number in range(40):
            spool.write(operations(f"{thread}-{number}-a", f"{thread}-{number}-b"))

    def drain() -> None:
        while not (stop.is_set() and spool.empty):
            lease = spool.lease()
            if lease:
                drained.extend(names_of(lease.operations()))
                lease.done()

    writers = [threading.Thread(target=write, args=(thread,)) for thread in range(2)]
    drainer = threading.Thread(target=drain)
    for thread in (*writers, drainer):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    drainer.join()
    assert sorted(drained) == sorted(
        f"{thread}-{number}-{part}" for thread in range(2) for number in range(40) for part in "ab"
    )


def test_a_write_from_a_signals_handler_does_not_wait_for_its_own_thread(spool: Spool) -> None:
    lock = spool._state().lock
    with lock:
        assert lock.acquire(blocking=False)  # else the write would wait for ever
        lock.release()
        spool.write([operation("a")])
    assert names_of(spool.read()) == ["a"]
