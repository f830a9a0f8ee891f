"""From encoded operations to documents in Elasticsearch, or on the disk until it takes them.

One `Delivery` serves everything in the process that has the same settings. It belongs to the
process that made it: after a fork `shared` gives the child one of its own, with its own
connections, counts and locks.

*Spool first, retry later.* With a spool, an export makes one short try; what is not delivered goes
to the disk at once, and a background thread retries (`drain`). While the destination is down,
everything goes straight to the disk. Otherwise the batch processor's queue of 2,048 spans would
overflow behind an export that waits. Without a spool, an export retries until its deadline, and
what is left then is lost. All losses are counted by cause.

Without a destination, the spool is the store.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from base64 import urlsafe_b64encode
from random import SystemRandom
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_asayer.config.parsers import FailClosed
from otel_asayer.delivery.backoff import CircuitBreaker
from otel_asayer.delivery.drain import Drainer
from otel_asayer.delivery.outcomes import Digest, Outcome
from otel_asayer.delivery.sender import BulkTransport, ExportContext, send
from otel_asayer.delivery.spooling import Lost, Spooler
from otel_asayer.elasticsearch.bulk import Cause, bodies
from otel_asayer.elasticsearch.client import Client
from otel_asayer.environment_variables import OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT
from otel_asayer.once import new_sentences
from otel_asayer.randomness import random_bits
from otel_asayer.spool import Spool, configured_spool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_asayer.config import Config
    from otel_asayer.documents import Operation

__all__ = ["Delivered", "Delivery", "deliveries", "of_this_process", "random_id", "shared"]

_logger = logging.getLogger(__name__)

_MOST_BYTES: Final = 24 * 1024 * 1024
"""Bytes of one body of the spool, uncompressed, unless a single document is larger: less than what
is read of a small file (`spool.bodies`)."""

_system_random: Final = SystemRandom()  # forked workers would share the state of any other


def random_id() -> str:
    """Return a new `_id`: forked workers would draw the same from `random`."""
    return urlsafe_b64encode(
        random_bits(120).to_bytes(15, "big")
    ).decode()  # 20 characters, as Elasticsearch's own


class Delivered(NamedTuple):
    """What became of the operations of one export."""

    lost: Sequence[Lost] = ()
    """Without any, Elasticsearch or the disk has every document."""
    status: int | None = None
    """Of the last answer; None without any."""


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
        computed: Seconds of processor time that this thread has used.
    """

    def __init__(  # noqa: PLR0913 (clock, random and wait are injected by tests)
        self,
        config: Config,
        spool: Spool | None = None,
        *,
        client: BulkTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = _system_random.random,
        wait: Callable[[threading.Event, float], object] = lambda event, seconds: event.wait(
            seconds
        ),  # gevent may put in a class of its own
        now: Callable[[], float] = time.time,
        new_id: Callable[[], str] = random_id,
        computed: Callable[[], float] = time.thread_time,
    ) -> None:
        self.config = config
        self.disabled_reason = config.closed or (
            "" if config.has_destination else f"{OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT} is not set"
        )
        self.spool = spool
        self.context = ExportContext(
            config,
            client or Client(config),
            CircuitBreaker(
                config.timeout,
                clock,
                prompt=spool is not None,
                shutdown_timeout=config.shutdown_timeout,
            ),
            clock,
            random,
            wait,
            now,
            new_id,
            computed,
        )
        self.counters = self.context.counters
        self._spooler = Spooler(spool, self.context)
        self.drainer = self.drainer_of(spool) if spool and not self.disabled_reason else None
        self._digest = Digest(self.counters, _logger, clock, spool.folder if spool else None)
        self._waiting: set[threading.Event] = set()
        """What ends the waiting of the exports under way."""

    @classmethod
    def from_config(cls, config: Config) -> Delivery:
        """Return a delivery with the spool that `config` asks for."""
        return cls(config, configured_spool(config))

    def drainer_of(self, spool: Spool) -> Drainer:
        """Return what sends the content of a spool, its own or another one, to this destination."""
        return Drainer(self.context, self._spooler, spool)

    def announce(self) -> None:
        """Say, once, that these settings deliver nothing.

        The start-up message may have said why: then this says nothing.
        """
        reasons = [
            str(problem)
            for problem in self.config.problems
            if problem.closes is FailClosed.EXPORTER
        ] or [self.disabled_reason]
        if self.disabled_reason and (new := new_sentences(reasons)):
            kept = (
                f" It is kept in {self.spool.folder}: `otel-asayer spool drain` sends it."
                if self.spool
                else ""
            )
            _logger.warning("No telemetry is sent to Elasticsearch: %s.%s", "; ".join(new), kept)

    def deliver(
        self, operations: Sequence[Operation], *, interrupted: threading.Event | None = None
    ) -> Delivered:
        """Deliver all operations, or put them on the disk.

        Args:
            operations: Which nobody has sent before.
            interrupted: Ends all waiting when it is set.
        """
        if not operations:
            return Delivered()
        parts = [
            self._deliver(part, interrupted or threading.Event())
            for part in bodies(operations, _MOST_BYTES)
        ]
        answered = [part.status for part in parts if part.status is not None]
        return Delivered(
            [lost for part in parts for lost in part.lost], answered[-1] if answered else None
        )

    def lose(self, number: int, cause: Cause, reason: str = "") -> None:
        """Count documents that never became operations."""
        self.counters.add(Outcome.DROPPED, number, cause, reason)
        if not self.disabled_reason:
            self._write_digest_when_due()

    def has_stopped(self) -> bool:
        """Return whether the process ends."""
        return self.context.stopping.is_set()

    def stop(self) -> None:
        """Learn that the process ends.

        Waiting is over, and what is under way has the time for the end where Elasticsearch answers,
        else a second.
        """
        self.context.stopping.set()
        for interrupted in list(self._waiting):
            interrupted.set()
        self.context.breaker.stop()
        if self.drainer:
            self.drainer.notice()
        if self.context.client.busy:
            self.context.client.abort(self.context.budget().seconds)

    def interrupt(self) -> None:
        """Abort requests under way that are not over within a second.

        Their documents are tried again, or go to the disk.
        """
        self.context.client.abort(1.0)

    def finish(self) -> None:
        """Send what this process put on the disk itself, once `stop` was called.

        It stops when Elasticsearch no longer answers or the time for the end is over. A container
        may have no other process to send it, nor a volume to keep it.
        """
        breaker = self.context.breaker
        if self.drainer and not breaker.is_silent:
            self.drainer.finish(breaker.ends_in, answered=breaker.has_answered)

    def resume(self) -> None:
        """Learn that the process goes on after all, or that there is an exporter again."""
        self.context.closed = False
        self.context.stopping.clear()
        self.context.breaker.resume()

    def close(self) -> None:
        """Close idle connections, and say what was lost since the last line.

        Exports remain possible, though not after `stop`.
        """
        if self.has_stopped():
            self.context.closed = True
            self.context.breaker.end()
        self.context.client.close()
        if not self.disabled_reason:
            self._digest.write()

    def _deliver(self, operations: Sequence[Operation], interrupted: threading.Event) -> Delivered:
        if self.disabled_reason:
            return Delivered(
                self._spooler.keep(operations, Cause.of("no destination"), self.disabled_reason)
            )
        if self.drainer and not self.has_stopped():
            self.drainer.start()
        lease = self._spooler.write_ahead(operations) if self.config.spool == "always" else None
        self._waiting.add(interrupted)
        try:
            sent = send(
                self.context,
                operations,
                self.context.budget,
                first=True,
                interrupted=interrupted,
            )
        finally:
            self._waiting.discard(interrupted)
        lost = self._spooler.take_over(sent.undelivered, lease)
        if sent.undelivered and self.drainer:
            self.drainer.notice()
        self._write_digest_when_due()
        return Delivered(lost, sent.status)

    def _write_digest_when_due(self) -> None:
        """Say what was lost, if it is time to.

        When the process ends, `close` says all of it: otherwise each exporter's last batch had a
        line.
        """
        if not self.has_stopped():
            self._digest.write_when_due()


_shared: Final[dict[tuple[int, Config], Delivery]] = {}


def shared(config: Config) -> Delivery:
    """Return this process's delivery for `config`."""
    key = os.getpid(), config
    return _shared.get(key) or _shared.setdefault(key, Delivery.from_config(config))


def deliveries() -> list[Delivery]:
    """Return all deliveries of this process."""
    return [delivery for (pid, _), delivery in list(_shared.items()) if pid == os.getpid()]


def of_this_process() -> list[Delivery]:
    """Return a delivery of this process for all settings that it, or its parent, has one for."""
    return [shared(config) for config in dict.fromkeys(config for _, config in list(_shared))]
