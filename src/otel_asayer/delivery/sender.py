"""One export: rounds in which everything that still needs it is sent once, and pauses between.

Only items that need it are sent again, so an answer with 3 failures out of 1,000 costs 3 documents.
A request whose answer was lost is sent whole, and what had arrived comes back as a duplicate. A
duplicate at its very first sending cannot be there already: another document has its `_id`, so it
gets a new one. A document that contradicts a mapping is sent again with the contradiction put
aside. All tries of one export share one deadline.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from otel_asayer.delivery.backoff import CircuitBreaker, RetryBudget, backoff_delays, retry_after
from otel_asayer.delivery.outcomes import Counters, Outcome
from otel_asayer.documents import Operation, is_salvaged, metadata_of, salvage, with_new_id
from otel_asayer.elasticsearch.bulk import (
    FAILURE_STORE,
    BulkItemResult,
    Cause,
    Disposition,
    MalformedAnswerError,
    bodies,
    judge_request,
    parse_answer,
    target,
)
from otel_asayer.elasticsearch.client import Requester, Response, UnreachableError
from otel_asayer.setup.first_contact import FirstContact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_asayer.config import Config

__all__ = ["BulkTransport", "ExportContext", "Sent", "Undelivered", "send"]

_MOST_SPLITS: Final = 40
"""Requests that one export may halve because a document spoils them: enough for some spoilt ones
among thousands, and an end when all are."""

_LEAST_BYTES: Final = 64 * 1024
"""Bytes below which later requests are not made smaller, whatever Elasticsearch answered: below
that, their number would be the load."""

_SERVER_ERROR: Final = 500
"""From this status on a proxy does not reach Elasticsearch, or Elasticsearch has no master."""

_TO_BE_RETRIED: Final = (Disposition.TRANSIENT, Disposition.OVERLOADED)


class BulkTransport(Requester, Protocol):
    """What delivery needs of the client."""

    def connect(self) -> object:
        """Do what can be done without network."""

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""

    def abort(self, within: float) -> None:
        """Let no request under way outlast `within` seconds."""


@dataclass(eq=False)
class ExportContext:
    """What all exports of a process to one Elasticsearch share."""

    config: Config
    client: BulkTransport
    breaker: CircuitBreaker
    clock: Callable[[], float]
    """Returns seconds that only grow."""
    random: Callable[[], float]
    """Returns numbers from 0 to 1."""
    wait: Callable[[threading.Event, float], object]
    """Waits for some seconds, or less once the event is set."""
    now: Callable[[], float]
    """Returns seconds since 1970."""
    new_id: Callable[[], str]
    """Returns a random `_id`."""
    computed: Callable[[], float]
    """Returns the seconds of processor time that this thread has used."""
    counters: Counters = field(default_factory=Counters)
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set while the process ends."""
    closed: bool = False
    """Whether no request may leave any more."""

    def __post_init__(self) -> None:
        self.request_bytes = self.config.max_request_bytes
        """Bytes of a request beyond which Elasticsearch is known to refuse it."""
        self.first_contact = FirstContact(self.config)
        self._target = target(self.config.pipeline)

    def post(self, operations: Sequence[Operation], timeout: float) -> Response:
        """Send one bulk request.

        Raises:
            UnreachableError: Elasticsearch does not answer, or `closed`.
        """
        if self.closed:
            raise UnreachableError("the exporter is shut down")
        return self.client.request("POST", self._target, operations, timeout=timeout)

    def answers(self, seconds: float) -> bool:
        """Return whether Elasticsearch answers within some seconds."""
        try:
            return self.client.request("HEAD", "/", timeout=seconds).status < _SERVER_ERROR
        except UnreachableError:
            return False

    def budget(self) -> RetryBudget:
        """Return what an export that begins now may use.

        Once, when the process ends, it asks whether Elasticsearch answers. A second is enough for
        that, and too short for a first document.
        """
        if seconds := self.breaker.begin_liveness_check():
            self.breaker.end_liveness_check(self.answers(seconds))
        return self.breaker.allow()


class Undelivered(NamedTuple):
    """Operations that an export did not deliver, and why."""

    result: BulkItemResult
    operations: Sequence[Operation]

    @property
    def for_good(self) -> bool:
        """Whether Elasticsearch will never index them as they are."""
        return self.result.disposition is Disposition.REFUSED


class Sent(NamedTuple):
    """What became of an export."""

    undelivered: Sequence[Undelivered]
    status: int | None
    """Of the last answer; None without any."""
    least_pause: float
    """Seconds that Elasticsearch asked to wait before the next try."""


def send(
    context: ExportContext,
    operations: Sequence[Operation],
    allow: Callable[[], RetryBudget],
    *,
    first: bool = False,
    interrupted: threading.Event | None = None,
) -> Sent:
    """Bring operations to Elasticsearch, as far as `allow` permits.

    Args:
        context: What all exports of the process share.
        operations: At least one.
        allow: Returns what the export may use; asked once more when the process ends.
        first: Whether nobody has sent these operations before.
        interrupted: Ends all waiting when it is set.
    """
    export = _Export(context, allow, first=first, interrupted=interrupted)
    return Sent(export.run(operations), export.status, export.least_pause)


