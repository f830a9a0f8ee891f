"""The accounts of the chaos suite:

a missing document is explained by what was written down, or lost silently.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from chaos.accounts import Account, Loss, balance
from chaos.ledger import Ledger, Record, emitted_so_far, read_record
from chaos.plan import BATCH, Life

if TYPE_CHECKING:
    from pathlib import Path

KILLED = Life(0, 0, 3, killed=True)
ENDED = Life(0, 0, 3, killed=False)
MISSING = {0: 1, 1: 1}
"""Of the documents 0, 1 and 2, the last did not arrive."""


def record(*journal: str, emitted: int = 3) -> Record:
    found = Record(emitted=list(range(emitted)))
    for line in journal:
        found.read(line)
    return found


def lost(
    life: Life, *journal: str, rejected: tuple[int, ...] = (), counts: bool = True
) -> dict[Loss, int]:
    return dict(balance({life: record(*journal)}, MISSING, rejected, counts=counts).lost)


def test_what_arrived_once_is_all_there_is_to_say() -> None:
    assert balance(
        {ENDED: record("received 0 0,1,2", "returned 0 SUCCESS")}, {0: 1, 1: 1, 2: 1}
    ) == Account(emitted=3, once=3)


def test_what_arrived_twice_is_a_problem() -> None:
    account = balance({ENDED: record("received 0 0,1,2", "returned 0 SUCCESS")}, {0: 1, 1: 1, 2: 2})
    assert account.once == 2
    assert account.more == 1
    assert account.problems == ["1 documents arrived more than once"]


def test_what_arrived_and_was_not_emitted_is_a_problem() -> None:
    assert balance({ENDED: record()}, {0: 1, 1: 1, 2: 1, 7: 1}).problems == [
        "1 documents arrived that nobody emitted"
    ]


def test_what_is_missing_without_a_word_is_lost_silently() -> None:
    account = balance({ENDED: record("received 0 0,1,2", "returned 0 SUCCESS")}, MISSING)
    assert account.lost == Counter({Loss.SILENT: 1})
    assert account.problems == ["1 documents are missing, and nothing says why"]


def test_what_lies_among_the_rejected_is_refused() -> None:
    assert lost(ENDED, "received 0 0,1,2", "returned 0 FAILURE", rejected=(2,)) == {Loss.REFUSED: 1}


def test_what_a_killed_process_had_not_exported_was_in_its_queue() -> None:
    assert lost(KILLED, "received 0 0,1", "returned 0 SUCCESS") == {Loss.IN_QUEUE: 1}


@pytest.mark.parametrize("life", [KILLED, ENDED])
def test_what_the_sdk_counted_as_overwritten_was_lost_to_a_full_queue(life: Life) -> None:
    assert lost(life, "received 0 0,1", "returned 0 SUCCESS", "counted queue queue_full 1") == {
        Loss.QUEUE_FULL: 1
    }


def test_what_a_process_that_ended_in_order_never_exported_is_lost_silently() -> None:
    assert lost(ENDED, "received 0 0,1", "returned 0 SUCCESS") == {Loss.SILENT: 1}


def test_what_a_killed_process_was_exporting_was_in_flight() -> None:
    assert lost(KILLED, "received 0 0,1,2") == {Loss.IN_FLIGHT: 1}


def test_what_was_written_ahead_must_arrive() -> None:
    assert lost(KILLED, "received 0 0,1,2", "written-ahead 0") == {Loss.SILENT: 1}


def test_what_was_in_flight_and_arrived_because_it_was_written_ahead_is_rescued() -> None:
    assert (
        balance({KILLED: record("received 0 0,1,2", "written-ahead 0")}, {0: 1, 1: 1, 2: 1}).rescued
        == 3
    )


def test_a_failed_export_explains_as_much_as_was_counted() -> None:
    journal = ("received 0 0,1,2", "returned 0 FAILURE")
    assert lost(ENDED, *journal, "counted dropped spool 1") == {Loss.FAILED: 1}
    assert lost(ENDED, *journal) == {Loss.SILENT: 1}


def test_the_failure_of_an_exporter_without_counters_explains_by_itself() -> None:
    assert lost(ENDED, "received 0 0,1,2", "returned 0 FAILURE", counts=False) == {Loss.FAILED: 1}


def test_what_was_given_to_the_spool_may_have_been_evicted() -> None:
    assert lost(
        ENDED, "received 0 0,1,2", "returned 0 SUCCESS", "counted evicted spool_is_full 2"
    ) == {Loss.EVICTED: 1}


def test_a_killed_process_cannot_have_lost_more_than_its_memory_held() -> None:
    number = 2 * BATCH + 1
    account = balance(
        {KILLED: record(f"received 0 {','.join(map(str, range(number)))}", emitted=number)}, {}
    )
    assert account.problems == [
        f"process 0-0000000: {number} documents are killed in flight, and only {number - 1} fit"
    ]


def test_accounts_add_up() -> None:
    one = Account(3, 1, 1, Counter({Loss.FAILED: 1}), 2, ["a"])
    assert one + one == Account(6, 2, 2, Counter({Loss.FAILED: 2}), 4, ["a", "a"])
    assert one.counted == 1
    assert one.with_process == 0


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "a")
    for number in (5, 6):
        ledger.emitted(number)
    batch = ledger.received([5, 6])
    ledger.written_ahead()
    ledger.counted("dropped", "not encoded", 1)
    ledger.counted("dropped", "", 2)
    ledger.returned(batch, "SUCCESS")
    found = read_record(tmp_path, "a")
    assert found.emitted == [5, 6]
    assert found.batches[0] == found.batch_of[6]
    assert found.counted == {"dropped": 3}
    assert emitted_so_far(tmp_path) == 2
    assert found.batches[0].written_ahead is True
    assert found.batches[0].result == "SUCCESS"
