"""The spool itself:

writing, leasing and reading bodies that wait for delivery, in a folder that any number of processes
share.
"""

from __future__ import annotations

import heapq
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_asayer.elasticsearch.compression import gzip_of
from otel_asayer.spool import erasing, reading, recovery, rejected, remains
from otel_asayer.spool.directory import Folder, SpoolError
from otel_asayer.spool.lease import Lease
from otel_asayer.spool.locations import LOCAL, Destination, spool_root
from otel_asayer.spool.names import Entry, held_name, new_body, parse, temporary_name
from otel_asayer.spool.place import DAMAGED, REJECTED, Place
from otel_asayer.spool.recovery import Recovered
from otel_asayer.spool.space import Room, Written, footprint
from otel_asayer.spool.status import Contents, SpoolStatus, contents_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from otel_asayer.config import Config
    from otel_asayer.documents import Operation
    from otel_asayer.spool.remains import Remains

__all__ = ["Spool", "configured_spool"]

_BACKLOG: Final = 1024
"""Names of waiting bodies kept in memory at once, however many there are."""
_JOINED_BYTES: Final = 64 * 1024
"""Compressed bytes up to which more is joined to a body:

a small one takes a whole block of the disk, and a request of its own.
"""

_JOINED_BYTES_READ: Final = 24 * 1024 * 1024
"""Bytes of a joined body, uncompressed: below what is read of a small file (`bodies`)."""


@dataclass
class _Own:
    """What one process knows and counts."""

    room: Room
    since_ns: int
    """When the process began with this spool:

    what was written before was written by another one, of whatever pid.
    """

    lock: threading.RLock = field(
        default_factory=threading.RLock
    )  # a signal's handler may write while its thread writes
    backlog: list[Entry] = field(default_factory=list)
    """Waiting bodies as they were last seen, the oldest at the end."""

    own_backlog: list[Entry] = field(default_factory=list)
    """Those of them that this process wrote."""

    last: Entry | None = None
    """The body that this process wrote last, if more may be joined to it."""

    evicted: int = 0
    evicted_told: int = 0
    """Those of `evicted` that `newly_evicted` has returned."""

    evicted_rejected: int = 0


