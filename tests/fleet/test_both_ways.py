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
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from store import Store

pytestmark = [pytest.mark.fleet, pytest.mark.elasticsearch]


Records = dict[str, list[Any]]
"""By their ids.

Direct export makes the record of an exception of the span and of the log record that tell of it,
under one id: in Elasticsearch, the one that comes first stays.
"""


@pytest.fixture(scope="module")
def both(
    new_store: Callable[[], Store], static: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Records, Records]:
    """The replay records of the service on Flask: the bridge's, and those of direct export."""
    store, folder = new_store(), tmp_path_factory.mktemp("both")
    visit(BOTH, store, static, folder)
    bridge(store, folder)
    hits = pages(store.server, f"asayer-logs-{store.namespace}-*")
    assert store.spool is not None
    return of_shop((hit["_id"], hit["_source"]) for hit in hits), of_shop(exported(store.spool))


def exported(folder: Path) -> Iterator[tuple[str, Any]]:
    """The replay records in a local store, with their ids."""
    for operation in Spool(folder, LOCAL, max_bytes=2**30).read():
        action, source = map(json.loads, operation.split(b"\n")[:2])
        if action["create"]["_index"].startswith("asayer-logs-"):
            yield action["create"]["_id"], source


def of_shop(records: Iterable[tuple[str, Any]]) -> Records:
    found: Records = {}
    for id_, record in records:
        if "service shop" in record["message"]:
            found.setdefault(id_, []).append(record)
    return found


def test_each_record_of_the_bridge_is_one_that_direct_export_writes(
    both: tuple[Records, Records],
) -> None:
    bridged, direct = both
    written = [record for records in direct.values() for record in records]
    assert [record for (record,) in bridged.values() if record not in written] == []


def test_both_write_as_many_records(both: tuple[Records, Records]) -> None:
    assert [len(records) for records in both] == [4, 4]


def test_the_ids_of_requests_and_exceptions_are_the_same(both: tuple[Records, Records]) -> None:
    """The Collector gives log records other ids."""
    bridged, direct = both
    kept = [direct[id_][0]["message"].partition("] ")[2] for id_ in bridged.keys() & direct.keys()]
    assert sorted(text.partition(" ")[0] for text in kept) == ["GET", "RuntimeError:"]
