"""The operations of one call, while they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_asayer.documents.operations import Operation

__all__ = ["Batch"]


class Batch:
    """What one call of the encoder has made so far."""

    __slots__ = ("exceptions", "failures", "operations")

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.failures: list[str] = []
        self.exceptions: set[str] = set()
        """Ids of the exceptions' replay records:

        an exception that passes through several spans is sent with its stack once.
        """
