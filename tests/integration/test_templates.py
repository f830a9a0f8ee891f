"""Setup against a real Elasticsearch: what it installs takes our documents, and what stands there
is left alone.

The test distribution lacks Elasticsearch's own templates, so `logs-*-*` and the OTel ones are put
there in the form that matters: names, patterns and priorities. That ours stand back behind the real
ones follows from those alone.
"""

from __future__ import annotations

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from otel_asayer.config import Config
from otel_asayer.elasticsearch.client import Client
from otel_asayer.setup.first_contact import SetupReport, ensure
from otel_asayer.setup.templates import LOGS, REPLAY, TRACES

from elasticsearch_server import NodeConfig, running
from patience import HANG_SECONDS
from readers import Gen3Reader
from store import action, put_template, replay_index, templates, wipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elasticsearch_server import Endpoint, Server

pytestmark = pytest.mark.nodes

NAMES = (TRACES.name, LOGS.name, REPLAY.name)
SESSION = "2618307011354435587"
OTEL_TIME = "1795536236662.000005"
ISO_TIME = "2026-11-24T16:03:56.662Z"
SPAN = {
    "@timestamp": OTEL_TIME,
    "data_stream": {"type": "traces", "dataset": "generic.otel", "namespace": "default"},
    "trace_id": "5b8aa5a2d2c872e8321cf37308d69df2",
    "span_id": "051581bf3cb55c13",
    "name": "GET /cart",
    "kind": "Server",
    "duration": 132000000,
    "attributes": {"session.id": SESSION},
    "links": [],
    "status": {},
    "resource": {"attributes": {"service.name": "shop", "deployment.environment": "test"}},
    "scope": {"name": "shop", "version": "1.0"},
}
LOG = {
    "@timestamp": OTEL_TIME,
    "observed_timestamp": OTEL_TIME,
    "severity_text": "ERROR",
    "severity_number": 17,
    "body": {"text": "the cart is empty"},
    "attributes": {
        "session.id": SESSION,
        "exception.type": "KeyError",
        "exception.stacktrace": "Traceback\n" * 9000,
    },
    "resource": {"attributes": {"service.name": "shop"}},
}
RECORD = {
    "@timestamp": ISO_TIME,
    "utc_time": ISO_TIME,
    "timestamp": ISO_TIME,
    "message": f"[openReplaySession.id={SESSION}] GET /cart 500",
    "level": "error",
    "tags": ["error"],
    "attributes": {"session.id": SESSION},
    "resource": {"attributes": {"service.name": "shop"}},
}


@pytest.fixture(scope="module")
def node() -> Iterator[Server]:
    """A node of this module's own: templates and the alias `logs` belong to a whole cluster."""
    with running(NodeConfig()) as server:
        yield server


@pytest.fixture
def bare(node: Server) -> Server:
    """The node without templates, and with nothing that bears the name `logs`."""
    wipe(node)
    return node


def config_of(server: Endpoint, **settings: Any) -> Config:
    """Settings for a server; as its administrator, unless `settings` name a key."""
    given = {
        "endpoint": server.url,
        "certificate": server.ca_certificate and str(server.ca_certificate),
        **settings,
    }
    if "api_key" not in settings:
        given.update(username=server.username, password=server.password)
    return Config.from_environment({}, **given)


def setup(server: Endpoint, **settings: Any) -> SetupReport:
    config = config_of(server, **settings)
    with closing(Client(config)) as client:
        return ensure(client, config, timeout=HANG_SECONDS)


def create(
    server: Endpoint, stream: str, *documents: dict[str, Any], auth: str = "elastic"
) -> list[tuple[int, str]]:
    """Create documents in a data stream; return each one's status and, when there is one, the type
    of its error."""
    lines = [line for document in documents for line in (action(stream), document)]
    body = "".join(json.dumps(line) + "\n" for line in lines)
    answer = server.request("POST", "/_bulk?refresh=true", body, auth=auth).json()
    return [
        (item["create"]["status"], item["create"].get("error", {}).get("type", ""))
        for item in answer["items"]
    ]


