"""The spool: bodies that wait for delivery, in a folder that any number of processes share."""

from __future__ import annotations

import heapq
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_asayer.elasticsearch.compression import gzip_of
from otel_asayer.spool import bodies, erasing
from otel_asayer.spool.directory import Folder, SpoolError
from otel_asayer.spool.lease import Lease, Recovered, recover
from otel_asayer.spool.names import (
    DAMAGED,
    LOCAL,
    REJECTED,
    Destination,
    SpoolFile,
    SpoolFolders,
    leased_name,
    new_body,
    parse,
    spool_root,
    temporary_name,
)
from otel_asayer.spool.space import Contents, Room, SpoolStatus, Written, contents_of, footprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from otel_asayer.config import Config
    from otel_asayer.documents import Operation
    from otel_asayer.spool.erasing import Remains

__all__ = ["Spool", "configured_spool"]

_BACKLOG: Final = 1024
"""Names of waiting bodies kept in memory at once, however many there are."""
_JOINED_BYTES: Final = 64 * 1024
"""Compressed bytes up to which a body is joined with more.

A small one takes a whole block of the disk, and a request of its own.
"""

_JOINED_BYTES_READ: Final = 24 * 1024 * 1024
"""Bytes of a joined body, uncompressed: fewer than are read of a small file (`bodies`)."""


@dataclass
class _ProcessState:
    """What one process knows and counts."""

    room: Room
    since_ns: int
    """When the process first used this spool.

    Another process, of whatever pid, wrote what is older.
    """

    # Reentrant: a signal handler may write while its thread writes.
    lock: threading.RLock = field(default_factory=threading.RLock)
    backlog: list[SpoolFile] = field(default_factory=list)
    """Waiting bodies as they were last seen, the oldest at the end."""

    own_backlog: list[SpoolFile] = field(default_factory=list)
    """Those of them that this process wrote."""

    last: SpoolFile | None = None
    """The body that this process wrote last, if more may be joined to it."""

    evicted: int = 0
    evicted_reported: int = 0
    """Those of `evicted` that `newly_evicted` has returned."""

    evicted_rejected: int = 0


