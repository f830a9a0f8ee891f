"""What was refused for good."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from otel_asayer.spool import Spool, SpoolError, Written
from unit.spool.support import BLOCK, Clock, failing, files_in, incompressible, operation

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def small(root: Path, clock: Clock) -> Spool:
    """A spool whose `rejected/` takes two rejected bodies with their reasons."""
    return Spool(root, max_bytes=32 * BLOCK, clock=clock)


def reasons_in(spool: Spool) -> list[str]:
    files = [
        spool.folder / file for file in files_in(spool.folder) if file.endswith(".reasons.ndjson")
    ]
    return [json.loads(line)["reason"] for file in files for line in file.read_text().splitlines()]


def test_rejected_operations_are_a_body_like_any_other(spool: Spool) -> None:
    spool.reject([(operation("a"), "no"), (operation("b"), "never")])
    body, _ = files_in(spool.folder)
    unzipped = subprocess.run(
        ["gunzip", "-c", spool.folder / body], capture_output=True, check=True
    ).stdout
    assert unzipped == operation("a") + operation("b")


def test_the_reason_of_each_operation_stands_beside(spool: Spool) -> None:
    spool.reject(
        [(operation("a"), 'mapper: "x" is no number\n'), (operation("b"), "never\ud800 · ✗")]
    )
    body, reasons = files_in(spool.folder)
    assert reasons == body.replace(".ndjson.gz", ".reasons.ndjson")
    assert [json.loads(line) for line in (spool.folder / reasons).read_text().splitlines()] == [
        {
            "operation": {"create": {"_index": "logs-generic.otel-default", "_id": "a"}},
            "reason": 'mapper: "x" is no number\n',
        },
        {
            "operation": {"create": {"_index": "logs-generic.otel-default", "_id": "b"}},
            "reason": "never\ud800 · ✗",
        },
    ]


def test_nothing_rejected_makes_no_file(spool: Spool, root: Path) -> None:
    assert spool.reject([]) == Written(0, 0, 0)
    assert not root.exists()


def test_the_oldest_rejected_make_room_with_their_reasons_and_are_counted(small: Spool) -> None:
    written = [small.reject([(operation(name), name), (operation(name), name)]) for name in "abcd"]
    status = small.status()
    assert [each.evicted for each in written] == [0, 0, 2, 2]
    assert reasons_in(small) == ["c", "c", "d", "d"]
    assert len(files_in(small.folder)) == 4
    assert status.evicted_rejected_documents == 4
    assert status.evicted_documents == 0


def test_reasons_go_with_their_body_even_where_the_body_alone_makes_the_room(small: Spool) -> None:
    small.reject([(incompressible(BLOCK), "large")])  # two blocks and one, of four
    small.reject([(operation("a"), "small")])  # one and one
    assert reasons_in(small) == ["small"]
    assert len(files_in(small.folder)) == 2


def test_rejected_documents_do_not_take_the_room_of_waiting_ones(small: Spool) -> None:
    for name in range(32):
        small.write([operation(name)])
    small.reject([(operation("a"), "no")])
    assert small.status().files == 32
    assert small.status().evicted_documents == 0


def test_more_than_there_is_room_for_is_refused(small: Spool) -> None:
    with pytest.raises(SpoolError) as raised:
        small.reject([(operation("a"), os.urandom(4 * BLOCK).hex())])
    assert str(raised.value) == (
        f"The spool cannot keep 40960 bytes of rejected documents: {small.folder}/rejected may "
        f"take 16384. Raise the spool's cap."
    )


def test_reasons_do_not_stay_when_their_body_cannot_be_written(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync
    synced = []

    def full_at_the_end(descriptor: int) -> None:
        synced.append(descriptor)
        (fsync if len(synced) <= 2 else failing(errno.ENOSPC))(descriptor)

    spool.reject([(operation("a"), "no")])
    before = files_in(spool.folder)
    monkeypatch.setattr(os, "fsync", full_at_the_end)
    with pytest.raises(SpoolError, match="the disk is full"):
        spool.reject([(operation("b"), "no")])
    assert files_in(spool.folder) == before
