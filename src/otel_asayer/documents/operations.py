"""Operations, and the data streams and indices in which they create documents.

An operation is the two lines of a bulk request that create one document, in one `bytes`.

The first line is the *action* with its metadata (data stream or index, `_id`), the second one the
*source*, the document itself; both are JSON objects and end with a newline.
https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk

An operation is encoded once, and sent, written to the disk and read back as it is. A class of its
own would cost 5 % of a span's encoding, so `Operation` exists for type checkers only. Whatever
looks into an operation, or changes one, does so here.

A data stream's name is `<type>-<dataset>-<namespace>`. What attributes ask for is made valid as the
OpenTelemetry Collector does it, so that a Collector put in between later writes to the same
streams: lower case, forbidden characters as `_`, at most 100 bytes each, `.otel` at the end of the
dataset. What cannot be made valid is not used.

Replay records go to `asayer-logs-<namespace>-<yyyy.MM.dd>`, by the day of the record in UTC:

- Not to a data stream: Elasticsearch lists the newest segment of one first, and OpenReplay's panel
  needs the oldest row first (ADR 8).
- Not to `logs-*`: Elasticsearch's built-in template of that pattern would take the index from ours.
- The index follows from the record, so a record that is sent twice is found by its `_id`.
- Each operation names the ingest pipeline `asayer-replay`, which does nothing and is created after
  the index template. While it is missing, Elasticsearch refuses the record, and does not create an
  index with guessed mappings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NewType

import orjson

from otel_asayer.documents.values import json_fragment, json_line, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orjson import Fragment

__all__ = [
    "REPLAY_PIPELINE",
    "DataStreams",
    "Metadata",
    "Operation",
    "ReplayIndices",
    "Stream",
    "Streams",
    "action_of",
    "dataset_of",
    "day_of",
    "day_of_index",
    "is_our_action",
    "mentions",
    "metadata_of",
    "moved_to_its_day",
    "namespace_of",
    "source_of",
    "streams_of",
    "with_new_id",
    "with_source",
]

Operation = NewType("Operation", bytes)
"""The two lines of one document in a bulk request, with both newlines."""

# What this program writes, in its only form: in another one, JSON lets a name stand twice, and
# readers disagree which counts.
_ACTION: Final = re.compile(
    rb'\{"create":\{"_index":"(?:'
    rb'(?:traces|logs)-[^-"\\/*?<>|,#: ]+-[^"\\/*?<>|,#: ]+"|'
    rb'asayer-logs-[^"\\/*?<>|,#: '
    rb']+"(?:,"pipeline":"asayer-replay")?(?:,"require_data_stream":(?:true|false))?'
    rb'),"_id":"[^"\\\x00-\x1f]+"\}\}\n'
)
# What the `_id` of every replay record ends with. That of a span or a span event is hexadecimal,
# and that of a log record may end with it by chance, which harms nothing.
_REPLAY: Final = "r"

REPLAY_PIPELINE: Final = "asayer-replay"

_MAX_BYTES: Final = 100
_OTEL: Final = ".otel"
_IN_NAMESPACE: Final = str.maketrans(dict.fromkeys('\\/*?"<>| ,#:', "_"))
_IN_DATASET: Final = str.maketrans(dict.fromkeys('-\\/*?"<>| ,#:', "_"))
_REPLAY_PREFIX: Final = "asayer-logs-"
_REPLAY_INDEX: Final = re.compile(_REPLAY_PREFIX + r".+-([0-9]{4}\.[0-9]{2}\.[0-9]{2})")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T")
_REPLAY_ACTION: Final = b'{"create":{"_index":"asayer-logs-'
_PIPELINE: Final = b'"pipeline":'


@dataclass(frozen=True, slots=True)
class Metadata:
    """Where an operation creates its document.

    Attributes:
        index: The data stream, or the index of a replay record.
        id: The document's `_id`.
    """

    index: str
    id: str

    @property
    def stream_type(self) -> str:
        """The type of the data stream: `traces` or `logs`; `asayer` for a replay record's index."""
        return self.index.partition("-")[0]

    @property
    def of_record(self) -> str | None:
        """The `_id` of the document that a replay record goes with; None for other documents.

        The record of an exception goes with several, and has no such `_id`.
        """
        return self.id.removesuffix(_REPLAY) if self.index.startswith(_REPLAY_PREFIX) else None


