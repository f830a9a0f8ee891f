"""Fixtures of all unit tests."""

from __future__ import annotations

import pytest

from otel_asayer import notices


@pytest.fixture(autouse=True)
def _nothing_is_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process says each finding once; each test is a process of its own in that."""
    monkeypatch.setattr(notices, "_said", set())
