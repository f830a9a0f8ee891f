"""The spool: a durable folder of request bodies that several processes share.

Nothing in here knows of a server or a network. It needs POSIX: elsewhere the package imports, and
`Spool` raises `SpoolError` when it is used.
"""

from __future__ import annotations

from otel_asayer.spool.bodies import Damage
from otel_asayer.spool.directory import SpoolError
from otel_asayer.spool.erasing import Remains
from otel_asayer.spool.lease import Lease, Recovered
from otel_asayer.spool.names import (
    LOCAL,
    Destination,
    default_directory,
    destinations,
    spool_root,
)
from otel_asayer.spool.space import SpoolStatus, Written
from otel_asayer.spool.spool import Spool, configured_spool

__all__ = [
    "LOCAL",
    "Damage",
    "Destination",
    "Lease",
    "Recovered",
    "Remains",
    "Spool",
    "SpoolError",
    "SpoolStatus",
    "Written",
    "configured_spool",
    "default_directory",
    "destinations",
    "spool_root",
]
