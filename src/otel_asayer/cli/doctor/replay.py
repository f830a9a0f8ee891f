"""Checks with a replay record of our own: write it, find it as each reader does, delete it.

The record's session is one that no tracker creates: an id below 2**24 would have begun in the first
millisecond of the trackers' clock. Its time is that moment, too, so that a reader that polls for
new errors never meets it. It goes to the index of today, as the next real record does.

Readers exist in three generations:

- Asayer asks its index pattern for errors with `asayer_session_id=`, in order of `timestamp`. It
  extracts the id from `message` with a pattern.
- OpenReplay 1.5 to 1.20 does the same with `openReplaySessionToken=`, in order of `utc_time`, which
  has to be a string in RFC 3339.
- OpenReplay from 1.21 on searches `logs`, and no other name, for the phrase of one session. It
  shows `message`, `@timestamp` and `level`; one hit without a `level` breaks its panel.
"""

from __future__ import annotations

import fnmatch
import re
import secrets
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource

from otel_asayer.attributes import REPLAY_LEVELS, SESSION_ID
from otel_asayer.cli.doctor.examination import CheckResult, ok, problem, skipped, warning
from otel_asayer.config import Config
from otel_asayer.documents import (
    Encoder,
    Operation,
    day_of_index,
    metadata_of,
    source_of,
)
from otel_asayer.documents.operations import ReplayIndices
from otel_asayer.elasticsearch.api import write
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

    from otel_asayer.cli.doctor.server import ExaminedServer

__all__ = [
    "FORM",
    "READERS",
    "ReaderSearch",
    "Record",
    "ReplayReader",
    "check_alias",
    "check_mapping",
    "check_reader",
    "check_removal",
    "check_write",
]

_PAGE: Final = 1000
_KEEP_ALIVE_MS: Final = 120_000
_AFTER_LAST_MS: Final = 1000
"""A reader that polls skips errors for so long after the last one that it saw."""
_RFC3339_UTC: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z"
)


class ReaderSearch(NamedTuple):
    """A search as a reader sends it."""

    target: str
    body: Mapping[str, Any]


class ReplayReader(NamedTuple):
    """A generation of readers.

    Attributes:
        name: The name that users know.
        tag: The text before the session's id in `message`.
        pattern: Extracts the id from there; None where its query contains the id.
        sort: Field by which it pages through errors; None where it reads one session, unsorted,
            from the alias `logs`.
        times: Fields that have to be strings in RFC 3339.
    """

    name: str
    tag: str
    pattern: re.Pattern[str] | None
    sort: str | None
    times: tuple[str, ...]

    def request(self, session_id: str, at_ms: int, indexes: str) -> ReaderSearch:
        """Return the search that finds a record.

        Args:
            session_id: The record's session.
            at_ms: The record's time, in milliseconds since 1970.
            indexes: Pattern of the indices, for readers that let you choose.
        """
        if self.sort is None:
            query: dict[str, Any] = {"match_phrase": {"message": f"{self.tag}{session_id}"}}
            return ReaderSearch(
                f"/{READERS_ALIAS}/_search?track_total_hits=true", {"size": _PAGE, "query": query}
            )
        last_seen = at_ms - 2 * _AFTER_LAST_MS
        times = {"gte": last_seen + _AFTER_LAST_MS, "lte": at_ms}
        conditions = [
            {"match": {"message": {"query": self.tag}}},
            {"term": {"tags": "error"}},
            {"range": {"utc_time": times}},
        ]
        return ReaderSearch(
            f"/{indexes}/_search?scroll={_KEEP_ALIVE_MS}ms&size={_PAGE}&sort={self.sort}:asc",
            {"query": {"bool": {"must": conditions}}},
        )

    def fault(self, source: Mapping[str, Any], session_id: str) -> str:
        """Return why the reader cannot show this record; nothing where it can."""
        message = source.get("message")
        if not isinstance(message, str):
            return "message is not a text"
        for field in self.times:
            if not _RFC3339_UTC.fullmatch(str(source.get(field))):
                return f"{field} is not a string in RFC 3339"
        if self.pattern is not None:
            found = self.pattern.search(message)
            return (
                ""
                if found and found[1] == session_id
                else f"message does not contain {self.tag} and the session's id"
            )
        return "" if source.get("level") in REPLAY_LEVELS else "the panel does not show this level"


