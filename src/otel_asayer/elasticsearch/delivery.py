"""From encoded operations to documents in Elasticsearch: retries, partial failures, outages, and the account of what was lost.

One `Delivery` serves everything in the process that has the same settings. It belongs to the process that made it: after a fork `shared` gives
the child one of its own, with its own connections, counts and locks.

Only items that need it are sent again, so an answer with 3 failures out of 1,000 costs 3 documents; a request whose answer was lost is sent
whole, and what had arrived comes back as a duplicate. All tries of one export share one deadline.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from contextlib import suppress
from itertools import chain
from random import SystemRandom
from typing import TYPE_CHECKING, Final, Protocol

from otel_asayer.counters import Counters, Digest, Fate
from otel_asayer.elasticsearch import bulk
from otel_asayer.elasticsearch.backoff import Patience, pauses, retry_after
from otel_asayer.elasticsearch.bulk import Finding, Outcome
from otel_asayer.elasticsearch.client import Client, Unreachable
from otel_asayer.elasticsearch.compression import gzip_of
from otel_asayer.elasticsearch.templates import ensure
from otel_asayer.environment_variables import OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT
from otel_asayer.notices import unsaid
from otel_asayer.settings import Closes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otel_asayer.config import Config
    from otel_asayer.elasticsearch.client import Response

__all__ = ["Delivery", "Destination", "shared"]

_logger = logging.getLogger(__name__)

_MOST_SPLITS: Final = 40
"""Requests that one export may halve because a document spoils them: enough for some spoilt ones among thousands, and an end when all are."""

_LEAST_BYTES: Final = 64 * 1024
"""Bytes below which requests are not made smaller, however overloaded Elasticsearch is: from there on their number would be the load."""

_TO_BE_RETRIED: Final = (Outcome.TRANSIENT, Outcome.OVERLOADED)

_system_random: Final = SystemRandom()  # forked workers would share the state of any other


class Destination(Protocol):
    """What delivery needs of the client."""

    def request(self, method: str, target: str, body: bytes | None = None, *, headers: Mapping[str, str] | None = None, timeout: float) -> Response:
        """Send one request that ends within `timeout` seconds; raise `Unreachable` when no endpoint answers."""

    def connect(self) -> None:
        """Do what can be done without network."""

    def give_up(self, within: float) -> None:
        """Let no request under way outlast `within` seconds."""

    def close(self) -> None:
        """Close idle connections."""


class Delivery:
    """Delivers operations to one Elasticsearch and counts what became of them.

    Args:
        config: Where to, and how.
        client: The way there; default, a `Client` of `config`.
        clock: Seconds that only grow.
        random: Numbers from 0 to 1.
        wait: Waits for some seconds, or less once the event is set.
    """

    def __init__(
        self,
        config: Config,
        *,
        client: Destination | None = None,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = _system_random.random,
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
    ) -> None:
        self.config = config
        self.obstacle = config.closed or ("" if config.has_destination else f"{OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT} is not set")
        self.client = client or Client(config)
        self.clock = clock
        self.random = random
        self._target = bulk.target(config.pipeline)
        self.counters = Counters()
        self.patience = Patience(config.timeout, clock)
        self.request_bytes = config.max_request_bytes
        self._digest = Digest(self.counters, _logger, clock)
        self._stopped = threading.Event()
        self._wait = wait
        self._setup = _Setup(config)
        self._said: set[str] = set()

    def announce(self) -> None:
        """Say, once, when by these settings nothing can be delivered, unless the start-up message has said why."""
        reasons = [str(problem) for problem in self.config.problems if problem.closes is Closes.EXPORTER] or [self.obstacle]
        if self.obstacle and (new := unsaid(reasons)):
            _logger.warning("No telemetry is sent to Elasticsearch: %s.", "; ".join(new))

    def deliver(self, operations: Sequence[bytes]) -> bool:
        """Deliver all operations, within the deadline of the settings; return whether Elasticsearch has every one of them now.

        Only where there is no `obstacle`.
        """
        if not operations:
            return True
        delivered = _Export(self).run(operations)
        self._digest.write_when_due()
        return delivered

    def keep(self, operations: Sequence[bytes], finding: Finding) -> None:
        """Take over operations that could not be delivered, though nothing is wrong with them."""
        self.counters.add(Fate.DROPPED, len(operations), finding.cause, finding.reason)
        if finding.advice:
            reason = finding.reason or "without a reason"
            self._say_once(finding.cause, f"Elasticsearch does not take all telemetry: {finding.cause}, {reason}. {finding.advice}.")

    def reject(self, operations: Sequence[bytes], finding: Finding) -> None:
        """Take over operations that Elasticsearch will never index as they are."""
        self.counters.add(Fate.REJECTED, len(operations), finding.cause, finding.reason)

    def lose(self, number: int, cause: str, reason: str = "") -> None:
        """Count documents that never became operations."""
        self.counters.add(Fate.DROPPED, number, cause, reason)
        if not self.obstacle:
            self._digest.write_when_due()

    def set_up(self, timeout: float) -> bool:
        """Make first contact, unless that is done; return whether it was made just now.

        Raises:
            Unreachable: Elasticsearch does not answer.
        """
        return self._setup.run(self.client, timeout)

    def send(self, operations: Sequence[bytes], timeout: float) -> Response:
        """Send one bulk request.

        Raises:
            Unreachable: Elasticsearch does not answer.
        """
        if self.config.compression == "none":
            return self.client.request("POST", self._target, b"".join(operations), timeout=timeout)
        return self.client.request("POST", self._target, gzip_of(operations), headers={"content-encoding": "gzip"}, timeout=timeout)

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than until the process ends."""
        self._wait(self._stopped, seconds)

    def has_stopped(self) -> bool:
        """Return whether the process ends."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Learn that the process ends: waiting is over, and what is under way has a second."""
        self._stopped.set()
        self.client.give_up(self.patience.stop())

    def close(self) -> None:
        """Close idle connections, and say what was lost since the last line. Exports remain possible."""
        self.client.close()
        if not self.obstacle:
            self._digest.write()

    def _say_once(self, subject: str, sentence: str) -> None:
        if subject not in self._said:
            self._said.add(subject)
            _logger.warning("%s", sentence)