def count(server: Endpoint, stream: str, **query: Any) -> int:
    return int(server.search(stream, {"query": query})["hits"]["total"]["value"])


def streams(namespace: str) -> dict[str, dict[str, Any]]:
    return {
        f"traces-generic.otel-{namespace}": SPAN,
        f"logs-generic.otel-{namespace}": LOG,
        replay_index(namespace): RECORD,
    }


def test_an_empty_server_gets_all_three_templates(bare: Server) -> None:
    assert setup(bare) == SetupReport(NAMES)
    assert set(NAMES) <= set(templates(bare))


def test_the_first_document_makes_its_stream(bare: Server, namespace: str) -> None:
    setup(bare)
    assert [create(bare, stream, document) for stream, document in streams(namespace).items()] == [
        [(201, "")]
    ] * 3


def test_without_setup_nothing_is_made_by_accident(bare: Server, namespace: str) -> None:
    answers = [create(bare, stream, document) for stream, document in streams(namespace).items()]
    assert answers == [
        *[[(404, "index_not_found_exception")]] * 2,
        [(400, "illegal_argument_exception")],
    ]


def test_setup_done_twice_changes_nothing(bare: Server) -> None:
    setup(bare)
    before = templates(bare)
    assert setup(bare) == SetupReport()
    assert templates(bare) == before


def test_a_template_of_our_name_stays_as_its_owner_made_it(bare: Server) -> None:
    put_template(
        bare,
        REPLAY.name,
        "asayer-logs-*",
        priority=3,
        streams=False,
        settings={"index.number_of_replicas": 0},
    )
    before = templates(bare)[REPLAY.name]
    assert setup(bare).installed == NAMES[:2]
    assert templates(bare)[REPLAY.name] == before


def test_of_many_processes_at_first_contact_one_installs_each_template(bare: Server) -> None:
    barrier = Barrier(6)

    def contact(_: int) -> SetupReport:
        barrier.wait(timeout=HANG_SECONDS)
        return setup(bare)

    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(contact, range(6)))
    assert sorted(name for report in reports for name in report.installed) == sorted(NAMES)
    assert [report.problems for report in reports] == [()] * 6


def test_each_stream_finds_its_session_by_the_bare_name(bare: Server, namespace: str) -> None:
    setup(bare)
    for stream, document in streams(namespace).items():
        create(bare, stream, document)
    assert [count(bare, stream, term={"session.id": SESSION}) for stream in streams(namespace)] == [
        1,
        1,
        1,
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("service.name", "shop"),
        ("service.environment", "test"),
        ("trace.id", SPAN["trace_id"]),
        ("span.id", SPAN["span_id"]),
        ("span.name", "GET /cart"),
        ("data_stream.dataset", "generic.otel"),
        ("event.dataset", "generic.otel"),
        ("scope.name", "shop"),
        ("@timestamp", "2026-11-24T16:03:56.662000005Z"),
    ],
)
def test_a_span_is_found_by_the_names_of_elasticsearchs_own_mapping(
    bare: Server, namespace: str, field: str, value: str
) -> None:
    setup(bare)
    create(bare, f"traces-generic.otel-{namespace}", SPAN)
    assert count(bare, f"traces-generic.otel-{namespace}", term={field: value}) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("message", "cart"),
        ("log.level", "ERROR"),
        ("exception.type", "KeyError"),
        ("error.exception.type", "KeyError"),
        ("attributes.exception.stacktrace.text", "traceback"),
    ],
)
def test_a_log_record_is_found_by_the_names_of_elasticsearchs_own_mapping(
    bare: Server, namespace: str, field: str, value: str
) -> None:
    setup(bare)
    create(bare, f"logs-generic.otel-{namespace}", LOG)
    assert count(bare, f"logs-generic.otel-{namespace}", match={field: value}) == 1


def with_attributes(**attributes: Any) -> dict[str, Any]:
    return {
        **SPAN,
        "attributes": {name.replace("__", "."): value for name, value in attributes.items()},
    }


