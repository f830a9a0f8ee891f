"""What becomes of operations that were not delivered: they go to the disk, or are counted as lost.

What Elasticsearch refused for good goes to `rejected/` with its reasons, where a person can look at
it; everything else waits in the spool.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from otel_asayer.delivery.outcomes import Outcome
from otel_asayer.elasticsearch.bulk import Cause
from otel_asayer.once import new_sentences
from otel_asayer.spool import Lease, Spool, SpoolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_asayer.delivery.sender import ExportContext, Undelivered
    from otel_asayer.documents import Operation

__all__ = ["Lost", "Spooler", "release"]

_logger = logging.getLogger(__name__)


class Lost(NamedTuple):
    """Operations that are neither in Elasticsearch nor waiting on the disk."""

    operations: Sequence[Operation]
    cause: Cause


class Spooler:
    """Takes over what exports left, for one destination.

    Args:
        spool: Where undelivered operations wait; None: they are lost.
        context: What the exports of the process share.
    """

    def __init__(self, spool: Spool | None, context: ExportContext) -> None:
        self._spool = spool
        self._counters = context.counters
        self._breaker = context.breaker
        self._destination = context.config.destination

    def write_ahead(self, operations: Sequence[Operation]) -> Lease | None:
        """Write operations to the disk before they are sent; return None where that fails."""
        if self._spool is None:
            return None
        try:
            _, lease = self._spool.write_ahead(operations)
        except SpoolError as error:
            self._breaker.spool_takes(False)
            self._say_once(
                "write ahead", f"Telemetry is sent without being written to the disk first: {error}"
            )
            return None
        finally:
            self.count_evicted()
        self._breaker.spool_takes(True)
        return lease

    def take_over(self, undelivered: Sequence[Undelivered], lease: Lease | None) -> list[Lost]:
        """Put what an export left on the disk; return what is lost.

        `lease` is the body that holds the operations already, if they were written ahead.
        """
        lost = self._refuse(undelivered)
        waiting = [one for one in undelivered if not one.for_good]
        if lease is None:
            for one in waiting:
                lost += self.keep(one.operations, one.result.cause, one.result.reason)
            return lost
        for one in waiting:
            self._counters.add(
                Outcome.SPOOLED, len(one.operations), one.result.cause, one.result.reason
            )
        self._leave_in(lease, waiting)
        return lost

    def end_lease(self, undelivered: Sequence[Undelivered], lease: Lease) -> bool:
        """Leave in a body on the disk only what still waits; return whether that was possible."""
        self._refuse(undelivered)
        return self._leave_in(lease, [one for one in undelivered if not one.for_good])

    def keep(self, operations: Sequence[Operation], cause: Cause, reason: str) -> list[Lost]:
        """Put operations that could not be delivered on the disk; return what is lost."""
        try:
            written = self._spool.write(operations, join=True) if self._spool else None
        except SpoolError as error:
            written, cause, reason = None, Cause.of("spool"), str(error)
        self.count_evicted()
        self._breaker.spool_takes(written is not None)
        if written is None:
            self._counters.add(Outcome.DROPPED, len(operations), cause, reason)
            return [Lost(operations, cause)]
        self._counters.add(Outcome.SPOOLED, written.documents, cause, reason)
        return []

    def count_evicted(self) -> None:
        """Count what had to make room on the disk, even for what could not be written then."""
        if self._spool and (evicted := self._spool.newly_evicted()):
            self._counters.add(Outcome.EVICTED, evicted, Cause.of("spool is full"))

    def _refuse(self, undelivered: Sequence[Undelivered]) -> list[Lost]:
        """Advise on what a person can mend; count, and put aside, what was refused for good."""
        for result in (one.result for one in undelivered if one.result.advice):
            self._say_once(
                f"{result.cause} {result.advice}",
                f"Elasticsearch does not take all telemetry: {result.cause}, "
                f"{result.reason or 'without a reason'}. {result.advice}.",
            )
        refused = [one for one in undelivered if one.for_good]
        problem = ""
        try:
            if self._spool is not None:
                self._spool.reject(
                    [
                        (operation, str(result))
                        for result, several in refused
                        for operation in several
                    ]
                )
        except SpoolError as error:
            problem = str(error)
        for result, operations in refused:
            self._counters.add(
                Outcome.DROPPED if problem else Outcome.REJECTED,
                len(operations),
                Cause.of("rejected and not kept") if problem else result.cause,
                f"{result}; {problem}" if problem else result.reason,
            )
        return [Lost(one.operations, one.result.cause) for one in refused]

    def _leave_in(self, lease: Lease, waiting: Sequence[Undelivered]) -> bool:
        kept = [operation for one in waiting for operation in one.operations]
        try:
            lease.replace(kept)
        except SpoolError as error:
            # The body stays as it is, and all of it is sent once more: the documents' ids make that
            # harmless.
            _logger.debug("A body of the spool could not be changed: %s", error)
            if kept:  # else only its removal failed, and at once it would be sent again and again
                release(lease)
            return False
        return True

    def _say_once(self, subject: str, sentence: str) -> None:
        if new_sentences([f"{self._destination}: {subject}"]):
            _logger.warning("%s", sentence)


def release(lease: Lease) -> None:
    """Give a body back as it is, so that it need not wait until its lease is stale.

    Where even that fails, it does wait.
    """
    try:
        lease.release()
    except SpoolError as error:
        _logger.debug("A body of the spool could not be given back: %s", error)
