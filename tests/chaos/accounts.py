"""What became of each document, by rules that explain a missing one only with something that was
written down.

In this order, a document that was emitted and did not arrive

1. is in the spool's `rejected/`, with the reason;
2. had not left the batch processor: its process was killed, or the processor's queue was full and
   the SDK counted that;
3. was in an export that had not returned when its process was killed; with what the spool had
   acknowledged, that is no explanation;
4. was in an export that returned FAILURE, and counters of the exporter were raised by at least as
   many;
5. was in an export that returned SUCCESS and gave it to the spool, which evicted and counted at
   least as many.

All others are lost silently.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from chaos.plan import BATCH, QUEUE, Life

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from chaos.ledger import Record

SIGNALS = 2
"""Batch processors of a process."""


class Loss(Enum):
    """Why a document is missing; the value is how a report names it."""

    IN_QUEUE = "killed in the queue"
    IN_FLIGHT = "killed in flight"
    QUEUE_FULL = "queue full"
    REFUSED = "refused"
    FAILED = "export failed"
    EVICTED = "evicted"
    SILENT = "silently"


@dataclass
class Account:
    """A trial's result for one exporter.

    Attributes:
        emitted: Documents.
        once: Those that arrived once.
        more: Those that arrived more than once.
        lost: Those that are missing, by reason.
        rescued: Those that were in flight in a killed process, and arrived because they had been
            written ahead.
        problems: Sentences; without any, everything is accounted for.
    """

    emitted: int = 0
    once: int = 0
    more: int = 0
    lost: Counter[Loss] = field(default_factory=Counter)
    rescued: int = 0
    problems: list[str] = field(default_factory=list)

    def __add__(self, other: Account) -> Account:
        """Sum up."""
        return Account(
            self.emitted + other.emitted,
            self.once + other.once,
            self.more + other.more,
            self.lost + other.lost,
            self.rescued + other.rescued,
            [*self.problems, *other.problems],
        )

    @property
    def counted(self) -> int:
        """Documents that are lost, and that somebody has counted or named."""
        return (
            self.lost[Loss.QUEUE_FULL]
            + self.lost[Loss.REFUSED]
            + self.lost[Loss.FAILED]
            + self.lost[Loss.EVICTED]
        )

    @property
    def with_process(self) -> int:
        """Documents that were lost with the memory of a killed process."""
        return self.lost[Loss.IN_QUEUE] + self.lost[Loss.IN_FLIGHT]


def balance(
    records: Mapping[Life, Record],
    arrived: Mapping[int, int],
    rejected: Collection[int] = (),
    *,
    counts: bool = True,
) -> Account:
    """Return what became of all documents.

    Args:
        records: What each process wrote down.
        arrived: How often each document arrived.
        rejected: What is in the spool's `rejected/`.
        counts: Whether the exporter has counters: else its FAILURE counts, which it logs.
    """
    emitted = [number for record in records.values() for number in record.emitted]
    account = Account(len(emitted))
    account.once = sum(arrived.get(number, 0) == 1 for number in emitted)
    account.more = sum(arrived.get(number, 0) > 1 for number in emitted)
    for life, record in records.items():
        missing = [number for number in record.emitted if number not in arrived]
        lost = Counter(_loss(life, record, number, rejected) for number in missing)
        account.rescued += sum(
            batch.written_ahead and not batch.result and number in arrived
            for number, batch in record.batch_of.items()
        )
        account.lost += _with_queue(life, record, lost, account.problems)
    counted = sum((record.counted for record in records.values()), Counter[str]())
    if counts:
        _limit(account, Loss.FAILED, counted["dropped"] + counted["rejected"])
    _limit(account, Loss.EVICTED, counted["evicted"])
    account.lost = +account.lost
    _check(account, set(arrived) - set(emitted), len(emitted) - len(set(emitted)))
    return account


def _loss(life: Life, record: Record, number: int, rejected: Collection[int]) -> Loss:
    batch = record.batch_of.get(number)
    if number in rejected:
        return Loss.REFUSED
    if batch is None:
        return Loss.IN_QUEUE if life.killed else Loss.QUEUE_FULL
    if not batch.result:
        return Loss.IN_FLIGHT if life.killed and not batch.written_ahead else Loss.SILENT
    return Loss.EVICTED if batch.result == "SUCCESS" else Loss.FAILED


def _with_queue(
    life: Life, record: Record, lost: Counter[Loss], problems: list[str]
) -> Counter[Loss]:
    """Of what had not left the queue, tell apart what was overwritten, as the SDK counted, and hold
    the rest to what fits into memory."""
    unexported = lost.pop(Loss.IN_QUEUE, 0) + lost.pop(Loss.QUEUE_FULL, 0)
    lost[Loss.QUEUE_FULL] = min(unexported, record.counted["queue"])
    rest = unexported - lost[Loss.QUEUE_FULL]
    lost[Loss.IN_QUEUE if life.killed else Loss.SILENT] += rest
    most = SIGNALS * (QUEUE + BATCH)
    for loss, bound in ((Loss.IN_QUEUE, most), (Loss.IN_FLIGHT, SIGNALS * BATCH)):
        if lost[loss] > bound:
            problems.append(
                f"process {life.name}: {lost[loss]} documents are {loss.value}, and only {bound} "
                f"fit"
            )
    return +lost


def _limit(account: Account, loss: Loss, counted: int) -> None:
    """Take as explained by counters only as many as they count."""
    excess = max(0, account.lost[loss] - counted)
    account.lost[loss] -= excess
    account.lost[Loss.SILENT] += excess


def _check(account: Account, strange: Iterable[int], twice: int) -> None:
    if account.lost[Loss.SILENT]:
        account.problems.append(
            f"{account.lost[Loss.SILENT]} documents are missing, and nothing says why"
        )
    if account.more:
        account.problems.append(f"{account.more} documents arrived more than once")
    if strange := list(strange):
        account.problems.append(f"{len(strange)} documents arrived that nobody emitted")
    if twice:
        account.problems.append(f"{twice} documents were emitted twice: the suite itself is wrong")
    if account.once + account.more + account.lost.total() != account.emitted:
        account.problems.append("the sums do not agree: the suite itself is wrong")
