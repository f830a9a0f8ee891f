"""All operations of a spool, for a reader that takes none away."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, BinaryIO

from otel_asayer.spool.bodies import DamagedBodyError, open_body, operations_of
from otel_asayer.spool.names import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_asayer.documents import Operation
    from otel_asayer.spool.place import Place

__all__ = ["read"]

_logger = logging.getLogger(__name__)


def read(place: Place, side: str = "", *, seen: set[str] | None = None) -> Iterator[Operation]:
    """Yield the operations of all bodies, leased ones too, oldest first; one file is open at a
    time, and no body is held in memory.

    `side` is the folder beside the waiting bodies, if it is to be read instead of those. Bodies
    named in `seen` are left out, and those that were read are added: who looks again and again
    reads what is new.

    A body that is renamed meanwhile is found under its new name; one that is delivered meanwhile is
    left out. What is damaged is left out, and logged.

    Raises:
        SpoolError: the folder cannot be used.
    """
    done = missed = ""
    while True:
        for body, name in _bodies(place, side, after=done):
            if seen is not None and body in seen:
                continue
            try:
                file = _open(place, side, name)
                if file is None and body != missed:
                    missed = body
                    break  # renamed or removed since it was listed: look again, from here on
                if file:
                    with file:
                        yield from operations_of(file)
            except DamagedBodyError as error:
                _logger.warning(
                    "A body of the spool is damaged, and what cannot be read of it is left out: "
                    "%s: %s.",
                    body,
                    error,
                )
            done = body
            if seen is not None:
                seen.add(body)
        else:
            return


def _bodies(place: Place, side: str, *, after: str) -> list[tuple[str, str]]:
    with place.find(side) as folder:
        entries = filter(None, map(parse, folder.scan())) if folder else ()
        return sorted(
            {
                entry.body: entry.name for entry in entries if entry.is_body and entry.body > after
            }.items()
        )


def _open(place: Place, side: str, name: str) -> BinaryIO | None:
    with place.find(side) as folder:
        return open_body(folder, name) if folder else None