DIFFICULT = {
    "a name that begins another one": with_attributes(clash=1, clash__sub="x"),
    "nested maps": with_attributes(map={"a": {"b": [1, {"c": None}]}}),
    "a list of maps": with_attributes(list=[{"a": 1}, {"b": 2}]),
    "a string longer than a term may be": with_attributes(long="x" * 40_000),
    "such a string in a map": with_attributes(map_of_long={"a": "x" * 40_000}),
    "a number beyond 64 bits": with_attributes(number=None, text=str(2**70)),
    "a point": with_attributes(geo__location=[13.4, 52.5]),
    "more names than a mapping holds": with_attributes(
        **{f"name_{number}": number for number in range(1_500)}
    ),
    "a name that is an alias": with_attributes(
        message="x", trace__id="x", service__environment="x"
    ),
    "links whose attributes disagree": {
        **SPAN,
        "links": [
            {"trace_id": "a", "attributes": {"x": 1}},
            {"trace_id": "b", "attributes": {"x": {"y": 1}}},
        ],
    },
    "a long status": {**SPAN, "status": {"code": "Error", "message": "x" * 40_000}},
    "a field that no mapping knows": {**SPAN, "unknown": {"a": 1}},
}


@pytest.mark.parametrize("document", DIFFICULT.values(), ids=DIFFICULT)
def test_a_difficult_span_is_accepted(
    bare: Server, namespace: str, document: dict[str, Any]
) -> None:
    setup(bare)
    assert create(bare, f"traces-generic.otel-{namespace}", document) == [(201, "")]


@pytest.mark.parametrize(
    "body",
    [
        {"text": 5},
        {"text": True},
        {"structured": {"a": {"b": 1}}},
        {"structured": [{"a": 1}, {"a": "x"}]},
        {"structured": {"value": [1, "x"]}},
    ],
)
def test_each_form_of_a_body_is_accepted(
    bare: Server, namespace: str, body: dict[str, Any]
) -> None:
    setup(bare)
    assert create(bare, f"logs-generic.otel-{namespace}", {**LOG, "body": body}) == [(201, "")]


def test_elasticsearchs_catch_all_for_logs_takes_no_stream_of_ours(
    bare: Server, namespace: str
) -> None:
    put_template(bare, "logs", "logs-*-*", priority=100)
    setup(bare)
    for stream, document in streams(namespace).items():
        create(bare, stream, document)
    (mapping,) = bare.request("GET", f"/logs-generic.otel-{namespace}/_mapping").json().values()
    assert mapping["mappings"]["properties"]["attributes"]["type"] == "passthrough"
    assert bare.request("GET", "/_alias/logs").json() == {
        replay_index(namespace): {"aliases": {"logs": {}}}
    }


def test_elasticsearchs_own_otel_templates_leave_ours_out(bare: Server) -> None:
    put_template(bare, "traces-otel@template", "traces-*.otel-*", priority=120)
    put_template(bare, "logs-otel@template", "logs-*.otel-*", priority=120)
    assert setup(bare) == SetupReport((REPLAY.name,))


def test_a_catch_all_that_would_hide_replay_records_is_a_problem(
    bare: Server, namespace: str
) -> None:
    put_template(bare, "theirs", "asayer-*", priority=1000, streams=False)
    (problem,) = setup(bare, namespace=namespace).problems
    assert problem.startswith(
        f"The index template theirs takes the indices asayer-logs-{namespace}-* without the alias "
        f"'logs'"
    )


def test_a_replay_template_under_another_name_is_respected(bare: Server) -> None:
    put_template(
        bare, "theirs", "asayer-logs-*", priority=1000, streams=False, aliases={"logs": {}}
    )
    assert setup(bare) == SetupReport(NAMES[:2])


def test_a_catch_all_for_data_streams_is_a_problem_even_with_the_alias(bare: Server) -> None:
    put_template(bare, "theirs", "asayer-logs-*", priority=1000, aliases={"logs": {}})
    (problem,) = setup(bare).problems
    assert problem.startswith(
        "The index template theirs makes data streams of asayer-logs-default-*"
    )


