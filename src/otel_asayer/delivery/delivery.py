"""From encoded operations to documents in Elasticsearch, or on the disk until it takes them, and
the account of what was lost.

One `Delivery` serves everything in the process that has the same settings. It belongs to the
process that made it: after a fork `shared` gives the child one of its own, with its own
connections, counts and locks.

*Spool first, retry later.* With a spool, an export makes one short try; what is not delivered goes
to the disk at once, and a thread behind retries (`drain`). While the destination is down,
everything goes straight to the disk. Else the batch processor's queue of 2,048 spans would overflow
behind an export that waits. Without a spool, an export retries until its deadline, and what is left
then is lost.

Where no destination is configured, the spool is the store.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from base64 import urlsafe_b64encode
from random import SystemRandom
from typing import TYPE_CHECKING, Final, Protocol

from otel_asayer.config.parsers import FailClosed
from otel_asayer.delivery.backoff import CircuitBreaker
from otel_asayer.delivery.drain import Drainer, give_back_unchanged
from otel_asayer.delivery.outcomes import Counters, Digest, Outcome
from otel_asayer.delivery.sender import Export, Undelivered
from otel_asayer.elasticsearch import bulk
from otel_asayer.elasticsearch.client import Client, UnreachableError
from otel_asayer.elasticsearch.compression import gzip_of
from otel_asayer.environment_variables import OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT
from otel_asayer.runtime.last_resort import unsaid
from otel_asayer.setup.first_contact import FirstContact
from otel_asayer.spool import SpoolError, configured_spool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otel_asayer.config import Config
    from otel_asayer.delivery.backoff import RetryBudget
    from otel_asayer.documents import Operation
    from otel_asayer.elasticsearch.client import Response
    from otel_asayer.spool import Lease, Spool

__all__ = [
    "Delivery",
    "Destination",
    "OnLoss",
    "deliveries",
    "of_this_process",
    "random_id",
    "shared",
]

_logger = logging.getLogger(__name__)

_SERVER_ERROR: Final = 500
"""From here on a status says that a proxy does not reach Elasticsearch, or Elasticsearch its master."""
_MOST_BYTES: Final = 24 * 1024 * 1024
"""Bytes of one body of the spool, uncompressed, unless a single document is larger:

below what is read of a small file (`spool.bodies`).
"""
_GRACE: Final = 1.0
"""Seconds that a request may still take when an exporter is shut down."""
_ID_BYTES: Final = 15
"""Random bytes of an `_id`, 20 characters of base64: as many as Elasticsearch's own."""

_system_random: Final = SystemRandom()  # forked workers would share the state of any other


def random_id() -> str:
    """Return a new `_id`: from the system, as forked workers would draw the same from `random`."""
    return urlsafe_b64encode(os.urandom(_ID_BYTES)).decode()


class OnLoss(Protocol):
    """Hears of what an export loses."""

    def __call__(self, operations: Sequence[Operation], cause: str, /) -> object:
        """Hear that these operations were refused for good, or given up, for this cause."""


class Destination(Protocol):
    """What delivery needs of the client."""

    def request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float,
    ) -> Response:
        """Send one request that ends within `timeout` seconds; raise `UnreachableError` when no endpoint answers."""

    def connect(self) -> None:
        """Do what can be done without network."""

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""

    def abort(self, within: float) -> None:
        """Let no request under way outlast `within` seconds."""

    def close(self) -> None:
        """Close idle connections."""


