"""What drains the spool: a thread behind, which sends what waits on the disk, oldest first, as long
as Elasticsearch takes it.

It looks at the folder once when the process first exports, then every half minute, so that what
another process left behind, killed or ended, is delivered too; and soon after an export of its own
process had to put something there. A failed try is followed by a pause of full jitter, up to a
minute, or what Elasticsearch asks for, up to an hour. The pauses begin anew after a pass that
delivered something: where one request in ten fails, a large spool is never emptied in one pass, and
is drained all the same.

A body whose documents wait for somebody to mend a key or a template goes to the end of the line, so
that it does not hold up the others. A pass ends where it meets what it put there, by whatever
clock; one of the thread also after a hundred such bodies in a row, for else a large spool would be
sent whole, every minute, to an Elasticsearch that takes none of it.

When the process ends, what it has put there itself is sent once more, in the thread that ends it: a
container may leave no other one, and no disk.
"""

from __future__ import annotations

import logging
import math
import threading
from typing import TYPE_CHECKING, Final, Protocol

from otel_asayer.delivery.backoff import RetryBudget, backoff_delays, drain_delays
from otel_asayer.delivery.outcomes import Outcome
from otel_asayer.delivery.sender import Export, Road, Undelivered
from otel_asayer.documents import moved_to_its_day
from otel_asayer.elasticsearch.bulk import BulkItemResult, Disposition
from otel_asayer.elasticsearch.request_pool import start_thread
from otel_asayer.spool import SpoolError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_asayer.config import Config
    from otel_asayer.spool import Lease, Spool, SpoolStatus

__all__ = ["Drainer", "Origin", "give_back_unchanged"]

_logger = logging.getLogger(__name__)

_LOOK_EVERY: Final = 30.0
"""Seconds between two looks at a spool that was empty."""
_RECOVER_EVERY: Final = 300.0
"""Seconds between two looks for leases whose holder is gone."""
_SIGN_OF_LIFE: Final = 1.25
"""Seconds in which a server that is to take something at the end has to answer."""
_MOST_IN_VAIN: Final = 100
"""Bodies in a row that a pass of the thread puts to the end of the line, as nothing of them is taken."""


class Origin(Road, Protocol):
    """The delivery whose spool is drained."""

    config: Config

    def settle(self, left: Sequence[Undelivered], lease: Lease) -> bool:
        """Take over what an export of the body left; return whether the body holds what still waits, and no more."""

    def count_evicted(self) -> None:
        """Count what had to make room on the disk."""

    def linger(self, seconds: float) -> None:
        """Wait, also while the process ends."""


