"""What a spool holds, at one look."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from otel_asayer.spool.names import Entry
from otel_asayer.spool.space import sizes

if TYPE_CHECKING:
    from otel_asayer.spool.directory import Folder

__all__ = ["Contents", "SpoolStatus", "contents_of"]


class SpoolStatus(NamedTuple):
    """What a spool holds. Bytes are what files take on the disk, in whole blocks.

    What this process evicted is lost; it is the only number that starts anew with the process.
    """

    files: int
    """Bodies that wait or are leased."""

    documents: int
    bytes: int
    oldest_seconds: float | None
    """Seconds since the oldest body was first written, or None without one."""

    leased_files: int
    rejected_files: int
    rejected_documents: int
    rejected_bytes: int
    damaged_files: int
    evicted_documents: int
    evicted_rejected_documents: int


class Contents(NamedTuple):
    """What one folder holds."""

    files: int = 0
    documents: int = 0
    bytes: int = 0
    oldest_ns: int | None = None
    leased: int = 0

    def with_body(self, body: Entry) -> Contents:
        """Count one body more; its bytes are counted already."""
        return self._replace(
            files=self.files + 1,
            documents=self.documents + body.documents,
            oldest_ns=body.written_ns
            if self.oldest_ns is None
            else min(self.oldest_ns, body.written_ns),
            leased=self.leased + (body.holder is not None),
        )


def contents_of(folder: Folder) -> Contents:
    """Count the bodies in `folder`, and the bytes of all its files."""
    contents = Contents()
    for file, size in sizes(folder):
        contents = contents._replace(bytes=contents.bytes + size)
        if isinstance(file, Entry) and file.is_body:
            contents = contents.with_body(file)
    return contents
