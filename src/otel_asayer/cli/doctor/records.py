"""Checks by a document of our own: it goes the exporter's way, is looked for by each of the three
readers, and is taken away again.

Its session is one that no tracker gives: ids below 2**24 would have begun in the very millisecond
in which the trackers' clock starts. Its time is that moment, too, so that a reader that polls for
new errors never meets it. It goes to the index of today, which the next real record goes to.
"""

from __future__ import annotations

import fnmatch
import secrets
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource

from otel_asayer.attributes import SESSION_ID
from otel_asayer.cli.doctor.findings import ok, problem, skipped, warning
from otel_asayer.cli.doctor.readers import FORM
from otel_asayer.documents import (
    DocumentSettings,
    Encoder,
    day_of_index,
    metadata_of,
    source_of,
)
from otel_asayer.documents.streams import ReplayIndices
from otel_asayer.elasticsearch.writing import write
from otel_asayer.propagation.session_id import EPOCH_MS
from otel_asayer.setup.inventory import (
    ALIAS,
    REPLAY_INDICES,
    alias_conflict,
    legacy_streams,
    legacy_streams_sentence,
)
from otel_asayer.setup.templates import OUT_OF_ORDER, READERS_ALIAS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from otel_asayer.cli.doctor.findings import Verdict
    from otel_asayer.cli.doctor.readers import Reader
    from otel_asayer.cli.doctor.subject import Subject
    from otel_asayer.config import Config
    from otel_asayer.documents import Operation

__all__ = ["Record", "check_alias", "check_mapping", "check_reader", "check_removal", "check_write"]

_TEXT: Final = "otel-asayer doctor looks whether this record is found. It belongs to no replay, and can be deleted"
_REPAIR: Final = "`otel-asayer setup`, with a user that may manage index templates, repairs templates and indices"
_ORDER: Final = f"{_REPAIR}: the index of the next day is in order, unless this Elasticsearch refuses one of the settings for that"
_DELETED: Final = (200, 404)


class Record(NamedTuple):
    """The document: the operation that creates it, and what it is found by."""

    session_id: str
    document_id: str
    operation: Operation
    at_ms: int = EPOCH_MS

    @classmethod
    def new(cls, config: Config, today: datetime) -> Record:
        """Return one with an id and a session of its own, encoded as the exporter encodes, for the index of `today`."""
        session_id, document_id = (
            str(secrets.randbelow(2**24 - 1) + 1),
            f"otel-asayer-doctor-{secrets.token_hex(10)}",
        )
        encoder = Encoder(
            DocumentSettings(config.dataset, config.namespace, replay_level="debug"),
            lambda: document_id,
        )
        record = LogRecord(
            timestamp=EPOCH_MS * 1_000_000,
            severity_number=SeverityNumber.ERROR,
            body=_TEXT,
            attributes={SESSION_ID: session_id},
        )
        *_, operation = encoder.log_records([ReadableLogRecord(record, Resource({}))]).operations
        record_id, document = metadata_of(operation).id, orjson.loads(source_of(operation))
        return cls(
            session_id,
            record_id,
            ReplayIndices.of(config.namespace).operation(record_id, document, f"{today:%Y.%m.%d}"),
        )


def check_write(subject: Subject, record: Record) -> Iterator[Verdict]:
    """Send the record as the exporter sends."""
    findings = write(subject.client, subject.config, [record.operation], timeout=subject.seconds)
    for finding in findings:
        yield problem(
            f"Elasticsearch does not take a replay record in {subject.replay_indices}: {finding}",
            finding.advice,
        )
    if not findings:
        yield ok(f"one is written to {subject.replay_indices}")


def check_alias(subject: Subject) -> Iterator[Verdict]:
    """Whether `logs` leads to our records, and is not empty; and that nothing stands on it that they could not stand beside."""
    resolved = subject.reader.expect(
        "GET", ALIAS, doing=f"to look at {READERS_ALIAS}", or_nothing=True
    )
    bearers = [index for alias in resolved.get("aliases", ()) for index in alias["indices"]]
    days = fnmatch.filter(bearers, subject.replay_indices)
    if sentence := _former(subject) or str(alias_conflict(resolved) or ""):
        detail, _, remedy = sentence.partition(": ")
        yield problem(detail, remedy)
    elif not days:
        yield _without_alias(
            subject, "does not lead to" if resolved else "does not exist, and so does not lead to"
        )
    elif total := _number_in_alias(subject):
        others = ", ".join(index for index in bearers if day_of_index(index) is None)
        yield ok(
            f"leads to replay records, and to {others}: {total} documents"
            if others
            else f"leads to replay records alone, {total} of them"
        )
    else:
        yield problem(
            f"The alias {READERS_ALIAS!r} is empty: OpenReplay's form refuses it",
            "Let the application record a first session",
        )


def _former(subject: Subject) -> str:
    """What is wrong where data streams of an earlier version are left, or nothing."""
    former = legacy_streams(
        subject.reader.expect(
            "GET", REPLAY_INDICES, doing="to look for asayer-logs-*", or_nothing=True
        )
    )
    return legacy_streams_sentence(former) if former else ""


def _without_alias(subject: Subject, what: str) -> Verdict:
    indices = subject.replay_indices
    if not subject.reader.expect(
        "GET", f"/_resolve/index/{indices}", doing=f"to look at {indices}", or_nothing=True
    ).get("indices"):
        return skipped(f"no index {indices}, which brings it, exists yet")
    return problem(
        f"The alias {READERS_ALIAS!r} {what} {indices}: OpenReplay shows nothing", _REPAIR
    )