READERS: Final = (
    ReplayReader("OpenReplay 1.21 on", "openReplaySession.id=", None, None, ("@timestamp",)),
    ReplayReader(
        "OpenReplay 1.5 - 1.20",
        "openReplaySessionToken=",
        re.compile(r"(?i)openReplaySessionToken=([0-9a-zA-Z\.]+)"),
        "utc_time",
        ("utc_time",),
    ),
    ReplayReader(
        "Asayer",
        "asayer_session_id=",
        re.compile(r"(?i)asayer_session_id=([0-9]+)"),
        "timestamp",
        ("utc_time", "timestamp"),
    ),
)

FORM: Final = ReaderSearch(f"/{READERS_ALIAS}/_search?track_total_hits=true", {"size": 1})
"""The search of OpenReplay's form that adds the integration, from 1.21 on: it needs a hit."""


_TEXT: Final = (
    "otel-asayer doctor looks whether this record is found. It belongs to no replay, and can be "
    "deleted"
)
_REPAIR: Final = (
    "`otel-asayer setup`, with a user that may manage index templates, repairs templates and "
    "indices"
)
_ORDER: Final = (
    f"{_REPAIR}: the index of the next day is in order, unless this Elasticsearch refuses one of "
    "the settings for that"
)
_DELETED: Final = (200, 404)