def action_of(operation: Operation) -> bytes:
    """Return the first line, without its newline."""
    return operation.partition(b"\n")[0]


def source_of(operation: Operation) -> bytes:
    """Return the document, with the newline at its end."""
    return operation.partition(b"\n")[2]


def metadata_of(operation: Operation) -> Metadata:
    """Return where an operation creates its document; its action must be one of ours."""
    action = orjson.loads(action_of(operation))["create"]
    return Metadata(action["_index"], action["_id"])


def mentions(operation: Operation, text: bytes) -> bool:
    """Whether `text` stands in one of the two lines."""
    return operation.find(text) >= 0


def with_source(operation: Operation, document: Mapping[str, Any]) -> Operation:
    """Return an operation that creates `document` under the same `_id` in the same place."""
    return Operation(action_of(operation) + b"\n" + json_line(document))


def with_new_id(operation: Operation, new_id: str) -> Operation:
    """Return `operation` with another `_id`.

    An `_id` is made of trace and span id. An application that seeds `random` makes the SDK draw
    the same ids again, and then two spans have one `_id`: the second is another document, and gets
    an `_id` of its own, as its replay record does.
    """
    parsed: dict[str, dict[str, Any]] = orjson.loads(action_of(operation))
    (action,) = parsed.values()
    old_id = str(action["_id"])
    action["_id"] = new_id + _REPLAY if old_id.endswith(_REPLAY) else new_id
    return Operation(orjson.dumps(parsed) + b"\n" + source_of(operation))


def is_our_action(line: bytes) -> bool:
    """Whether a line, with its newline, is an action that this program writes, byte for byte."""
    return _ACTION.fullmatch(line) is not None


class Stream(NamedTuple):
    """A data stream, prepared for its documents.

    Attributes:
        head: The first line of an operation, up to the id of the document.
        data_stream: The field `data_stream`.
    """

    head: str
    data_stream: Fragment

    def operation(self, document_id: str, document: Mapping[str, Any]) -> Operation:
        """Return the operation that creates `document`; the id needs no escaping in JSON."""
        # A call of `Operation` would cost 1 % of a span's encoding.
        return f'{self.head}{document_id}"}}}}\n'.encode() + json_line(document)  # type: ignore[return-value]


class ReplayIndices(NamedTuple):
    """The indices of replay records in one namespace, prepared for their documents.

    Attributes:
        head: The first line of an operation, up to the day.
    """

    head: str

    @classmethod
    def of(cls, namespace: str) -> ReplayIndices:
        """Return the indices of `namespace`."""
        return cls(f'{{"create":{{"_index":{text_of([_REPLAY_PREFIX + namespace])[1:-2]}-')

    def operation(self, document_id: str, document: Mapping[str, Any], day: str) -> Operation:
        """Return the operation that creates `document`.

        Args:
            document_id: needs no escaping in JSON.
            document: the replay record.
            day: the day of its time, from `day_of`.
        """
        # The bulk request asks for data streams, and perhaps for a pipeline of the user's: this
        # operation overrides both.
        action = (
            f'{self.head}{day}","pipeline":"{REPLAY_PIPELINE}","require_data_stream":false,'
            f'"_id":"{document_id}"}}}}\n'
        )
        # A call of `Operation` would cost 1 % of a span's encoding.
        return action.encode() + json_line(document)  # type: ignore[return-value]


class Streams(NamedTuple):
    """Where the documents of one dataset and namespace go."""

    dataset: str
    namespace: str
    traces: Stream
    logs: Stream
    replay: ReplayIndices


