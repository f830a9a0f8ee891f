"""Where replay records go: an index a day, and from spools of earlier versions too."""

from __future__ import annotations

import json

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber

from golden.recording import SESSION, START, Recording, encode
from otel_asayer.documents import Operation, day_of_index, metadata_of, moved_to_its_day
from otel_asayer.documents.operations import ReplayIndices

RECORD = {"@timestamp": "2026-11-24T23:59:59.999Z", "message": "x"}


def create(operation: bytes) -> dict[str, object]:
    action: dict[str, dict[str, object]] = json.loads(operation.split(b"\n")[0])
    return action["create"]


def former(**action: object) -> Operation:
    """A replay record as an earlier version left it in a spool."""
    head = json.dumps(
        {"create": {"_index": "asayer-logs-eu-1", "_id": "ar", **action}}, separators=(",", ":")
    )
    return Operation(f"{head}\n{json.dumps(RECORD)}\n".encode())


def days(*times_ns: int) -> list[object]:
    recording = Recording()
    for time_ns in times_ns:
        record = LogRecord(
            timestamp=time_ns,
            severity_number=SeverityNumber.INFO,
            body="x",
            attributes={"session.id": SESSION},
        )
        recording.logger.emit(record)
    return [
        metadata_of(operation).index
        for operation in encode(recording)
        if metadata_of(operation).stream_type == "asayer"
    ]


def test_a_record_goes_to_the_index_of_its_own_day() -> None:
    midnight = 1_795_564_800_000_000_000
    assert days(midnight - 1, midnight) == [
        "asayer-logs-default-2026.11.24",
        "asayer-logs-default-2026.11.25",
    ]


def test_a_record_names_the_pipeline_and_wants_no_data_stream() -> None:
    action = create(ReplayIndices.of("eu").operation("ar", RECORD, "2026.11.24"))
    assert action == {
        "_index": "asayer-logs-eu-2026.11.24",
        "pipeline": "asayer-replay",
        "require_data_stream": False,
        "_id": "ar",
    }


def test_a_namespace_is_escaped_in_the_first_line() -> None:
    assert (
        create(ReplayIndices.of('a"b').operation("ar", RECORD, "2026.11.24"))["_index"]
        == 'asayer-logs-a"b-2026.11.24'
    )


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("asayer-logs-eu-1-2026.11.24", "2026.11.24"),
        ("asayer-logs-2026.11.24", None),
        ("asayer-logs-eu", None),
        (".ds-asayer-logs-eu-2026.11.24-000001", None),
        ("app-logs-eu-2026.11.24", None),
        ("asayer-logs-eu-2026.11.24-x", None),
    ],
)
def test_the_day_of_an_index_is_in_its_name(name: str, day: str | None) -> None:
    assert day_of_index(name) == day


def test_a_record_that_an_earlier_version_spooled_is_moved_to_its_day() -> None:
    assert moved_to_its_day(former()) == ReplayIndices.of("eu-1").operation(
        "ar", RECORD, "2026.11.24"
    )


def test_what_is_written_today_stays_as_it_is() -> None:
    for operation in encode(_recorded()):
        assert moved_to_its_day(operation) is operation


@pytest.mark.parametrize(
    "operation",
    [
        b'{"create":{"_index":"logs-generic.otel-default","_id":"a"}}\n{"@timestamp":"1795536236662.000005"}\n',
        b'{"create":{"_index":"asayer-logs-default","_id":"a"}}\n{"@timestamp":1795536236662}\n',
        b'{"create":{"_index":"asayer-logs-default","_id":"a"}}\n{"message":"x"}\n',
        b'{"create":{"_index":"asayer-logs-default"}}\n{"@timestamp":"2026-11-24T16:03:56.662Z"}\n',
        b'{"create":{"_index":"asayer-logs-default","_id":"a"}}\n[]\n',
        b'{"create":{"_index":"asayer-logs-def',
    ],
)
def test_what_is_no_replay_record_stays_as_it_is(operation: bytes) -> None:
    assert moved_to_its_day(Operation(operation)) == operation


def _recorded() -> Recording:
    recording = Recording()
    recording.tracer.start_span("GET", attributes={"session.id": SESSION}, start_time=START).end(
        START
    )
    return recording
