"""A body that one process leases, so that no other delivers it; and getting stale leases back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from otel_asayer.elasticsearch.compression import gzip_of
from otel_asayer.spool.bodies import Damage, DamagedBodyError, read_body
from otel_asayer.spool.names import (
    DAMAGED,
    REJECTED,
    SpoolFile,
    SpoolFolders,
    new_body,
    parse,
    temporary_name,
)
from otel_asayer.spool.space import evict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_asayer.documents import Operation
    from otel_asayer.spool.directory import Folder

__all__ = ["Lease", "Recovered", "recover"]


class Lease:
    """A body leased by this process.

    It ends with `done`, `release`, `to_the_end` or `replace`. After that, or once it was lost,
    each of them does nothing.

    A lease is lost when it was not renewed for so long that another process took its owner for
    dead. Then both deliver the body, which the documents' ids make harmless.
    """

    def __init__(
        self, folders: SpoolFolders, file: SpoolFile, on_return: Callable[[], None]
    ) -> None:
        self._folders = folders
        self.file = file
        """What its name says: when the body was first written, and how many documents it holds."""
        self._on_return = on_return
        self._readable: list[Operation] = []
        self.damage: Damage | None = None
        """What `operations` could not read; None before it was called."""

    def operations(self) -> list[Operation]:
        """Return the operations of the body; of a damaged one, those that can be read.

        A damaged body sets `damage`; end the lease as usual. Then `done` moves the body to
        `damaged/`, and `release` gives back only what can be read. So damage is met, and counted,
        once.

        Raises:
            SpoolError: the process has no file descriptor or memory left; the body is fine.
        """
        with self._folders.find() as folder:
            if folder is None:
                return []
            operations, error = read_body(folder, self.file.name)
            if operations and error is None and len(operations) < self.file.documents:
                error = DamagedBodyError(
                    f"it holds {len(operations)} of {self.file.documents} documents"
                )
            if error:
                lost = max(self.file.documents - len(operations), error.foreign_lines)
                self.damage = Damage(lost, f"{folder.path / self.file.body} is damaged: {error}")
                self._readable = operations
        return operations

    def renew(self) -> bool:
        """Say that the owner is alive and at work; False when the lease was lost or has ended."""
        with self._folders.find() as folder:
            return folder is not None and folder.touch(self.file.name, self._folders.clock())

    def done(self) -> None:
        """Remove the body: all of it is delivered, or counted as lost.

        Raises:
            SpoolError: it could not be removed, and will be delivered once more.
        """
        self.replace(())

    def release(self) -> None:
        """Give the body back, in its old place by age.

        Raises:
            SpoolError: it could not be given back; recovery does so once the lease is stale.
        """
        if self.damage:
            self.replace(self._readable)
            return
        self._rename(self.file.body)
        self._on_return()

    def to_the_end(self) -> None:
        """Give the body back whole, behind all others: it waits for something else than they do.

        Raises:
            SpoolError: it could not be given back; recovery does so once the lease is stale.
        """
        self._rename(new_body(self._folders.clock(), self.file.documents))

    def replace(self, operations: Sequence[Operation]) -> None:
        """Leave only these operations, in the body's old place by age: the rest is delivered.

        Without any, the body goes. They are written before it is removed: a crash between the two
        leaves some documents twice, and loses none.

        Raises:
            SpoolError: they could not be written; the lease goes on, and holds the whole body.
        """
        with self._folders.find() as folder:
            if folder is None:
                return
            # The process that took a lost lease has the whole body.
            if operations and folder.status(self.file.name):
                rest = new_body(self.file.written_ns, len(operations))
                folder.write(rest, temporary_name(rest), gzip_of(operations))
            self._remove(folder)
        if operations:
            self._on_return()

    def _rename(self, name: str) -> None:
        with self._folders.find() as folder:
            if folder:
                folder.rename(self.file.name, name)

    def _remove(self, folder: Folder) -> None:
        if self.damage is None:
            folder.remove(self.file.name)
            return
        with folder.make(DAMAGED) as damaged:
            if folder.rename(self.file.name, self.file.body, to=damaged):
                limit = self._folders.side_bytes
                evict(damaged, limit=limit, goal=limit)


class Recovered(NamedTuple):
    """What a crash had left behind."""

    bodies: int
    """Leased bodies that were given back."""

    temporary_files: int
    """Half-written files that were removed; nobody was ever told that they were written."""


def recover(folders: SpoolFolders, stale_ns: int) -> Recovered:
    """Give back the bodies that nobody works on, and remove files that nobody will finish.

    A lease is stale when its owner is gone, or did not renew it for `stale_ns`: an owner on another
    host cannot be asked, and one that hangs would keep the body forever. A temporary file costs
    little and may be the last words of a process, so it goes only when it is that old *and* its
    writer is not known to run.

    Raises:
        SpoolError: the folder cannot be used.
    """
    given_back = removed = 0
    now_ns = folders.clock()
    for side in ("", REJECTED):
        with folders.find(side) as folder:
            for name in list(folder.scan()) if folder else ():
                file = parse(name)
                status = folder.status(name) if folder and file else None
                # Without a status: another process was faster.
                if not (folder and file and file.owner and status):
                    continue
                # A time far ahead of ours is as old: some clock was set back since.
                is_old = abs(now_ns - status.st_mtime_ns) > stale_ns
                if file.is_temporary:
                    removed += is_old and not file.owner.is_alive and folder.remove(name)
                elif is_old or file.owner.is_alive is False:
                    given_back += folder.rename(name, file.body)
    return Recovered(given_back, removed)
