"""How much of a session is held:

so many documents, so many bytes, and that there are more is known.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest

from otel_asayer.timeline.stored import Part, earliest, first, latest
from unit.timeline.support import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_asayer.timeline import Stored

DOCUMENTS = [
    replace(log(text, at_ms), size=10) for text, at_ms in (("a", 1), ("b", 2), ("c", 3), ("d", 4))
]


def ids(part: Part) -> list[str]:
    return [stored.id[2] for stored in part.documents]


@pytest.mark.parametrize("bound", [first, earliest])
class TestBoth:
    @pytest.mark.parametrize(
        ("limit", "expected", "complete"),
        [(5, "abcd", True), (4, "abcd", True), (3, "abc", False), (1, "a", False)],
    )
    def test_no_more_documents_are_kept_than_asked_for(
        self, bound: Callable[..., Part], limit: int, expected: str, *, complete: bool
    ) -> None:
        part = bound(DOCUMENTS, limit)
        assert (ids(part), part.complete) == (list(expected), complete)

    @pytest.mark.parametrize(
        ("limit", "expected", "complete"),
        [(40, "abcd", True), (39, "abc", False), (20, "ab", False), (1, "a", False)],
    )
    def test_no_more_bytes_are_kept_than_there_is_room_for(
        self, bound: Callable[..., Part], limit: int, expected: str, *, complete: bool
    ) -> None:
        part = bound(DOCUMENTS, 10, limit)
        assert (ids(part), part.complete) == (list(expected), complete)

    def test_of_nothing_there_is_nothing(self, bound: Callable[..., Part]) -> None:
        assert bound([], 10) == Part([], complete=True)


def test_of_documents_in_order_no_more_are_read() -> None:
    def endless() -> Stored:
        return DOCUMENTS[0]

    assert len(first((endless() for _ in count()), 3).documents) == 3


def test_of_documents_in_any_order_those_of_the_earliest_times_are_kept_as_they_came() -> None:
    assert ids(earliest([DOCUMENTS[number] for number in (3, 1, 2, 0)], 3)) == ["b", "c", "a"]


def test_of_documents_of_one_time_those_that_came_first_are_kept() -> None:
    assert ids(earliest([log(text) for text in "abc"], 2)) == ["a", "b"]


@pytest.mark.parametrize(
    ("limit", "max_bytes", "expected"),
    [(10, 100, "dcba"), (2, 100, "dc"), (10, 25, "dc"), (10, 1, "d")],
)
def test_the_latest_come_first_and_all_are_counted(
    limit: int, max_bytes: int, expected: str
) -> None:
    found, number = latest([DOCUMENTS[place] for place in (3, 1, 2, 0)], limit, max_bytes)
    assert ([stored.id[2] for stored in found], number) == (list(expected), 4)
