"""One export: rounds, in each of which everything that still needs it is sent once, and pauses
between them.

Only items that need it are sent again, so an answer with 3 failures out of 1,000 costs 3 documents;
a request whose answer was lost is sent whole, and what had arrived comes back as a duplicate. What
comes back as one at its very first sending cannot be there: another document bears its `_id`
(`documents.operations`), and it gets a new one. A document that contradicts a mapping is sent again
with the contradiction put aside. All tries of one export share one deadline.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from otel_asayer.delivery.backoff import CircuitBreaker, RetryBudget, backoff_delays, retry_after
from otel_asayer.delivery.outcomes import Counters, Outcome
from otel_asayer.documents import is_salvaged, salvage, with_new_id
from otel_asayer.elasticsearch import bulk
from otel_asayer.elasticsearch.bulk import BulkItemResult, Disposition
from otel_asayer.elasticsearch.client import UnreachableError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from otel_asayer.documents import Operation
    from otel_asayer.elasticsearch.client import Response

__all__ = ["Export", "Road", "Undelivered"]

_MOST_SPLITS: Final = 40
"""Requests that one export may halve because a document spoils them:

enough for some spoilt ones among thousands, and an end when all are.
"""

_LEAST_BYTES: Final = 64 * 1024
"""Bytes below which later requests are not made smaller, whatever Elasticsearch answered:

