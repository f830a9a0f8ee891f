"""A session goes from a real browser through Flask, Node, Go and Java, each with log records and
an exception, by a real Collector into a real Elasticsearch.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from fleet.visit import DIRECT, OTLP, SERVICES, Visit, bridge, visit
from otel_asayer.cli.commands import otel_asayer

from readers import Gen1Reader, Gen2Reader, Gen3Reader
from store import READER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store import Store

pytestmark = [pytest.mark.fleet, pytest.mark.elasticsearch]


BEGINNING = datetime(2020, 1, 1, tzinfo=timezone.utc)
LOGGED = {
    "shop": "order 7 is large",
    "delivery": "delivery of /order/7 is late",
    "billing": "the bill is high",
    "stock": "stock is low",
}
RAISED = {
    "shop": "no delivery of order 7",
    "delivery": "no stock for /order/7",
    "stock": "nothing left of /stock/order/7",
}
"""In log records. Go has no exceptions: what `RecordError` leaves is an event of the span, and the
Collector stores such without a session."""


@pytest.fixture(scope="module", params=[DIRECT, OTLP])
def visited(
    request: pytest.FixtureRequest,
    new_store: Callable[[], Store],
    static: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Visit:
    """A visit, whichever way Flask exports, of which a bridge has made replay records."""
    store, folder = new_store(), tmp_path_factory.mktemp("visit")
    found = visit(request.param, store, static, folder)
    bridge(store, folder)
    return found


def service_of(document: dict[str, Any]) -> str:
    return str(document["resource"]["attributes"]["service.name"])


def in_session(visited: Visit, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        document
        for document in documents
        if document.get("attributes", {}).get("session.id") == visited.session_id
    ]


def command(visited: Visit, *words: str) -> Any:
    """What a command prints as JSON, to somebody who may read everything."""
    server = visited.store.server
    settings = {"ENDPOINT": server.url, "USERNAME": server.username, "PASSWORD": server.password}
    environment = {f"OTEL_EXPORTER_ELASTICSEARCH_{name}": text for name, text in settings.items()}
    done = CliRunner().invoke(otel_asayer, [*words, "--json"], env=environment)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_one_trace_in_one_session_goes_through_all_services(visited: Visit) -> None:
    spans = visited.store.spans()
    order = next(span for span in spans if "/order/<number>" in span["name"])
    trace = [span for span in spans if span["trace_id"] == order["trace_id"]]
    assert {service_of(span) for span in trace} == set(SERVICES)
    assert in_session(visited, trace) == trace


def test_a_service_in_another_language_may_be_the_first_one(visited: Visit) -> None:
    """The page sends it the session as baggage."""
    spans = in_session(visited, visited.store.spans())
    first = [span for span in spans if "parent_span_id" not in span]
    assert [service_of(span) for span in first] == ["shop", "delivery"]


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_has_log_records_in_the_session(visited: Visit, service: str) -> None:
    logs = in_session(visited, visited.store.logs())
    texts = {log["body"]["text"] for log in logs if "body" in log and service_of(log) == service}
    assert LOGGED[service] in texts


@pytest.mark.parametrize("service", RAISED)
def test_each_service_has_an_exception_in_the_session(visited: Visit, service: str) -> None:
    exceptions = in_session(visited, visited.store.exceptions())
    messages = {
        exception["attributes"]["exception.message"]
        for exception in exceptions
        if service_of(exception) == service
    }
    assert RAISED[service] in messages


def test_the_timeline_shows_all_services(visited: Visit) -> None:
    shown = command(visited, "timeline", visited.session_id)
    requests = {event["service"] for event in shown["events"] if event["kind"] == "request"}
    assert requests == set(SERVICES)


def test_the_list_of_sessions_knows_all_services(visited: Visit) -> None:
    listed = command(visited, "sessions")
    assert [
        session["services"] for session in listed if session["session_id"] == visited.session_id
    ] == [sorted(SERVICES)]


def test_errors_show_the_exceptions_of_all_services(visited: Visit) -> None:
    groups = command(visited, "errors")
    found = {service for group in groups for service in group["services"]}
    assert found >= RAISED.keys()


def services_in(messages: list[str]) -> set[str]:
    return {service for service in SERVICES for text in messages if f"service {service}" in text}


def test_openreplays_panel_has_rows_of_all_services(visited: Visit) -> None:
    server = visited.store.server
    rows = Gen3Reader(server, server.create_api_key("reader", READER)).rows(visited.session_id)
    assert services_in([row.message for row in rows]) == set(SERVICES)


@pytest.mark.parametrize("reader", [Gen1Reader, Gen2Reader])
def test_the_older_readers_have_errors_of_all_services(
    visited: Visit, reader: type[Gen1Reader | Gen2Reader]
) -> None:
    server = visited.store.server
    now = datetime.now(timezone.utc) + timedelta(minutes=1)
    events = reader(server, server.create_api_key("reader", READER)).events(BEGINNING, now)
    mine = [event.message for event in events if event.session_id == visited.session_id]
    assert services_in(mine) == set(SERVICES)


def test_what_a_bridge_writes_again_doubles_nothing(visited: Visit, tmp_path: Path) -> None:
    before = len(visited.store.replay_records())
    bridge(visited.store, tmp_path)
    assert len(visited.store.replay_records()) == before


def test_a_session_is_forgotten_in_all_services(visited: Visit) -> None:
    """The last one: nothing is left for others."""
    command(visited, "forget", visited.session_id, "--yes")
    store = visited.store
    store.server.refresh()
    assert in_session(visited, store.spans()) == []
    assert in_session(visited, store.logs()) == []
    assert [text for text in map(str, store.replay_records()) if visited.session_id in text] == []
