"""Leasing bodies, and ending a lease."""

from __future__ import annotations

import errno
import gzip
import os
from typing import TYPE_CHECKING

import pytest

from otel_asayer.spool import Damage, Lease, Spool, SpoolError, spool as spool_module
from unit.spool.support import (
    BLOCK,
    Clock,
    end,
    failing,
    files_in,
    leased,
    names_of,
    operation,
    operations,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def damaged(spool: Spool) -> Spool:
    """A spool whose only body is cut short behind its second document of three."""
    spool.write(operations("a", "b", os.urandom(2000).hex()))
    (file,) = files_in(spool.folder)
    content = (spool.folder / file).read_bytes()
    (spool.folder / file).write_bytes(content[:-100])
    return spool


def damage_of(lease: Lease) -> Damage:
    assert lease.damage is not None
    return lease.damage


def held(spool: Spool) -> list[str]:
    return [name for name in files_in(spool.folder) if name.endswith(".lease")]


# Leasing.


def test_a_body_can_be_put_behind_all_others(spool: Spool) -> None:
    for name in "ab":
        spool.write([operation(name)])
    leased(spool).to_the_end()
    assert names_of(spool.read()) == ["b", "a"]


def test_nothing_can_be_leased_from_an_empty_spool(spool: Spool) -> None:
    assert spool.lease() is None


def test_the_oldest_body_is_leased_first(spool: Spool) -> None:
    for name in "abc":
        spool.write([operation(name)])
    assert [names_of(leased(spool).operations()) for _ in "abc"] == [["a"], ["b"], ["c"]]


def test_a_leased_body_is_not_leased_again(spool: Spool) -> None:
    spool.write([operation("a")])
    spool.lease()
    assert spool.lease() is None
    assert spool.empty is True
    assert len(held(spool)) == 1


def test_a_lease_tells_documents_and_age(spool: Spool, clock: Clock) -> None:
    spool.write(operations("a", "b"))
    lease = leased(spool)
    assert lease.file.documents == 2
    assert lease.file.written_ns < clock.now_ns
    assert lease.damage is None


def test_a_body_that_another_process_takes_first_is_passed_over(
    root: Path, spool: Spool, clock: Clock
) -> None:
    other = Spool(root, max_bytes=spool._folders.max_bytes, clock=clock)
    for name in "abc":
        spool.write([operation(name)])
    assert [names_of(leased(each).operations()) for each in (spool, other, spool)] == [
        ["a"],
        ["b"],
        ["c"],
    ]


def test_bodies_written_since_the_last_look_are_leased_after_those_known(spool: Spool) -> None:
    spool.write([operation("a")])
    spool.write([operation("b")])
    leased(spool)
    spool.write([operation("c")])
    assert [names_of(leased(spool).operations()) for _ in "bc"] == [["b"], ["c"]]


def test_more_bodies_than_are_remembered_at_once_are_leased_in_order(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_BACKLOG", 2)
    for name in range(5):
        spool.write([operation(name)])
    assert [names_of(leased(spool).operations()) for _ in range(5)] == [
        ["0"],
        ["1"],
        ["2"],
        ["3"],
        ["4"],
    ]


def test_a_fresh_lease_of_an_old_body_is_not_stale(spool: Spool, clock: Clock) -> None:
    spool.write([operation("a")])
    clock.advance(3600)
    spool.lease()
    assert spool.recover().bodies == 0


def test_a_folder_that_cannot_be_written_to_is_said(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.write([operation("a")])

    monkeypatch.setattr(os, "rename", failing(errno.EROFS))
    with pytest.raises(SpoolError, match="the file system is read-only"):
        spool.lease()


# Ending a lease.


def test_done_removes_the_body(spool: Spool) -> None:
    spool.write([operation("a")])
    leased(spool).done()
    assert files_in(spool.folder) == []


def test_release_gives_the_body_back_in_its_place(spool: Spool) -> None:
    for name in "abc":
        spool.write([operation(name)])
    before = files_in(spool.folder)
    leased(spool).release()
    assert files_in(spool.folder) == before
    assert names_of(leased(spool).operations()) == ["a"]


def test_replace_leaves_the_rest_in_the_bodys_place(spool: Spool) -> None:
    for name in "abc":
        spool.write(operations(f"{name}1", f"{name}2", f"{name}3"))
    leased(spool).replace(operations("a1", "a3"))
    lease = leased(spool)
    assert names_of(lease.operations()) == ["a1", "a3"]
    assert lease.file.documents == 2
    assert names_of(spool.read())[2:4] == ["b1", "b2"]


def test_replace_with_nothing_is_done(spool: Spool) -> None:
    spool.write([operation("a")])
    leased(spool).replace([])
    assert files_in(spool.folder) == []


def test_a_replacement_that_cannot_be_written_leaves_the_whole_body_held(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.write(operations("a", "b"))
    lease = leased(spool)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", failing(errno.ENOSPC))
        with pytest.raises(SpoolError, match="the disk is full"):
            lease.replace([operation("b")])
    assert names_of(lease.operations()) == ["a", "b"]
    assert len(files_in(spool.folder)) == 1


@pytest.mark.parametrize("first", ["done", "release", "replace"])
@pytest.mark.parametrize("second", ["done", "release", "replace"])
def test_a_lease_that_has_ended_does_nothing(spool: Spool, first: str, second: str) -> None:
    spool.write(operations("a", "b"))
    lease = leased(spool)
    end(lease, first, [operation("b")])
    before = files_in(spool.folder)
    end(lease, second, [operation("b")])
    assert files_in(spool.folder) == before
    assert lease.renew() is False
    assert lease.operations() == []


@pytest.mark.parametrize("how", ["done", "release", "replace"])
def test_a_lease_whose_spool_was_removed_by_hand_does_nothing(
    spool: Spool, root: Path, how: str
) -> None:
    spool.write([operation("a")])
    lease = leased(spool)
    root.rename(root.with_name("elsewhere"))
    end(lease, how, [operation("a")])
    assert lease.operations() == []
    assert lease.renew() is False
    assert not root.exists()


# Losing a lease.


def test_a_lease_not_renewed_is_lost_and_its_body_leased_again(spool: Spool, clock: Clock) -> None:
    spool.write([operation("a")])
    lost = leased(spool)
    clock.advance(601)
    assert spool.recover().bodies == 1
    assert lost.renew() is False
    assert names_of(leased(spool).operations()) == ["a"]


def test_a_renewed_lease_is_kept(spool: Spool, clock: Clock) -> None:
    spool.write([operation("a")])
    lease = leased(spool)
    clock.advance(590)
    renewed = lease.renew()
    clock.advance(590)
    assert renewed is True
    assert spool.recover().bodies == 0
    assert lease.renew() is True


@pytest.mark.parametrize("how", ["done", "release", "replace"])
def test_a_lost_lease_does_not_touch_the_body_of_its_next_holder(
    spool: Spool, clock: Clock, how: str
) -> None:
    spool.write(operations("a", "b"))
    lost = leased(spool)
    clock.advance(601)
    spool.recover()
    owner = leased(spool)
    end(lost, how, [operation("b")])
    assert names_of(owner.operations()) == ["a", "b"]
    assert len(files_in(spool.folder)) == 1


# Damage.


def test_of_a_damaged_body_what_can_be_read_is_returned_and_the_rest_reported(
    damaged: Spool,
) -> None:
    lease = leased(damaged)
    found = names_of(lease.operations())
    assert found == ["a", "b"]
    assert damage_of(lease).documents == 1


def test_damage_is_a_sentence_that_names_the_file(damaged: Spool) -> None:
    (file,) = files_in(damaged.folder)
    lease = leased(damaged)
    lease.operations()
    assert lease.damage == Damage(
        1,
        f"{damaged.folder / file} is damaged: Compressed file ended before the end-of-stream "
        f"marker was reached",
    )


def test_a_damaged_body_that_was_delivered_is_kept_in_damaged(damaged: Spool) -> None:
    (file,) = files_in(damaged.folder)
    lease = leased(damaged)
    lease.operations()
    lease.done()
    assert files_in(damaged.folder) == [f"damaged/{file}"]
    assert damaged.status().damaged_files == 1
    assert damaged.empty is True


def test_a_damaged_body_that_was_released_is_met_once(damaged: Spool) -> None:
    lease = leased(damaged)
    lease.operations()
    lease.release()
    again = leased(damaged)
    assert names_of(again.operations()) == ["a", "b"]
    assert again.damage is None
    assert damaged.status().damaged_files == 1


def test_a_damaged_body_that_was_delivered_in_part_leaves_the_rest(damaged: Spool) -> None:
    lease = leased(damaged)
    lease.operations()
    lease.replace([operation("b")])
    assert names_of(damaged.read()) == ["b"]
    assert damaged.status().damaged_files == 1


@pytest.mark.parametrize("how", ["done", "release", "replace"])
def test_a_lost_lease_of_a_damaged_body_leaves_it_to_its_next_holder(
    damaged: Spool, clock: Clock, how: str
) -> None:
    lost = leased(damaged)
    lost.operations()
    clock.advance(601)
    damaged.recover()
    end(lost, how, [operation("b")])
    assert names_of(leased(damaged).operations()) == ["a", "b"]
    assert damaged.status().damaged_files == 0


@pytest.mark.parametrize("how", ["done", "release"])
@pytest.mark.parametrize("content", [b"", b"no gzip", b"\x1f\x8b\x08"])
def test_a_body_of_which_nothing_can_be_read_never_comes_back(
    spool: Spool, how: str, content: bytes
) -> None:
    spool.write([operation("a")])
    (file,) = files_in(spool.folder)
    (spool.folder / file).write_bytes(content)
    lease = leased(spool)
    found = lease.operations()
    end(lease, how, [])
    assert found == []
    assert damage_of(lease).documents == 1
    assert spool.empty is True
    assert spool.status().damaged_files == 1


def test_a_body_with_fewer_documents_than_its_name_says_is_damaged(spool: Spool) -> None:
    spool.write(operations("a", "b", "c"))
    (file,) = files_in(spool.folder)
    (spool.folder / file).write_bytes(gzip.compress(operation("a")))
    lease = leased(spool)
    assert names_of(lease.operations()) == ["a"]
    assert lease.damage == Damage(2, f"{spool.folder / file} is damaged: it holds 1 of 3 documents")


def test_a_body_that_may_not_be_opened_is_damaged(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.write([operation("a")])
    owner = os.geteuid()
    lease = leased(spool)
    fstat = os.fstat

    def foreign_files(descriptor: int) -> os.stat_result:
        status = fstat(descriptor)
        return (
            status
            if status.st_mode & 0o100
            else os.stat_result([*status[:4], owner + 1, *status[5:10]])
        )

    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", foreign_files)
        found = lease.operations()
    lease.release()
    assert found == []
    assert damage_of(lease).reason.endswith("is damaged: no regular file of this user")
    assert spool.empty is True


def test_a_body_of_another_user_can_be_leased_though_not_touched(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.write([operation("a")])
    monkeypatch.setattr(os, "utime", failing(errno.EPERM))
    assert names_of(leased(spool).operations()) == ["a"]


def test_a_process_without_descriptors_takes_no_body_for_damaged(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.write([operation("a")])
    lease = leased(spool)
    opened = os.open

    def short_of_descriptors(
        path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None
    ) -> int:
        return (failing(errno.EMFILE) if str(path).endswith(".lease") else opened)(
            path, flags, mode, dir_fd=dir_fd
        )

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", short_of_descriptors)
        with pytest.raises(SpoolError, match="Too many open files"):
            lease.operations()
    assert names_of(lease.operations()) == ["a"]
    assert lease.damage is None


def test_damaged_bodies_are_bounded(root: Path, clock: Clock) -> None:
    spool = Spool(root, max_bytes=16 * BLOCK, clock=clock)  # an eighth: two blocks
    for name in "abcd":
        spool.write([operation(name)])
        (file,) = [file for file in files_in(spool.folder) if "/" not in file]
        (spool.folder / file).write_bytes(b"no gzip " + name.encode())
        lease = leased(spool)
        lease.operations()
        lease.done()
    assert [(spool.folder / file).read_bytes()[-1:] for file in files_in(spool.folder)] == [
        b"c",
        b"d",
    ]