def bear_by_stream(server: Server) -> str:
    name = f"web-{secrets.token_hex(4)}"
    put_template(server, "web", name, priority=1, aliases={"logs": {}})
    create(server, name, {"@timestamp": ISO_TIME})
    return (
        f"The alias 'logs', which Asayer / OpenReplay reads, points to the data streams {name}, "
        "and in Elasticsearch no alias"
    )


def bear_by_name(server: Server) -> str:
    server.request("PUT", "/logs")
    return "An index or data stream is called 'logs', but Asayer / OpenReplay reads replay records"


@pytest.mark.parametrize("bear", [bear_by_stream, bear_by_name])
def test_where_the_readers_alias_cannot_stand_on_ours_there_is_no_replay_template(
    bare: Server, bear: Any
) -> None:
    beginning = bear(bare)
    report = setup(bare)
    assert report.installed == NAMES[:2]
    assert report.problems[0][: len(beginning)] == beginning
    assert REPLAY.name not in templates(bare)


def test_an_alias_taken_away_as_advised_makes_room(bare: Server, namespace: str) -> None:
    bear_by_stream(bare)
    setup(bare)
    bare.request(
        "POST", "/_aliases", {"actions": [{"remove": {"index": "web-*", "alias": "logs"}}]}
    )
    assert setup(bare) == SetupReport((REPLAY.name,))
    assert create(bare, replay_index(namespace), RECORD) == [(201, "")]


def test_a_teams_own_index_may_bear_the_alias_too(bare: Server, namespace: str) -> None:
    bare.request("PUT", "/app-2026", {"aliases": {"logs": {}}})
    assert setup(bare) == SetupReport(NAMES)
    assert create(bare, replay_index(namespace), RECORD) == [(201, "")]
    assert bare.request("POST", "/app-2026/_doc?refresh=true", {"message": "theirs"}).status == 201


def test_the_pipeline_lets_records_through_once_the_template_is_there(
    bare: Server, namespace: str
) -> None:
    bare.request("PUT", f"/_index_template/{REPLAY.name}", REPLAY.body)
    before = create(bare, replay_index(namespace), RECORD)
    setup(bare)
    assert before == [(400, "illegal_argument_exception")]
    assert create(bare, replay_index(namespace), RECORD) == [(201, "")]


def test_an_index_of_records_is_as_the_template_says(bare: Server, namespace: str) -> None:
    setup(bare)
    create(bare, replay_index(namespace), RECORD)
    (index,) = bare.request("GET", f"/{replay_index(namespace)}").json().values()
    settings = index["settings"]["index"]
    assert settings["merge"]["policy"]["type"] == "time_based"
    assert settings["refresh_interval"] == "1s"
    assert (settings["sort"]["field"], settings["sort"]["order"]) == ("@timestamp", "asc")
    assert index["mappings"]["properties"]["@timestamp"] == {"type": "date", "index": False}


def test_the_form_of_openreplay_accepts_the_integration_from_the_first_record_on(
    bare: Server, namespace: str
) -> None:
    setup(bare)
    reader = Gen3Reader(bare)
    before = reader.accepts_integration()
    create(bare, replay_index(namespace), RECORD)
    assert before is False
    assert reader.accepts_integration() is True


def test_the_recommended_key_sets_up_in_silence(prepared: Endpoint, writer_key: str) -> None:
    assert setup(prepared, api_key=writer_key) == SetupReport()


def test_the_recommended_key_writes_all_streams_once_somebody_has_set_up(
    prepared: Endpoint, writer_key: str, namespace: str
) -> None:
    answers = [
        create(prepared, stream, document, auth=writer_key)
        for stream, document in streams(namespace).items()
    ]
    assert answers == [[(201, "")]] * 3


def test_every_supported_server_takes_templates_and_documents(
    matrix_server: Server, namespace: str
) -> None:
    assert setup(matrix_server).problems == ()
    assert [
        create(matrix_server, stream, document) for stream, document in streams(namespace).items()
    ] == [[(201, "")]] * 3
