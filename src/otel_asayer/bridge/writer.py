"""Writing replay records, until Elasticsearch has them or refuses them for good.

The exporter's sender does it, without a spool: what is read again is made again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_asayer.delivery.backoff import RetryBudget
from otel_asayer.delivery.outcomes import Outcome
from otel_asayer.delivery.sender import ExportContext, send
from otel_asayer.elasticsearch.bulk import BulkItemResult, Disposition

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_asayer.bridge.patience import Patience
    from otel_asayer.documents import Operation

__all__ = ["Writer"]


class Writer:
    """Writes records to one Elasticsearch.

    Args:
        context: The way there, and the counts of what became of records.
        patience: Waits while Elasticsearch takes none.
        say: Tells a person a sentence.
    """

    def __init__(
        self, context: ExportContext, patience: Patience, say: Callable[[str], None]
    ) -> None:
        self._context = context
        self._patience = patience
        self._say = say
        self._said: set[str] = set()

    def write(self, operations: Sequence[Operation]) -> None:
        """Write records. Those that were there already are fine.

        Raises:
            StoppedError: The bridge is to end, and not all are written.
        """
        left = operations
        while left:
            sent = send(self._context, left, self._allow, interrupted=self._patience.stopping)
            left = []
            for result, several in sent.undelivered:
                if result.disposition is Disposition.REFUSED:
                    self._refuse(len(several), result)
                else:
                    left = [*left, *several]
                    trouble = result.with_advice
            if left:
                self._patience.wait(
                    f"Elasticsearch takes no replay records: {trouble}.", sent.least_pause
                )
            else:
                self._patience.succeeded()

    def total(self, outcome: Outcome) -> int:
        """Return how many records so far had an outcome."""
        return self._context.counters.total(outcome)

    def _allow(self) -> RetryBudget:
        return RetryBudget(self._context.config.timeout, repeat=True)

    def _refuse(self, number: int, result: BulkItemResult) -> None:
        self._context.counters.add(Outcome.REJECTED, number, result.cause, result.reason)
        if result.cause.text not in self._said:
            self._said.add(result.cause.text)
            self._say(
                f"Elasticsearch refuses replay records for good: {result.with_advice}. They are "
                "counted, and the bridge goes on."
            )
