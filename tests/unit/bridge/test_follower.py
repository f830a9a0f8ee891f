"""Following by sequence numbers: each document once, those that become visible late included."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from otel_asayer.bridge.follower import Follower
from otel_asayer.bridge.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FILTER = {"exists": {"field": "attributes.session.id"}}
RECENT = {"range": {"@timestamp": {"gte": 0}}}


class Shards:
    """Shards whose documents a test makes visible; a page has two of them."""

    def __init__(self, **indices: int) -> None:
        self.indices = indices
        self.visible: dict[tuple[str, int], dict[int, int]] = {}
        """Terms by number, by index and shard."""
        self.old: set[int] = set()
        """Numbers of documents that `RECENT` leaves out."""
        self.requests: list[str] = []

    def show(self, index: str, *numbers: int, shard: int = 0, term: int = 1) -> None:
        self.visible.setdefault((index, shard), {}).update(dict.fromkeys(numbers, term))

    def shards(self) -> dict[str, int]:
        return self.indices

    def last_numbers(self, shard: int) -> dict[str, int]:
        return {index: max(numbers) for (index, of), numbers in self.visible.items() if of == shard}

    def page(self, shard: int, filters: Sequence[Mapping[str, Any]]) -> tuple[list[Any], bool]:
        return self._search("page", shard, filters, 2)

    def numbers(self, shard: int, filters: Sequence[Mapping[str, Any]]) -> tuple[list[Any], bool]:
        return self._search("numbers", shard, filters, 3)

    def _search(
        self, kind: str, shard: int, filters: Sequence[Mapping[str, Any]], size: int
    ) -> tuple[list[Any], bool]:
        assert filters[0] == FILTER
        self.requests.append(kind)
        found: list[Any] = [
            {"_index": index, "_seq_no": number, "_primary_term": term}
            for (index, of), numbers in self.visible.items()
            for number, term in numbers.items()
            if of == shard and index in self.indices and self._fits(index, number, filters[1:])
        ]
        found.sort(key=lambda hit: hit["_seq_no"])
        return found[:size], len(found) < size

    def _fits(self, index: str, number: int, filters: Sequence[Mapping[str, Any]]) -> bool:
        return all(
            number not in self.old
            if one == RECENT
            else any(self._among(index, number, clause) for clause in one["bool"]["should"])
            for one in filters
        )

    def _among(self, index: str, number: int, clause: Mapping[str, Any]) -> bool:
        of_index, numbers = clause["bool"]["filter"]
        if of_index != {"term": {"_index": index}}:
            return False
        if "terms" in numbers:
            return number in numbers["terms"]["_seq_no"]
        bounds = numbers["range"]["_seq_no"]
        return bool(bounds["gt"] < number <= bounds.get("lte", number))


class World:
    """A follower, its shards and its clock."""

    def __init__(self, shards: Shards) -> None:
        self.shards = shards
        self.time = 0.0
        patience = Patience(
            threading.Event(), lambda _: None, lambda: self.time, lambda: 0.0, lambda *_: None
        )
        self.follower = Follower(shards, [FILTER], patience, lambda: self.time)

    def seen(self) -> list[tuple[str, int]]:
        """What the follower finds now."""
        return [(hit["_index"], hit["_seq_no"]) for hits in self.follower.pages() for hit in hits]


@pytest.fixture
def world() -> World:
    return World(Shards(a=1))


def test_what_is_there_at_the_beginning_is_the_scans(world: World) -> None:
    world.shards.show("a", 0, 1, 2)
    world.follower.begin(RECENT)
    assert world.seen() == []


def test_what_comes_is_seen_once_over_several_pages(world: World) -> None:
    world.follower.begin(RECENT)
    world.shards.show("a", *range(5))
    assert world.seen() == [("a", number) for number in range(5)]
    assert world.seen() == []


def test_numbers_of_several_indices_advance_apart() -> None:
    world = World(Shards(a=1, b=1))
    world.shards.show("b", *range(100))
    world.follower.begin(RECENT)
    world.shards.show("a", 0, 1, 2)
    world.shards.show("b", 100, 101)
    world.shards.show("a", 3)
    assert sorted(world.seen()) == [("a", 0), ("a", 1), ("a", 2), ("a", 3), ("b", 100), ("b", 101)]
    assert world.seen() == []


def test_each_shard_has_its_own_numbers() -> None:
    world = World(Shards(a=2))
    world.shards.show("a", 0, 1, shard=1)
    world.follower.begin(RECENT)
    world.shards.show("a", 0)
    world.shards.show("a", 2, shard=1)
    assert world.seen() == [("a", 0), ("a", 2)]


def test_an_index_that_appears_is_read_from_its_beginning(world: World) -> None:
    world.follower.begin(RECENT)
    world.shards.indices = {"a": 1, "b": 1}
    world.shards.show("b", 0, 1, 2)
    world.time = 2.0
    assert world.seen() == [("b", 0), ("b", 1), ("b", 2)]


def test_an_index_that_is_gone_is_forgotten(world: World) -> None:
    world.follower.begin(RECENT)
    world.shards.show("a", 0)
    assert world.seen() == [("a", 0)]
    world.shards.indices = {}
    world.time = 2.0
    assert world.seen() == []


def test_what_becomes_visible_out_of_order_is_seen_half_a_minute_later(world: World) -> None:
    world.follower.begin(RECENT)
    world.shards.show("a", 0, 2, 4)
    assert world.seen() == [("a", 0), ("a", 2), ("a", 4)]
    world.shards.show("a", 1, 3)
    world.time = 29.0
    assert world.seen() == []
    world.time = 36.0
    assert world.seen() == [("a", 1), ("a", 3)]
    world.time = 100.0
    assert world.seen() == []


def test_the_second_look_reads_numbers_only_where_all_is_known(world: World) -> None:
    world.follower.begin(RECENT)
    world.shards.show("a", 0)
    world.seen()
    world.shards.requests.clear()
    world.time = 36.0
    world.seen()
    assert world.shards.requests == ["page", "numbers"]


def test_what_was_under_way_at_the_beginning_is_seen_by_the_second_look(world: World) -> None:
    world.shards.show("a", 5, 7)
    world.follower.begin(RECENT)
    world.follower.note(
        [{"_index": "a", "_seq_no": number, "_primary_term": 1} for number in (5, 7)]
    )
    world.shards.show("a", 6)
    assert world.seen() == []
    world.time = 31.0
    assert world.seen() == [("a", 6)]


def test_the_second_look_leaves_out_what_the_scan_had_to_leave_out(world: World) -> None:
    world.shards.show("a", 5, 7)
    world.shards.old = {5, 7}
    world.follower.begin(RECENT)
    world.time = 31.0
    assert world.seen() == []


def test_of_an_index_with_several_shards_the_scan_proves_nothing() -> None:
    world = World(Shards(a=2))
    world.shards.show("a", 5)
    world.shards.show("a", 5, shard=1)
    world.follower.begin(RECENT)
    world.follower.note([{"_index": "a", "_seq_no": 5, "_primary_term": 1}])
    world.time = 31.0
    assert world.seen() == [("a", 5), ("a", 5)]


def test_a_number_that_is_given_again_is_another_document(world: World) -> None:
    world.follower.begin(RECENT)
    world.shards.show("a", 0, 1)
    world.seen()
    world.shards.show("a", 1, term=2)
    world.time = 31.0
    assert world.seen() == [("a", 1)]
