"""Fixtures for the tests of the spool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_asayer.spool import Spool
from unit.spool.support import ROOMY, Clock

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(root: Path, clock: Clock) -> Spool:
    return Spool(root, max_bytes=ROOMY, clock=clock)
