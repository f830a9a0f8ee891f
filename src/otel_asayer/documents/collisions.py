"""Documents whose `_id` another one bears already, and those for which that is meant.

An `_id` is made of trace and span id. An application that seeds `random` makes the SDK draw the
same ids again, and then two spans have one `_id`: the second is another document, and gets an `_id`
of its own.

Meant is it for the replay record of an exception, which bears trace, type and message in its `_id`:
each span that the exception passes through writes one, and the first of them is enough.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

__all__ = ["with_new_id"]

_SHARED: Final = re.compile(r"[0-9a-f]{32}-[0-9a-f]{32}r")
"""The `_id` of an exception's replay record (`replay_records`)."""
_REPLAY: Final = "r"
"""What the `_id` of every replay record ends with. That of a span or a span event is hexadecimal,
and that of a log record may end with it by chance, which harms nothing."""


def with_new_id(operation: bytes, new_id: str) -> bytes | None:
    """Return `operation` with another `_id`, or None where it is meant to share its own."""
    header, line_break, line = operation.partition(b"\n")
    parsed: dict[str, dict[str, Any]] = orjson.loads(header)
    (action,) = parsed.values()
    old_id = str(action["_id"])
    if _SHARED.fullmatch(old_id):
        return None
    action["_id"] = new_id + _REPLAY if old_id.endswith(_REPLAY) else new_id
    return orjson.dumps(parsed) + line_break + line
