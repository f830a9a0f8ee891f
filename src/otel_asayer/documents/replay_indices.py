"""Where replay records go: a plain index a day, `asayer-logs-<namespace>-<yyyy.MM.dd>`, the day of
the record's own time in UTC.

- No data stream, for Elasticsearch lists the newest segment of one first, and OpenReplay's panel
  needs the oldest row first (ADR 8).
- Outside of `logs-*`, for Elasticsearch's built-in template of that pattern would take the index
  from ours.
- The index follows from the record, so what is sent twice, whenever, meets itself.
- Each operation names the ingest pipeline `asayer-replay`, which does nothing and is put after the
  index template: while it is missing, Elasticsearch refuses the record, and creates no index of
  guessed mappings.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from otel_asayer.documents.operations import action_of, source_of
from otel_asayer.documents.values import json_line, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_asayer.documents.operations import Operation

__all__ = ["REPLAY_PIPELINE", "ReplayIndices", "day_of", "day_of_index", "moved_to_its_day"]

REPLAY_PIPELINE: Final = "asayer-replay"

_PREFIX: Final = "asayer-logs-"
_NAME: Final = re.compile(_PREFIX + r".+-([0-9]{4}\.[0-9]{2}\.[0-9]{2})")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T")
_OLD_HEAD: Final = b'{"create":{"_index":"asayer-logs-'
_MARK: Final = b'"pipeline":'


class ReplayIndices(NamedTuple):
    """The indices of one namespace, prepared for their documents."""

    head: str
    """The first line of an operation, up to the day."""

    @classmethod
    def of(cls, namespace: str) -> ReplayIndices:
        """Return those of `namespace`."""
        return cls(f'{{"create":{{"_index":{text_of([_PREFIX + namespace])[1:-2]}-')

    def operation(self, document_id: str, document: Mapping[str, Any], day: str) -> Operation:
        """Return the two lines of a bulk request that create `document`.

        Args:
            document_id: needs no escaping in JSON.
            document: the replay record.
            day: what `day_of` returns for its time.
        """
        # The request as a whole asks for data streams, and perhaps for a pipeline of the user's:
        # neither is meant for replay records.
        action = f'{self.head}{day}","pipeline":"{REPLAY_PIPELINE}","require_data_stream":false,"_id":"{document_id}"}}}}\n'
        # A call of `Operation` would cost 1 % of a span's encoding.
        return action.encode() + json_line(document)  # type: ignore[return-value]


def day_of(time: str) -> str:
    """Return the day of a time in RFC 3339, UTC, as the name of an index has it.

    >>> day_of("2026-11-24T16:03:56.662Z")
    '2026.11.24'
    """
    return f"{time[:4]}.{time[5:7]}.{time[8:10]}"


def day_of_index(name: str) -> str | None:
    """Return the day that an index of replay records is for, or None of an index or data stream that is none."""
    found = _NAME.fullmatch(name)
    return found[1] if found else None


def moved_to_its_day(operation: Operation) -> Operation:
    """Return an operation from a spool; a replay record that an earlier version meant for a data stream goes to the index of its day."""
    if not operation.startswith(_OLD_HEAD):
        return operation
    action = action_of(operation)
    if _MARK in action:
        return operation
    try:
        create, document = orjson.loads(action)["create"], orjson.loads(source_of(operation))
        namespace, document_id, time = (
            create["_index"].removeprefix(_PREFIX),
            create["_id"],
            document["@timestamp"],
        )
    except (
        orjson.JSONDecodeError,
        KeyError,
        TypeError,
    ):  # no record of ours: Elasticsearch says what is wrong with it
        return operation
    return (
        ReplayIndices.of(namespace).operation(document_id, document, day_of(time))
        if _DATE.match(str(time))
        else operation
    )
