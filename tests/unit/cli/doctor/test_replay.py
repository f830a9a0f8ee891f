"""What the doctor says about a record of its own, and what each reader would show."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from otel_asayer.cli.doctor.examination import Status
from otel_asayer.cli.doctor.replay import (
    READERS,
    Record,
    ReplayReader,
    check_alias,
    check_mapping,
    check_reader,
    check_removal,
    check_write,
)
from otel_asayer.elasticsearch.client import UnreachableError
from otel_asayer.errors import ElasticsearchError
from unit.cli.doctor.support import Script, config, examined, short, statuses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_asayer.cli.doctor.server import ExaminedServer

TODAY = datetime(2026, 11, 24, tzinfo=timezone.utc)
RECORD = Record.new(config(), TODAY)
SOURCE = json.loads(RECORD.operation.split(b"\n")[1])
INDEX = "asayer-logs-default-2026.11.24"
BULK, RESOLVE, SEARCH, OWN = (
    "POST /_bulk",
    "GET /_resolve/index/logs",
    "POST /logs/_search",
    "POST /asayer-logs-default-*/_search",
)
INDICES = "GET /_resolve/index/asayer-logs-default-*"
EVERYWHERE = "GET /_resolve/index/asayer-logs-*"
MAPPING = "GET /asayer-logs-default-*"
MESSAGE = {"type": "text", "similarity": "boolean"}
SORTED = {
    "index": {
        "sort": {"field": "@timestamp", "order": "asc"},
        "merge": {"policy": {"type": "time_based"}},
        "refresh_interval": "1s",
    }
}


def found(source: Mapping[str, Any] = SOURCE, total: int = 7) -> tuple[int, Any]:
    return 200, {
        "hits": {
            "total": {"value": total},
            "hits": [{"_index": INDEX, "_id": RECORD.document_id, "_source": source}],
        }
    }


NOTHING = (200, {"hits": {"total": {"value": 0}, "hits": []}})


def test_a_record_is_one_line_of_a_session_that_began_with_the_trackers_clock() -> None:
    assert 0 < int(RECORD.session_id) < 2**24
    tags = "".join(
        f"[{name}={RECORD.session_id}]"
        for name in ("asayer_session_id", "openReplaySession.id", "openReplaySessionToken")
    )
    expected = {
        "@timestamp": "2019-02-12T19:33:20.000Z",
        "utc_time": "2019-02-12T19:33:20.000Z",
        "timestamp": "2019-02-12T19:33:20.000Z",
        "message": f"{tags} otel-asayer doctor looks whether this record is found. It belongs to "
        f"no replay, and can be deleted",
        "level": "error",
        "attributes": {"session.id": RECORD.session_id},
        "tags": ["error"],
    }
    assert expected == SOURCE


def test_a_record_goes_to_the_index_of_today() -> None:
    assert json.loads(RECORD.operation.split(b"\n")[0])["create"]["_index"] == INDEX


def test_two_records_have_nothing_in_common() -> None:
    other = Record.new(config(), TODAY)
    assert other.document_id != RECORD.document_id
    assert json.loads(RECORD.operation.split(b"\n")[0])["create"]["_id"] == RECORD.document_id


def bulk(status: int, error: dict[str, str] | None = None) -> tuple[int, Any]:
    return 200, {
        "errors": bool(error),
        "items": [{"create": {"status": status, **({"error": error} if error else {})}}],
    }


def write(answer: tuple[int, Any]) -> list[tuple[str, str]]:
    return short(check_write(examined({BULK: answer}), RECORD))


@pytest.mark.parametrize(
    "answer",
    [bulk(201), bulk(409, {"type": "version_conflict_engine_exception", "reason": "there"})],
)
def test_a_record_that_is_taken_is_well(answer: tuple[int, Any]) -> None:
    assert write(answer) == [("ok", "one is written to asayer-logs-default-*")]


def test_a_record_goes_through_the_exporters_pipeline() -> None:
    script = Script({BULK: bulk(201)})
    assert statuses(
        check_write(examined({}, config(pipeline="p"))._replace(client=script), RECORD)
    ) == [Status.OK]
    assert script.bodies[BULK] == RECORD.operation


def test_a_record_that_is_refused_says_why_and_what_to_do() -> None:
    (result,) = check_write(
        examined(
            {BULK: bulk(404, {"type": "index_not_found_exception", "reason": "no such index"})}
        ),
        RECORD,
    )
    assert result.status == Status.PROBLEM
    assert (
        result.detail == "Elasticsearch does not accept a replay record in asayer-logs-default-*: "
        "index_not_found_exception, no such index"
    )
    assert result.remedy.partition(":")[0] == "The index template of that data stream is missing"


def test_a_request_that_is_refused_is_a_problem() -> None:
    ((status, detail),) = write((403, {"error": {"type": "security_exception", "reason": "no"}}))
    assert status == "problem"
    assert detail.endswith("http 403, security_exception: no")


@pytest.mark.parametrize(
    "answer",
    [(200, b"<html>"), (200, UnreachableError("http://127.0.0.1:9: no answer within 1 s"))],
)
def test_no_answer_to_a_bulk_request_is_an_error(answer: tuple[int, Any]) -> None:
    with pytest.raises(ElasticsearchError):
        write(answer)


def alias(*indices: str, search: tuple[int, Any] = NOTHING) -> list[tuple[str, str]]:
    resolved = {
        "indices": [],
        "data_streams": [],
        "aliases": [{"name": "logs", "indices": indices}] if indices else [],
    }
    return short(
        check_alias(
            examined(
                {
                    RESOLVE: (200, resolved),
                    SEARCH: search,
                    INDICES: (200, {"indices": [{"name": INDEX}]}),
                }
            )
        )
    )


def test_an_alias_on_our_records_alone_is_well() -> None:
    assert alias(INDEX, search=found()) == [("ok", "leads to replay records alone, 7 of them")]


def test_an_alias_that_is_empty_would_be_refused() -> None:
    assert alias(INDEX) == [("problem", "The alias 'logs' is empty: OpenReplay's form refuses it")]


def test_an_alias_may_be_shared_with_a_teams_own_indices() -> None:
    assert alias(INDEX, "app-2026", search=found()) == [
        ("ok", "leads to replay records, and to app-2026: 7 documents")
    ]


def test_an_alias_on_a_data_stream_is_a_problem() -> None:
    ((status, detail),) = alias(INDEX, ".ds-logs-generic.otel-default-2026.11.24-000001")
    assert status == "problem"
    assert (
        "points to the data streams logs-generic.otel-default, and in Elasticsearch no alias"
        in detail
    )


def test_a_data_stream_of_an_earlier_version_is_a_problem_with_the_command_that_removes_it() -> (
    None
):
    answers = {
        RESOLVE: (200, {"aliases": []}),
        EVERYWHERE: (200, {"data_streams": [{"name": "asayer-logs-default"}]}),
    }
    (result,) = check_alias(examined(answers))
    assert (result.detail, result.remedy) == (
        (
            "The data stream asayer-logs-default of an earlier version of otel-asayer cannot share "
            "templates and alias with the plain indices that "
            "replay records go to now"
        ),
        "delete it and everything in it (DELETE /_data_stream/asayer-logs-default)",
    )


def test_an_alias_that_does_not_lead_to_our_indices_shows_nothing() -> None:
    assert alias(INDEX.replace("default", "other")) == [
        (
            "problem",
            "The alias 'logs' does not lead to asayer-logs-default-*: OpenReplay shows nothing",
        )
    ]


def test_an_alias_that_does_not_exist_is_a_problem() -> None:
    assert short(check_alias(examined({INDICES: (200, {"indices": [{"name": INDEX}]})}))) == [
        (
            "problem",
            (
                "The alias 'logs' does not exist, and so does not lead to asayer-logs-default-*: "
                "OpenReplay shows nothing"
            ),
        )
    ]


@pytest.mark.parametrize("answer", [(404, {}), (200, {"indices": [], "data_streams": []})])
def test_an_alias_comes_with_the_first_index(answer: tuple[int, Any]) -> None:
    assert short(check_alias(examined({INDICES: answer}))) == [
        ("skipped", "no index asayer-logs-default-*, which brings it, exists yet")
    ]


def index_with(
    message: Mapping[str, str] = MESSAGE,
    utc_time: str = "date",
    settings: Mapping[str, Any] = SORTED,
    *,
    searchable: bool = False,
) -> dict[str, Any]:
    time = {"type": "date"} if searchable else {"type": "date", "index": False}
    return {
        "mappings": {
            "properties": {"message": message, "utc_time": {"type": utc_time}, "@timestamp": time}
        },
        "settings": settings,
    }


def mapping(**changed: Any) -> list[Status]:
    return statuses(check_mapping(examined({MAPPING: (200, {INDEX: index_with(**changed)})})))


def mapping_of_two(older: Mapping[str, str], newer: Mapping[str, str]) -> list[tuple[str, str]]:
    """The newer one's name comes first by its letters."""
    made = {"a": newer, "b": older}
    times = {"a": "1795514400002", "b": "1795514400001"}
    indices = {
        name: index_with(
            message, settings={"index": {**SORTED["index"], "creation_date": times[name]}}
        )
        for name, message in made.items()
    }
    return short(check_mapping(examined({MAPPING: (200, indices)})))