_shared: Final[dict[tuple[int, Config], Delivery]] = {}


def shared(config: Config) -> Delivery:
    """Return this process's delivery for `config`."""
    key = os.getpid(), config
    return _shared.get(key) or _shared.setdefault(key, Delivery(config))


class _Setup:
    """First contact, once: of two threads that export at the same time one sets up, and the other waits for what it will need."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._done = config.setup == "off"
        self._lock = threading.Lock()

    def run(self, client: Destination, timeout: float) -> bool:
        if self._done:
            return False
        if not self._lock.acquire(timeout=timeout):
            raise Unreachable("another thread's first contact is still under way")
        try:
            if not self._done:
                self._ensure(client, timeout)
                self._done = True
        finally:
            self._lock.release()
        return True

    def _ensure(self, client: Destination, timeout: float) -> None:
        try:
            problems = ensure(client, self._config, timeout=timeout).problems
        except Unreachable:
            raise
        except Exception as error:
            problems = (f"Elasticsearch was not set up: its answers were not understood ({type(error).__name__}). Documents are sent all the same.",)
        for problem in problems:
            _logger.warning("%s", problem)


class _Later(Exception):  # noqa: N818 (a turn of the road, which `_Export` alone takes)
    """Nothing more can be sent in this round."""

    def __init__(self, finding: Finding, least_pause: float = 0.0) -> None:
        super().__init__(finding)
        self.finding = finding
        self.least_pause = least_pause


class _Export:
    """One call of `Delivery.deliver`: rounds, in each of which everything that still needs it is sent once, and pauses between them."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._complete = True
        self._splits = 0
        self._trouble = Finding(Outcome.TRANSIENT, "deadline", f"no try fitted into {delivery.config.timeout:g} s")
        self._least_pause = 0.0
        self._most_bytes = delivery.request_bytes

    def run(self, operations: Sequence[bytes]) -> bool:
        """Deliver; return whether Elasticsearch has every operation."""
        if self._delivery.has_stopped():
            self._connect()
        self._begin()
        for number, pause in enumerate(pauses(self._delivery.random)):
            if self._left() > 0:
                if number:
                    self._delivery.counters.add(Fate.RETRIED, len(operations), self._trouble.cause)
                operations = self._round(operations)
            if not operations:
                return self._complete
            if not self._wait(max(pause, self._least_pause)):
                break
        self._delivery.patience.failed()
        self._delivery.keep(operations, self._trouble)
        return False

    def _begin(self) -> None:
        seconds, self._repeat = self._delivery.patience.allow()
        self._deadline = self._delivery.clock() + seconds

    def _left(self) -> float:
        return self._deadline - self._delivery.clock()

    def _connect(self) -> None:
        """Import the client before the last second begins: it takes half of that, and tells nothing about the server."""
        with suppress(Unreachable):  # the request that follows raises it again
            self._delivery.client.connect()

    def _wait(self, seconds: float) -> bool:
        """Wait for the next round; return whether there is one."""
        if not self._repeat or self._delivery.has_stopped() or seconds >= self._left():
            return False
        self._delivery.pause(seconds)
        if self._delivery.has_stopped():
            self._begin()
        return True

    def _round(self, operations: Sequence[bytes]) -> Sequence[bytes]:
        """Send every operation once; return those that have to be sent again."""
        again: list[bytes] = []
        parts = deque(bulk.bodies(operations, min(self._most_bytes, self._delivery.request_bytes)))
        self._least_pause = 0.0
        try:
            self._set_up()
            while parts:
                again += self._send(parts)
        except _Later as later:
            self._trouble, self._least_pause = later.finding, later.least_pause
        return [*again, *chain.from_iterable(parts)]

    def _set_up(self) -> None:
        try:
            if self._delivery.set_up(max(0.0, self._left())):
                self._answered()
        except Unreachable as failure:
            raise _Later(Finding(Outcome.TRANSIENT, "unreachable", failure.reason)) from None

    def _answered(self) -> None:
        self._delivery.patience.succeeded()
        if self._delivery.has_stopped():
            self._begin()

    def _send(self, parts: deque[Sequence[bytes]]) -> Sequence[bytes]:
        """Send the first of `parts` and take it away, or put its halves in its place; return what of it has to be sent again."""
        operations = parts[0]
        response = self._request(operations)
        finding = bulk.judge_request(response.status, response.body)
        if finding.outcome in _TO_BE_RETRIED:
            self._dispose(finding, operations)
            raise _Later(finding, retry_after(response.headers))
        again = self._settle(operations, response.body) if finding.outcome is Outcome.INDEXED else ()
        if not again:
            self._answered()
        parts.popleft()
        if finding.outcome is Outcome.SPLIT:
            parts.extendleft(self._halves(operations, finding))
        elif finding.outcome is Outcome.CONFIGURATION:
            self._dispose(finding, [*operations, *chain.from_iterable(parts)])
            parts.clear()
        return again

    def _request(self, operations: Sequence[bytes]) -> Response:
        left = self._left()
        if left <= 0:
            raise _Later(self._trouble)
        try:
            return self._delivery.send(operations, left)
        except Unreachable as failure:
            raise _Later(Finding(Outcome.TRANSIENT, "unreachable", failure.reason)) from None

    def _halves(self, operations: Sequence[bytes], finding: Finding) -> Sequence[Sequence[bytes]]:
        """The halves, the second first, of a request that was too large or held a spoilt document; nothing where halving is at its end."""
        too_large = finding.cause == "http 413"
        self._splits += not too_large
        if len(operations) == 1 or self._splits > _MOST_SPLITS:
            self._dispose(finding._replace(outcome=Outcome.REFUSED), operations)
            return ()
        if too_large:
            self._delivery.request_bytes = min(self._delivery.request_bytes, sum(map(len, operations)) // 2)
        middle = len(operations) // 2
        return operations[middle:], operations[:middle]

    def _settle(self, operations: Sequence[bytes], body: bytes) -> list[bytes]:
        """Count what became of each operation of an answered request; return those that have to be sent again."""
        try:
            answer = bulk.parse_answer(body, len(operations))
        except bulk.Malformed as problem:
            raise _Later(Finding(Outcome.TRANSIENT, "malformed answer", str(problem))) from None
        self._delivery.counters.add(Fate.INDEXED, answer.indexed)
        groups: dict[Finding, list[bytes]] = {}
        for position, finding in answer.others:
            groups.setdefault(finding, []).append(operations[position])
        return [operation for finding, group in groups.items() for operation in self._dispose(finding, group)]

    def _dispose(self, finding: Finding, operations: Sequence[bytes]) -> Sequence[bytes]:
        """Do with operations what was found about them; return those that have to be sent again."""
        if finding.outcome in _TO_BE_RETRIED:
            self._trouble = finding
            if finding.outcome is Outcome.OVERLOADED:
                self._most_bytes = max(_LEAST_BYTES, min(self._most_bytes, sum(map(len, operations)) // 2))
            return operations
        if finding.outcome is Outcome.DUPLICATE:
            self._delivery.counters.add(Fate.DUPLICATE, len(operations))
            return ()
        self._complete = False
        if finding.outcome is Outcome.CONFIGURATION:
            self._delivery.keep(operations, finding)
        else:
            self._delivery.reject(operations, finding)
        return ()
