"""Following data streams by the sequence numbers of their documents, however old their times are.

Each shard of each index has a cursor: the last number read. Rules, and where they come from:

- A shard gives the numbers (`_seq_no`) in the order in which it takes documents, but lets searches
  see them in another: an operation may still be under way, or a replica may lag. So each range is
  looked at a second time, half a minute later, by numbers alone; only what was not seen is read.
- Documents of many shards come by one search in the order of their numbers. Of each shard the page
  holds all up to its last number there, so cursors may advance by any page.
- Shards of one number are asked together (`preference=_shards:n`), as most indices have one shard.
- An index that appears later is read from its beginning.
- A number is given again when a primary shard is lost with operations that no replica has: what was
  seen is known by number and primary term.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from otel_asayer.bridge.queries import these, within

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from otel_asayer.bridge.patience import Patience
    from otel_asayer.bridge.reader import Hit

__all__ = ["Follower", "Numbered"]

_Shard = tuple[str, int]
"""An index and the number of one of its shards."""

_LOOK_AGAIN_S: Final = 30.0
_JOINED_S: Final = 5.0
"""Seconds whose ranges are looked at together."""
_LIST_EVERY_S: Final = 2.0
_OVERLAP: Final = 20_000
"""Operations that may be under way in a shard at the start."""
_MOST_KNOWN: Final = 500_000
"""Documents that are known by their numbers: as many as half a minute brings, and some 40 MB. Those
beyond are read again, and their records are there already."""
_TERMS: Final = 4096


class Numbered(Protocol):
    """What is followed; see `reader.Reader`."""

    def shards(self) -> dict[str, int]:
        """Return the number of shards of each index."""

    def last_numbers(self, shard: int) -> dict[str, int]:
        """Return the last number of each index in a shard."""

    def page(self, shard: int, filters: Sequence[Mapping[str, Any]]) -> tuple[list[Hit], bool]:
        """Return the first documents, and whether these are all."""

    def numbers(self, shard: int, filters: Sequence[Mapping[str, Any]]) -> tuple[list[Hit], bool]:
        """Return the numbers of the first documents, and whether these are all."""


class _Look(NamedTuple):
    """A range of numbers to be looked at again.

    Attributes:
        made: When its first number was read, by the clock.
        due: When to look again.
        above: The number before its first.
        last: Its last number.
        recent: Whether only the documents count that the scan had to read.
    """

    made: float
    due: float
    above: int
    last: int
    recent: bool = False


@dataclass(slots=True)
class _Cursor:
    """How far a shard is read."""

    last: int = -1
    looks: deque[_Look] = field(default_factory=deque)
    known: set[int] = field(default_factory=set)


class Follower:
    """Reads what is new.

    Args:
        reader: Where from.
        filters: Which documents.
        patience: Repeats requests.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        reader: Numbered,
        filters: Sequence[Mapping[str, Any]],
        patience: Patience,
        clock: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._filters = filters
        self._patience = patience
        self._clock = clock
        self._cursors: dict[_Shard, _Cursor] = {}
        self._recent: Mapping[str, Any] = {}
        self._listed = float("-inf")
        self._known = 0

    def begin(self, recent: Mapping[str, Any]) -> None:
        """Begin after the documents that are there now, which a scan reads.

        Args:
            recent: The filter of that scan. What it does not see, because it is still under way, is
                read by the second look.
        """
        self._recent = recent
        self._list()
        now = self._clock()
        for shard, cursors in self._by_shard():
            last = self._patience.ask(partial(self._reader.last_numbers, shard))
            for index, cursor in cursors.items():
                cursor.last = last.get(index, -1)
                if cursor.last >= 0:
                    above, due = max(-1, cursor.last - _OVERLAP), now + _LOOK_AGAIN_S
                    cursor.looks.append(_Look(now, due, above, cursor.last, recent=True))

    def note(self, hits: Iterable[Hit]) -> None:
        """Learn what the scan has read: the second look leaves it out."""
        for hit in hits:
            # Which shard it is in is not told: of an index with several, it is read again.
            if (hit["_index"], 1) in self._cursors:
                continue
            cursor = self._cursors.get((hit["_index"], 0))
            if cursor and cursor.looks and cursor.looks[0].above < hit["_seq_no"] <= cursor.last:
                self._remember(cursor, hit)

    def pages(self) -> Iterator[list[Hit]]:
        """Yield the documents that are new since the last call, and those seen at the second look.

        A page is done when the next one is asked for.
        """
        self._list()
        for shard, cursors in self._by_shard():
            yield from self._new(shard, cursors)
            yield from self._again(shard, cursors)

    def _list(self) -> None:
        """Learn which indices there are now."""
        if self._clock() - self._listed < _LIST_EVERY_S:
            return
        shards = self._patience.ask(self._reader.shards)
        present = {(index, shard) for index, most in shards.items() for shard in range(most)}
        for gone in self._cursors.keys() - present:
            self._known -= len(self._cursors.pop(gone).known)
        for new in sorted(present - self._cursors.keys()):
            self._cursors[new] = _Cursor()
        self._listed = self._clock()

    def _by_shard(self) -> list[tuple[int, dict[str, _Cursor]]]:
        grouped: defaultdict[int, dict[str, _Cursor]] = defaultdict(dict)
        for (index, shard), cursor in self._cursors.items():
            grouped[shard][index] = cursor
        return sorted(grouped.items(), key=lambda one: one[0])

    def _new(self, shard: int, cursors: Mapping[str, _Cursor]) -> Iterator[list[Hit]]:
        before = {index: (cursor.last, None) for index, cursor in cursors.items()}
        for hits in self._pages(self._reader.page, shard, (), before):
            if hits:
                yield hits
            for hit in hits:
                cursor = cursors[hit["_index"]]
                cursor.last = max(cursor.last, hit["_seq_no"])
                self._remember(cursor, hit)
        now = self._clock()
        for index, cursor in cursors.items():
            if cursor.last > before[index][0]:
                look = _Look(now, now + _LOOK_AGAIN_S, before[index][0], cursor.last)
                latest = cursor.looks[-1] if cursor.looks else None
                if latest and not latest.recent and now - latest.made < _JOINED_S:
                    look = look._replace(made=latest.made, above=latest.above)
                    cursor.looks.pop()
                cursor.looks.append(look)

    def _again(self, shard: int, cursors: Mapping[str, _Cursor]) -> Iterator[list[Hit]]:
        """Yield what the second look at the ranges that are due finds."""
        now = self._clock()
        for recent in (True, False):
            due = {
                index: look
                for index, cursor in cursors.items()
                if cursor.looks and (look := cursor.looks[0]).due <= now and look.recent is recent
            }
            bounds = {index: (look.above, look.last) for index, look in due.items()}
            filters = [self._recent] if recent else []
            for hits in self._pages(self._reader.numbers, shard, filters, bounds):
                if late := _unknown(hits, cursors):
                    among = {index: (min(some) - 1, max(some)) for index, some in late.items()}
                    chosen = [*filters, these(late)]
                    yield from self._pages(self._reader.page, shard, chosen, among)
            for index, look in due.items():
                self._close(cursors[index], look)

    def _pages(
        self,
        request: Callable[[int, Sequence[Mapping[str, Any]]], tuple[list[Hit], bool]],
        shard: int,
        filters: Sequence[Mapping[str, Any]],
        bounds: Mapping[str, tuple[int, int | None]],
    ) -> Iterator[list[Hit]]:
        """Yield pages of the documents whose numbers are within `bounds`, by index."""
        complete = not bounds
        while not complete:
            asked = [*self._filters, *filters, within(bounds)]
            hits, complete = self._patience.ask(partial(request, shard, asked))
            yield hits
            read = {hit["_index"]: hit["_seq_no"] for hit in hits}
            bounds = {
                index: (read.get(index, above), last) for index, (above, last) in bounds.items()
            }

    def _close(self, cursor: _Cursor, look: _Look) -> None:
        """Forget what was known of a range that was looked at again."""
        cursor.looks.popleft()
        end = (look.last + 1) * _TERMS
        left = {number for number in cursor.known if number >= end}
        self._known -= len(cursor.known) - len(left)
        cursor.known = left

    def _remember(self, cursor: _Cursor, hit: Hit) -> None:
        if self._known < _MOST_KNOWN:
            number = _known_as(hit)
            self._known += number not in cursor.known
            cursor.known.add(number)


def _known_as(hit: Hit) -> int:
    return int(hit["_seq_no"]) * _TERMS + int(hit["_primary_term"]) % _TERMS


def _unknown(hits: Iterable[Hit], cursors: Mapping[str, _Cursor]) -> Mapping[str, Collection[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for hit in hits:
        if _known_as(hit) not in cursors[hit["_index"]].known:
            found[hit["_index"]].append(hit["_seq_no"])
    return found
