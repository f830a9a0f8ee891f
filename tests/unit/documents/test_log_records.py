"""Documents of log records; whole ones stand in the golden files."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.trace import INVALID_SPAN, set_span_in_context

from golden.cases import EXCEPTION
from golden.recording import (
    MS,
    REPLAY_URL,
    RESOURCE,
    SESSION,
    START,
    Document,
    caller,
    encoder,
    read,
)

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

URL = f"https://app.openreplay.com/7/session/{SESSION}?jumpto=1795536236662"
NO_SPAN = set_span_in_context(INVALID_SPAN)


def documents(record: LogRecord, resource: Resource = RESOURCE, **settings: Any) -> list[Document]:
    operations, failures = encoder(**settings).log_records([ReadableLogRecord(record, resource)])
    assert failures == []
    return [read(operation) for operation in operations]


def source(**options: Any) -> dict[str, Any]:
    given = {"timestamp": START, "observed_timestamp": START, "context": NO_SPAN, **options}
    return documents(LogRecord(**given), replay_url=REPLAY_URL)[0].source


@pytest.mark.parametrize("timestamp", [None, 0])
def test_without_a_time_of_its_own_a_record_has_that_of_its_observation(
    timestamp: int | None,
) -> None:
    document = source(timestamp=timestamp, observed_timestamp=START + MS)
    assert (document["@timestamp"], document["observed_timestamp"]) == ("1795536236663.000005",) * 2


def test_a_record_that_nobody_observed_was_observed_at_its_time() -> None:
    assert source(observed_timestamp=0)["observed_timestamp"] == "1795536236662.000005"


def test_what_a_record_does_not_have_is_left_out() -> None:
    assert source() == {
        "@timestamp": "1795536236662.000005",
        "observed_timestamp": "1795536236662.000005",
        "data_stream": {"type": "logs", "dataset": "generic.otel", "namespace": "default"},
        "resource": {
            "schema_url": RESOURCE.schema_url,
            "attributes": {"service.name": "shop", "service.version": "4.2.0"},
        },
        "scope": {},
    }


class Endless(Sequence[Any]):
    """A list of maps without an end."""

    def __getitem__(self, index: Any) -> Any:
        return {"number": index}

    def __len__(self) -> int:
        return 1


def test_a_list_of_maps_without_an_end_is_cut() -> None:
    assert source(body=Endless())["body"]["structured"][:2] == [{"number": 0}, {"number": 1}]


def test_attributes_that_only_route_a_record_leave_no_empty_map() -> None:
    assert "attributes" not in source(attributes={"data_stream.namespace": "eu-1"})


def test_a_record_of_a_trace_names_it() -> None:
    document = source(context=caller())
    assert document["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert document["span_id"] == "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("severity_number", "number"),
    [(SeverityNumber.WARN, 13), (13, 13), (SeverityNumber.UNSPECIFIED, None), (None, None)],
    ids=repr,
)
def test_a_severity_is_a_number(severity_number: Any, number: int | None) -> None:
    assert source(severity_number=severity_number).get("severity_number") == number


@pytest.mark.parametrize(
    ("body", "form"),
    [
        ("text", {"text": "text"}),
        ("", {"text": ""}),
        (0, {"text": 0}),
        (3.0, {"text": 3.0}),
        (False, {"text": False}),
        (b"\xff", {"text": "ff"}),
        ({}, {"structured": {}}),
        ({"a": {"b": None}}, {"structured": {"a": {"b": None}}}),
        ([], {"structured": []}),
        ([{"a": 1}], {"structured": [{"a": 1}]}),
        (({"a": 1}, 2), {"structured": {"value": [{"a": 1}, 2]}}),
        (ValueError("bad"), {"text": "bad"}),
        (None, None),
    ],
    ids=repr,
)
def test_a_body_has_the_form_of_the_collector(body: Any, form: object) -> None:
    assert source(body=body).get("body") == form


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"event_name": "a"}, "a"),
        ({"event_name": "a", "attributes": {"event.name": "b"}}, "a"),
        ({"attributes": {"event.name": "b"}}, "b"),
        ({"attributes": {"event.name": 17}}, None),
        ({}, None),
    ],
    ids=repr,
)
def test_an_event_has_a_name(options: dict[str, Any], name: str | None) -> None:
    assert source(**options).get("event_name") == name


def test_a_record_counts_what_it_dropped() -> None:
    assert (
        source(attributes=BoundedAttributes(maxlen=1, attributes={"a": 1, "b": 2}))[
            "dropped_attributes_count"
        ]
        == 1
    )


def test_an_exception_has_the_link_to_its_moment() -> None:
    assert (
        source(attributes={"session.id": SESSION, **EXCEPTION})["attributes"]["asayer.replay.url"]
        == URL
    )


@pytest.mark.parametrize(
    "attributes",
    [{"session.id": SESSION}, {"session.id": "a1b2-c3d4", **EXCEPTION}, EXCEPTION],
    ids=repr,
)
def test_other_records_have_no_link(attributes: dict[str, Any]) -> None:
    assert source(attributes=attributes)["attributes"] == attributes


def test_the_records_own_attributes_stay_without_the_link() -> None:
    attributes: dict[str, Any] = {"session.id": SESSION, **EXCEPTION}
    source(attributes=attributes)
    assert attributes == {"session.id": SESSION, **EXCEPTION}


def test_a_record_without_a_resource_is_kept() -> None:
    record: Any = SimpleNamespace(
        log_record=LogRecord(timestamp=START, body="x"),
        resource=None,
        instrumentation_scope=None,
        dropped_attributes=0,
    )
    operations, failures = encoder().log_records([record])
    assert len(operations) == 1
    assert failures == []
