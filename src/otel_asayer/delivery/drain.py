"""Drains the spool: sends what waits on the disk, oldest first, as long as Elasticsearch takes it.

A background thread looks at the folder when the process first exports and then every half minute,
so that what a process left behind that was killed or ended is delivered too. It also looks soon
after an export of its own process had to put something there. A failed try is followed by a pause
of full jitter, up to a minute, or what Elasticsearch asks for, up to an hour. The pauses start
small again after a pass that delivered something: where one request in ten fails, a large spool is
never emptied in one pass, and is drained all the same.

Between two bodies the thread rests four times as long as it has computed, so that a large spool
does not slow the application down. A command, and the end of the process, drain at full speed.

A body whose documents wait for somebody to fix a key or a template goes to the end of the line, so
that it does not hold up the others. A pass ends where it meets what it put there, by whatever
clock. A pass of the thread also ends after a hundred such bodies in a row: otherwise it would send
a large spool whole, every minute, to an Elasticsearch that takes none of it.

When the process ends, the thread that ends it sends once more what this process put on the disk: a
container may leave no other process, and no disk.
"""

from __future__ import annotations

import logging
import math
import threading
from typing import TYPE_CHECKING, Final

from otel_asayer.delivery.backoff import LIVENESS_SECONDS, RetryBudget, backoff_delays
from otel_asayer.delivery.outcomes import Outcome
from otel_asayer.delivery.sender import ExportContext, send
from otel_asayer.delivery.spooling import Spooler, release
from otel_asayer.documents import moved_to_its_day
from otel_asayer.elasticsearch.bulk import BulkItemResult, Cause, Disposition
from otel_asayer.elasticsearch.request_pool import start_thread
from otel_asayer.spool import Lease, Spool, SpoolError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Drainer"]

_logger = logging.getLogger(__name__)

_PAUSES: Final = (1.0, 60.0)
"""The first and the last upper bound of the pauses between tries, in seconds."""


_REST: Final = 4.0
"""How many times as long as it has computed for a body the thread rests after it."""

_LONGEST_REST: Final = 0.25
"""Seconds; among gevent's greenlets, what others have computed counts, too."""