class Delivery:
    """Delivers operations to one Elasticsearch and counts what became of them.

    Args:
        config: Where to, and how.
        spool: Where undelivered operations wait; None: they are lost.
        client: The way there; default, a `Client` of `config`.
        clock: Seconds that only grow.
        random: Numbers from 0 to 1.
        wait: Waits for some seconds, or less once the event is set.
        now: Seconds since 1970.
        new_id: Returns a random `_id`.
    """

    def __init__(  # noqa: PLR0913 (clock, random and wait are injected by tests)
        self,
        config: Config,
        spool: Spool | None = None,
        *,
        client: Destination | None = None,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = _system_random.random,
        wait: Callable[[threading.Event, float], object] = lambda event, seconds: event.wait(
            seconds
        ),  # gevent may put in a class of its own
        now: Callable[[], float] = time.time,
        new_id: Callable[[], str] = random_id,
    ) -> None:
        self.config = config
        self.disabled_reason = config.closed or (
            "" if config.has_destination else f"{OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT} is not set"
        )
        self.spool = spool
        self.client = client or Client(config)
        self.clock = clock
        self.random = random
        self.counters = Counters()
        self.now = now
        self.new_id = new_id
        self.breaker = CircuitBreaker(
            config.timeout,
            clock,
            prompt=spool is not None,
            shutdown_timeout=config.shutdown_timeout,
        )
        self.request_bytes = config.max_request_bytes
        self.drainer = Drainer(self, spool) if spool and not self.disabled_reason else None
        self._target = bulk.target(config.pipeline)
        self._digest = Digest(self.counters, _logger, clock, spool.folder if spool else None)
        self._closed = False
        self._stopped = threading.Event()
        self._waiting: set[threading.Event] = set()
        """What ends the waiting of the exports under way."""
        self._wait = wait
        self._first_contact = FirstContact(config)
        self._said: set[str] = set()

    @classmethod
    def from_config(cls, config: Config) -> Delivery:
        """Return a delivery with the spool that `config` asks for."""
        return cls(config, configured_spool(config))

    def announce(self) -> None:
        """Say, once, when by these settings nothing can be delivered, unless the start-up message has said why."""
        reasons = [
            str(problem)
            for problem in self.config.problems
            if problem.closes is FailClosed.EXPORTER
        ] or [self.disabled_reason]
        if self.disabled_reason and (new := unsaid(reasons)):
            kept = (
                f" It is kept in {self.spool.folder}: `otel-asayer spool drain` sends it."
                if self.spool
                else ""
            )
            _logger.warning("No telemetry is sent to Elasticsearch: %s.%s", "; ".join(new), kept)

    def deliver(
        self,
        operations: Sequence[Operation],
        on_loss: OnLoss = lambda *_: None,
        *,
        interrupted: threading.Event | None = None,
        on_answer: Callable[[int], object] = lambda _: None,
    ) -> bool:
        """Deliver all operations, or put them on the disk; return whether each is in one of the two
        now.

        Args:
            operations: which nobody has sent before.
            on_loss: hears of those that are in neither.
            interrupted: ends all waiting when it is set.
            on_answer: hears the status of each answer.
        """
        if not operations:
            return True
        parts = list(bulk.bodies(operations, _MOST_BYTES))
        if len(parts) > 1:
            return all(
                [  # noqa: C419
                    self.deliver(part, on_loss, interrupted=interrupted, on_answer=on_answer)
                    for part in parts
                ]
            )
        if self.disabled_reason:
            return self._keep(operations, "no destination", self.disabled_reason, on_loss)
        if self.drainer and not self.has_stopped():
            self.drainer.start()
        lease = self._write_ahead(operations) if self.config.spool == "always" else None
        interrupted = interrupted or threading.Event()
        self._waiting.add(interrupted)
        try:
            left = Export(
                self, self._allow, first=True, interrupted=interrupted, on_answer=on_answer
            ).run(operations)
        finally:
            self._waiting.discard(interrupted)
        safe = self._take_over(left, lease, on_loss)
        if left and self.drainer:
            self.drainer.notice()
        self._tell()
        return safe

    def settle(
        self, left: Sequence[Undelivered], lease: Lease, on_loss: OnLoss = lambda *_: None
    ) -> bool:
        """Take over what an export of a body on the disk left: what was refused leaves it, the rest
        stays. Return whether the body is so now.

        Args:
            left: what was not delivered.
            lease: the body; it ends here.
            on_loss: hears of what was refused.
        """
        self._advise(left)
        self._refuse([one for one in left if one.for_good], on_loss)
        return self._give_back(
            lease, [operation for one in left if not one.for_good for operation in one.operations]
        )

    def count_evicted(self) -> None:
        """Count what had to make room on the disk, even for what could not be written then."""
        if self.spool and (evicted := self.spool.newly_evicted()):
            self.counters.add(Outcome.EVICTED, evicted, "spool is full")

    def lose(self, number: int, cause: str, reason: str = "") -> None:
        """Count documents that never became operations."""
        self.counters.add(Outcome.DROPPED, number, cause, reason)
        if not self.disabled_reason:
            self._tell()

    def set_up(self, timeout: float) -> bool:
        """Make first contact, unless that is done; return whether it was made just now.

        Raises:
            UnreachableError: Elasticsearch does not answer.
        """
        return self._first_contact.make(self.client, timeout)

    def connect(self) -> None:
        """Import and build what requests need.

        Raises:
            UnreachableError: the settings do not make a client; the reason says why.
        """
        self.client.connect()

    def send(self, operations: Sequence[Operation], timeout: float) -> Response:
        """Send one bulk request.

        Raises:
            UnreachableError: Elasticsearch does not answer.
        """
        if self._closed:
            raise UnreachableError("the exporter is shut down")
        if self.config.compression == "none":
            return self.client.request("POST", self._target, b"".join(operations), timeout=timeout)
        return self.client.request(
            "POST",
            self._target,
            gzip_of(operations),
            headers={"content-encoding": "gzip"},
            timeout=timeout,
        )

    def pause(self, seconds: float, interrupted: threading.Event | None = None) -> None:
        """Wait, but no longer than until the process ends, or `interrupted` is set."""
        self._wait(interrupted or self._stopped, seconds)

    def linger(self, seconds: float) -> None:
        """Wait, also while the process ends."""
        self._wait(threading.Event(), seconds)

    def has_stopped(self) -> bool:
        """Return whether the process ends."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Learn that the process ends:

        waiting is over, and what is under way has the time for the end where Elasticsearch answers,
        else a second.
        """
        self._stopped.set()
        for interrupted in list(self._waiting):
            interrupted.set()
        self.breaker.stop()
        if self.drainer:
            self.drainer.wake()
        if self.client.busy:
            self._ask()
            self.client.abort(self.breaker.allow().seconds)

    def interrupt(self) -> None:
        """Give up requests under way that are not over within a second:

        their documents are tried again, or go to the disk.
        """
        self.client.abort(_GRACE)

    def finish(self) -> None:
        """Send, once `stop` was called, what this process put on the disk itself, while
        Elasticsearch answers and time is left.

        A container may have no other process to send it, nor a volume to keep it.
        """
        if self.drainer and not self.breaker.is_silent:
            self.drainer.finish(
                self.breaker.ends_in, self._answers, answered=self.breaker.has_answered
            )

    def resume(self) -> None:
        """Learn that the process goes on after all, or that there is an exporter again."""
        self._closed = False
        self._stopped.clear()
        self.breaker.resume()
        if self.drainer:
            self.drainer.rest()

    def close(self) -> None:
        """Close idle connections, and say what was lost since the last line.

        Exports remain possible, though not after `stop`.
        """
        if self.has_stopped():
            self._closed = True
            self.breaker.end()
        self.client.close()
        if not self.disabled_reason:
            self._digest.write()

    def _allow(self) -> RetryBudget:
        self._ask()
        return self.breaker.allow()

    def _ask(self) -> None:
        """Ask, once when the process ends, whether anybody is there:

        for that a second has to do, which is too short for a first document.
        """
        if seconds := self.breaker.begin_liveness_check():
            self.breaker.end_liveness_check(self._answers(seconds))

    def _answers(self, seconds: float) -> bool:
        try:
            return self.client.request("HEAD", "/", timeout=seconds).status < _SERVER_ERROR
        except UnreachableError:
            return False

    def _take_over(self, left: Sequence[Undelivered], lease: Lease | None, on_loss: OnLoss) -> bool:
        """Take over what an export left:

        put it on the disk, or count it as lost; return whether nothing is lost.
        """
        waiting = [one for one in left if not one.for_good]
        if lease is not None:
            for one in waiting:
                self.counters.add(
                    Outcome.SPOOLED, len(one.operations), one.result.cause, one.result.reason
                )
            self.settle(left, lease, on_loss)
            return len(waiting) == len(left)
        self._advise(left)
        self._refuse([one for one in left if one.for_good], on_loss)
        kept = [
            self._keep(one.operations, one.result.cause, one.result.reason, on_loss)
            for one in waiting
        ]
        return all(kept) and len(waiting) == len(left)

    def _keep(
        self, operations: Sequence[Operation], cause: str, reason: str, on_loss: OnLoss
    ) -> bool:
        """Put operations that could not be delivered on the disk; where that cannot be, they are lost. Return whether they are there."""
        try:
            written = self.spool.write(operations, join=True) if self.spool else None
        except SpoolError as error:
            written, cause, reason = None, "spool", str(error)
        self.count_evicted()
        self.breaker.spool_takes(written is not None)
        if written is None:
            self.counters.add(Outcome.DROPPED, len(operations), cause, reason)
            on_loss(operations, cause)
            return False
        self.counters.add(Outcome.SPOOLED, written.documents, cause, reason)
        return True

    def _tell(self) -> None:
        """Say what was lost, if it is time to. When the process ends, `close` says all of it:

        else each exporter's last batch had a line.
        """
        if not self.has_stopped():
            self._digest.write_when_due()

    def _advise(self, left: Sequence[Undelivered]) -> None:
        """Say, once for each cause, what a person can do about it."""
        for finding in (one.result for one in left if one.result.advice):
            reason = finding.reason or "without a reason"
            self._say_once(
                f"{finding.cause} {finding.advice}",
                f"Elasticsearch does not take all telemetry: {finding.cause}, {reason}. "
                f"{finding.advice}.",
            )

    def _refuse(self, refused: Sequence[Undelivered], on_loss: OnLoss) -> None:
        """Count what Elasticsearch refused for good, and keep it, with its reasons, where a person can look at it."""
        problem = self._put_aside(refused)
        for finding, operations in refused:
            if problem:
                self.counters.add(
                    Outcome.DROPPED,
                    len(operations),
                    "rejected and not kept",
                    f"{finding}; {problem}",
                )
            else:
                self.counters.add(Outcome.REJECTED, len(operations), finding.cause, finding.reason)
            on_loss(operations, finding.cause)

    def _put_aside(self, refused: Sequence[Undelivered]) -> str:
        """Write what was refused to the spool, if there is one; return why that cannot be, or nothing."""
        try:
            if self.spool is not None:
                self.spool.reject(
                    [
                        (operation, str(finding))
                        for finding, operations in refused
                        for operation in operations
                    ]
                )
        except SpoolError as error:
            return str(error)
        return ""

    def _write_ahead(self, operations: Sequence[Operation]) -> Lease | None:
        if self.spool is None:
            return None
        try:
            _, lease = self.spool.write_ahead(operations)
        except SpoolError as error:
            self.breaker.spool_takes(False)
            self._say_once(
                "write ahead", f"Telemetry is sent without being written to the disk first: {error}"
            )
            return None
        finally:
            self.count_evicted()
        self.breaker.spool_takes(True)
        return lease

    def _give_back(self, lease: Lease, kept: Sequence[Operation]) -> bool:
        try:
            if kept:
                lease.replace(kept)
            else:
                lease.done()
        except SpoolError as error:
            # The body stays as it is, and all of it is sent once more: the documents' ids make that
            # harmless.
            _logger.debug("A body of the spool could not be changed: %s", error)
            if kept:  # else only its removal failed, and at once it would be sent again and again
                give_back_unchanged(lease)
            return False
        return True

    def _say_once(self, subject: str, sentence: str) -> None:
        if subject not in self._said:
            self._said.add(subject)
            _logger.warning("%s", sentence)


_shared: Final[dict[tuple[int, Config], Delivery]] = {}


def shared(config: Config) -> Delivery:
    """Return this process's delivery for `config`."""
    key = os.getpid(), config
    return _shared.get(key) or _shared.setdefault(key, Delivery.from_config(config))


def deliveries() -> list[Delivery]:
    """Return all deliveries of this process."""
    return [delivery for (pid, _), delivery in list(_shared.items()) if pid == os.getpid()]


def of_this_process() -> list[Delivery]:
    """Return a delivery of this process for all settings that it, or the process that forked it, has one for."""
    return [shared(config) for config in dict.fromkeys(config for _, config in list(_shared))]