class DataStreams:
    """The data streams that one process writes to, in a bounded number.

    Attributes choose them, and callers may choose attributes. Beyond the bound, documents go to the
    configured streams. Safe for threads, each of which may exceed the bound by one.
    """

    def __init__(self, dataset: str, namespace: str, most: int) -> None:
        """Start with the configured pair; `most` pairs of dataset and namespace are allowed."""
        self._most = most
        self.default = streams_of(dataset_of(None, dataset), namespace)
        self._known = {(self.default.dataset, self.default.namespace): self.default}
        self._diverted: list[None] = []

    def of(self, dataset: str, namespace: str) -> Streams:
        """Return the streams of `dataset` (with `.otel`) and `namespace`.

        Beyond the bound, return the configured ones.
        """
        key = dataset, namespace
        streams = self._known.get(key)
        if streams is None:
            if len(self._known) >= self._most:
                self._diverted.append(None)
                return self.default
            streams = self._known[key] = streams_of(*key)
        return streams

    def take_diverted(self) -> int:
        """Return how many documents went to the configured streams instead, since the last call."""
        number = len(self._diverted)
        del self._diverted[:number]
        return number


def streams_of(dataset: str, namespace: str) -> Streams:
    """Return the streams and indices of `dataset` (with `.otel`) and `namespace`."""
    return Streams(
        dataset,
        namespace,
        _stream("traces", dataset, namespace),
        _stream("logs", dataset, namespace),
        ReplayIndices.of(namespace),
    )


def _stream(kind: str, dataset: str, namespace: str) -> Stream:
    index = text_of([f"{kind}-{dataset}-{namespace}"])[1:-1]
    return Stream(
        f'{{"create":{{"_index":{index},"_id":"',
        json_fragment({"type": kind, "dataset": dataset, "namespace": namespace}),
    )


def dataset_of(attribute: object, default: str) -> str:
    """Return the dataset that `attribute` asks for, with `.otel`; else `default`."""
    asked = _sanitized(attribute, _IN_DATASET).removesuffix(_OTEL)
    return (_cut(asked, _MAX_BYTES - len(_OTEL)) or default.removesuffix(_OTEL)) + _OTEL


def namespace_of(attribute: object, default: str) -> str:
    """Return the namespace that `attribute` asks for, else `default`."""
    return _cut(_sanitized(attribute, _IN_NAMESPACE), _MAX_BYTES) or default


def _sanitized(attribute: object, table: Mapping[int, str]) -> str:
    return (
        attribute.lower().translate(table)
        if isinstance(attribute, str) and attribute.isprintable()
        else ""
    )


def _cut(text: str, length: int) -> str:
    return text.encode()[:length].decode(errors="ignore")


def day_of(time: str) -> str:
    """Return the day of a time in RFC 3339, UTC, as in an index's name.

    >>> day_of("2026-11-24T16:03:56.662Z")
    '2026.11.24'
    """
    return time[:10].replace("-", ".")


def day_of_index(name: str) -> str | None:
    """Return the day of an index of replay records; None for any other index or data stream."""
    found = _REPLAY_INDEX.fullmatch(name)
    return found[1] if found else None


def moved_to_its_day(operation: Operation) -> Operation:
    """Return an operation from a spool, sent to the index of its day.

    Earlier versions wrote replay records to a data stream; all other operations stay as they are.
    """
    if not operation.startswith(_REPLAY_ACTION):
        return operation
    action = action_of(operation)
    if _PIPELINE in action:
        return operation
    try:
        create, document = orjson.loads(action)["create"], orjson.loads(source_of(operation))
        namespace, document_id, time = (
            create["_index"].removeprefix(_REPLAY_PREFIX),
            create["_id"],
            document["@timestamp"],
        )
    # Not a record of ours: Elasticsearch says what is wrong with it.
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return operation
    return (
        ReplayIndices.of(namespace).operation(document_id, document, day_of(time))
        if _DATE.match(str(time))
        else operation
    )
