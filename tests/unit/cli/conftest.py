"""Fixtures of the tests of commands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from otel_asayer.spool import Spool
from unit.timeline.support import operation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from otel_asayer.timeline import Stored


@pytest.fixture
def keep(tmp_path: Path) -> Callable[..., None]:
    """Write documents into the local store; by a clock that a test cannot stop."""

    def write(*documents: Stored) -> None:
        Spool(tmp_path / "spool", max_bytes=2**30, clock=time.monotonic_ns).write(
            [operation(stored) for stored in documents]
        )

    return write
