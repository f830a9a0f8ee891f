"""The list of sessions: Elasticsearch's aggregations say what the local store's sums say."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from otel_asayer.config import Config
from otel_asayer.elasticsearch.api import Api, write
from otel_asayer.elasticsearch.client import Client
from otel_asayer.timeline import SessionFilter
from otel_asayer.timeline.search import Search
from otel_asayer.timeline.sessions import list_sessions
from unit.timeline.support import START_NS, log, operation, raised, span

from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_asayer.timeline import Stored

    from store import Store

IDS = [str(2618307011354435587 + number) for number in range(8)]
HTTP = {"http.request.method": "GET", "http.route": "/cart", "http.response.status_code": 200}
OLD = {"http.method": "POST", "http.target": "/old?x=1", "http.status_code": 503}
FILTERS: dict[str, dict[str, Any]] = {
    "all": {},
    "recent": {"since_ns": START_NS + 3_000_000_000},
    "of a service": {"services": ("pricing",)},
    "of services": {"services": ("pricing", "stock")},
    "with errors": {"errors_only": True},
    "with errors of a service": {"errors_only": True, "services": ("pricing",)},
    "with a route": {"text": "/CART"},
    "with a part of a route": {"text": "ar"},
    "with a star": {"text": "in*r"},
    "with a word of a message": {"text": "sold out"},
    "with an exception": {"text": "KeyError"},
    "with an attribute": {"text": "http.route:/cart"},
    "with a number": {"text": "http.response.status_code:200"},
    "with no number": {"text": "http.response.status_code:abc"},
    "with an attribute of the resource": {"text": "service.name:stock"},
    "of other systems": {"opaque": True},
    "with nothing": {"text": "nothing has this"},
}


def documents() -> Iterator[Stored]:
    def of(session: str, number: int) -> dict[str, Any]:
        return {"attributes": {"session.id": session}, "trace_id": f"{number:032x}"}

    for number, session in enumerate(IDS, 1):
        told = {**HTTP, "session.id": session, "user_agent.original": f"Browser/{number}"}
        yield span(
            f"entry-{number}", 1000 * number, attributes=told, kind="Server", trace_id=f"{number:x}"
        )
        yield span(
            f"inner-{number}",
            1000 * number + 1,
            parent=f"entry-{number}",
            service="pricing" if number % 2 else "stock",
            **of(session, number),
        )
        yield log(f"line {number}", 1000 * number + 2, **of(session, number))
    failed = {"session.id": IDS[0]}
    yield raised("shop.KeyError", "'lamp'", 1500, attributes=failed, trace_id="a")
    yield log("failed", 1501, severity=17, attributes=failed, trace_id="a")
    yield log("outside", 1502, severity=21, attributes=failed, trace_id="")
    yield log("Sold out, * and all", 1503, attributes=failed)
    yield span("call", 1600, parent="x", status={"code": "Error"}, attributes=failed, trace_id="b")
    answered = {"session.id": IDS[1], "asayer.exception.handled": True}
    yield raised("NotFound", "no", 2500, stack="", attributes=answered, trace_id="c")
    yield span("old", 3500, kind="Server", attributes={**OLD, "session.id": IDS[2]}, trace_id="d")
    yield log("foreign", 9000, attributes={"session.id": "abc-def"})
    yield log("nobody's", 9100, attributes={"session.id": None})


@pytest.fixture(scope="module")
def told() -> list[Stored]:
    return list(documents())


@pytest.fixture
def search(store: Store, told: list[Stored]) -> Iterator[Search]:
    server, namespace = store.server, store.namespace
    config = Config.from_environment(
        {}, endpoint=server.url, username=server.username, password=server.password
    )
    placed = [replace(one, index=one.index.replace("-default", f"-{namespace}")) for one in told]
    with closing(Client(config)) as client:
        refused = write(client, config, [operation(one) for one in placed], timeout=HANG_SECONDS)
        assert not refused
        streams = (f"traces-*.otel-{namespace}", f"logs-*.otel-{namespace}")
        yield Search(Api(client, timeout=HANG_SECONDS), streams)


def test_elasticsearch_and_the_local_store_list_the_same_sessions(
    search: Search, told: list[Stored]
) -> None:
    for name, settings in FILTERS.items():
        wanted = SessionFilter(**settings)
        found, complete = search.sessions(wanted, 10)
        expected, _ = list_sessions(told, wanted, 10)
        assert [replace(one, first_request=None) for one in found] == [
            replace(one, first_request=None) for one in expected
        ], name
        assert [one.first_request and one.first_request.title for one in found] == [
            one.first_request and one.first_request.title for one in expected
        ], name
        assert complete, name


def test_the_latest_are_listed_and_that_there_are_more(search: Search, told: list[Stored]) -> None:
    found, complete = search.sessions(SessionFilter(), 3)
    assert [one.session_id for one in found] == IDS[:-4:-1]
    assert not complete


def test_where_nothing_was_ever_stored_the_list_is_empty(search: Search, store: Store) -> None:
    nowhere = Search(search._api, (f"traces-*.otel-{store.namespace}-no",))
    assert nowhere.sessions(SessionFilter(), 10) == ([], True)
