"""Batches: order, ids, and what happens to a record that cannot be encoded."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import SpanContext

import otel_asayer.documents
from golden.recording import RESOURCE, SESSION, START, TRACE_ID, encoder, read
from otel_asayer.config import Config
from otel_asayer.documents import Encoded, Encoder

PACKAGE = Path(otel_asayer.documents.__file__).parent
IMPURE = {
    "os",
    "time",
    "socket",
    "threading",
    "random",
    "logging",
    "subprocess",
    "secrets",
    "uuid",
    "urllib3",
}


def span(number: int, **options: Any) -> ReadableSpan:
    return ReadableSpan(
        "x",
        SpanContext(TRACE_ID, number, is_remote=False),
        start_time=START,
        end_time=START,
        **options,
    )


class Unspeakable(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise RuntimeError


class Failing:
    """A span of which not even the name can be read."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    @property
    def name(self) -> None:
        raise self.error


def failing(error: Exception) -> Any:
    return Failing(error)


def test_nothing_makes_nothing() -> None:
    assert encoder().spans([]) == Encoded([], [])
    assert encoder().log_records([]) == Encoded([], [])


def test_spans_stay_in_their_order() -> None:
    operations, _ = encoder().spans([span(3), span(1), span(2)])
    assert [read(operation).id[-1] for operation in operations] == ["3", "1", "2"]


def test_a_long_batch_makes_pauses_and_stays_in_its_order() -> None:
    spans = [span(number) for number in range(1, 101)]
    pauses: list[None] = []
    operations, _ = encoder().spans(spans, lambda: pauses.append(None))
    assert operations == encoder().spans(spans).operations
    assert len(pauses) == 3


def test_an_exception_that_passes_through_a_pause_has_one_record() -> None:
    exception = Event("exception", {"exception.type": "ValueError"}, START)
    spans = [
        span(number, attributes={"session.id": SESSION}, events=[exception])
        for number in range(1, 101)
    ]
    operations, _ = encoder().spans(spans)
    assert sum(len(read(operation).id) > 50 for operation in operations) == 1


def test_log_records_get_the_ids_that_are_injected() -> None:
    records = [
        ReadableLogRecord(
            LogRecord(timestamp=START, body="x", attributes={"session.id": SESSION}), RESOURCE
        )
        for _ in range(2)
    ]
    operations, _ = encoder().log_records(records)
    assert [read(operation).id for operation in operations] == [
        "log-1",
        "log-1r",
        "log-2",
        "log-2r",
    ]


def test_the_same_spans_give_the_same_operations() -> None:
    spans = [span(1, attributes={"session.id": SESSION})]
    assert encoder().spans(spans) == encoder().spans(spans)


def test_an_encoder_keeps_nothing_between_batches() -> None:
    one, exception = (
        encoder(),
        span(1, attributes={"session.id": SESSION}, events=[Event("exception", {}, START)]),
    )
    assert one.spans([exception]) == one.spans([exception])


def test_a_span_that_cannot_be_encoded_does_not_cost_the_others() -> None:
    operations, failures = encoder().spans([span(1), failing(ValueError("no context")), span(2)])
    assert [read(operation).id[-1] for operation in operations] == ["1", "2"]
    assert failures == [
        "A span was not written, or not all of it: encoding it failed with ValueError: no context"
    ]


def test_a_log_record_that_cannot_be_encoded_does_not_cost_the_others() -> None:
    broken: Any = object()
    operations, failures = encoder().log_records(
        [broken, ReadableLogRecord(LogRecord(body="x"), RESOURCE)]
    )
    assert len(operations) == 1
    assert failures == [
        (
            "A log record was not written, or not all of it: encoding it failed with "
            "AttributeError: "
            "'object' object has no attribute 'log_record'"
        )
    ]


def test_a_span_is_kept_when_one_of_its_events_cannot_be_encoded() -> None:
    broken: Any = object()
    operations, failures = encoder().spans([span(1, events=[broken])])
    assert len(operations) == 1
    assert len(failures) == 1


def test_a_reason_is_short() -> None:
    (failure,) = encoder().spans([failing(ValueError("x" * 10_000))]).failures
    assert (
        failure
        == "A span was not written, or not all of it: encoding it failed with ValueError: "
        + "x" * 200
    )


def test_an_error_that_cannot_be_said_is_named() -> None:
    (failure,) = encoder().spans([failing(Unspeakable())]).failures
    assert (
        failure == "A span was not written, or not all of it: encoding it failed with Unspeakable: "
        "<Unspeakable>"
    )


def test_a_template_of_links_that_cannot_be_used_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="expected a URL"):
        Encoder(Config(replay_url="https://replay/"), str)


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_the_package_only_computes(path: Path) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert imported & IMPURE == set()
