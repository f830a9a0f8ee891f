"""What became of documents: counts by cause, and a line a minute about what was lost.

Safe to use from any thread.
"""

from __future__ import annotations

import threading
from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_asayer.elasticsearch.bulk import Cause

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping

__all__ = ["NO_CAUSE", "Count", "Counters", "Digest", "Outcome"]

_MOST_COUNTS: Final = 200
"""Outcomes with causes that are counted separately. There are some thirty; more would be an
endpoint that makes up types of errors."""
_OTHER: Final = Cause.of("_OTHER")
"""The cause of all further ones: the semantic conventions' word for it."""

NO_CAUSE: Final = Cause()


class Outcome(Enum):
    """What became of a document.

    The value is its word in messages, and an attribute of the metric. A document ends as `indexed`,
    `duplicate`, `rejected`, `evicted` or `dropped`; what happens to it before is counted in
    addition.
    """

    INDEXED = "indexed"
    """Elasticsearch holds it, and said so."""

    DUPLICATE = "duplicate"
    """Elasticsearch held it already: an earlier request had arrived, and only its answer was
    lost."""

    COLLIDED = "collided"
    """Given a new `_id` and sent again, because another document has the one it had: something
    repeats trace and span ids, or seeds `random`."""

    DIVERTED = "diverted"
    """Written to the configured data streams, because attributes asked for more of them than one
    process may write to."""

    RETRIED = "retried"
    """Sent once more; counted at each try."""

    SALVAGED = "salvaged"
    """Sent again with what contradicted the mapping put aside; it is indexed so, or still on its
    way."""

    SPOOLED = "spooled"
    """Kept on the disk, to be sent later."""

    DRAINED = "drained"
    """Delivered from the disk, and counted as indexed or duplicate besides."""

    REJECTED = "rejected"
    """Elasticsearch will never index it as it is."""

    EVICTED = "evicted"
    """Removed from the disk, undelivered, for newer ones."""

    DROPPED = "dropped"
    """Not delivered, and given up."""


_LOST: Final = (Outcome.REJECTED, Outcome.EVICTED, Outcome.DROPPED)


class Count(NamedTuple):
    """What is counted: an outcome and its cause."""

    outcome: Outcome
    cause: Cause = NO_CAUSE


class Counters:
    """How many documents had which outcome, by cause."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal's handler may end a span while its thread counts
        self._counts: Counter[Count] = Counter()
        self._reasons: dict[Count, str] = {}

    def add(self, outcome: Outcome, number: int, cause: Cause = NO_CAUSE, reason: str = "") -> None:
        """Add `number` documents; of the reasons given for one cause, the last is kept."""
        count = Count(outcome, cause)
        with self._lock:
            if len(self._counts) >= _MOST_COUNTS and count not in self._counts:
                count = Count(outcome, _OTHER)
            self._counts[count] += number
            if reason:
                self._reasons[count] = reason

    def snapshot(self) -> Mapping[Count, int]:
        """Return the counts of this moment."""
        with self._lock:
            return dict(self._counts)

    def total(self, outcome: Outcome) -> int:
        """Return how many documents had `outcome`, for whatever cause."""
        return sum(number for count, number in self.snapshot().items() if count.outcome is outcome)

    def reason(self, count: Count) -> str:
        """Return the last reason given for `count`, or its cause where none was."""
        reason = self._reasons.get(count)
        return f"{count.cause}: {reason}" if reason else count.cause.text


class Digest:
    """Says what `counters` counted as lost, or as kept on the disk, since the last line.

    It writes a line a minute at most.
    """

    def __init__(
        self,
        counters: Counters,
        logger: logging.Logger,
        clock: Callable[[], float],
        folder: object = None,
    ) -> None:
        self._sentences = (
            (
                (Outcome.SPOOLED,),
                f"Telemetry waits for Elasticsearch in {folder}, in documents: %s.",
            ),
            (_LOST, "Telemetry was lost on its way to Elasticsearch, in documents: %s."),
        )
        self._counters = counters
        self._logger = logger
        self._clock = clock
        self._lock = threading.Lock()
        self._written: Mapping[Count, int] = {}
        self._due = float("-inf")

    def write_when_due(self) -> None:
        """Write a line if there is something to say and the last line is a minute old."""
        if self._clock() >= self._due:
            self.write()

    def write(self) -> None:
        """Write what no line tells yet."""
        with self._lock:
            now, before = self._counters.snapshot(), self._written
            new = {
                count: more
                for count, number in now.items()
                if (more := number - before.get(count, 0))
            }
            told = [
                (sentence, parts)
                for outcomes, sentence in self._sentences
                if (parts := self._parts(new, outcomes))
            ]
            if not told:
                return
            self._written, self._due = now, self._clock() + 60.0
        # Outside of the lock: a handler of this very line may export, and come back here.
        for sentence, parts in told:
            self._logger.warning(sentence, parts)

    def _parts(self, new: Mapping[Count, int], outcomes: tuple[Outcome, ...]) -> str:
        return ", ".join(
            f"{number} {count.outcome.value} ({self._counters.reason(count)})"
            for count, number in new.items()
            if count.outcome in outcomes
        )
