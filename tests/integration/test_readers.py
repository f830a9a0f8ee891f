"""The three generations of Asayer's and OpenReplay's readers find our replay records, all of them,
and nothing else, with a key of least rights."""

from __future__ import annotations

import json
import random
import secrets
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource

from otel_asayer.config import Config
from otel_asayer.documents import Encoder, Operation

from readers import Event, Gen1Reader, Gen2Reader, Gen3Reader, PanelBroken, PollerCrashed, Row
from store import action, replay_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from elasticsearch_server import Endpoint

BATCHES = 5
RECORDS = 300
MS = 1_000_000  # nanoseconds
START = datetime(2025, 3, 4, 23, 59, 40, tzinfo=timezone.utc)
"""Twenty seconds before midnight: half of the records are of the next day."""
SEVERITIES = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.FATAL,
}


class Visit(NamedTuple):
    """A session:

    what a panel should show of it, in order of time, and the operations that write all its
    documents.
    """

    session_id: str
    rows: list[Row]
    operations: list[Operation]

    @property
    def errors(self) -> list[Row]:
        return [row for row in self.rows if row.level == "error"]


class Written(NamedTuple):
    """What stands in the streams and indices of one namespace."""

    server: Endpoint
    namespace: str
    writer_key: str

    def write(self, operations: Sequence[Operation]) -> None:
        path = "/_bulk?require_data_stream=true&refresh=true"
        answer = self.server.request(
            "POST", path, b"".join(operations), auth=self.writer_key
        ).json()
        assert [item["create"]["status"] for item in answer["items"]] == [201] * len(operations)

    def write_raw(self, message: str, **fields: Any) -> None:
        """A record that our encoder would never make:

        a good one with some fields in another form, or left out where None.
        """
        times = dict.fromkeys(("@timestamp", "utc_time", "timestamp"), "2025-03-04T10:00:00.000Z")
        document = {"message": message, "level": "error", "tags": ["error"], **times, **fields}
        self.write(
            [
                operation(
                    replay_index(self.namespace, "2025.03.04"),
                    {name: value for name, value in document.items() if value is not None},
                )
            ]
        )


def operation(stream: str, document: dict[str, Any]) -> Operation:
    return Operation(f"{json.dumps(action(stream))}\n{json.dumps(document)}\n".encode())


def new_session_id() -> str:
    return str(secrets.randbelow(1 << 60) + (1 << 60))


def visit(
    session_id: str, namespace: str, number: int, levels: Sequence[str] = tuple(SEVERITIES)
) -> Visit:
    """A session with `number` log records, 137 ms apart."""
    encoder = Encoder(
        Config(namespace=namespace, replay_level="debug"), lambda: secrets.token_hex(10)
    )
    times = [START + timedelta(milliseconds=137 * step) for step in range(number)]
    shown = [levels[step % len(levels)] for step in range(number)]
    operations, failures = encoder.log_records(
        [log_record(session_id, time, level) for time, level in zip(times, shown, strict=True)]
    )
    assert failures == []
    records = [
        document
        for index, document in map(parsed, operations)
        if index.startswith(f"asayer-logs-{namespace}-")
    ]
    return Visit(
        session_id,
        [
            Row(time, level, record["message"])
            for time, level, record in zip(times, shown, records, strict=True)
        ],
        operations,
    )


