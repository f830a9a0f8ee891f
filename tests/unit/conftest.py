"""Fixtures of all unit tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_asayer import once
from otel_asayer.runtime.log_handlers import release_console

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _as_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process says each finding once, and keeps the console from the first set-up on; each test
    is a process of its own in that."""
    monkeypatch.setattr(once, "_said", set())
    yield
    release_console()
