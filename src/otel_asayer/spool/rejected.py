"""`rejected/`: what was refused for good, with the reasons, for a human to look at.

Nothing in the program reads it again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from otel_asayer.documents import action_of
from otel_asayer.elasticsearch.compression import gzip_of
from otel_asayer.spool.directory import SpoolError
from otel_asayer.spool.names import new_body, reasons_name, temporary_name
from otel_asayer.spool.space import Written, evict, footprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_asayer.documents import Operation
    from otel_asayer.spool.directory import Folder

__all__ = ["reject"]


def reject(
    folder: Folder, rejected: Sequence[tuple[Operation, str]], *, max_bytes: int, now_ns: int
) -> Written:
    """Write operations as a body like any other, and beside it one line per operation with its
    reason.

    Raises:
        SpoolError: they could not be written, or take more than `max_bytes`.
    """
    body = new_body(now_ns, len(rejected))
    operations = gzip_of([operation for operation, _ in rejected])
    reasons = b"".join(_reason_line(operation, reason) for operation, reason in rejected)
    size = footprint(len(operations)) + footprint(len(reasons))
    if size > max_bytes:
        raise SpoolError(
            f"The spool cannot keep {size} bytes of rejected documents: {folder.path} may take "
            f"{max_bytes}. Raise the spool's cap."
        )
    evicted = evict(folder, limit=max_bytes - size, goal=max_bytes - size)
    # The reasons first: whoever sees a body can read why it is there.
    folder.write(reasons_name(body), temporary_name(reasons_name(body)), reasons)
    try:
        folder.write(body, temporary_name(body), operations)
    except SpoolError:
        folder.remove(reasons_name(body))
        raise
    return Written(len(rejected), size, evicted.documents)


def _reason_line(operation: Operation, reason: str) -> bytes:
    return b'{"operation":%b,"reason":%b}\n' % (
        action_of(operation),
        json.dumps(reason).encode(),
    )