def log_record(session_id: str, time: datetime, level: str) -> ReadableLogRecord:
    """A log record of some length:

    in a score that counts words, short messages would come first.
    """
    time_ns = round(time.timestamp() * 1000) * MS
    body = f"{level} at {time}" + " and then" * (time_ns // MS % 19)
    record = LogRecord(
        timestamp=time_ns,
        severity_number=SEVERITIES[level],
        body=body,
        attributes={"session.id": session_id},
    )
    return ReadableLogRecord(record, Resource({"service.name": "shop"}))


def parsed(operation: bytes) -> tuple[str, dict[str, Any]]:
    """The data stream or index of an operation, and the document."""
    action, document = map(json.loads, operation.splitlines())
    return action["create"]["_index"], document


def otel_records(session_id: str, namespace: str) -> list[Operation]:
    """A log record and a span of the same session, which quote what readers look for."""
    tag = (
        f"[openReplaySession.id={session_id}]"
        f"[openReplaySessionToken={session_id}][asayer_session_id={session_id}]"
    )
    common = {
        "@timestamp": "1741082400000.000000",
        "attributes": {"session.id": session_id, "tags": "error", "utc_time": "x"},
    }
    return [
        operation(
            f"logs-generic.otel-{namespace}",
            {**common, "body": {"text": tag}, "severity_text": "ERROR"},
        ),
        operation(f"traces-generic.otel-{namespace}", {**common, "name": tag}),
    ]


@pytest.fixture(scope="module")
def written(prepared: Endpoint, writer_key: str) -> Written:
    return Written(prepared, f"test{secrets.token_hex(8)}", writer_key)


@pytest.fixture(scope="module")
def visits(written: Written) -> tuple[Visit, Visit]:
    """Two sessions, of which one's id begins the other's, across midnight.

    Their records arrive shuffled, in batches.
    """
    session_id = new_session_id()
    first, second = (
        visit(one, written.namespace, RECORDS) for one in (session_id, session_id[:-1])
    )
    operations = [
        *first.operations,
        *second.operations,
        *otel_records(session_id, written.namespace),
    ]
    random.Random(7).shuffle(operations)
    for batch in range(BATCHES):
        written.write(operations[batch::BATCHES])
    return first, second


@pytest.fixture(scope="module")
def almighty_key(prepared: Endpoint) -> str:
    return prepared.create_api_key("almighty", {})


@pytest.fixture(params=["reader_key", "almighty_key"])
def key(request: pytest.FixtureRequest) -> str:
    """A key of least rights, and one that sees the OTel streams too."""
    name: str = request.getfixturevalue(request.param)
    return name


def events_of(visit: Visit, events: list[Event]) -> list[Event]:
    return [event for event in events if event.session_id == visit.session_id]


def test_openreplay_today_shows_a_sessions_records_and_no_others(
    visits: tuple[Visit, Visit], written: Written, key: str
) -> None:
    reader = Gen3Reader(written.server, key)
    assert [sorted(reader.rows(visit.session_id)) for visit in visits] == [
        visit.rows for visit in visits
    ]


def test_openreplay_today_shows_rows_oldest_first_across_midnight(
    written: Written, reader_key: str
) -> None:
    """As they come: in batches, each of a few seconds, and each searchable before the next."""
    watched = visit(new_session_id(), written.namespace, RECORDS)
    shop = [visit(new_session_id(), written.namespace, RECORDS) for _ in range(3)]
    for start in range(0, 2 * RECORDS, 2 * RECORDS // BATCHES):
        batch = slice(start, start + 2 * RECORDS // BATCHES)
        written.write(
            [operation for one in (watched, *shop) for operation in one.operations[batch]]
        )
    assert Gen3Reader(written.server, reader_key).rows(watched.session_id) == watched.rows


def test_openreplay_today_shows_records_of_many_writers_in_the_order_of_days(
    written: Written, reader_key: str, visits: tuple[Visit, Visit]
) -> None:
    rows = Gen3Reader(written.server, reader_key).rows(visits[0].session_id)
    days = [row.time.date() for row in rows]
    assert days == sorted(days)


def test_beside_a_teams_own_index_both_are_read(written: Written, almighty_key: str) -> None:
    shared, team = visit(new_session_id(), written.namespace, 4), f"app-{written.namespace}"
    theirs = {
        "@timestamp": "2024-01-01T00:00:00Z",
        "level": "info",
        "message": f"[openReplaySession.id={shared.session_id}] theirs",
    }
    written.server.request(
        "PUT",
        f"/{team}",
        {"aliases": {"logs": {}}, "mappings": {"properties": {"message": {"type": "text"}}}},
    )
    try:
        written.server.request("POST", f"/{team}/_doc?refresh=true", theirs)
        written.write(shared.operations)
        rows = Gen3Reader(written.server, almighty_key).rows(shared.session_id)
    finally:
        written.server.request("DELETE", f"/{team}")
    assert [row.message.partition("] ")[2] for row in rows if row.message.endswith("theirs")] == [
        "theirs"
    ]
    assert [row for row in rows if not row.message.endswith("theirs")] == shared.rows


def test_without_the_pipeline_nothing_is_written_and_nothing_made(
    prepared: Endpoint, written: Written, reader_key: str
) -> None:
    """As on a server that nobody has set up: here, the pipeline has another name."""
    waiting = visit(new_session_id(), f"{written.namespace}x", 4)
    body = b"".join(
        operation.replace(b'"asayer-replay"', b'"asayer-missing"')
        for operation in waiting.operations
    )
    items = prepared.request(
        "POST", "/_bulk?require_data_stream=true&refresh=true", body, auth=written.writer_key
    ).json()["items"]
    errors = [
        item["create"]["error"]["reason"]
        for item in items
        if item["create"]["_index"].startswith("asayer-")
    ]
    assert errors == ["pipeline with id [asayer-missing] does not exist"] * 4
    assert (
        prepared.request("GET", f"/_resolve/index/asayer-logs-{written.namespace}x-*").json()[
            "indices"
        ]
        == []
    )


def test_openreplay_today_shows_nothing_for_another_session(
    visits: tuple[Visit, Visit], written: Written, reader_key: str
) -> None:
    assert Gen3Reader(written.server, reader_key).rows(new_session_id()) == []


def test_the_form_of_openreplay_accepts_the_integration(
    visits: tuple[Visit, Visit], written: Written, reader_key: str
) -> None:
    assert Gen3Reader(written.server, reader_key).accepts_integration()


@pytest.mark.parametrize("generation", [Gen1Reader, Gen2Reader])
def test_the_pollers_store_each_error_beside_its_session(
    visits: tuple[Visit, Visit],
    written: Written,
    key: str,
    generation: type[Gen1Reader | Gen2Reader],
) -> None:
    events = generation(written.server, key).events(
        START - timedelta(seconds=1), START + timedelta(hours=1)
    )
    expected = [
        [Event(visit.session_id, row.time, row.message) for row in visit.errors] for visit in visits
    ]
    assert [events_of(visit, events) for visit in visits] == expected


def test_a_poller_reads_on_from_a_second_after_what_it_saw_last(
    visits: tuple[Visit, Visit], written: Written, reader_key: str
) -> None:
    last = visits[0].errors[9].time
    events = Gen2Reader(written.server, reader_key).events(last, last + timedelta(hours=1))
    expected = [row.time for row in visits[0].errors if row.time >= last + timedelta(seconds=1)]
    assert [event.time for event in events_of(visits[0], events)] == expected


def test_a_poller_turns_pages(written: Written, reader_key: str) -> None:
    busy = visit(new_session_id(), written.namespace, 1100, levels=("error",))
    written.write(busy.operations)
    events = Gen2Reader(written.server, reader_key).events(
        START - timedelta(seconds=1), START + timedelta(hours=1)
    )
    assert len(events_of(busy, events)) == 1100


def test_a_poller_reads_the_id_of_a_token(written: Written, reader_key: str) -> None:
    token = "jw4wdfpgqhoj.3az.lrraavgc.ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"
    written.write_raw(f"[openReplaySessionToken={token}] x", utc_time="2001-01-01T00:00:00Z")
    (event,) = old_events(
        Gen2Reader(written.server, reader_key, f"asayer-logs-{written.namespace}-*"), 2001
    )
    assert event.session_id == "2618307011354435587"


def test_a_line_of_no_session_is_skipped(written: Written, reader_key: str) -> None:
    written.write_raw(
        "openReplaySessionToken=  asayer_session_id= x", utc_time="2002-01-01T00:00:00Z"
    )
    readers = [
        generation(written.server, reader_key, f"asayer-logs-{written.namespace}-*")
        for generation in (Gen1Reader, Gen2Reader)
    ]
    assert [old_events(reader, 2002) for reader in readers] == [[], []]


def old_events(reader: Gen1Reader | Gen2Reader, year: int) -> list[Event]:
    return reader.events(
        datetime(year - 1, 12, 31, tzinfo=timezone.utc), datetime(year, 1, 2, tzinfo=timezone.utc)
    )


def test_a_reader_of_least_rights_may_not_search_otel_streams(
    visits: tuple[Visit, Visit], written: Written, reader_key: str
) -> None:
    streams = (f"logs-generic.otel-{written.namespace}", f"traces-generic.otel-{written.namespace}")
    assert [
        written.server.request("POST", f"/{stream}/_search", {}, auth=reader_key).status
        for stream in streams
    ] == [403, 403]


def test_a_reader_of_least_rights_sees_only_replay_records_everywhere(
    visits: tuple[Visit, Visit], written: Written, reader_key: str
) -> None:
    by_index = {"size": 0, "aggs": {"indices": {"terms": {"field": "_index", "size": 1000}}}}
    answer = written.server.request("POST", "/*/_search", by_index, auth=reader_key).json()
    indices = [bucket["key"] for bucket in answer["aggregations"]["indices"]["buckets"]]
    assert indices
    assert [index for index in indices if not index.startswith("asayer-logs-")] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"level": None},
        {"level": 40},
        {"@timestamp": 1741082400000},
        {"@timestamp": "1741082400000"},
    ],
    ids=str,
)
def test_openreplay_today_fails_at_a_record_of_another_form(
    written: Written, reader_key: str, fields: dict[str, Any]
) -> None:
    session_id = new_session_id()
    written.write_raw(f"[openReplaySession.id={session_id}] x", **fields)
    with pytest.raises(PanelBroken):
        Gen3Reader(written.server, reader_key).rows(session_id)


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("warning", "warning"),
        (["x", "debug"], "debug"),
        ("warn", "info"),
        ("ERROR", "info"),
        ("fatal", "info"),
    ],
    ids=str,
)
def test_openreplay_today_shows_as_info_what_it_does_not_know(
    written: Written, reader_key: str, level: object, shown: str
) -> None:
    session_id = new_session_id()
    written.write_raw(f"[openReplaySession.id={session_id}] x", level=level)
    assert [row.level for row in Gen3Reader(written.server, reader_key).rows(session_id)] == [shown]


