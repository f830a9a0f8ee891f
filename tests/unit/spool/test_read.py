"""Reading everything without taking anything away."""

from __future__ import annotations

import logging
import tracemalloc
from typing import TYPE_CHECKING

from otel_asayer.spool import Spool, bodies
from unit.spool.support import files_in, leased, names_of, open_descriptors, operation, operations

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def written(spool: Spool) -> Spool:
    for name in "abc":
        spool.write(operations(f"{name}1", f"{name}2"))
    return spool


def test_nothing_is_read_where_nothing_is(spool: Spool, root: Path) -> None:
    assert list(spool.read()) == []
    assert not root.exists()


def test_all_operations_are_read_oldest_first(spool: Spool) -> None:
    assert names_of(written(spool).read()) == ["a1", "a2", "b1", "b2", "c1", "c2"]


def test_reading_takes_nothing_away(spool: Spool) -> None:
    before = files_in(written(spool).folder)
    list(spool.read())
    assert files_in(spool.folder) == before
    assert names_of(leased(spool).operations()) == ["a1", "a2"]


def test_leased_bodies_are_read_in_their_place(spool: Spool) -> None:
    written(spool)
    spool.lease()
    assert names_of(spool.read()) == ["a1", "a2", "b1", "b2", "c1", "c2"]


def test_a_body_leased_meanwhile_is_read_all_the_same(spool: Spool) -> None:
    stream = written(spool).read()
    first = next(stream)
    for _ in "abc":
        leased(spool)
    assert names_of([first, *stream]) == ["a1", "a2", "b1", "b2", "c1", "c2"]


def test_a_body_released_meanwhile_is_read_all_the_same(spool: Spool) -> None:
    written(spool)
    leases = [leased(spool) for _ in "abc"]
    stream = spool.read()
    first = next(stream)
    for lease in leases:
        lease.release()
    assert names_of([first, *stream]) == ["a1", "a2", "b1", "b2", "c1", "c2"]


def test_a_body_delivered_meanwhile_is_left_out(spool: Spool) -> None:
    stream = written(spool).read()
    first = next(stream)
    leases = [leased(spool) for _ in "ab"]
    leases[1].done()
    assert names_of([first, *stream]) == ["a1", "a2", "c1", "c2"]


def test_a_body_that_is_never_where_it_was_listed_is_left_out(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(spool)
    opened = bodies.open_body
    _, second, _ = files_in(spool.folder)
    monkeypatch.setattr(
        bodies, "open_body", lambda *where: None if where[-1] == second else opened(*where)
    )
    assert names_of(spool.read()) == ["a1", "a2", "c1", "c2"]


def test_reading_ends_when_the_spool_is_removed_meanwhile(spool: Spool, root: Path) -> None:
    stream = written(spool).read()
    first = next(stream)
    root.rename(root.with_name("elsewhere"))
    assert names_of([first, *stream]) == ["a1", "a2"]


def test_what_is_damaged_is_left_out_and_logged(
    spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    written(spool)
    damaged = files_in(spool.folder)[1]
    (spool.folder / damaged).write_bytes(b"no gzip")
    with caplog.at_level(logging.WARNING):
        found = names_of(spool.read())
    assert found == ["a1", "a2", "c1", "c2"]
    assert caplog.messages == [
        (
            f"A body of the spool is damaged, and what cannot be read of it is left out: "
            f"{damaged}: "
            f"Not a gzipped file (b'no')."
        )
    ]


def test_a_reader_that_stops_early_leaves_no_file_open(spool: Spool) -> None:
    before = open_descriptors()
    stream = written(spool).read()
    next(stream)
    del stream
    assert open_descriptors() == before


def test_no_body_is_held_in_memory(spool: Spool) -> None:
    bodies, documents, size = 4, 500, 4000
    for body in range(bodies):
        spool.write([operation(f"{body}-{number}-{'x' * size}") for number in range(documents)])
    tracemalloc.start()
    try:
        total = sum(map(len, spool.read()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total > bodies * documents * size
    assert peak < documents * size // 2
