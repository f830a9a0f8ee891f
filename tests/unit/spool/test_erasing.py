"""Single operations taken out of a spool:

those alone, wherever they wait, and nothing of the rest is lost or moved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_asayer.spool import Spool
from unit.spool.support import names_of, operation, operations

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def called(*names: str) -> Callable[[bytes], bool]:
    wanted = {operation(name) for name in names}
    return lambda found: found in wanted


def everything(_: bytes) -> bool:
    return True


def test_only_what_is_wanted_is_removed(spool: Spool) -> None:
    spool.write(operations("a", "x", "b"))
    spool.write(operations("c"))
    spool.write(operations("x", "y"))
    assert spool.erase(called("x", "y")) == 3
    assert names_of(spool.read()) == ["a", "b", "c"]


def test_a_body_of_which_nothing_is_left_is_removed(spool: Spool) -> None:
    spool.write(operations("x"))
    assert spool.erase(everything) == 1
    assert spool.status().files == 0


def test_bodies_keep_their_place_by_age_and_can_be_leased_again(spool: Spool) -> None:
    spool.write(operations("a", "x"))
    spool.write(operations("b"))
    spool.erase(called("x"))
    first, second = spool.lease(), spool.lease()
    assert first
    assert second
    assert [names_of(first.operations()), names_of(second.operations())] == [["a"], ["b"]]


def test_what_another_process_is_delivering_is_left_alone(spool: Spool) -> None:
    spool.write(operations("x"))
    lease = spool.lease()
    assert lease
    assert spool.erase(everything) == 0
    lease.release()
    assert names_of(spool.read()) == ["x"]


def test_a_question_that_fails_leaves_every_body_where_it_was(spool: Spool) -> None:
    spool.write(operations("a"))
    spool.write(operations("b"))

    def fails(found: bytes) -> bool:
        if found == operation("b"):
            raise ValueError("no")
        return False

    with pytest.raises(ValueError, match="no"):
        spool.erase(fails)
    assert spool.status().leased_files == 0
    assert names_of(spool.read()) == ["a", "b"]


def test_refused_operations_go_with_their_reasons(spool: Spool) -> None:
    spool.reject([(operation("a"), "because a"), (operation("x"), "because x")])
    assert spool.erase(called("x")) == 1
    assert names_of(spool.read(rejected=True)) == ["a"]
    (reasons,) = (spool.folder / "rejected").glob("*.reasons.ndjson")
    assert (
        reasons.read_bytes()
        == b'{"operation":%b,"reason":"because a"}\n' % operation("a").partition(b"\n")[0]
    )


def test_of_refused_operations_that_are_all_wanted_nothing_is_left(spool: Spool) -> None:
    spool.reject([(operation("x"), "because")])
    assert spool.erase(everything) == 1
    assert list((spool.folder / "rejected").iterdir()) == []


def test_refused_operations_that_are_not_wanted_stay_as_they_are(spool: Spool) -> None:
    spool.reject([(operation("a"), "because")])
    before = sorted((spool.folder / "rejected").iterdir())
    assert spool.erase(called("x")) == 0
    assert sorted((spool.folder / "rejected").iterdir()) == before


@pytest.mark.parametrize("left", ["", "no JSON\n"])
def test_reasons_that_are_gone_or_damaged_keep_nothing_from_being_erased(
    spool: Spool, left: str
) -> None:
    spool.reject([(operation("a"), "because"), (operation("x"), "because")])
    (reasons,) = (spool.folder / "rejected").glob("*.reasons.ndjson")
    reasons.unlink()
    if left:
        reasons.write_text(left)
    assert spool.erase(called("x")) == 1
    assert names_of(spool.read(rejected=True)) == ["a"]


def test_a_spool_without_a_folder_has_nothing_to_erase(tmp_path: Path) -> None:
    empty = Spool(tmp_path / "none", max_bytes=2**20)
    assert empty.erase(everything) == 0
    assert list(empty.read(rejected=True)) == []
    assert not (tmp_path / "none").exists()
