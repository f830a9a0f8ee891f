"""Requests that read, and what their answers mean: away, refused, gone, too long."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otel_asayer.bridge.reader import AwayError, Reader, ScanLostError
from otel_asayer.elasticsearch.api import Api
from otel_asayer.elasticsearch.client import Response, UnreachableError
from otel_asayer.errors import ElasticsearchError, NotAllowedError
from unit.elasticsearch.answering import NO_HANDLER, Answering

STREAMS = "/traces-*.otel-*,logs-*.otel-*,logs.otel*"
SEARCH = f"POST {STREAMS}/_search"
PRIVILEGES = "POST /_security/user/_has_privileges"
ERROR = {"error": {"type": "x_exception", "reason": "it broke"}}


def reader(**answers: tuple[int, Any]) -> Reader:
    return Reader(Answering({SEARCH: answers["search"]} if "search" in answers else {}).api)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_succeed_later_is_away(status: int) -> None:
    with pytest.raises(AwayError):
        reader(search=(status, ERROR)).page(0, [])


def test_nobody_who_answers_is_away() -> None:
    with pytest.raises(AwayError):
        reader().page(0, [])


def test_what_is_refused_is_not_away() -> None:
    with pytest.raises(ElasticsearchError) as caught:
        reader(search=(400, ERROR)).page(0, [])
    assert not isinstance(caught.value, AwayError)


def test_a_snapshot_that_is_gone_is_told() -> None:
    one = Reader(Answering({"POST /_search": (404, ERROR)}).api)
    with pytest.raises(ScanLostError):
        one.scanned("pit", [], None)


def test_without_streams_there_is_no_snapshot() -> None:
    assert Reader(Answering({f"POST {STREAMS}/_pit": (404, ERROR)}).api).open_scan() == ""


def test_shards_are_counted_by_index() -> None:
    shards = [
        [{"index": "a", "shard": 0}],
        [{"index": "a", "shard": 1}],
        [{"index": "b", "shard": 0}],
    ]
    answering = Answering({f"POST {STREAMS}/_search_shards": (200, {"shards": [*shards, []]})})
    assert Reader(answering.api).shards() == {"a": 2, "b": 1}


def test_searchable_snapshots_are_not_followed() -> None:
    names = ("partial-.ds-traces-x.otel-y", "restored-.ds-traces-x.otel-y", ".ds-traces-x.otel-y")
    shards = [[{"index": index, "shard": 0}] for index in names]
    answering = Answering({f"POST {STREAMS}/_search_shards": (200, {"shards": shards})})
    assert Reader(answering.api).shards() == {".ds-traces-x.otel-y": 1}


def test_an_empty_shard_has_no_last_number() -> None:
    buckets = [{"key": "a", "last": {"value": 17.0}}, {"key": "b", "last": {"value": None}}]
    content = {"aggregations": {"indices": {"buckets": buckets}}}
    assert reader(search=(200, content)).last_numbers(0) == {"a": 17}


def test_only_whole_answers_count() -> None:
    answering = Answering({SEARCH: (200, {"hits": {"hits": []}})})
    Reader(answering.api).page(3, [])
    assert answering.asked == [
        f"{SEARCH}?ignore_unavailable=true&allow_partial_search_results=false&preference=_shards:3"
    ]


class Growing:
    """A server whose answers have as many hits as are asked for, each of a size."""

    def __init__(self, size: int, most: int = 1 << 30) -> None:
        self.size, self.most = size, most
        self.asked: list[int] = []

    def request(self, _method: str, _target: str, body: bytes, *, timeout: float) -> Response:
        number = json.loads(body)["size"]
        self.asked.append(number)
        if number * self.size > self.most:
            raise UnreachableError(f"no end within {timeout} s", too_long=True)
        hits = [{"_index": "a", "_seq_no": at, "x": "x" * self.size} for at in range(number)]
        return Response(200, {}, json.dumps({"hits": {"hits": hits}}).encode())

    def close(self) -> None:
        """Nothing to close."""


def sizes(server: Growing, requests: int) -> list[int]:
    one = Reader(Api(server))  # type: ignore[arg-type] # its body is bytes here
    for _ in range(requests):
        one.page(0, [])
    return server.asked


def test_pages_grow_to_their_most() -> None:
    assert sizes(Growing(10), 4) == [200, 800, 2000, 2000]


def test_pages_of_large_documents_stay_small() -> None:
    assert max(sizes(Growing(1 << 17), 3)[1:]) <= 64


def test_an_answer_that_is_too_long_is_asked_for_in_parts() -> None:
    assert sizes(Growing(1000, most=60_000), 1) == [200, 50]


def test_one_document_that_is_too_long_is_an_error() -> None:
    with pytest.raises(ElasticsearchError):
        sizes(Growing(1000, most=0), 1)


class TestPrivileges:
    def test_without_security_nothing_is_checked(self) -> None:
        answering = Answering({"GET /_security/_authenticate": NO_HANDLER})
        Reader(answering.api).require_privileges()
        assert answering.asked == ["GET /_security/_authenticate"]

    def test_what_is_missing_is_named_with_the_way_out(self) -> None:
        granted = {"index": {"traces-*.otel-*": {"read": False, "view_index_metadata": True}}}
        one = Reader(Answering({PRIVILEGES: (200, granted)}).api)
        with pytest.raises(NotAllowedError, match=r"read.*traces.*otel-asayer setup --bridge"):
            one.require_privileges()

    def test_a_key_that_is_not_known_is_refused(self) -> None:
        one = Reader(Answering({"GET /_security/_authenticate": (401, ERROR)}).api)
        with pytest.raises(NotAllowedError):
            one.require_privileges()

    def test_a_server_that_starts_is_away(self) -> None:
        one = Reader(Answering({"GET /_security/_authenticate": (503, ERROR)}).api)
        with pytest.raises(AwayError):
            one.require_privileges()

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_key_that_was_known_before_is_waited_for(self, status: int) -> None:
        one = Reader(Answering({PRIVILEGES: (200, {}), SEARCH: (status, ERROR)}).api)
        one.require_privileges()
        with pytest.raises(AwayError):
            one.page(0, [])
