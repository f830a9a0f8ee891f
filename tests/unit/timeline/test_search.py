"""Searches, request by request:

all pages, nothing taken for "nothing" that is not, and everything closed that was opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from otel_asayer.elasticsearch.api import Api
from otel_asayer.elasticsearch.client import UnreachableError
from otel_asayer.errors import ElasticsearchError, NotAllowedError
from otel_asayer.testing import ElasticsearchDouble, Exchange, Fault, status
from otel_asayer.timeline import Selection, SessionFilter, Stored
from otel_asayer.timeline.search import Search

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_asayer.elasticsearch.client import Response

SESSION = Selection(session_id="7")
TARGET = "/traces-*.otel-*,logs-*.otel-*,logs.otel*"
OPENED = status(200, {"id": "pit1"})
CLOSED = status(200, {"succeeded": True})
ASKER = status(200, {"username": "ann", "authentication_type": "api_key"})
DENIED = status(403, {"error": {"reason": "no"}})


def search(*replies: Response | Fault) -> tuple[Search, ElasticsearchDouble]:
    double = ElasticsearchDouble()
    double.reply_with(*replies)
    return Search(Api(double), wait=lambda _seconds: None), double


def asked(double: ElasticsearchDouble) -> list[tuple[str, str]]:
    return [(one.method, one.target.partition("?")[0]) for one in double.exchanges]


def bodies(double: ElasticsearchDouble) -> list[Any]:
    return [orjson.loads(one.body) for one in double.exchanges if one.target.startswith("/_search")]


def page(*numbers: int, pit: str = "pit1") -> Response:
    hits = [
        {"_index": ".ds-logs", "_id": str(number), "_source": {"n": number}, "sort": [number, 0]}
        for number in numbers
    ]
    return status(200, {"pit_id": pit, "hits": {"hits": hits}})


def counted(number: int, failed: int = 0) -> Response:
    return status(200, {"count": number, "_shards": {"failed": failed}})


def test_all_pages_are_read_at_one_event_and_the_event_is_given_back() -> None:
    found, double = search(
        OPENED, page(*range(1000), pit="pit2"), page(1000, 1001, pit="pit3"), CLOSED
    )
    assert [stored.source["n"] for stored in found.documents(SESSION)] == list(range(1002))
    assert asked(double) == [
        ("POST", f"{TARGET}/_pit"),
        ("POST", "/_search"),
        ("POST", "/_search"),
        ("DELETE", "/_pit"),
    ]
    first, second = bodies(double)
    assert first["pit"]["id"] == "pit1"
    assert second["pit"]["id"] == "pit2"
    assert second["search_after"] == [999, 0]
    assert first == {
        "query": {"bool": {"filter": [{"term": {"attributes.session.id": "7"}}]}},
        "_source": True,
        "size": 20,
        "sort": [
            {"@timestamp": {"order": "asc", "unmapped_type": "date", "numeric_type": "date"}},
            "_shard_doc",
        ],
        "track_total_hits": False,
        "seq_no_primary_term": True,
        "pit": {"id": "pit1", "keep_alive": "1m"},
    }


@pytest.mark.parametrize(("number", "expected"), [(7, 7), (None, 0), ("7", 0)])
def test_a_document_tells_its_place_in_its_shard(number: Any, expected: int) -> None:
    found, _ = search(
        OPENED,
        status(200, {"hits": {"hits": [{"_index": "i", "_id": "1", "_seq_no": number}]}}),
        CLOSED,
    )
    assert [stored.sequence for stored in found.documents(SESSION)] == [expected]


def wide(number: int, start: int, kilobytes: int) -> Response:
    hits = [
        {
            "_index": "i",
            "_id": f"{n}",
            "_source": {"n": n, "x": "x" * 1024 * kilobytes},
            "sort": [n, 0],
        }
        for n in range(start, start + number)
    ]
    return status(200, {"hits": {"hits": hits}})


@pytest.mark.parametrize(
    ("kilobytes", "second"), [(0, 200), (40, 200), (100, 81), (1024, 7), (20_000, 1)]
)
def test_pages_grow_as_far_as_their_bytes_allow(kilobytes: int, second: int) -> None:
    found, double = search(OPENED, wide(20, 0, kilobytes), page(), CLOSED)
    list(found.documents(SESSION))
    assert [body["size"] for body in bodies(double)] == [20, second]


def test_no_page_has_more_than_a_thousand_documents() -> None:
    found, double = search(
        OPENED, page(*range(20)), page(*range(200)), page(*range(1000)), page(), CLOSED
    )
    list(found.documents(SESSION))
    assert [body["size"] for body in bodies(double)] == [20, 200, 1000, 1000]


class Full(ElasticsearchDouble):
    """Gives up answers of more documents than some."""

    most = 0

    def request(
        self, method: str, target: str, body: bytes | Sequence[bytes] | None = None, **options: Any
    ) -> Response:
        if (
            target.startswith("/_search")
            and isinstance(body, bytes)
            and orjson.loads(body)["size"] > self.most
        ):
            self.exchanges.append(Exchange(method, target, {}, body))
            raise UnreachableError("its answer does not end", too_long=True)
        return super().request(method, target, body, **options)


def test_a_page_that_is_too_long_is_asked_for_in_smaller_ones() -> None:
    double = Full()
    double.most = 1
    double.reply_with(OPENED, page(1), page(), CLOSED)
    found = list(Search(Api(double)).documents(SESSION))
    assert [stored.source["n"] for stored in found] == [1]
    assert [body["size"] for body in bodies(double)] == [20, 2, 1, 10, 1]


def test_a_document_that_is_too_long_by_itself_is_an_error() -> None:
    double = Full()
    double.reply_with(OPENED, CLOSED)
    with pytest.raises(ElasticsearchError, match="does not end"):
        list(Search(Api(double)).documents(SESSION))


def test_what_is_known_is_not_asked_for_again() -> None:
    found, double = search(OPENED, page(), CLOSED)
    list(found.documents(Selection(session_id="7", known=frozenset({"b", "a"}))))
    assert bodies(double)[0]["query"]["bool"]["must_not"] == [{"ids": {"values": ["a", "b"]}}]


def test_a_part_of_the_documents_is_never_taken_for_all() -> None:
    found, double = search(OPENED, page(1), CLOSED)
    list(found.documents(SESSION))
    assert double.exchanges[1].target == "/_search?allow_partial_search_results=false"


def test_streams_that_do_not_exist_yet_hold_nothing() -> None:
    found, double = search(status(404, {"error": {"reason": "no such index"}}))
    assert list(found.documents(SESSION)) == []
    assert asked(double) == [("POST", f"{TARGET}/_pit")]


def test_a_reader_that_fails_gives_the_event_back() -> None:
    found, double = search(OPENED, status(503, {}), CLOSED)
    with pytest.raises(ElasticsearchError):
        list(found.documents(SESSION))
    assert asked(double)[-1] == ("DELETE", "/_pit")


def test_a_trace_and_a_time_are_asked_for() -> None:
    found, double = search(OPENED, page(), CLOSED)
    list(found.documents(Selection(trace_id="ab", since_ns=1_700_000_000_000_999_999)))
    time = {"range": {"@timestamp": {"gte": 1_700_000_000_000, "format": "epoch_millis"}}}
    assert bodies(double)[0]["query"] == {"bool": {"filter": [{"term": {"trace_id": "ab"}}, time]}}


def test_either_a_session_or_a_trace_is_asked_for() -> None:
    found, double = search(OPENED, page(), CLOSED)
    list(found.documents(Selection(session_id="AB", trace_id="ab")))
    terms = [{"term": {"attributes.session.id": "AB"}}, {"term": {"trace_id": "ab"}}]
    assert bodies(double)[0]["query"] == {"bool": {"filter": [{"bool": {"should": terms}}]}}


ANSWERED = {"term": {"attributes.asayer.exception.handled": True}}


def test_fewer_exceptions_than_the_limit_are_all() -> None:
    found, double = search(OPENED, page(3, 2), CLOSED)
    assert found.exceptions(5_000_000, 10) == (
        [Stored(".ds-logs", "3", {"n": 3}), Stored(".ds-logs", "2", {"n": 2})],
        2,
    )
    time = {"range": {"@timestamp": {"gte": 5, "format": "epoch_millis"}}}
    assert bodies(double)[0]["query"] == {
        "bool": {
            "filter": [{"exists": {"field": "attributes.exception.type"}}, time],
            "must_not": [ANSWERED],
        }
    }
    assert bodies(double)[0]["sort"][0]["@timestamp"]["order"] == "desc"


def test_a_time_before_1970_is_not_asked_for() -> None:
    found, double = search(OPENED, page(1), CLOSED)
    found.exceptions(-1, 10)
    assert bodies(double)[0]["query"] == {
        "bool": {
            "filter": [{"exists": {"field": "attributes.exception.type"}}],
            "must_not": [ANSWERED],
        }
    }


def test_beyond_the_limit_exceptions_are_counted() -> None:
    found, double = search(OPENED, page(3, 2, 1), CLOSED, counted(12))
    documents, total = found.exceptions(0, 2)
    assert [stored.id for stored in documents] == ["3", "2"]
    assert total == 12
    assert asked(double)[-2:] == [("DELETE", "/_pit"), ("POST", f"{TARGET}/_count")]


def test_exceptions_that_were_deleted_before_they_were_counted_are_some_all_the_same() -> None:
    found, _ = search(OPENED, page(1, 2, 3), CLOSED, counted(1))
    assert found.exceptions(0, 2)[1] == 2


def test_documents_are_counted_after_a_refresh_whether_that_is_allowed_or_not() -> None:
    found, double = search(DENIED, counted(3))
    assert found.count(SESSION) == 3
    assert asked(double) == [("POST", f"{TARGET}/_refresh"), ("POST", f"{TARGET}/_count")]


def test_a_part_is_no_count() -> None:
    found, _ = search(CLOSED, *[counted(3, failed=2)] * 8)
    with pytest.raises(ElasticsearchError, match="2 shards do not answer"):
        found.count(SESSION)


def deleted(*statuses: int) -> Response:
    items = [
        {
            "delete": {"status": code, "error": {"reason": "because"}}
            if code >= 400
            else {"status": code}
        }
        for code in statuses
    ]
    return status(200, {"items": items})


def test_documents_are_deleted_one_by_one_and_those_gone_already_do_not_count() -> None:
    found, double = search(OPENED, page(1, 2, 3), CLOSED, deleted(200, 404, 200))
    assert found.delete(SESSION) == 2
    assert double.exchanges[-1].body == b"".join(
        b'{"delete":{"_index":".ds-logs","_id":"%d"}}\n' % number for number in (1, 2, 3)
    )
    assert bodies(double)[0]["_source"] is False


def test_many_documents_are_deleted_by_the_thousand() -> None:
    found, double = search(
        OPENED, page(*range(1000)), page(1000), CLOSED, deleted(*[200] * 1000), deleted(200)
    )
    assert found.delete(SESSION) == 1001
    assert [
        len(one.body.splitlines()) for one in double.exchanges if one.target.startswith("/_bulk")
    ] == [1000, 1]


@pytest.mark.parametrize(("code", "kind"), [(403, NotAllowedError), (429, ElasticsearchError)])
def test_what_could_not_be_deleted_is_an_error(code: int, kind: type[ElasticsearchError]) -> None:
    found, _ = search(OPENED, page(1), CLOSED, deleted(code))
    with pytest.raises(ElasticsearchError, match="because") as raised:
        found.delete(SESSION)
    assert type(raised.value) is kind


def privileges(**granted: bool) -> Response:
    return status(
        200, {"has_all_requested": all(granted.values()), "index": {"logs-*.otel-*": granted}}
    )


def test_rights_are_asked_for_first() -> None:
    found, double = search(ASKER, privileges(read=True))
    found.require("read")
    assert asked(double) == [
        ("GET", "/_security/_authenticate"),
        ("POST", "/_security/user/_has_privileges"),
    ]
    assert orjson.loads(double.exchanges[1].body) == {
        "index": [
            {"names": ["traces-*.otel-*", "logs-*.otel-*", "logs.otel*"], "privileges": ["read"]}
        ]
    }


def test_missing_rights_are_named() -> None:
    found, _ = search(ASKER, privileges(read=True, delete=False))
    with pytest.raises(NotAllowedError) as raised:
        found.require("read", "delete")
    assert str(raised.value) == (
        "Not allowed to use what is stored: it takes the index privilege 'delete' on "
        "logs-*.otel-*. To look, use the viewer's key, which "
        "`otel-asayer setup` creates (OTEL_ASAYER_VIEWER_API_KEY); to delete, one of `otel-asayer "
        "setup --forget-key`."
    )


def test_refused_credentials_have_no_rights() -> None:
    found, _ = search(status(401, {"error": {"reason": "no"}}))
    with pytest.raises(NotAllowedError, match="refuses the credentials"):
        found.require("read")


def test_rights_that_cannot_be_learned_are_none() -> None:
    found, _ = search(ASKER, status(503, {}))
    with pytest.raises(ElasticsearchError, match="when asked which privileges there are"):
        found.require("read")


def test_without_security_everybody_may() -> None:
    found, _ = search(status(400, {"error": "no handler found for uri"}))
    found.require("read")


MISSING_SHARDS = status(
    503, {"error": {"type": "search_phase_execution_exception", "reason": "all shards failed"}}
)


def test_where_shards_of_a_new_stream_are_not_there_yet_it_is_asked_again() -> None:
    found, double = search(MISSING_SHARDS, MISSING_SHARDS, OPENED, page(1), CLOSED)
    assert [stored.source["n"] for stored in found.documents(SESSION)] == [1]
    assert asked(double)[:3] == [("POST", f"{TARGET}/_pit")] * 3


def test_a_count_that_lacks_shards_is_asked_for_again() -> None:
    found, _ = search(status(200, {}), counted(1, failed=1), counted(2))
    assert found.count(SESSION) == 2


def test_shards_that_stay_away_are_an_error_after_some_seconds() -> None:
    waited: list[float] = []
    double = ElasticsearchDouble()
    double.reply_with(*[MISSING_SHARDS] * 8)
    with pytest.raises(ElasticsearchError, match="Elasticsearch answered 503"):
        list(Search(Api(double), wait=waited.append).documents(SESSION))
    assert waited == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4]


def test_any_other_503_is_an_error_at_once() -> None:
    found, double = search(
        status(503, {"error": {"type": "cluster_block_exception", "reason": "no master"}})
    )
    with pytest.raises(ElasticsearchError, match="Elasticsearch answered 503"):
        list(found.documents(SESSION))
    assert len(double.exchanges) == 1


def test_sessions_are_none_where_no_stream_exists() -> None:
    found, double = search(status(404, {"error": {"type": "index_not_found_exception"}}))
    assert found.sessions(SessionFilter(), 10) == ([], True)
    assert asked(double) == [("POST", f"{TARGET}/_search")]


def test_a_part_of_the_sessions_is_not_taken_for_all() -> None:
    found, double = search(status(500, {"error": {"reason": "shards failed"}}))
    with pytest.raises(ElasticsearchError, match="shards failed"):
        found.sessions(SessionFilter(), 10)
    assert "allow_partial_search_results=false" in double.exchanges[0].target
