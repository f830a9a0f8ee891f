"""A body that one process holds, so that no other delivers it meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_asayer.elasticsearch.compression import gzip_of
from otel_asayer.spool.bodies import Damage, DamagedBodyError, foreign_lines, open_body, salvage
from otel_asayer.spool.names import new_body, temporary_name
from otel_asayer.spool.place import DAMAGED
from otel_asayer.spool.space import evict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_asayer.documents import Operation
    from otel_asayer.spool.directory import Folder
    from otel_asayer.spool.names import Entry
    from otel_asayer.spool.place import Place

__all__ = ["Lease"]


class Lease:
    """A body held by this process. It ends with `done`, `release`, `to_the_end` or `replace`; after
    that, and when it was lost, each does nothing.

    A lease is lost when it was not renewed for so long that another process took its holder for
    dead. Then that process delivers the body as well, which the documents' own ids make harmless.
    """

    def __init__(self, place: Place, entry: Entry, on_return: Callable[[], None]) -> None:
        self._place = place
        self._entry = entry
        self._on_return = on_return
        self._salvaged: list[Operation] = []
        self.damage: Damage | None = None
        """What `operations` could not read; None before it was called."""

    @property
    def documents(self) -> int:
        """Documents in the body, as its name counts them."""
        return self._entry.documents

    @property
    def written_ns(self) -> int:
        """When the body was first written, nanoseconds since 1970."""
        return self._entry.written_ns

    def operations(self) -> list[Operation]:
        """Return the operations of the body; of a damaged one those that can be read, and then
        `damage` is set.

        The lease is ended as if nothing had happened: instead of being removed, a damaged body goes
        to `damaged/`, and if it is released, only what can be read of it comes back. So it is met,
        and counted, once.

        Raises:
            SpoolError: the process has no file descriptor or memory left; the body is fine.
        """
        with self._place.find() as folder:
            if folder is None:
                return []
            try:
                operations, complaint = self._read(folder)
            except DamagedBodyError as error:
                operations, complaint = [], str(error)
            if complaint:
                lost = max(self.documents - len(operations), foreign_lines(complaint))
                self.damage = Damage(
                    lost, f"{folder.path / self._entry.body} is damaged: {complaint}"
                )
                self._salvaged = operations
        return operations

    def renew(self) -> bool:
        """Say that the holder is alive and at work; False when the lease was lost or has ended."""
        with self._place.find() as folder:
            return folder is not None and folder.touch(self._entry.name, self._place.clock())

    def done(self) -> None:
        """Remove the body: all of it is delivered, or counted as lost.

        Raises:
            SpoolError: it could not be removed, and will be delivered once more.
        """
        with self._place.find() as folder:
            if folder:
                self._remove(folder)

    def release(self) -> None:
        """Give the body back, in its old place by age.

        Raises:
            SpoolError: it could not be given back; it is once the lease is stale.
        """
        if self.damage:
            self.replace(self._salvaged)
            return
        with self._place.find() as folder:
            if folder:
                folder.rename(self._entry.name, self._entry.body)
        self._on_return()

    def to_the_end(self) -> None:
        """Give the body back, whole, behind all others: it waits for something else than they do.

        Raises:
            SpoolError: it could not be given back; it is once the lease is stale.
        """
        with self._place.find() as folder:
            if folder:
                folder.rename(self._entry.name, new_body(self._place.clock(), self.documents))

    def replace(self, operations: Sequence[Operation]) -> None:
        """Leave only these operations, in the body's old place by age: the rest is delivered.

        First they are written, then the old body is removed: a crash between the two leaves some
        documents twice, and loses none.

        Raises:
            SpoolError: they could not be written; the lease goes on, and holds the whole body.
        """
        with self._place.find() as folder:
            if folder is None:
                return
            # Whoever took a lost lease has the whole body.
            if operations and folder.size(self._entry.name) is not None:
                rest = new_body(self.written_ns, len(operations))
                folder.write(rest, temporary_name(rest), gzip_of(operations))
            self._remove(folder)
        self._on_return()

    def _read(self, folder: Folder) -> tuple[list[Operation], str]:
        file = open_body(folder, self._entry.name)
        if file is None:
            return [], ""
        with file:
            operations, complaint = salvage(file)
        if not complaint and len(operations) < self.documents:
            complaint = f"it holds {len(operations)} of {self.documents} documents"
        return operations, complaint

    def _remove(self, folder: Folder) -> None:
        if self.damage is None:
            folder.remove(self._entry.name)
            return
        with folder.make(DAMAGED) as damaged:
            if folder.rename(self._entry.name, self._entry.body, to=damaged):
                evict(damaged, limit=self._place.side_bytes, goal=self._place.side_bytes)
