"""Counts of documents, and the line about those that were lost."""

import logging

import pytest

from otel_asayer.delivery.outcomes import Count, Counters, Digest, Outcome
from otel_asayer.elasticsearch.bulk import Cause


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def digest(counters: Counters, clock: Clock) -> Digest:
    return Digest(counters, logging.getLogger("otel_asayer.test"), clock)


def test_documents_are_counted_by_fate_and_cause(counters: Counters) -> None:
    counters.add(Outcome.INDEXED, 3)
    counters.add(Outcome.DROPPED, 1, Cause.of("unreachable"))
    counters.add(Outcome.INDEXED, 4)
    counters.add(Outcome.DROPPED, 2, Cause.http(503))
    assert counters.snapshot() == {
        Count(Outcome.INDEXED): 7,
        Count(Outcome.DROPPED, Cause.of("unreachable")): 1,
        Count(Outcome.DROPPED, Cause.http(503)): 2,
    }


def test_a_snapshot_does_not_change(counters: Counters) -> None:
    before = counters.snapshot()
    counters.add(Outcome.INDEXED, 1)
    assert before == {}


def test_a_total_is_over_all_causes(counters: Counters) -> None:
    counters.add(Outcome.DROPPED, 1, Cause.of("unreachable"))
    counters.add(Outcome.DROPPED, 2, Cause.http(503))
    counters.add(Outcome.REJECTED, 4, Cause.of("document_parsing_exception"))
    assert counters.total(Outcome.DROPPED) == 3


def test_the_last_reason_of_a_cause_is_kept(counters: Counters) -> None:
    counters.add(Outcome.DROPPED, 1, Cause.of("unreachable"), "a: Connection refused")
    counters.add(Outcome.DROPPED, 1, Cause.of("unreachable"), "b: Connection refused")
    counters.add(Outcome.DROPPED, 1, Cause.of("unreachable"))
    assert (
        counters.reason(Count(Outcome.DROPPED, Cause.of("unreachable")))
        == "unreachable: b: Connection refused"
    )


def test_a_cause_without_a_reason_speaks_for_itself(counters: Counters) -> None:
    assert (
        counters.reason(Count(Outcome.DROPPED, Cause.of("exporter shut down")))
        == "exporter shut down"
    )


def test_causes_that_an_endpoint_makes_up_are_counted_as_one(counters: Counters) -> None:
    for number in range(1000):
        counters.add(Outcome.REJECTED, 1, Cause.of(f"type {number}"), "a reason")
    counters.add(Outcome.REJECTED, 1, Cause.of("type 0"))
    counts = counters.snapshot()
    assert len(counts) == 201
    assert counts[Count(Outcome.REJECTED, Cause.of("type 0"))] == 2
    assert counts[Count(Outcome.REJECTED, Cause.of("_OTHER"))] == 800


def test_the_first_loss_is_told_at_once(
    counters: Counters, digest: Digest, caplog: pytest.LogCaptureFixture
) -> None:
    counters.add(
        Outcome.REJECTED,
        2,
        Cause.of("document_parsing_exception"),
        "failed to parse field [n] of type [long]",
    )
    counters.add(Outcome.DROPPED, 5, Cause.http(503))
    digest.write_when_due()
    [message] = caplog.messages
    assert message == (
        "Telemetry was lost on its way to Elasticsearch, in documents: "
        "2 rejected (document_parsing_exception: failed to parse field [n] of type [long]), 5 "
        "dropped (http 503)."
    )


def test_nothing_lost_is_nothing_told(
    counters: Counters, digest: Digest, caplog: pytest.LogCaptureFixture
) -> None:
    for outcome in (Outcome.INDEXED, Outcome.DUPLICATE, Outcome.RETRIED):
        counters.add(outcome, 1)
    digest.write()
    assert caplog.messages == []


def test_after_a_minute_the_next_line_tells_what_is_new(
    counters: Counters, digest: Digest, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for moment in (0.0, 30.0, 59.0, 60.0):
        clock.now = moment
        counters.add(Outcome.DROPPED, 1, Cause.http(503))
        digest.write_when_due()
    assert [message.partition(": ")[2] for message in caplog.messages] == [
        "1 dropped (http 503).",
        "3 dropped (http 503).",
    ]


def test_what_was_told_is_not_told_again(
    counters: Counters, digest: Digest, caplog: pytest.LogCaptureFixture
) -> None:
    counters.add(Outcome.DROPPED, 1, Cause.http(503))
    digest.write()
    digest.write()
    assert len(caplog.messages) == 1


def test_a_handler_of_the_line_may_lose_something_itself(
    counters: Counters, digest: Digest, caplog: pytest.LogCaptureFixture
) -> None:
    class Exporting(logging.Handler):
        # That there is one counts
        def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002
            counters.add(Outcome.DROPPED, 1, Cause.http(503))
            digest.write_when_due()

    handler = Exporting()
    logging.getLogger("otel_asayer.test").addHandler(handler)
    counters.add(Outcome.DROPPED, 1, Cause.http(503))
    digest.write()
    logging.getLogger("otel_asayer.test").removeHandler(handler)
    assert len(caplog.messages) == 1
    assert counters.total(Outcome.DROPPED) == 2