@pytest.mark.parametrize("tag", ["{id},456", "{id}.5", "{id}abc"])
def test_openreplay_today_does_not_find_an_id_that_is_not_closed(
    written: Written, reader_key: str, tag: str
) -> None:
    session_id = new_session_id()
    written.write_raw("openReplaySession.id=" + tag.format(id=session_id))
    assert Gen3Reader(written.server, reader_key).rows(session_id) == []


def test_no_otel_stream_can_come_under_the_readers_alias(
    visits: tuple[Visit, Visit], written: Written
) -> None:
    alias = {"index": f"logs-generic.otel-{written.namespace}", "alias": "logs"}
    answer = written.server.request("POST", "/_aliases", {"actions": [{"add": alias}]})
    assert answer.status >= 400
    assert "logs" in answer.json()["error"]["reason"]


@pytest.mark.parametrize(
    ("generation", "fields"),
    [
        (Gen2Reader, {"utc_time": 1046736000000}),
        (Gen1Reader, {"utc_time": "2003-03-04T00:00:00Z", "timestamp": None}),
    ],
)
def test_a_poller_crashes_at_a_record_of_another_form(
    written: Written,
    reader_key: str,
    generation: type[Gen1Reader | Gen2Reader],
    fields: dict[str, Any],
) -> None:
    elsewhere = written._replace(namespace=f"test{secrets.token_hex(8)}")
    elsewhere.write_raw("[openReplaySessionToken=1][asayer_session_id=1] x", **fields)
    reader = generation(written.server, reader_key, f"asayer-logs-{elsewhere.namespace}-*")
    with pytest.raises(PollerCrashed):
        reader.events(
            datetime(2003, 3, 3, tzinfo=timezone.utc), datetime(2003, 3, 5, tzinfo=timezone.utc)
        )


def test_a_reader_that_may_not_read_is_told_so(written: Written) -> None:
    key = written.server.create_api_key(
        "nobody", {"nobody": {"index": [{"names": ["elsewhere"], "privileges": ["read"]}]}}
    )
    with pytest.raises(PanelBroken, match="403"):
        Gen3Reader(written.server, key).rows("1")
