"""What happens in a trial, and when:

all of it follows from a seed, and time is counted in documents emitted and in requests, not in
seconds.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

APPLICATIONS = 4
QUEUE = 2048
"""Documents that a batch processor holds at most: the SDK's default."""
BATCH = 512
"""Documents of one export at most: the SDK's default."""
MIB = 1024 * 1024

SpoolMode = Literal["on_failure", "always"]


class Fault(Enum):
    """What the proxy does to a request; the value is how a report names it."""

    NONE = "passed on"
    RESET = "connection reset before the request was passed on"
    LOST_ANSWER = "connection reset in place of the answer"
    HALF_ANSWER = "answer cut in half"
    DELAY = "delayed"
    BUSY = "429 with Retry-After"
    UNAVAILABLE = "503"
    TOO_LARGE = "413"


WEIGHTS = {
    Fault.NONE: 85,
    Fault.RESET: 3,
    Fault.LOST_ANSWER: 3,
    Fault.HALF_ANSWER: 2,
    Fault.DELAY: 2,
    Fault.BUSY: 2,
    Fault.UNAVAILABLE: 2,
    Fault.TOO_LARGE: 1,
}
"""Of a hundred requests, how many meet which fault."""


class Turn(NamedTuple):
    """What happens to one request."""

    fault: Fault
    seconds: float
    """How long a delayed request is held; half of them longer than the two seconds of the
    exporter's one try."""


def turns(seed: int) -> Iterator[Turn]:
    """Yield what happens to the first request, the second, and so on, for ever."""
    numbers = random.Random(seed)
    while True:
        yield Turn(
            numbers.choices(list(WEIGHTS), list(WEIGHTS.values()))[0],
            round(numbers.uniform(0.1, 4.0), 2),
        )


Stroke = Literal["freeze", "thaw", "kill", "restart"]


class Event(NamedTuple):
    """Something that is done to Elasticsearch, and to the sink of OTLP at the same moment."""

    at: int
    """Documents that the applications have emitted by then."""
    stroke: Stroke


class Life(NamedTuple):
    """One process of an application: it emits the documents from `start` to `stop`, and ends."""

    application: int
    start: int
    stop: int
    killed: bool
    """By kill -9, when it has emitted the last; else it ends in order."""

    @property
    def name(self) -> str:
        """Names its files."""
        return f"{self.application}-{self.start:07d}"


@dataclass(frozen=True)
class Trial:
    """One seed's schedule.

    Attributes:
        seed: All that is random follows from it.
        spool: The exporter's setting.
        spool_max_bytes: The exporter's setting.
        kills: How often each application is killed.
        disk_full: Whether the disk of the spool is full for a quarter of what each application
            emits.
        oversized: Whether each application emits one document that is larger than anything the
            proxy lets through.
        documents: Spans and log records in all, half and half.
    """

    seed: int
    spool: SpoolMode = "on_failure"
    spool_max_bytes: int = 256 * MIB
    kills: int = 2
    disk_full: bool = False
    oversized: bool = False
    documents: int = 40_000

    @property
    def share(self) -> int:
        """Documents of one application."""
        return self.documents // APPLICATIONS

    def lives(self, application: int) -> list[Life]:
        """Return the processes of an application, one after the other."""
        numbers = random.Random(f"{self.seed} {application}")
        first = application * self.share
        ends = sorted(
            first + numbers.randint(self.share // 20, self.share * 19 // 20)
            for _ in range(self.kills)
        )
        borders = list(pairwise([first, *ends, first + self.share]))
        return [Life(application, start, stop, killed=stop in ends) for start, stop in borders]

    def events(self) -> list[Event]:
        """Return what is done to the servers, in order."""
        numbers = random.Random(self.seed)
        freeze, kill = numbers.uniform(0.08, 0.14), numbers.uniform(0.34, 0.42)
        moments: list[tuple[float, Stroke]] = [
            (freeze, "freeze"),
            (freeze + 0.12, "thaw"),
            (kill, "kill"),
            (kill + 0.06, "restart"),
        ]
        return [Event(int(moment * self.documents), stroke) for moment, stroke in moments]

    def is_disk_full(self, number: int) -> bool:
        """Whether the disk is full when a document is emitted."""
        return (
            self.disk_full
            and self.share * 15 // 100 <= number % self.share < self.share * 40 // 100
        )

    def is_oversized(self, number: int) -> bool:
        """Whether a document is larger than anything the proxy lets through."""
        return self.oversized and number % self.share == self.share // 5


TRIALS = (
    Trial(1, oversized=True),
    Trial(2, spool="always", oversized=True),
    Trial(3, spool="always", disk_full=True),
    Trial(4, spool_max_bytes=MIB, kills=0),  # what a killed process had evicted, it could not count
    Trial(5, spool="always", kills=4),
)