def test_our_mapping_is_well() -> None:
    assert mapping() == [Status.OK]


@pytest.mark.parametrize(
    "changed", [{"message": {"type": "keyword"}}, {"message": {}}, {"utc_time": "keyword"}]
)
def test_a_mapping_by_which_no_session_is_found_is_a_problem(changed: dict[str, Any]) -> None:
    assert mapping(**changed) == [Status.PROBLEM]


@pytest.mark.parametrize(
    "changed",
    [
        {"message": {"type": "text"}},
        {"settings": {}},
        {
            "settings": {
                "index": {**SORTED["index"], "sort": {"field": "@timestamp", "order": "desc"}}
            }
        },
        {"settings": {"index": {**SORTED["index"], "merge": {}}}},
        {
            "settings": {
                "index": {
                    name: value
                    for name, value in SORTED["index"].items()
                    if name != "refresh_interval"
                }
            }
        },
        {"searchable": True},
    ],
)
def test_rows_out_of_order_are_a_warning(changed: dict[str, Any]) -> None:
    assert mapping(**changed) == [Status.WARNING]


def test_records_without_an_index_are_a_problem() -> None:
    assert statuses(check_mapping(examined({MAPPING: (200, {})}))) == [Status.PROBLEM]


def test_records_whose_newest_index_is_right_are_well() -> None:
    assert mapping_of_two({"type": "keyword"}, MESSAGE) == [
        (
            "ok",
            (
                "message is text; rows come in order of time; readers do not find records of some "
                "earlier days"
            ),
        )
    ]


