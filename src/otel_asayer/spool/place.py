"""The folders of one spool:

the one of its destination, and beside the waiting bodies `rejected/` and `damaged/`.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_asayer.spool.directory import Folder, find_folder, make_folder
from otel_asayer.spool.locations import Destination, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["DAMAGED", "REJECTED", "Place"]

REJECTED: Final = "rejected"
DAMAGED: Final = "damaged"
_SIDE_SHARE: Final = 8


class Place(NamedTuple):
    """Where a spool lies, and its clock. A folder is opened for each operation:

    it may have been removed, or replaced, since the last.
    """

    root: Path
    destination: Destination
    max_bytes: int
    clock: Callable[[], int]
    """Nanoseconds since 1970."""

    @property
    def side_bytes(self) -> int:
        """The cap of `rejected/`, and that of `damaged/`."""
        return self.max_bytes // _SIDE_SHARE

    @contextmanager
    def find(self, side: str = "") -> Iterator[Folder | None]:
        """Open the destination's folder, or the one beside the waiting bodies; None when there is none yet."""
        with ExitStack() as stack:
            folder = find_folder(self.root)
            for name in (self.destination.folder, side):
                if folder and name:
                    folder = stack.enter_context(folder).find(name)
            yield stack.enter_context(folder) if folder else None

    @contextmanager
    def make(self, side: str = "") -> Iterator[Folder]:
        """Open the destination's folder, or the one beside the waiting bodies, made when missing."""
        with make_folder(self.root) as root, root.make(self.destination.folder) as folder:
            describe(folder, self.destination)
            if side:
                with folder.make(side) as beside:
                    yield beside
            else:
                yield folder