class Spool:
    """A durable folder of bodies for one destination, shared safely by threads and processes.

    Waiting and leased bodies take at most `max_bytes` on the disk; beside them `rejected/` and
    `damaged/` take at most an eighth of that each. Processes that write at the same time may exceed
    the cap by what they write between two looks (`space`).

    Nothing is read or made before the first call. No method needs another process to be well: a
    lease whose holder died comes back by `recover`, to be called at start and, while draining, now
    and then.
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
                holder does.
        """
        self._place = Place(root, destination, max_bytes, clock)
        self._stale_ns = int(stale_seconds * 1e9)
        self._by_process: dict[int, _Own] = {}

    @classmethod
    def from_config(cls, config: Config, destination: Destination) -> Spool:
        """Return the spool of `destination` in the folder, and with the cap, that `config` sets."""
        return cls(spool_root(config), destination, max_bytes=config.spool_max_bytes)

    @property
    def folder(self) -> Path:
        """The destination's folder."""
        return self._place.root / self._place.destination.folder

    @property
    def empty(self) -> bool:
        """Whether no body waits that could be leased."""
        with self._place.find() as folder:
            return folder is None or not any(True for _ in _waiting(folder))

    @property
    def evicted_documents(self) -> int:
        """Documents of waiting bodies that this process evicted: they are lost.

        Complete, even after a write that failed.
        """
        return self._own().evicted

    def newly_evicted(self) -> int:
        """Return how many of `evicted_documents` no earlier call has returned."""
        own = self._own()
        with own.lock:
            new, own.evicted_told = own.evicted - own.evicted_told, own.evicted
        return new

    def write(self, operations: Sequence[Operation], *, join: bool = False) -> Written:
        """Write operations as one body, durably.

        Args:
            operations: in the order in which they are to be delivered.
            join: put them to what this process wrote last, where that is small and still waits. A
                crash meanwhile leaves some of it twice, and loses nothing.

        Raises:
            SpoolError: they could not be written; nothing half-written remains.
        """
        if join and operations and (joined := self._join(operations)):
            return joined
        written, entry = self._write(operations, held=False)
        if join and operations:
            self._own().last = entry
        return written

    def write_ahead(self, operations: Sequence[Operation]) -> tuple[Written, Lease]:
        """Write operations as one body, durably, and leased: the caller delivers them now, and no
        other process does meanwhile.

        Raises:
            SpoolError: they could not be written; nothing half-written remains.
        """
        written, entry = self._write(operations, held=True)
        return written, self._lease(entry)

    def lease(self) -> Lease | None:
        """Lease the oldest body that nobody holds, or return None.

        Among processes the order is that of their last look, which each takes after 1024 bodies at
        the latest.

        Raises:
            SpoolError: the folder cannot be used.
        """
        own = self._own()
        with self._place.find() as folder, own.lock:
            if folder is None:
                return None
            lease = self._take_oldest(folder, own.backlog)
            if lease is None:
                own.backlog = sorted(heapq.nsmallest(_BACKLOG, _waiting(folder)), reverse=True)
                lease = self._take_oldest(folder, own.backlog)
            return lease

    def lease_own(self) -> Lease | None:
        """Lease the oldest body that this process wrote and nobody holds, or return None.

        A process of the same pid in another container, which shares the folder, cannot be told
        apart; that does no harm.

        Raises:
            SpoolError: the folder cannot be used.
        """
        own = self._own()
        with self._place.find() as folder, own.lock:
            if folder is None:
                return None
            if not own.own_backlog:
                pid = os.getpid()
                mine = (
                    entry
                    for entry in _waiting(folder)
                    if entry.writer == pid and entry.written_ns >= own.since_ns
                )
                own.own_backlog = sorted(heapq.nsmallest(_BACKLOG, mine), reverse=True)
            return self._take_oldest(folder, own.own_backlog)

    def reject(self, operations_with_reasons: Sequence[tuple[Operation, str]]) -> Written:
        """Keep operations that were refused for good, each with the reason, in `rejected/`; the
        oldest there make room.

        Raises:
            SpoolError: they could not be written.
        """
        if not operations_with_reasons:
            return Written(0, 0, 0)
        with self._place.make(REJECTED) as side:
            written = rejected.reject(
                side,
                operations_with_reasons,
                max_bytes=self._place.side_bytes,
                now_ns=self._place.clock(),
            )
        own = self._own()
        with own.lock:
            own.evicted_rejected += written.evicted
        return written

    def read(self, seen: set[str] | None = None) -> Iterator[Operation]:
        """Yield all operations, oldest first, without leasing; see `reading.read`."""
        return reading.read(self._place, seen=seen)

    def read_rejected(self) -> Iterator[Operation]:
        """Yield the operations that were refused for good, oldest first; see `reading.read`."""
        return reading.read(self._place, REJECTED)

    def erase(self, wanted: Callable[[Operation], bool]) -> int:
        """Remove the operations that are `wanted` for good, refused ones too; return how many they
        were.

        What another process is delivering is left alone; what one that is gone had leased is given
        back before.

        Raises:
            SpoolError: the folder cannot be used, or written to.
        """
        self.recover()
        erased = erasing.erase_waiting(self.lease, wanted)
        with self._place.find(REJECTED) as side:
            return erased + (erasing.erase_rejected(side, wanted) if side else 0)

    def erase_remains(self, text: bytes) -> int:
        """Remove whole files that hold `text` and can be of no use any more; return how many they
        were. See `remains.erase_remains`.

        Raises:
            SpoolError: the folder cannot be used.
        """
        return remains.erase_remains(self._place, text)

    def remains(self, text: bytes) -> list[Remains]:
        """Return the files that hold `text`, each with the reason why it is there.

        Raises:
            SpoolError: the folder cannot be used.
        """
        return remains.remains(self._place, text)

    def recover(self) -> Recovered:
        """Give back leases whose holder is gone, and remove half-written files.

        Raises:
            SpoolError: the folder cannot be used.
        """
        found = self._recover(""), self._recover(REJECTED)
        self._forget_backlog()
        return Recovered(*map(sum, zip(*found, strict=True)))

    def status(self) -> SpoolStatus:
        """Return what the spool holds.

        Raises:
            SpoolError: the folder cannot be used.
        """
        waiting, refused, damaged = map(self._contents, ("", REJECTED, DAMAGED))
        own = self._own()
        age_ns = None if waiting.oldest_ns is None else self._place.clock() - waiting.oldest_ns
        return SpoolStatus(
            files=waiting.files,
            documents=waiting.documents,
            bytes=waiting.bytes,
            oldest_seconds=None if age_ns is None else max(age_ns / 1e9, 0.0),
            leased_files=waiting.leased,
            rejected_files=refused.files,
            rejected_documents=refused.documents,
            rejected_bytes=refused.bytes,
            damaged_files=damaged.files,
            evicted_documents=own.evicted,
            evicted_rejected_documents=own.evicted_rejected,
        )

    def _own(self) -> _Own:
        # By pid, for a forked child must not wait for a lock that a thread of its parent held; not
        # every server runs at-fork hooks.
        pid = os.getpid()
        return self._by_process.get(pid) or self._by_process.setdefault(
            pid, _Own(Room(self._place.max_bytes), self._place.clock())
        )

    def _join(self, operations: Sequence[Operation]) -> Written | None:
        """Put operations to the body that this process wrote last; None where there is none, or it is on its way, damaged, or large enough."""
        own = self._own()
        with own.lock:
            last, own.last = own.last, None
        with self._place.find() as folder:
            size = folder.size(last.name) if folder and last else None
            if (
                folder is None
                or last is None
                or size is None
                or size > _JOINED_BYTES
                or (lease := self._take(folder, last)) is None
            ):
                return None
            joined = [*lease.operations(), *operations]
            try:
                written = (
                    None
                    if lease.damage or sum(map(len, joined)) > _JOINED_BYTES_READ
                    else self._write(joined, held=False, written_ns=last.written_ns)
                )
            except SpoolError:  # the smaller body of their own may still find room
                written = None
            if written is None:
                lease.release()
                return None
            with suppress(
                SpoolError
                # Where it cannot be removed it is sent once more, which the documents' ids make
                # harmless
            ):
                lease.done()
        with own.lock:
            own.room.free(footprint(size))
            own.last = written[1]
        return written[0]._replace(documents=len(operations))

    def _write(
        self, operations: Sequence[Operation], *, held: bool, written_ns: int | None = None
    ) -> tuple[Written, Entry]:
        self._own()  # whose time must not be after this body's
        now_ns = self._place.clock() if written_ns is None else written_ns
        body = new_body(now_ns, len(operations))
        entry = Entry(body, body, now_ns, len(operations))
        if not operations:
            return Written(0, 0, 0), entry
        content = gzip_of(operations)
        size = footprint(len(content))
        with self._place.make() as folder:
            entry = entry._replace(name=held_name(body) if held else body)
            evicted = self._make_room(folder, size)
            folder.write(entry.name, temporary_name(body), content)
            if held:
                folder.touch(
                    entry.name, now_ns
                )  # by the clock that will judge its age, which need not be the file system's
        return Written(len(operations), size, evicted), entry

    def _make_room(self, folder: Folder, size: int) -> int:
        if size > self._place.max_bytes:
            raise SpoolError(
                f"The spool {folder.path} may take {self._place.max_bytes} bytes, and one body "
                f"alone takes {size}. Raise its cap."
            )
        own = self._own()
        with own.lock:
            left, evicted = own.room.make(folder, size)
            own.evicted += evicted
        if left + size > self._place.max_bytes:
            raise SpoolError(
                f"The spool {folder.path} is full, and what is being delivered takes too much to "
                f"make room: {left} of "
                f"{self._place.max_bytes} bytes are taken, and {size} are needed. Raise its cap."
            )
        return evicted

    def _take_oldest(self, folder: Folder, backlog: list[Entry]) -> Lease | None:
        while backlog:
            if lease := self._take(folder, backlog.pop()):
                return lease
        return None

    def _take(self, folder: Folder, entry: Entry) -> Lease | None:
        held = entry._replace(name=held_name(entry.body))
        # Touched before it is taken: with its old time it would look like a lease of long ago.
        if folder.touch(entry.name, self._place.clock()) and folder.rename(entry.name, held.name):
            return self._lease(held)
        return None

    def _lease(self, held: Entry) -> Lease:
        return Lease(self._place, held, self._forget_backlog)

    def _forget_backlog(self) -> None:
        own = self._own()
        with own.lock:
            own.backlog, own.own_backlog = [], []

    def _recover(self, side: str) -> Recovered:
        with self._place.find(side) as folder:
            return (
                recovery.recover(folder, now_ns=self._place.clock(), stale_ns=self._stale_ns)
                if folder
                else Recovered(0, 0)
            )

    def _contents(self, side: str) -> Contents:
        with self._place.find(side) as folder:
            return contents_of(folder) if folder else Contents()


def configured_spool(config: Config) -> Spool | None:
    """Return the spool for the destination of `config`, or None where the spool is off.

    Each destination has a folder of its own, so that nothing is sent to the wrong one.
    """
    if config.spool == "off":
        return None
    addresses = config.endpoint or ((config.cloud_id,) if config.cloud_id else ())
    return Spool.from_config(config, Destination.of(addresses))


def _waiting(folder: Folder) -> Iterator[Entry]:
    return (
        entry
        for name in folder.scan()
        if (entry := parse(name)) and entry.is_body and entry.holder is None
    )
