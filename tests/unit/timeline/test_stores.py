"""Where documents are read from:

the Elasticsearch that is configured, after a look at the rights, or else the local store.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from otel_asayer.config import Config
from otel_asayer.errors import NotAllowedError
from otel_asayer.spool import Spool
from otel_asayer.testing import IDENTITY, ElasticsearchDouble, status
from otel_asayer.timeline import Selection, Stored, stores
from otel_asayer.timeline.stores import LocalStore, open_store
from unit.timeline.support import SESSION, START_NS, TRACE, log, operation, raised

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from otel_asayer.documents import Operation

HIT = {"_index": "logs-x", "_id": "1", "_source": {"a": 1}, "sort": [1, 0]}
FOUND = (
    status(200, {"id": "pit"}),
    status(200, {"pit_id": "pit", "hits": {"hits": [HIT]}}),
    status(200, {}),
)
ASKER = status(200, {"username": "ann", "authentication_type": "api_key"})
MAY = status(200, {"index": {"logs-*": {"read": True}}})
MAY_NOT = status(200, {"index": {"logs-*": {"read": False}}})


@pytest.fixture
def double() -> Iterator[ElasticsearchDouble]:
    with ElasticsearchDouble() as running:
        yield running


def test_the_configured_elasticsearch_is_read(double: ElasticsearchDouble) -> None:
    double.reply_with(IDENTITY, ASKER, MAY, *FOUND, *FOUND)
    with open_store(Config.from_environment({}, endpoint=double.url)) as store:
        ids = [stored.id for stored in store.documents(Selection(session_id=SESSION))]
        documents, total = store.exceptions(0, 10)
        assert store.name == double.url
        assert ids == ["1"]
        assert len(documents) == 1
        assert total == 1


def test_what_may_not_be_read_is_not_opened(double: ElasticsearchDouble) -> None:
    double.reply_with(IDENTITY, ASKER, MAY_NOT)
    with (
        pytest.raises(NotAllowedError),
        open_store(Config.from_environment({}, endpoint=double.url)),
    ):
        raise AssertionError("it was opened")


def test_without_a_destination_the_local_store_is_read(tmp_path: Path) -> None:
    mine, others = log("a"), log("b", attributes={"session.id": "7"}, trace_id="f" * 32)
    Spool(tmp_path, max_bytes=2**30).write([operation(mine), operation(others)])
    with open_store(Config.from_environment({}, spool_directory=str(tmp_path))) as store:
        assert store.name == f"the local store {tmp_path}/local"
        assert (
            list(store.documents(Selection(session_id=SESSION)))
            == list(store.documents(Selection(trace_id=TRACE)))
            == [mine]
        )


def test_replay_records_of_the_local_store_are_no_events(tmp_path: Path) -> None:
    record = replace(log("a"), index="asayer-logs-default")
    Spool(tmp_path, max_bytes=2**30).write([operation(record)])
    assert (
        list(
            LocalStore(Config.from_environment({}, spool_directory=str(tmp_path))).documents(
                Selection(session_id=SESSION)
            )
        )
        == []
    )


def test_either_a_session_or_a_trace_is_read_from_the_local_store(tmp_path: Path) -> None:
    of_session, of_trace, neither = (
        log("a", trace_id="e" * 32),
        log("b", attributes={"session.id": "7"}),
        log("c", attributes={"session.id": "8"}, trace_id=""),
    )
    Spool(tmp_path, max_bytes=2**30).write([*map(operation, (of_session, of_trace, neither))])
    with open_store(Config.from_environment({}, spool_directory=str(tmp_path))) as store:
        assert list(store.documents(Selection(session_id=SESSION, trace_id=TRACE))) == [
            of_session,
            of_trace,
        ]


def local(folder: Path) -> tuple[Spool, LocalStore]:
    return Spool(folder, max_bytes=2**30), LocalStore(
        Config.from_environment({}, spool_directory=str(folder))
    )


def test_of_the_local_store_the_earliest_documents_are_read(tmp_path: Path) -> None:
    spool, store = local(tmp_path)
    spool.write([operation(log(f"{at_ms}", at_ms)) for at_ms in (3, 1, 2)])
    part = store.first_documents(Selection(session_id=SESSION), 2)
    assert [stored.source["body"]["text"] for stored in part.documents] == ["1", "2"]
    assert not part.complete


def test_who_looks_again_reads_new_bodies_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, store = local(tmp_path)
    spool.write([operation(log("old"))])
    store.first_documents(Selection(session_id=SESSION, known=frozenset()))
    spool.write([operation(log("new"))])
    parsed: list[bytes] = []
    parse = stores._stored

    def noting(line: Operation, number: int) -> Stored | None:
        parsed.append(line)
        return parse(line, number)

    monkeypatch.setattr(stores, "_stored", noting)
    part = store.first_documents(Selection(session_id=SESSION, known=frozenset()))
    assert [stored.source["body"]["text"] for stored in part.documents] == ["new"]
    assert len(parsed) == 1


def test_who_looks_once_reads_all_bodies_each_time(tmp_path: Path) -> None:
    spool, store = local(tmp_path)
    spool.write([operation(log("old"))])
    assert [
        len(store.first_documents(Selection(session_id=SESSION)).documents) for _ in range(2)
    ] == [1, 1]


def test_bodies_of_which_a_part_was_left_out_are_read_again(tmp_path: Path) -> None:
    spool, store = local(tmp_path)
    spool.write([operation(log(f"{at_ms}", at_ms)) for at_ms in (1, 2)])
    looks = [
        store.first_documents(Selection(session_id=SESSION, known=frozenset()), most)
        for most in (1, 2, 2)
    ]
    assert [len(look.documents) for look in looks] == [1, 2, 0]


def test_what_is_not_read_to_its_end_is_given_back(double: ElasticsearchDouble) -> None:
    opened, _, closed = FOUND
    double.reply_with(
        IDENTITY, ASKER, MAY, opened, status(200, {"hits": {"hits": [HIT] * 20}}), closed
    )
    with open_store(Config.from_environment({}, endpoint=double.url)) as store:
        part = store.first_documents(Selection(session_id=SESSION), 3)
        assert len(part.documents) == 3
        assert double.exchanges[-1].method == "DELETE"


def test_documents_of_the_local_store_tell_the_order_of_their_arrival(tmp_path: Path) -> None:
    Spool(tmp_path, max_bytes=2**30).write([operation(log(text)) for text in ("c", "a", "b")])
    found = LocalStore(Config.from_environment({}, spool_directory=str(tmp_path))).documents(
        Selection(session_id=SESSION)
    )
    assert [stored.sequence for stored in found] == [0, 1, 2]


def test_an_exception_that_was_answered_for_the_caller_is_none_of_the_local_store(
    tmp_path: Path,
) -> None:
    Spool(tmp_path, max_bytes=2**30).write(
        [operation(raised("Http404", "no lamp", attributes={"asayer.exception.handled": True}))]
    )
    assert LocalStore(Config.from_environment({}, spool_directory=str(tmp_path))).exceptions(
        0, 10
    ) == ([], 0)


def test_the_latest_exceptions_of_the_local_store_come_first(tmp_path: Path) -> None:
    failed = [raised("E", f"{number}", number) for number in (1, 3, 2)]
    Spool(tmp_path, max_bytes=2**30).write(
        [*map(operation, failed), operation(log("no exception.type"))]
    )
    found, total = LocalStore(
        Config.from_environment({}, spool_directory=str(tmp_path))
    ).exceptions(START_NS + 1_500_000, 1)
    assert found == [failed[1]]
    assert total == 2