class Record(NamedTuple):
    """The record: its operation, and what finds it."""

    session_id: str
    document_id: str
    operation: Operation
    at_ms: int = EPOCH_MS

    @classmethod
    def new(cls, config: Config, today: datetime) -> Record:
        """Return a record with its own id and session, for the index of `today`.

        It is encoded as the exporter encodes.
        """
        session_id, document_id = (
            str(secrets.randbelow(2**24 - 1) + 1),
            f"otel-asayer-doctor-{secrets.token_hex(10)}",
        )
        encoder = Encoder(
            Config(dataset=config.dataset, namespace=config.namespace, replay_level="debug"),
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


def check_write(server: ExaminedServer, record: Record) -> Iterator[CheckResult]:
    """Send the record as the exporter does."""
    findings = write(server.client, server.config, [record.operation], timeout=server.seconds)
    for finding in findings:
        yield problem(
            f"Elasticsearch does not accept a replay record in {server.replay_indices}: {finding}",
            finding.advice,
        )
    if not findings:
        yield ok(f"one is written to {server.replay_indices}")


def check_alias(server: ExaminedServer) -> Iterator[CheckResult]:
    """Check that `logs` leads to our records, is not empty, and points to no data stream."""
    resolved = server.reader.expect(
        "GET", ALIAS, doing=f"to look at {READERS_ALIAS}", or_nothing=True
    )
    aliased = [index for alias in resolved.get("aliases", ()) for index in alias["indices"]]
    days = fnmatch.filter(aliased, server.replay_indices)
    if sentence := _former(server) or str(alias_conflict(resolved) or ""):
        detail, _, remedy = sentence.partition(": ")
        yield problem(detail, remedy)
    elif not days:
        yield _without_alias(
            server, "does not lead to" if resolved else "does not exist, and so does not lead to"
        )
    elif total := _number_in_alias(server):
        others = ", ".join(index for index in aliased if day_of_index(index) is None)
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


def _former(server: ExaminedServer) -> str:
    """What is wrong with data streams of an earlier version; nothing where there are none."""
    former = legacy_streams(
        server.reader.expect(
            "GET", REPLAY_INDICES, doing="to look for asayer-logs-*", or_nothing=True
        )
    )
    return legacy_streams_sentence(former) if former else ""


def _without_alias(server: ExaminedServer, what: str) -> CheckResult:
    indices = server.replay_indices
    if not server.reader.expect(
        "GET", f"/_resolve/index/{indices}", doing=f"to look at {indices}", or_nothing=True
    ).get("indices"):
        return skipped(f"no index {indices}, which brings it, exists yet")
    return problem(
        f"The alias {READERS_ALIAS!r} {what} {indices}: OpenReplay shows nothing", _REPAIR
    )


def _number_in_alias(server: ExaminedServer) -> int:
    answer = server.reader.expect(
        "POST", FORM.target, FORM.body, doing=f"to search {READERS_ALIAS}"
    )
    return _total(answer)


def _total(answer: Mapping[str, Any]) -> int:
    return int(answer["hits"]["total"]["value"])


def check_mapping(server: ExaminedServer) -> Iterator[CheckResult]:
    """Check that the newest index lets readers search `message`, and get rows in order of time."""
    properties = ",".join(
        f"*.mappings.properties.{name}" for name in ("message", "utc_time", "@timestamp")
    )
    settings = ",".join(
        f"*.settings.index.{name}"
        for name in ("sort", "merge", "refresh_interval", "creation_date")
    )
    stream = server.replay_indices
    indices = server.reader.expect(
        "GET",
        f"/{stream}?filter_path={properties},{settings}",
        doing=f"to see the mapping of {stream}",
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
        yield warning(f"{stream} is not sorted by time, and {OUT_OF_ORDER}", _ORDER)
    else:
        before = (
            ""
            if all(map(_is_searchable, older))
            else "; readers do not find records of some earlier days"
        )
        yield ok(f"message is text; rows come in order of time{before}")


def _created_ms(index: Mapping[str, Any]) -> int:
    return int(index.get("settings", {}).get("index", {}).get("creation_date", 0))


def _is_searchable(index: Mapping[str, Any]) -> bool:
    return bool(_properties(index).get("message", {}).get("type") == "text")


def _properties(index: Mapping[str, Any]) -> Mapping[str, Any]:
    properties: Mapping[str, Any] = index.get("mappings", {}).get("properties", {})
    return properties


def _shows_in_order(index: Mapping[str, Any]) -> bool:
    """Whether hits come in order of time without a sort.

    They do where scores are equal, segments stay in order, and each segment is sorted.
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


def check_reader(
    server: ExaminedServer, record: Record, reader: ReplayReader
) -> Iterator[CheckResult]:
    """Check that one generation finds the record, and can show it."""
    request = reader.request(record.session_id, record.at_ms, server.replay_indices)
    answer = server.reader.expect(
        "POST", request.target, request.body, doing=f"to search {request.target.split('/')[1]}"
    )
    if "_scroll_id" in answer:
        server.reader.ask("DELETE", "/_search/scroll", {"scroll_id": answer["_scroll_id"]})
    source = next(
        (hit["_source"] for hit in answer["hits"]["hits"] if hit["_id"] == record.document_id), None
    )
    if source is None:
        yield problem(
            "It does not find the record that was just written",
            "See the results for the alias and the mapping",
        )
    elif fault := reader.fault(source, record.session_id):
        yield problem(
            f"It finds the record, but cannot show it: {fault}",
            "Check whether an ingest pipeline changes replay records",
        )
    else:
        yield ok("finds the record")


def check_removal(server: ExaminedServer, record: Record) -> Iterator[CheckResult]:
    """Delete the record where the key may, unless OpenReplay's form then found an empty alias."""
    stays = (
        f"one line of test data stays in {server.replay_indices}, in session {record.session_id}, "
        "which no replay has"
    )
    index = _index_of(server, record)
    if not index:
        yield ok(f"{stays}: these keys may not look for it")
    elif _is_alone(server):
        yield ok(f"{stays}: it is the first record, and OpenReplay's form asks for one")
    elif _delete(server, index, record.document_id):
        yield ok("the record is deleted again")
    else:
        yield ok(f"{stays}: the exporter's key may not delete, and need not")


def _is_alone(server: ExaminedServer) -> bool:
    answer = server.reader.ask("POST", FORM.target, FORM.body)
    return answer.good and _total(answer.content) <= 1


def _index_of(server: ExaminedServer, record: Record) -> str:
    """The index of the record, which deleting needs; nothing where the key may not see it."""
    answer = server.reader.ask(
        "POST",
        f"/{server.replay_indices}/_search",
        {"query": {"ids": {"values": [record.document_id]}}},
    )
    hits = answer.content.get("hits", {}).get("hits", ()) if answer.good else ()
    return str(hits[0]["_index"]) if hits else ""


def _delete(server: ExaminedServer, index: str, document_id: str) -> bool:
    body = orjson.dumps({"delete": {"_index": index, "_id": document_id}}) + b"\n"
    answer = server.writer.expect("POST", "/_bulk?refresh=true", body, doing="to delete a record")
    return all(item["delete"]["status"] in _DELETED for item in answer["items"])