from there on their number would be the load.
"""

_TO_BE_RETRIED: Final = (Disposition.TRANSIENT, Disposition.OVERLOADED)


class Undelivered(NamedTuple):
    """Operations that an export did not deliver, and what was found about them."""

    result: BulkItemResult
    operations: Sequence[Operation]

    @property
    def for_good(self) -> bool:
        """Whether Elasticsearch will never index them as they are."""
        return self.result.disposition is Disposition.REFUSED


class Road(Protocol):
    """What an export needs:

    the way to Elasticsearch, the clock, and what the exports of a process share.
    """

    counters: Counters
    breaker: CircuitBreaker
    request_bytes: int
    """Bytes of a request beyond which Elasticsearch is known to refuse it."""
    clock: Callable[[], float]
    random: Callable[[], float]

    def connect(self) -> None:
        """Do what can be done without network."""

    def set_up(self, timeout: float) -> bool:
        """Make first contact, unless that is done; return whether it was made just now, or raise `UnreachableError`."""

    def send(self, operations: Sequence[Operation], timeout: float) -> Response:
        """Send one bulk request, or raise `UnreachableError`."""

    def pause(self, seconds: float, interrupted: threading.Event | None = None) -> None:
        """Wait, but no longer than until the process ends, or what is given here interrupts it."""

    def has_stopped(self) -> bool:
        """Return whether the process ends."""

    def new_id(self) -> str:
        """Return a random `_id`."""

    def now(self) -> float:
        """Return seconds since 1970."""


class _Later(Exception):  # noqa: N818 (a turn of the road, which `Export` alone takes)
    """Nothing more can be sent in this round."""

    def __init__(self, finding: BulkItemResult, least_pause: float = 0.0) -> None:
        super().__init__(finding)
        self.result = finding
        self.least_pause = least_pause


class Export:
    """Brings operations to Elasticsearch, as far as `allow` lets it.

    Args:
        road: the way there.
        allow: what the export may use; asked once more when the process ends.
        first: whether nobody has sent these operations before.
        interrupted: ends all waiting when it is set.
        on_answer: hears the status of each answer.
    """

    def __init__(
        self,
        road: Road,
        allow: Callable[[], RetryBudget],
        *,
        first: bool = False,
        interrupted: threading.Event | None = None,
        on_answer: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._road = road
        self._allow = allow
        self._first = first
        self._interrupted = interrupted
        self._on_answer = on_answer
        self._perhaps_there: set[Operation] = set()
        """Operations that Elasticsearch may have carried out without our knowing."""
        self._left: list[Undelivered] = []
        self._splits = 0
        self._trouble = BulkItemResult(
            Disposition.TRANSIENT, "deadline", "no try fitted into the time"
        )
        self._most_bytes = road.request_bytes
        self.least_pause = 0.0
        """Seconds that Elasticsearch asked to wait before the next try."""

    def run(self, operations: Sequence[Operation]) -> Sequence[Undelivered]:
        """Deliver; return what was not delivered."""
        with suppress(UnreachableError):  # the request that follows raises it again
            # The import of the client takes half a second, and tells nothing about the server: no
            # deadline of ours counts it.
            self._road.connect()
        self._begin()
        for number, pause in enumerate(backoff_delays(self._road.random)):
            if self._remaining() > 0:
                if number:
                    self._road.counters.add(Outcome.RETRIED, len(operations), self._trouble.cause)
                operations = self._round(operations)
            if not operations:
                return self._left
            if not self._wait(max(pause, self.least_pause)):
                break
        if (
            self._road.has_stopped() or not self._is_over()
        ):  # what an exporter's shutdown cut short says nothing about the server
            self._road.breaker.failed()
        return [*self._left, Undelivered(self._trouble, operations)]

    def _begin(self) -> None:
        seconds, self._repeat = self._allow()
        self._deadline = self._road.clock() + seconds

    def _remaining(self) -> float:
        return self._deadline - self._road.clock()

    def _wait(self, seconds: float) -> bool:
        """Wait for the next round; return whether there is one."""
        if not self._repeat or self._is_over() or seconds >= self._remaining():
            return False
        self._road.pause(seconds, self._interrupted)
        if self._road.has_stopped():
            self._begin()
        return self._road.has_stopped() or not self._is_over()

    def _is_over(self) -> bool:
        """Whether all waiting is over: the process ends, or the exporter is shut down."""
        return self._road.has_stopped() or (
            self._interrupted is not None and self._interrupted.is_set()
        )

    def _round(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """Send every operation once; return those that have to be sent again."""
        again: list[Operation] = []
        parts = deque(bulk.bodies(operations, min(self._most_bytes, self._road.request_bytes)))
        self.least_pause = 0.0
        try:
            self._set_up()
            while parts:
                again += self._send(parts)
        except _Later as later:
            self._trouble, self.least_pause = later.result, later.least_pause
        return [*again, *chain.from_iterable(parts)]

    def _set_up(self) -> None:
        try:
            if self._road.set_up(max(0.0, self._remaining())):
                self._answered()
        except UnreachableError as failure:
            raise _Later(
                BulkItemResult(Disposition.TRANSIENT, "unreachable", failure.reason)
            ) from None

    def _answered(self) -> None:
        self._road.breaker.succeeded()
        if self._road.has_stopped():
            self._begin()

    def _send(self, parts: deque[Sequence[Operation]]) -> Sequence[Operation]:
        """Send the first of `parts` and take it away, or put others in its place; return what of it has to be sent again."""
        operations = parts[0]
        response = self._request(operations)
        self._on_answer(response.status)
        finding = bulk.judge_request(response.status, response.body)
        if response.repeated:
            self._perhaps_there.update(operations)
        if finding.disposition in _TO_BE_RETRIED:
            self._dispose(finding, operations, parts)
            raise _Later(finding, retry_after(response.headers, self._road.now))
        parts.popleft()
        again = (
            self._settle(operations, response.body, parts)
            if finding.disposition is Disposition.INDEXED
            else ()
        )
        if not again:
            self._answered()
        if finding.disposition is Disposition.SPLIT:
            parts.extendleft(self._halves(operations, finding, parts))
        elif finding.disposition is Disposition.CONFIGURATION:
            self._dispose(finding, [*operations, *chain.from_iterable(parts)], parts)
            parts.clear()
        return again

    def _request(self, operations: Sequence[Operation]) -> Response:
        left = self._remaining()
        if left <= 0:
            raise _Later(self._trouble)
        try:
            return self._road.send(operations, left)
        except UnreachableError as failure:
            self._perhaps_there.update(operations)
            raise _Later(
                BulkItemResult(Disposition.TRANSIENT, "unreachable", failure.reason)
            ) from None

    def _halves(
        self,
        operations: Sequence[Operation],
        finding: BulkItemResult,
        parts: deque[Sequence[Operation]],
    ) -> Sequence[Sequence[Operation]]:
        """The halves, the second first, of a request that was too large or held a spoilt document; nothing where halving is at its end."""
        too_large = finding.cause == "http 413"
        self._splits += not too_large
        if len(operations) == 1 or self._splits > _MOST_SPLITS:
            self._dispose(finding._replace(disposition=Disposition.REFUSED), operations, parts)
            return ()
        if too_large:
            # Small ones are halved when they come to it: what remembers them makes of one wrong
            # answer a request for each document, for ever.
            self._road.request_bytes = min(
                self._road.request_bytes, max(_LEAST_BYTES, sum(map(len, operations)) // 2)
            )
        middle = len(operations) // 2
        return operations[middle:], operations[:middle]

    def _settle(
        self, operations: Sequence[Operation], body: bytes, parts: deque[Sequence[Operation]]
    ) -> list[Operation]:
        """Count what became of each operation of an answered request; return those that have to be sent again."""
        try:
            answer = bulk.parse_answer(body, len(operations))
        except bulk.MalformedAnswerError as problem:
            self._perhaps_there.update(operations)
            parts.appendleft(operations)
            raise _Later(
                BulkItemResult(Disposition.TRANSIENT, "malformed answer", str(problem))
            ) from None
        self._road.counters.add(Outcome.INDEXED, answer.indexed)
        groups: dict[BulkItemResult, list[Operation]] = {}
        for position, finding in answer.others:
            groups.setdefault(finding, []).append(operations[position])
        return [
            operation
            for finding, group in groups.items()
            for operation in self._dispose(finding, group, parts)
        ]

    def _dispose(
        self,
        finding: BulkItemResult,
        operations: Sequence[Operation],
        parts: deque[Sequence[Operation]],
    ) -> Sequence[Operation]:
        """Do with operations what was found about them; return those that have to be sent again, after a pause."""
        if finding.disposition in _TO_BE_RETRIED:
            self._trouble = finding
            if finding.disposition is Disposition.OVERLOADED:  # and so nothing of it was done
                self._most_bytes = max(
                    _LEAST_BYTES, min(self._most_bytes, sum(map(len, operations)) // 2)
                )
            else:
                self._perhaps_there.update(operations)
            return operations
        if finding.disposition is Disposition.DUPLICATE:
            self._part(operations, parts)
        elif finding.disposition is Disposition.UNMAPPED:
            self._salvage(finding, operations, parts)
        else:
            self._left.append(Undelivered(finding, operations))
        return ()

    def _part(self, operations: Sequence[Operation], parts: deque[Sequence[Operation]]) -> None:
        """Count documents that are there already; give those that cannot be there another `_id`, and send them once more, in this round."""
        renamed = [
            other
            for operation in operations
            if self._first
            and operation not in self._perhaps_there
            and (other := with_new_id(operation, self._road.new_id())) is not None
        ]
        self._road.counters.add(Outcome.DUPLICATE, len(operations) - len(renamed))
        if renamed:
            self._road.counters.add(Outcome.COLLIDED, len(renamed))
            self._perhaps_there.update(
                renamed
            )  # whatever answers 409 to a random `_id` as well will do so for ever
            parts.append(renamed)

    def _salvage(
        self,
        finding: BulkItemResult,
        operations: Sequence[Operation],
        parts: deque[Sequence[Operation]],
    ) -> None:
        """Send documents that contradict a mapping once more, in this round, with the contradiction put aside; refuse what cannot be mended."""
        mended = [(operation, _mended(operation, finding)) for operation in operations]
        if refused := [operation for operation, other in mended if other is None]:
            self._left.append(
                Undelivered(finding._replace(disposition=Disposition.REFUSED), refused)
            )
        if saved := [other for _, other in mended if other is not None]:
            first = sum(
                not is_salvaged(operation) for operation, other in mended if other is not None
            )
            self._road.counters.add(Outcome.SALVAGED, first, finding.cause, finding.reason)
            self._perhaps_there.update(
                other
                for operation, other in mended
                if other is not None and operation in self._perhaps_there
            )
            parts.append(saved)


def _mended(operation: Operation, finding: BulkItemResult) -> Operation | None:
    """Return the operation with what contradicts the mapping put aside, or None.

    What a failure store has got may contradict nothing: an ingest pipeline may have failed. So it
    is sent once more: each try leaves a copy there.
    """
    if finding.cause == bulk.FAILURE_STORE and is_salvaged(operation):
        return None
    return salvage(operation, finding.reason)
