"""Operations: each is the two lines of a bulk request that create one document, in one `bytes`.

The first line is the *action* with its metadata (data stream or index, `_id`), the second one the
*source*, the document itself; both are JSON objects and end with a newline.
https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk

An operation is encoded once, and sent, written to the disk and read back as it is. A class of its
own would cost 5 % of a span's encoding, so `Operation` exists for type checkers only. Whatever
looks into an operation, or changes one, does so here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NewType

import orjson

from otel_asayer.documents.values import json_line

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Metadata",
    "Operation",
    "action_of",
    "is_our_action",
    "mentions",
    "metadata_of",
    "source_of",
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
# The `_id` of an exception's replay record (`replay_records`).
_SHARED_ID: Final = re.compile(r"[0-9a-f]{32}-[0-9a-f]{32}r")
# What the `_id` of every replay record ends with. That of a span or a span event is hexadecimal,
# and that of a log record may end with it by chance, which harms nothing.
_REPLAY: Final = "r"


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


def with_new_id(operation: Operation, new_id: str) -> Operation | None:
    """Return `operation` with another `_id`, or None where it is meant to share its own.

    An `_id` is made of trace and span id. An application that seeds `random` makes the SDK draw
    the same ids again, and then two spans have one `_id`: the second is another document, and gets
    an `_id` of its own. But each span that an exception passes through writes the same replay
    record, whose `_id` is made of trace, type and message, and the first of them is enough.
    """
    parsed: dict[str, dict[str, Any]] = orjson.loads(action_of(operation))
    (action,) = parsed.values()
    old_id = str(action["_id"])
    if _SHARED_ID.fullmatch(old_id):
        return None
    action["_id"] = new_id + _REPLAY if old_id.endswith(_REPLAY) else new_id
    return Operation(orjson.dumps(parsed) + b"\n" + source_of(operation))


def is_our_action(line: bytes) -> bool:
    """Whether a line, with its newline, is an action that this program writes, byte for byte."""
    return _ACTION.fullmatch(line) is not None