class Drainer:
    """Sends what waits in `spool`, on a daemon thread or for a caller.

    Args:
        context: What the exports of the process share.
        spooler: Takes over what was refused.
        spool: What is drained.
    """

    def __init__(self, context: ExportContext, spooler: Spooler, spool: Spool) -> None:
        self._context = context
        self._spooler = spooler
        self.spool = spool
        self._noticed = threading.Event()
        self._started = False
        self._passing = threading.Lock()
        """Held while bodies are leased: at the end, the thread must have given its own back."""
        self._recover_at = 0.0
        self._least_pause = 0.0
        self._put_back: set[int] = set()
        """What this pass put to the end of the line: the hash of each body's first operation."""
        self._in_vain = 0
        self.trouble: BulkItemResult | None = None
        """What kept the last body from being delivered; None after one that was."""

    def start(self) -> None:
        """Start the thread; nothing happens once it is started."""
        if not self._started:
            self._started = True
            try:
                start_thread(self._run, "otel-asayer-drain")
            # The process has too many, and the next export tries again; or it ends, and another
            # process drains.
            except RuntimeError:
                self._started = False
                _logger.debug("No thread can be started to drain the spool.")

    def notice(self) -> None:
        """Tell the thread that something waits, or that the process ends.

        It looks after a short pause, or after the pause that follows a failure.
        """
        self._noticed.set()

    def drain(
        self,
        on_progress: Callable[[int], None] = lambda _: None,
        *,
        most_in_vain: float = math.inf,
        rest: Callable[[], object] = lambda: None,
    ) -> bool:
        """Send what waits until nothing does, or Elasticsearch takes no more.

        Args:
            on_progress: Called with the number of documents delivered of each body.
            most_in_vain: Bodies in a row of which nothing is taken, after which it ends.
            rest: Called after each body, and may wait.

        Returns:
            Whether the spool was emptied.

        Raises:
            SpoolError: the spool cannot be used.
        """
        if self._context.clock() >= self._recover_at:
            self._recover_at = self._context.clock() + 300.0  # seconds: leases seldom go stale
            self.spool.recover()
        self._put_back, self._in_vain = set(), 0
        while (
            not self._context.stopping.is_set()
            and self._in_vain < most_in_vain
            and (lease := self.spool.lease())
        ):
            if not self._send(lease, self._allow, on_progress):
                return False
            rest()
        return self.spool.empty

    def finish(self, seconds: float, *, answered: bool) -> None:
        """Send what this process put on the disk itself, while Elasticsearch answers.

        Args:
            seconds: For everything.
            answered: Whether Elasticsearch just answered; else it is asked before the first try.
        """
        until = self._context.clock() + seconds
        try:
            if self._passing.acquire(timeout=seconds):
                try:
                    self._finish(until, asking=not answered)
                finally:
                    self._passing.release()
        except SpoolError as error:
            _logger.debug("The spool cannot be drained: %s", error)
        except Exception:
            _logger.warning(
                "Draining the spool at the end failed; what waits there stays, and another process "
                "sends it.",
                exc_info=True,
            )

    def _finish(self, until: float, *, asking: bool) -> None:
        def left() -> float:
            return max(0.0, until - self._context.clock())

        self._put_back, delays = set(), backoff_delays(self._context.random)
        while left() > 0 and (lease := self.spool.lease(own=True)):
            if asking and not self._context.answers(min(LIVENESS_SECONDS, left())):
                release(lease)
                return
            asking = not self._send(lease, lambda: RetryBudget(left(), repeat=False))
            if asking:
                pause = max(next(delays), self._least_pause)
                if (
                    self.trouble is None
                    or self.trouble.disposition is Disposition.CONFIGURATION
                    or pause >= left()
                ):
                    return
                self._context.wait(threading.Event(), pause)

    def _run(self) -> None:
        delays = backoff_delays(self._context.random, *_PAUSES)
        try:
            while not self._context.stopping.is_set():
                self._noticed.clear()
                before = self._context.counters.total(Outcome.DRAINED)
                emptied = self._pass()
                if emptied:
                    self._least_pause = 0.0
                    self._context.breaker.nothing_waits()
                if emptied or self._context.counters.total(Outcome.DRAINED) > before:
                    delays = backoff_delays(self._context.random, *_PAUSES)
                if not emptied or self._noticed.wait(30.0):
                    self._context.stopping.wait(max(next(delays), self._least_pause))
        finally:
            self._started = False

    def _pass(self) -> bool:
        try:
            with self._passing:
                return self.drain(most_in_vain=100, rest=self._resting())
        except SpoolError as error:
            _logger.debug("The spool cannot be drained: %s", error)
        except Exception:
            _logger.warning(
                "Draining the spool failed; what waits there stays, and is tried again.",
                exc_info=True,
            )
        return False

    def _resting(self) -> Callable[[], object]:
        """Return what lets the application have the interpreter, after each body."""
        since = self._context.computed()

        def rest() -> None:
            nonlocal since
            seconds = min(_REST * (self._context.computed() - since), _LONGEST_REST)
            if seconds > 0:
                self._context.wait(self._context.stopping, seconds)
            since = self._context.computed()

        return rest

    def _allow(self) -> RetryBudget:
        """The whole timeout for one try: this thread pauses by itself after a failure."""
        return RetryBudget(
            0.0 if self._context.stopping.is_set() else self._context.config.timeout, repeat=False
        )

    def _send(
        self,
        lease: Lease,
        allow: Callable[[], RetryBudget],
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> bool:
        """Send one body; return whether another may follow."""
        try:
            return self._deliver(lease, allow, on_progress)
        except SpoolError:
            release(lease)
            raise

    def _deliver(
        self, lease: Lease, allow: Callable[[], RetryBudget], on_progress: Callable[[int], None]
    ) -> bool:
        operations = list(map(moved_to_its_day, lease.operations()))
        if operations and hash(operations[0]) in self._put_back:
            lease.release()
            return False
        if lease.damage:
            self._context.counters.add(
                Outcome.DROPPED, lease.damage.documents, Cause.of("damaged"), lease.damage.reason
            )
        undelivered, _, self._least_pause = send(self._context, operations, allow)
        self.trouble = undelivered[-1].result if undelivered else None
        delivered = len(operations) - sum(len(one.operations) for one in undelivered)
        if delivered:
            self._in_vain = 0
        waiting = [one for one in undelivered if not one.for_good]
        stuck = any(one.result.disposition is not Disposition.CONFIGURATION for one in waiting)
        if stuck and not delivered:
            lease.release()
            return False
        if waiting and not stuck:
            to_the_end = [operation for one in waiting for operation in one.operations]
            self._put_back.add(hash(to_the_end[0]))
            if to_the_end == operations and not lease.damage:
                lease.to_the_end()
                self._in_vain += 1
                return True
            try:
                self.spool.write(to_the_end)
            finally:
                self._spooler.count_evicted()
            undelivered = [one for one in undelivered if one.for_good]
        if self._spooler.end_lease(undelivered, lease) and delivered:
            self._context.counters.add(Outcome.DRAINED, delivered)
            on_progress(delivered)
        return not stuck