class Drainer:
    """Sends what waits in `spool` by the way of `delivery`, on a daemon thread that starts when the process first exports."""

    def __init__(self, delivery: Origin, spool: Spool) -> None:
        self._delivery = delivery
        self._spool = spool
        self._noticed = threading.Event()
        self._ended = threading.Event()
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
            # process drains
            except RuntimeError:
                self._started = False
                _logger.debug("No thread can be started to drain the spool.")

    def notice(self) -> None:
        """Let the thread know that something waits now:

        it looks after a short pause, or after the one in which a failure has left it.
        """
        self._noticed.set()

    def wake(self) -> None:
        """Let the thread learn that the process ends."""
        self._ended.set()
        self._noticed.set()

    def rest(self) -> None:
        """Let the thread that starts next wait as ever."""
        self._ended.clear()

    def status(self) -> SpoolStatus:
        """Return what waits.

        Raises:
            SpoolError: the spool cannot be used.
        """
        return self._spool.status()

    def drain(
        self, on_progress: Callable[[int], None] = lambda _: None, *, most_in_vain: float = math.inf
    ) -> bool:
        """Send what waits until nothing does, or Elasticsearch takes no more; return whether the
        spool was emptied.

        Args:
            on_progress: called with the number of documents delivered of each body.
            most_in_vain: bodies in a row of which nothing is taken, after which it ends.

        Raises:
            SpoolError: the spool cannot be used.
        """
        self._recover()
        self._put_back, self._in_vain = set(), 0
        while (
            not self._delivery.has_stopped()
            and self._in_vain < most_in_vain
            and (lease := self._spool.lease())
        ):
            if not self._send(lease, on_progress, self._allow):
                return False
        return self._spool.empty

    def finish(self, seconds: float, answers: Callable[[float], bool], *, answered: bool) -> None:
        """Send what this process put on the disk itself, within some seconds and while
        Elasticsearch answers.

        Args:
            seconds: for everything.
            answers: whether Elasticsearch answers within some seconds; asked after each try that
                failed.
            answered: whether it just did; else it is asked before the first try, too.
        """
        until = self._delivery.clock() + seconds
        try:
            if self._passing.acquire(timeout=seconds):
                try:
                    self._finish(until, answers, asking=not answered)
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

    def _finish(self, until: float, answers: Callable[[float], bool], *, asking: bool) -> None:
        def left() -> float:
            return max(0.0, until - self._delivery.clock())

        self._put_back, waits = set(), backoff_delays(self._delivery.random)
        while left() > 0 and (lease := self._spool.lease_own()):
            if asking and not answers(min(_SIGN_OF_LIFE, left())):
                give_back_unchanged(lease)
                return
            asking = not self._send(lease, _ignore, lambda: RetryBudget(left(), repeat=False))
            if asking:
                pause = max(next(waits), self._least_pause)
                if (
                    self.trouble is None
                    or self.trouble.disposition is Disposition.CONFIGURATION
                    or pause >= left()
                ):
                    return
                self._delivery.linger(pause)

    def _run(self) -> None:
        try:
            self._drain_until_the_end()
        finally:
            self._started = False

    def _drain_until_the_end(self) -> None:
        waits = drain_delays(self._delivery.random)
        while not self._delivery.has_stopped():
            self._noticed.clear()
            before = self._drained
            emptied = self._pass()
            if emptied:
                self._least_pause = 0.0
                self._delivery.breaker.nothing_waits()
            if emptied or self._drained > before:
                waits = drain_delays(self._delivery.random)
            if not emptied or self._noticed.wait(_LOOK_EVERY):
                self._ended.wait(max(next(waits), self._least_pause))

    @property
    def _drained(self) -> int:
        return self._delivery.counters.total(Outcome.DRAINED)

    def _pass(self) -> bool:
        try:
            with self._passing:
                return self.drain(most_in_vain=_MOST_IN_VAIN)
        except SpoolError as error:
            _logger.debug("The spool cannot be drained: %s", error)
        except Exception:
            _logger.warning(
                "Draining the spool failed; what waits there stays, and is tried again.",
                exc_info=True,
            )
        return False

    def _recover(self) -> None:
        if self._delivery.clock() >= self._recover_at:
            self._recover_at = self._delivery.clock() + _RECOVER_EVERY
            self._spool.recover()

    def _send(
        self, lease: Lease, on_progress: Callable[[int], None], allow: Callable[[], RetryBudget]
    ) -> bool:
        """Send one body; return whether another may follow."""
        try:
            return self._deliver(lease, on_progress, allow)
        except SpoolError:
            give_back_unchanged(lease)
            raise

    def _deliver(
        self, lease: Lease, on_progress: Callable[[int], None], allow: Callable[[], RetryBudget]
    ) -> bool:
        operations = list(map(moved_to_its_day, lease.operations()))
        if operations and hash(operations[0]) in self._put_back:
            lease.release()
            return False
        if lease.damage:
            self._delivery.counters.add(
                Outcome.DROPPED, lease.damage.documents, "damaged", lease.damage.reason
            )
        export = Export(self._delivery, allow)
        left = export.run(operations)
        self._least_pause = export.least_pause
        self.trouble = left[-1].result if left else None
        delivered = len(operations) - sum(len(one.operations) for one in left)
        if delivered:
            self._in_vain = 0
        stuck = any(
            one.result.disposition is not Disposition.CONFIGURATION and not one.for_good
            for one in left
        )
        if stuck and not delivered:
            lease.release()
            return False
        if not stuck and (
            waiting := [
                operation for one in left if not one.for_good for operation in one.operations
            ]
        ):
            self._put_back.add(hash(waiting[0]))
            if waiting == operations and not lease.damage:
                lease.to_the_end()
                self._in_vain += 1
                return True
            try:
                self._spool.write(waiting)
            finally:
                self._delivery.count_evicted()
            left = [one for one in left if one.for_good]
        if self._delivery.settle(left, lease):
            self._count(delivered, on_progress)
        return not stuck

    def _count(self, delivered: int, on_progress: Callable[[int], None]) -> None:
        if delivered:
            self._delivery.counters.add(Outcome.DRAINED, delivered)
            on_progress(delivered)

    def _allow(self) -> RetryBudget:
        """The whole timeout for one try; what follows a failure is a pause of this thread's own."""
        return RetryBudget(
            0.0 if self._delivery.has_stopped() else self._delivery.config.timeout, repeat=False
        )


def _ignore(_: int) -> None:
    """Nobody looks at the progress."""


def give_back_unchanged(lease: Lease) -> None:
    """Give a body back as it is, so that it need not wait until its lease is stale; where even that cannot be, it does."""
    try:
        lease.release()
    except SpoolError as error:
        _logger.debug("A body of the spool could not be given back: %s", error)
