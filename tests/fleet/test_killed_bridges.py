"""100,000 documents, two bridges, and kill -9 at random moments: every record is there, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridging import ROLE, Bridges, Collector, trial

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store import Store

pytestmark = [pytest.mark.fleet, pytest.mark.elasticsearch]

DOCUMENTS = 100_000
KILLS = 20


def test_nothing_is_missing_and_nothing_is_doubled(
    new_store: Callable[[], Store], tmp_path: Path
) -> None:
    store = new_store()
    bridges = Bridges(store.server, store.server.create_api_key("bridge", ROLE), tmp_path)
    seen = trial(bridges, Collector(store.server, store.namespace), DOCUMENTS, KILLS)
    assert seen.documents >= DOCUMENTS
    assert (seen.missing, seen.unexpected) == (set(), [])