class _Step(NamedTuple):
    """What follows from one request of a round."""

    retry: Sequence[Operation] = ()
    """To be sent again after a pause."""
    halves: Sequence[Sequence[Operation]] = ()
    """Requests to be sent next."""
    more: Sequence[Sequence[Operation]] = ()
    """Requests to be sent at the end of this round."""
    ends_round: bool = False
    refused: BulkItemResult | None = None
    """Why nothing of this round will be taken."""


class _Export:
    def __init__(
        self,
        context: ExportContext,
        allow: Callable[[], RetryBudget],
        *,
        first: bool,
        interrupted: threading.Event | None,
    ) -> None:
        self._context = context
        self._count = context.counters.add
        self._allow = allow
        self._first = first
        self._interrupted = interrupted
        self._perhaps_there: set[Operation] = set()
        """Operations that Elasticsearch may have carried out without our knowing."""
        self._collided: set[str] = set()
        """The `_id`s of documents that got another one."""
        self._undelivered: list[Undelivered] = []
        self._splits = 0
        self._trouble = BulkItemResult(
            Disposition.TRANSIENT, Cause.of("deadline"), "no try fitted into the time"
        )
        self._most_bytes = context.request_bytes
        self.least_pause = 0.0
        self.status: int | None = None

    def run(self, operations: Sequence[Operation]) -> Sequence[Undelivered]:
        with suppress(UnreachableError):  # the request that follows raises it again
            # Importing the client takes long on a busy machine, and says nothing about the server:
            # it does not count towards any deadline.
            self._context.client.connect()
        self._begin()
        for number, pause in enumerate(backoff_delays(self._context.random)):
            if self._remaining() > 0:
                if number:
                    self._count(Outcome.RETRIED, len(operations), self._trouble.cause)
                operations = self._round(operations)
            if not operations:
                return self._undelivered
            if not self._wait(max(pause, self.least_pause)):
                break
        # An export that an exporter's shutdown cut short says nothing about the server.
        if self._context.stopping.is_set() or not self._is_over():
            self._context.breaker.failed()
        return [*self._undelivered, Undelivered(self._trouble, operations)]

    def _begin(self) -> None:
        seconds, self._repeat = self._allow()
        self._deadline = self._context.clock() + seconds

    def _remaining(self) -> float:
        return self._deadline - self._context.clock()

    def _wait(self, seconds: float) -> bool:
        """Wait for the next round; return whether there is one."""
        if not self._repeat or self._is_over() or seconds >= self._remaining():
            return False
        self._context.wait(self._interrupted or self._context.stopping, seconds)
        if self._context.stopping.is_set():
            self._begin()
            return True
        return not self._is_over()

    def _is_over(self) -> bool:
        """Whether all waiting is over: the process ends, or the exporter is shut down."""
        return self._context.stopping.is_set() or (
            self._interrupted is not None and self._interrupted.is_set()
        )

    def _round(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """Send every operation once; return those that have to be sent again."""
        self.least_pause = 0.0
        try:
            if self._context.first_contact.make(self._context.client, max(0.0, self._remaining())):
                self._answered()
        except UnreachableError as failure:
            self._trouble = _unreachable(failure)
            return operations
        again: list[Operation] = []
        requests = deque(bodies(operations, min(self._most_bytes, self._context.request_bytes)))
        while requests:
            request = requests.popleft()
            step = self._send(request)
            again += step.retry
            requests.extendleft(reversed(step.halves))
            requests.extend(step.more)
            if step.refused:
                rest = [*request, *chain.from_iterable(requests)]
                self._undelivered.append(Undelivered(step.refused, rest))
                return again
            if step.ends_round:
                break
        return [*again, *chain.from_iterable(requests)]

    def _answered(self) -> None:
        self._context.breaker.succeeded()
        if self._context.stopping.is_set():
            self._begin()

    def _send(self, operations: Sequence[Operation]) -> _Step:
        """Send one request; return what follows from its answer."""
        timeout = self._remaining()
        if timeout <= 0:
            return _Step(operations, ends_round=True)
        try:
            response = self._context.post(operations, timeout)
        except UnreachableError as failure:
            return _Step(self._retry(_unreachable(failure), operations), ends_round=True)
        self.status = response.status
        result = judge_request(response.status, response.body)
        if response.repeated:
            self._perhaps_there.update(operations)
        if result.disposition in _TO_BE_RETRIED:
            self.least_pause = retry_after(response.headers, self._context.now)
            return _Step(self._retry(result, operations), ends_round=True)
        if result.disposition is Disposition.INDEXED:
            return self._take_items(operations, response.body)
        self._answered()
        return (
            _Step(refused=result)
            if result.disposition is Disposition.CONFIGURATION
            else _Step(halves=self._halves(operations, result))
        )

    def _retry(
        self, result: BulkItemResult, operations: Sequence[Operation]
    ) -> Sequence[Operation]:
        """Return operations that have to be sent again, after remembering why."""
        self._trouble = result
        if result.disposition is Disposition.OVERLOADED:  # so nothing of it was done
            self._most_bytes = max(
                _LEAST_BYTES, min(self._most_bytes, sum(map(len, operations)) // 2)
            )
        else:
            self._perhaps_there.update(operations)
        return operations

    def _halves(
        self, operations: Sequence[Operation], result: BulkItemResult
    ) -> Sequence[Sequence[Operation]]:
        """Return the halves of a request that was too large or held a spoilt document.

        There are none where halving is at its end.
        """
        too_large = result.disposition is Disposition.TOO_LARGE
        self._splits += not too_large
        if len(operations) == 1 or self._splits > _MOST_SPLITS:
            self._refuse(result, operations)
            return ()
        if too_large:
            # Small ones are halved when they come to it: with a smaller limit, one wrong answer
            # would make a request of each document, for ever.
            self._context.request_bytes = min(
                self._context.request_bytes, max(_LEAST_BYTES, sum(map(len, operations)) // 2)
            )
        middle = len(operations) // 2
        return operations[:middle], operations[middle:]

    def _refuse(self, result: BulkItemResult, operations: Sequence[Operation]) -> None:
        self._undelivered.append(
            Undelivered(result._replace(disposition=Disposition.REFUSED), operations)
        )

    def _take_items(self, operations: Sequence[Operation], body: bytes) -> _Step:
        """Count what became of each operation of an answered request."""
        try:
            answer = parse_answer(body, len(operations))
        except MalformedAnswerError as problem:
            result = BulkItemResult(
                Disposition.TRANSIENT, Cause.of("malformed answer"), str(problem)
            )
            return _Step(self._retry(result, operations), ends_round=True)
        self._count(Outcome.INDEXED, answer.indexed)
        groups: dict[BulkItemResult, list[Operation]] = {}
        for position, result in answer.others:
            groups.setdefault(result, []).append(operations[position])
        retry: list[Operation] = []
        more: list[Sequence[Operation]] = []
        for result, group in groups.items():
            if result.disposition in _TO_BE_RETRIED:
                retry += self._retry(result, group)
            elif result.disposition is Disposition.DUPLICATE:
                more.append(self._renamed(group))
            elif result.disposition is Disposition.UNMAPPED:
                more.append(self._salvaged(result, group))
            else:
                self._undelivered.append(Undelivered(result, group))
        if not retry:
            self._answered()
        return _Step(retry, more=[request for request in more if request])

    def _renamed(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """Count documents that are there already.

        Return those that cannot be there, with another `_id`.
        """
        renamed = [
            with_new_id(operation, self._context.new_id())
            for operation in operations
            if self._collides(operation)
        ]
        self._count(Outcome.DUPLICATE, len(operations) - len(renamed))
        if renamed:
            self._count(Outcome.COLLIDED, len(renamed))
            # A server that answers 409 to a random `_id` as well will do so for ever.
            self._perhaps_there.update(renamed)
        return renamed

    def _collides(self, operation: Operation) -> bool:
        """Whether a document whose `_id` is taken is another one than the one that is there.

        A replay record is another one only if its span is. Else another span has written it that
        the same exception passed through, or a bridge has.
        """
        if not self._first or operation in self._perhaps_there:
            return False
        document = metadata_of(operation)
        if (source_id := document.of_record) is not None:
            return source_id in self._collided
        self._collided.add(document.id)
        return True

    def _salvaged(
        self, result: BulkItemResult, operations: Sequence[Operation]
    ) -> Sequence[Operation]:
        """Return documents that contradict a mapping with the contradiction put aside.

        Those that cannot be changed so are refused.
        """
        mended = [(operation, _mended(operation, result)) for operation in operations]
        if refused := [operation for operation, other in mended if other is None]:
            self._refuse(result, refused)
        pairs = [(operation, other) for operation, other in mended if other is not None]
        if pairs:
            self._count(
                Outcome.SALVAGED,
                sum(not is_salvaged(operation) for operation, _ in pairs),
                result.cause,
                result.reason,
            )
        self._perhaps_there.update(
            other for operation, other in pairs if operation in self._perhaps_there
        )
        return [other for _, other in pairs]


def _unreachable(failure: UnreachableError) -> BulkItemResult:
    return BulkItemResult(Disposition.TRANSIENT, Cause.of("unreachable"), failure.reason)


def _mended(operation: Operation, result: BulkItemResult) -> Operation | None:
    """Return the operation with what contradicts the mapping put aside, or None.

    What a failure store holds may contradict nothing, because an ingest pipeline may have failed.
    So it is sent only once more: each try leaves a copy there.
    """
    return (
        None
        if result.cause == FAILURE_STORE and is_salvaged(operation)
        else salvage(operation, result.reason)
    )
