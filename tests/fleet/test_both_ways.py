"""Flask exports each span and log record itself, and to a Collector: the replay records are the
same.

It exports into a local store, or the bridge would find what is compared with it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from fleet.visit import BOTH, bridge, visit
from otel_asayer.spool import LOCAL, Spool

from store import pages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store import Store

pytestmark = [pytest.mark.fleet, pytest.mark.elasticsearch]


Records = dict[str, Any]


@pytest.fixture(scope="module")
def both(
    new_store: Callable[[], Store], static: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Records, Records]:
    """The replay records of the service on Flask: the bridge's, and those of direct export."""
    store, folder = new_store(), tmp_path_factory.mktemp("both")
    visit(BOTH, store, static, folder)
    bridge(store, folder)
    hits = pages(store.server, f"asayer-logs-{store.namespace}-*")
    bridged = {hit["_id"]: hit["_source"] for hit in hits}
    assert store.spool is not None
    return of_shop(bridged), of_shop(exported(store.spool))


def exported(folder: Path) -> Records:
    """The replay records in a local store, by their ids."""
    pairs = (
        map(json.loads, operation.split(b"\n")[:2])
        for operation in Spool(folder, LOCAL, max_bytes=2**30).read()
    )
    actions = ((action["create"], source) for action, source in pairs)
    return {
        action["_id"]: source
        for action, source in actions
        if action["_index"].startswith("asayer-logs-")
    }


def of_shop(records: Records) -> Records:
    return {id_: record for id_, record in records.items() if "service shop" in record["message"]}


def in_order(found: Records) -> list[Any]:
    return sorted(found.values(), key=lambda record: (record["@timestamp"], record["message"]))


def test_the_records_of_the_bridge_are_those_of_direct_export(
    both: tuple[Records, Records],
) -> None:
    bridged, direct = map(in_order, both)
    assert bridged == direct
    assert len(direct) == 4


def test_the_ids_of_requests_and_exceptions_are_the_same(both: tuple[Records, Records]) -> None:
    """The Collector gives log records other ids."""
    bridged, direct = both
    kept = [direct[id_]["message"].partition("] ")[2] for id_ in bridged.keys() & direct.keys()]
    assert sorted(text.partition(" ")[0] for text in kept) == ["GET", "RuntimeError:"]