def test_the_newest_index_decides() -> None:
    assert mapping_of_two(MESSAGE, {"type": "keyword"}) == [
        (
            "problem",
            (
                "The field message of asayer-logs-default-* is not mapped as text: no reader finds "
                "a "
                "session"
            ),
        )
    ]


def test_the_request_of_openreplay_today_is_its_own() -> None:
    today, *_ = READERS
    assert today.request("7", 1000, "x") == (
        "/logs/_search?track_total_hits=true",
        {"size": 1000, "query": {"match_phrase": {"message": "openReplaySession.id=7"}}},
    )


def test_the_request_of_openreplay_before_is_its_own() -> None:
    _, before, _ = READERS
    conditions = [
        {"match": {"message": {"query": "openReplaySessionToken="}}},
        {"term": {"tags": "error"}},
        {"range": {"utc_time": {"gte": 4000, "lte": 5000}}},
    ]
    assert before.request("7", 5000, "x") == (
        "/x/_search?scroll=120000ms&size=1000&sort=utc_time:asc",
        {"query": {"bool": {"must": conditions}}},
    )


def read(reader: ReplayReader, answer: tuple[int, Any]) -> list[tuple[str, str]]:
    return short(check_reader(examined({SEARCH: answer, OWN: answer}), RECORD, reader))


each_reader = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)


@each_reader
def test_a_reader_that_finds_the_record_is_well(reader: ReplayReader) -> None:
    assert read(reader, found()) == [("ok", "finds the record")]


@each_reader
def test_a_reader_that_finds_nothing_is_a_problem(reader: ReplayReader) -> None:
    assert read(reader, NOTHING) == [
        ("problem", "It does not find the record that was just written")
    ]


@each_reader
@pytest.mark.parametrize(
    "change",
    [{"message": 5}, {"@timestamp": 1, "utc_time": 1}, {"message": "[x]", "level": 40}],
    ids=str,
)
def test_a_reader_that_cannot_show_the_record_is_a_problem(
    reader: ReplayReader, change: dict[str, Any]
) -> None:
    ((status, detail),) = read(reader, found({**SOURCE, **change}))
    assert status == "problem"
    assert detail.partition(":")[0] == "It finds the record, but cannot show it"


def test_a_scroll_is_closed() -> None:
    status, content = found()
    script = {OWN: (status, {**content, "_scroll_id": "abc"})}
    asked = examined(script)
    list(check_reader(asked, RECORD, READERS[1]))
    assert asked.client.bodies["DELETE /_search/scroll"] == b'{"scroll_id":"abc"}'  # type: ignore[attr-defined]


def removal(
    total: int = 7, own: tuple[int, Any] | None = None, delete: int = 200
) -> tuple[str, ExaminedServer]:
    answers = {
        OWN: found() if own is None else own,
        SEARCH: found(total=total),
        BULK: (200, {"items": [{"delete": {"status": delete}}]}),
    }
    asked = examined(answers)
    ((_, detail),) = short(check_removal(asked, RECORD))
    return detail, asked


def test_a_record_is_taken_away_from_its_index() -> None:
    detail, asked = removal()
    assert detail == "the record is deleted again"
    asked_to_delete = (
        json.dumps(
            {"delete": {"_index": INDEX, "_id": RECORD.document_id}}, separators=(",", ":")
        ).encode()
        + b"\n"
    )
    assert asked.client.bodies[BULK] == asked_to_delete  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"delete": 403}, "the exporter's key may not delete, and need not"),
        ({"own": (403, {})}, "these keys may not look for it"),
        ({"total": 1}, "it is the first record, and OpenReplay's form asks for one"),
    ],
)
def test_a_record_that_stays_is_named(answers: dict[str, Any], reason: str) -> None:
    stays = (
        "one line of test data stays in asayer-logs-default-*, in session "
        f"{RECORD.session_id}, which no replay has"
    )
    assert removal(**answers)[0] == f"{stays}: {reason}"