def _number_in_alias(subject: Subject) -> int:
    answer = subject.reader.expect(
        "POST", FORM.target, FORM.body, doing=f"to search {READERS_ALIAS}"
    )
    return _total(answer)


def _total(answer: Mapping[str, Any]) -> int:
    return int(answer["hits"]["total"]["value"])


def check_mapping(subject: Subject) -> Iterator[Verdict]:
    """Whether `message` can be searched by its words, and rows come in the order of time, in the newest index."""
    properties = ",".join(
        f"*.mappings.properties.{name}" for name in ("message", "utc_time", "@timestamp")
    )
    fields = f"{properties},*.settings.index.sort,*.settings.index.merge,*.settings.index.refresh_interval,*.settings.index.creation_date"
    stream = subject.replay_indices
    indices = subject.reader.expect(
        "GET", f"/{stream}?filter_path={fields}", doing=f"to see the mapping of {stream}"
    )
    *older, newest = sorted(indices.values(), key=_created_ms) or [{}]
    if not _is_searchable(newest):
        yield problem(
            f"The field message of {stream} is not mapped as text: no reader finds a session",
            _REPAIR,
        )
    elif _properties(newest).get("utc_time", {}).get("type") != "date":
        yield problem(
            f"The field utc_time of {stream} is not mapped as date: OpenReplay up to 1.20 finds "
            f"nothing",
            _REPAIR,
        )
    elif not _shows_in_order(newest):
        yield warning(f"{stream} is not in the order of time, and {OUT_OF_ORDER}", _ORDER)
    else:
        before = (
            ""
            if all(map(_is_searchable, older))
            else "; what was written on some days before is not found"
        )
        yield ok(f"message is text; rows come in the order of time{before}")


def _created_ms(index: Mapping[str, Any]) -> int:
    return int(index.get("settings", {}).get("index", {}).get("creation_date", 0))


def _is_searchable(index: Mapping[str, Any]) -> bool:
    return bool(_properties(index).get("message", {}).get("type") == "text")


def _properties(index: Mapping[str, Any]) -> Mapping[str, Any]:
    properties: Mapping[str, Any] = index.get("mappings", {}).get("properties", {})
    return properties


def _shows_in_order(index: Mapping[str, Any]) -> bool:
    """Whether hits come in the order of time where none is asked for:

    scores are equal, segments are many and stay in line, and each is sorted.
    """
    settings, properties = index.get("settings", {}).get("index", {}), _properties(index)
    sort, policy = settings.get("sort", {}), settings.get("merge", {}).get("policy", {})
    by_time = sort.get("field") in ("@timestamp", ["@timestamp"]) and sort.get("order") in (
        "asc",
        ["asc"],
    )
    in_line = policy.get("type") == "time_based" and properties.get("@timestamp", {}).get(
        "index"
    ) in (False, "false")
    return (
        by_time
        and in_line
        and "refresh_interval" in settings
        and properties["message"].get("similarity") == "boolean"
    )


def check_reader(subject: Subject, record: Record, reader: Reader) -> Iterator[Verdict]:
    """Whether one generation finds the record, and can show it."""
    request = reader.request(record.session_id, record.at_ms, subject.replay_indices)
    answer = subject.reader.expect(
        "POST", request.target, request.body, doing=f"to search {request.target.split('/')[1]}"
    )
    if "_scroll_id" in answer:
        subject.reader.ask("DELETE", "/_search/scroll", {"scroll_id": answer["_scroll_id"]})
    source = next(
        (hit["_source"] for hit in answer["hits"]["hits"] if hit["_id"] == record.document_id), None
    )
    if source is None:
        yield problem(
            "The record that was just written is not found",
            "See the findings on the alias and the mapping",
        )
    elif fault := reader.fault(source, record.session_id):
        yield problem(
            f"The record is found, and cannot be shown: {fault}",
            "See whether an ingest pipeline changes replay records",
        )
    else:
        yield ok("finds the record")


def check_removal(subject: Subject, record: Record) -> Iterator[Verdict]:
    """Take the record away where the key may, and where OpenReplay's form is not left with an empty alias."""
    stays = f"one line of test data stays in {subject.replay_indices}, in session {record.session_id}, which no replay has"
    index = _index_of(subject, record)
    if not index:
        yield ok(f"{stays}: these keys may not look for it")
    elif _is_alone(subject):
        yield ok(f"{stays}: it is the first record, and OpenReplay's form asks for one")
    elif _delete(subject, index, record.document_id):
        yield ok("taken away again")
    else:
        yield ok(f"{stays}: the exporter's key may not delete, and need not")


def _is_alone(subject: Subject) -> bool:
    answer = subject.reader.ask("POST", FORM.target, FORM.body)
    return answer.good and _total(answer.content) <= 1


def _index_of(subject: Subject, record: Record) -> str:
    """The index that holds the record, or nothing where it may not be seen:

    single documents can be deleted there only.
    """
    answer = subject.reader.ask(
        "POST",
        f"/{subject.replay_indices}/_search",
        {"query": {"ids": {"values": [record.document_id]}}},
    )
    hits = answer.content.get("hits", {}).get("hits", ()) if answer.good else ()
    return str(hits[0]["_index"]) if hits else ""


def _delete(subject: Subject, index: str, document_id: str) -> bool:
    body = orjson.dumps({"delete": {"_index": index, "_id": document_id}}) + b"\n"
    answer = subject.writer.expect("POST", "/_bulk?refresh=true", body, doing="to delete a record")
    return all(item["delete"]["status"] in _DELETED for item in answer["items"])