class Spool:
    """A durable folder of bodies for one destination, shared safely by threads and processes.

    Waiting and leased bodies take at most `max_bytes` on the disk. Beside them, `rejected/` and
    `damaged/` take at most an eighth of that each. Processes that write at the same time may exceed
    the cap by what they write between two looks (`space`).

    Nothing is read or made before the first call. No method needs another process to be well:
    `recover`, called at the start and now and then while draining, gives back what a dead process
    had leased.
    """

    def __init__(
        self,
        root: Path,
        destination: Destination = LOCAL,
        *,
        max_bytes: int,
        clock: Callable[[], int] = time.time_ns,
        stale_seconds: float = 600.0,
    ) -> None:
        """A spool in `root`.

        Args:
            root: the folder that holds all destinations' folders; made when first written to.
            destination: where the bodies are to go.
            max_bytes: the cap of what waits, in bytes on the disk.
            clock: nanoseconds since 1970.
            stale_seconds: a lease that was not renewed for so long is given back, whatever its
                owner does.
        """
        self._folders = SpoolFolders(root, destination, max_bytes, clock)
        self._stale_ns = int(stale_seconds * 1e9)
        self._by_process: dict[int, _ProcessState] = {}

    @classmethod
    def from_config(cls, config: Config, destination: Destination) -> Spool:
        """Return the spool of `destination` in the folder, and with the cap, that `config` sets."""
        return cls(spool_root(config), destination, max_bytes=config.spool_max_bytes)

    @property
    def folder(self) -> Path:
        """The destination's folder."""
        return self._folders.root / self._folders.destination.folder

    @property
    def empty(self) -> bool:
        """Whether no body waits that could be leased."""
        with self._folders.find() as folder:
            return folder is None or not any(True for _ in _waiting(folder))

    def newly_evicted(self) -> int:
        """Return how many documents were evicted, and so lost, since the last call.

        Complete, even after a write that failed.
        """
        state = self._state()
        with state.lock:
            new, state.evicted_reported = state.evicted - state.evicted_reported, state.evicted
        return new

    def write(self, operations: Sequence[Operation], *, join: bool = False) -> Written:
        """Write operations as one body, durably.

        Args:
            operations: in the order in which they are to be delivered.
            join: add them to the body that this process wrote last, if that is small and still
                waits. A crash meanwhile leaves some of it twice, and loses nothing.

        Raises:
            SpoolError: they could not be written; nothing half-written remains.
        """
        if join and operations and (joined := self._join(operations)):
            return joined
        written, file = self._write(operations, leased=False)
        if join and operations:
            self._state().last = file
        return written

    def write_ahead(self, operations: Sequence[Operation]) -> tuple[Written, Lease]:
        """Write operations as one body, durably, and lease it: the caller delivers it now.

        Raises:
            SpoolError: they could not be written; nothing half-written remains.
        """
        written, file = self._write(operations, leased=True)
        return written, Lease(self._folders, file, self._forget_backlog)

    def lease(self, *, own: bool = False) -> Lease | None:
        """Lease the oldest body that nobody has leased, or return None.

        Each process lists the bodies again after 1024 of them at the latest, so the order among
        processes is that of their last lists.

        Args:
            own: only bodies that this process wrote. A process of the same pid in another container
                that shares the folder cannot be told apart; that does no harm.

        Raises:
            SpoolError: the folder cannot be used.
        """
        state = self._state()
        with self._folders.find() as folder, state.lock:
            if folder is None:
                return None
            backlog = state.own_backlog if own else state.backlog
            if lease := self._lease_last(folder, backlog):
                return lease
            pid = os.getpid()
            waiting = (
                file
                for file in _waiting(folder)
                if not own or (file.writer == pid and file.written_ns >= state.since_ns)
            )
            backlog[:] = sorted(heapq.nsmallest(_BACKLOG, waiting), reverse=True)
            return self._lease_last(folder, backlog)

    def reject(self, operations_with_reasons: Sequence[tuple[Operation, str]]) -> Written:
        """Keep operations that were refused for good, each with its reason, in `rejected/`.

        The oldest there make room.

        Raises:
            SpoolError: they could not be written.
        """
        if not operations_with_reasons:
            return Written(0, 0, 0)
        with self._folders.make(REJECTED) as side:
            written = erasing.reject(
                side,
                operations_with_reasons,
                max_bytes=self._folders.side_bytes,
                now_ns=self._folders.clock(),
            )
        state = self._state()
        with state.lock:
            state.evicted_rejected += written.evicted
        return written

    def read(self, seen: set[str] | None = None, *, rejected: bool = False) -> Iterator[Operation]:
        """Yield all operations, oldest first, without leasing; see `bodies.read`.

        Those that wait, or those that were refused for good.
        """
        return bodies.read(self._folders, REJECTED if rejected else "", seen=seen)

    def erase(self, wanted: Callable[[Operation], bool]) -> int:
        """Remove the operations that are `wanted` for good, refused ones too.

        What another process is delivering stays. What a dead process had leased is given back
        first.

        Returns:
            How many operations were removed.

        Raises:
            SpoolError: the folder cannot be used, or written to.
        """
        self.recover()
        erased = erasing.erase_waiting(self.lease, wanted)
        with self._folders.find(REJECTED) as side:
            return erased + (erasing.erase_rejected(side, wanted) if side else 0)

    def erase_remains(self, text: bytes) -> int:
        """Remove whole files that hold `text` and are of no use any more; return how many.

        See `erasing.erase_remains`.

        Raises:
            SpoolError: the folder cannot be used.
        """
        return erasing.erase_remains(self._folders, text)

    def remains(self, text: bytes) -> list[Remains]:
        """Return the files that hold `text`, each with the reason why it is there.

        Raises:
            SpoolError: the folder cannot be used.
        """
        return erasing.remains(self._folders, text)

    def recover(self) -> Recovered:
        """Give back stale leases, and remove half-written files; see `lease.recover`.

        Raises:
            SpoolError: the folder cannot be used.
        """
        recovered = recover(self._folders, self._stale_ns)
        self._forget_backlog()
        return recovered

    def status(self) -> SpoolStatus:
        """Return what the spool holds.

        Raises:
            SpoolError: the folder cannot be used.
        """
        waiting, refused, damaged = map(self._contents, ("", REJECTED, DAMAGED))
        state = self._state()
        return SpoolStatus(
            files=waiting.files,
            documents=waiting.documents,
            bytes=waiting.bytes,
            oldest_seconds=None
            if waiting.oldest_ns is None
            else max((self._folders.clock() - waiting.oldest_ns) / 1e9, 0.0),
            leased_files=waiting.leased,
            rejected_files=refused.files,
            rejected_documents=refused.documents,
            rejected_bytes=refused.bytes,
            damaged_files=damaged.files,
            evicted_documents=state.evicted,
            evicted_rejected_documents=state.evicted_rejected,
        )

    def _contents(self, side: str) -> Contents:
        with self._folders.find(side) as folder:
            return contents_of(folder) if folder else Contents()

    def _state(self) -> _ProcessState:
        # By pid: a forked child must not wait for a lock that a thread of its parent held, and not
        # every server runs at-fork hooks.
        pid = os.getpid()
        return self._by_process.get(pid) or self._by_process.setdefault(
            pid, _ProcessState(Room(self._folders.max_bytes), self._folders.clock())
        )

    def _join(self, operations: Sequence[Operation]) -> Written | None:
        """Add operations to the body that this process wrote last.

        Returns:
            None when there is none, or it is on its way, damaged, or large enough.
        """
        state = self._state()
        with state.lock:
            last, state.last = state.last, None
        with self._folders.find() as folder:
            status = folder.status(last.name) if folder and last else None
            if (
                folder is None
                or last is None
                or status is None
                or status.st_size > _JOINED_BYTES
                or (lease := self._lease(folder, last)) is None
            ):
                return None
            joined = [*lease.operations(), *operations]
            try:
                written = (
                    None
                    if lease.damage or sum(map(len, joined)) > _JOINED_BYTES_READ
                    else self._write(joined, leased=False, written_ns=last.written_ns)
                )
            except SpoolError:  # there may still be room for the smaller body of their own
                written = None
            if written is None:
                lease.release()
                return None
            # A body that cannot be removed is sent once more: the documents' ids make it harmless.
            with suppress(SpoolError):
                lease.done()
        with state.lock:
            state.room.free(footprint(status.st_size))
            state.last = written[1]
        return written[0]._replace(documents=len(operations))

    def _write(
        self, operations: Sequence[Operation], *, leased: bool, written_ns: int | None = None
    ) -> tuple[Written, SpoolFile]:
        self._state()  # its time must not be after this body's
        now_ns = self._folders.clock() if written_ns is None else written_ns
        body = new_body(now_ns, len(operations))
        file = SpoolFile(body, leased_name(body) if leased else body, now_ns, len(operations))
        if not operations:
            return Written(0, 0, 0), file
        content = gzip_of(operations)
        size = footprint(len(content))
        with self._folders.make() as folder:
            evicted = self._make_room(folder, size)
            folder.write(file.name, temporary_name(body), content)
            if leased:
                # By the clock that will judge its age; the file system may have another one.
                folder.touch(file.name, now_ns)
        return Written(len(operations), size, evicted), file

    def _make_room(self, folder: Folder, size: int) -> int:
        if size > self._folders.max_bytes:
            raise SpoolError(
                f"The spool {folder.path} may take {self._folders.max_bytes} bytes, and one body "
                f"alone takes {size}. Raise its cap."
            )
        state = self._state()
        with state.lock:
            left, evicted = state.room.make(folder, size)
            state.evicted += evicted
        if left + size > self._folders.max_bytes:
            raise SpoolError(
                f"The spool {folder.path} is full, and what is being delivered takes too much to "
                f"make room: {left} of {self._folders.max_bytes} bytes are taken, and {size} are "
                "needed. Raise its cap."
            )
        return evicted

    def _lease_last(self, folder: Folder, backlog: list[SpoolFile]) -> Lease | None:
        while backlog:
            if lease := self._lease(folder, backlog.pop()):
                return lease
        return None

    def _lease(self, folder: Folder, file: SpoolFile) -> Lease | None:
        leased = file._replace(name=leased_name(file.body))
        # Touched before it is leased: with its old time it would look like a stale lease.
        return (
            Lease(self._folders, leased, self._forget_backlog)
            if folder.touch(file.name, self._folders.clock())
            and folder.rename(file.name, leased.name)
            else None
        )

    def _forget_backlog(self) -> None:
        state = self._state()
        with state.lock:
            state.backlog.clear()
            state.own_backlog.clear()


def configured_spool(config: Config) -> Spool | None:
    """Return the spool for the destination of `config`, or None when the spool is off."""
    if config.spool == "off":
        return None
    addresses = config.endpoint or ((config.cloud_id,) if config.cloud_id else ())
    return Spool.from_config(config, Destination.of(addresses))


def _waiting(folder: Folder) -> Iterator[SpoolFile]:
    return (
        file
        for name in folder.scan()
        if (file := parse(name)) and file.is_body and file.owner is None
    )
