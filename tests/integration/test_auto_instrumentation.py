"""Applications that know nothing of OpenTelemetry, under `opentelemetry-instrument`, with variables
alone, into a real Elasticsearch."""

from __future__ import annotations

import signal
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from instrumented import free_port
from patience import HANG_SECONDS
from readers import Gen3Reader
from store import NOTHING, SESSION, sessions
from workers import ask_two_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from elasticsearch_server import Endpoint
    from instrumented import Application
    from store import Store

    Run = Callable[..., AbstractContextManager[Application]]

pytestmark = pytest.mark.elasticsearch

FLASK = ("python", "{applications}/flask_app.py")
UVICORN = ("uvicorn", "--app-dir", "{applications}", "--port", "{port}", "fastapi_app:app")
GUNICORN = (
    "gunicorn",
    "--preload",
    "--workers",
    "2",
    "--bind",
    "127.0.0.1:{port}",
    "--chdir",
    "{applications}",
    "workers_wsgi:app",
)
TOKEN = "jw4wdfpgqhoj.3az.lrraavgc.ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"


class Sink:
    """A server on loopback that remembers what it was sent."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                sink.requests.append(
                    (self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                )
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815 (the name is http.server's)

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def sink() -> Iterator[Sink]:
    running = Sink()
    thread = threading.Thread(target=running.server.serve_forever)
    thread.start()
    try:
        yield running
    finally:
        running.server.shutdown()
        thread.join()
        running.server.server_close()


@pytest.mark.parametrize(
    "header",
    [
        "X-Session-Id",
        "X-OpenReplay-SessionToken",
        "X-OpenReplay-Session-Token",
        "openReplaySession.id",
    ],
)
def test_every_header_of_the_trackers_brings_the_session_into_flask(
    store: Store, run: Run, header: str
) -> None:
    with run(store.environment(), *FLASK) as app:
        app.request("GET", "/ok", {header: TOKEN if "Token" in header else SESSION})
    assert sessions(store.spans()) == {SESSION}
    assert sessions(store.logs()) >= {SESSION}


def test_flask_spans_logs_and_exception_share_the_session_and_the_reader_sees_them(
    store: Store, run: Run, reader_key: str
) -> None:
    with run(store.environment(), *FLASK) as app:
        assert app.get("/ok", X_Session_Id=SESSION).status == 200
        assert app.get("/boom", X_Session_Id=SESSION).status == 500
    assert [(span["name"], span["status"].get("code")) for span in store.spans()] == [
        ("GET /ok", None),
        ("GET /boom", "Error"),
    ]
    assert {record["attributes"]["exception.type"] for record in store.exceptions()} == {
        "ValueError"
    }
    assert all(
        "in boom" in record["attributes"]["exception.stacktrace"] for record in store.exceptions()
    )
    rows = Gen3Reader(store.server, reader_key).rows(SESSION)
    ours = [row for row in rows if "shop" in row.message]
    assert any("GET /ok 200 in " in row.message and row.level == "info" for row in ours)
    assert any("GET /boom 500 in " in row.message and row.level == "error" for row in ours)
    assert any(
        "the handler failed" in row.message and "Traceback" in row.message and row.level == "error"
        for row in ours
    )


def test_a_request_without_a_session_carries_none(store: Store, run: Run) -> None:
    with run(store.environment(), *FLASK) as app:
        app.get("/ok")
    assert sessions(store.spans()) == {None}
    assert sessions(store.logs()) == {None}
    assert store.replay_records() == []


def test_the_token_is_in_no_document(store: Store, run: Run) -> None:
    with run(store.environment(), *FLASK) as app:
        app.get("/ok", X_OpenReplay_SessionToken=TOKEN)
        app.get("/boom", X_Session_Id=TOKEN)
    everything = repr([*store.spans(), *store.logs(), *store.replay_records()])
    assert SESSION in everything
    assert "ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q" not in everything


def test_the_session_goes_on_to_an_internal_service(store: Store, run: Run) -> None:
    with sink() as other, run(store.environment(), *FLASK) as app:
        app.get(f"/relay?to={other.url}/next", X_Session_Id=SESSION)
    (path, headers, _), *rest = other.requests
    assert path == "/next"
    assert headers["x-session-id"] == SESSION
    assert headers["baggage"] == f"session.id={SESSION}"
    assert rest == []
    assert headers["traceparent"].split("-")[1] == store.spans()[0]["trace_id"]


def test_the_session_does_not_go_to_a_host_that_is_no_target(store: Store, run: Run) -> None:
    with (
        sink() as other,
        run(store.environment(OTEL_ASAYER_PROPAGATION_TARGETS="partner.example"), *FLASK) as app,
    ):
        app.get(f"/relay?to={other.url}/next", X_Session_Id=SESSION)
    (_, headers, _) = other.requests[0]
    assert SESSION not in repr(headers)
    assert "traceparent" in headers


def test_fastapi_on_uvicorn_keeps_the_session_in_handlers_and_tasks(store: Store, run: Run) -> None:
    with run(store.environment(), *UVICORN) as app:
        assert app.get("/ok", X_Session_Id=SESSION).status == 200
        assert app.get("/background", X_Session_Id=SESSION).status == 200
        assert app.get("/boom/7", X_Session_Id=SESSION).status == 500
    assert sessions(store.spans()) == {SESSION}
    assert {"all is well", "work done behind the answer"} <= {
        record["body"]["text"]
        for record in store.logs()
        if record["attributes"].get("session.id") == SESSION and "body" in record
    }
    assert any(
        "the handler failed at 7" in record["attributes"]["exception.message"]
        for record in store.exceptions()
    )
    assert any("GET /boom/{item} 500 in " in record["message"] for record in store.replay_records())


def test_gunicorn_with_preloaded_workers_delivers_every_span_once(store: Store, run: Run) -> None:
    with run(store.environment(), *GUNICORN) as app:
        asked = ask_two_workers(app)
        assert app.stop(signal.SIGTERM) == 0
    spans = store.spans()
    assert (
        sorted((span["attributes"]["work"], span["attributes"]["worker"]) for span in spans)
        == asked
    )
    assert sessions(spans) == {SESSION}


def test_an_otlp_exporter_beside_ours_gets_the_session_too(store: Store, run: Run) -> None:
    with sink() as collector:
        environment = store.environment(
            OTEL_TRACES_EXPORTER="elasticsearch,otlp_proto_http",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        )
        with run(environment, *FLASK) as app:
            app.get("/ok", X_Session_Id=SESSION)
    (_, _, body) = next(request for request in collector.requests if request[0] == "/v1/traces")
    attributes = (
        ExportTraceServiceRequest.FromString(body)
        .resource_spans[0]
        .scope_spans[0]
        .spans[0]
        .attributes
    )
    assert [
        attribute.value.string_value for attribute in attributes if attribute.key == "session.id"
    ] == [SESSION]
    assert sessions(store.spans()) == {SESSION}


def test_an_unreachable_elasticsearch_neither_fails_requests_nor_holds_the_process(
    store: Store, run: Run
) -> None:
    environment = store.environment(
        OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT=f"http://127.0.0.1:{free_port()}"
    )
    with run(environment, *FLASK) as app:
        assert [app.get(path, X_Session_Id=SESSION).status for path in ("/ok", "/boom", "/ok")] == [
            200,
            500,
            200,
        ]


def test_a_hanging_elasticsearch_neither_fails_requests_nor_holds_the_process(
    store: Store, run: Run
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        environment = store.environment(
            OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT=f"http://127.0.0.1:{hanging.getsockname()[1]}"
        )
        with run(environment, *FLASK) as app:
            assert [
                app.get(path, X_Session_Id=SESSION).status for path in ("/ok", "/boom", "/ok")
            ] == [200, 500, 200]


def test_wrong_variables_are_listed_in_one_message_and_the_application_works(
    store: Store, run: Run
) -> None:
    wrong = {
        "OTEL_ASAYER_PROPAGATION_TARGETS": "10.0.0.0/99",
        "OTEL_EXPORTER_ELASTICSEARCH_TIMEOUT": "30000",
        "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": "elasticsearch:9200",
        "OTEL_EXPORTER_ELASTICSEARCH_API_KEY": "not a key",
    }
    with run(store.environment(**wrong), *FLASK) as app:
        assert app.get("/ok", X_Session_Id=SESSION).status == 200
    for variable in wrong:
        assert app.output().count(f"{variable}: ") == 1
    assert "not a key" not in app.output()


def test_a_missing_propagator_is_said_once_and_the_application_works(
    store: Store, run: Run
) -> None:
    with run(store.environment(OTEL_PROPAGATORS="tracecontext,baggage"), *FLASK) as app:
        assert app.get("/ok", X_Session_Id=SESSION).status == 200
    assert app.output().count("OTEL_PROPAGATORS=tracecontext,asayer") == 1
    assert sessions(store.spans()) == {None}


def test_plain_baggage_beside_asayer_is_said_to_leak(store: Store, run: Run) -> None:
    with run(store.environment(OTEL_PROPAGATORS="tracecontext,baggage,asayer"), *FLASK) as app:
        assert app.get("/ok", X_Session_Id=SESSION).status == 200
    assert "every host" in app.output()


def test_a_set_up_without_faults_says_nothing(store: Store, run: Run) -> None:
    patient = {
        "OTEL_EXPORTER_ELASTICSEARCH_SPOOL": "off",
        "OTEL_EXPORTER_ELASTICSEARCH_TIMEOUT": str(HANG_SECONDS),
    }
    with run(store.environment(**patient), *FLASK) as app:
        app.get("/ok", X_Session_Id=SESSION)
        app.get("/flush")
    assert "otel_asayer" not in app.output()
    assert "asayer" not in app.output().lower()


def test_no_endpoint_is_said_once_and_the_application_works(store: Store, run: Run) -> None:
    with run(store.environment(OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT=""), *FLASK) as app:
        assert app.get("/ok", X_Session_Id=SESSION).status == 200
    assert app.output().count("OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT") == 1


def test_a_key_without_rights_costs_no_request_and_is_said_once(
    store: Store, prepared: Endpoint, run: Run
) -> None:
    key = prepared.create_api_key("nobody", NOTHING)
    with run(
        store.environment(OTEL_EXPORTER_ELASTICSEARCH_API_KEY=key, OTEL_BSP_SCHEDULE_DELAY="100"),
        *FLASK,
    ) as app:
        assert [app.get("/ok", X_Session_Id=SESSION).status for _ in range(5)] == [200] * 5
    assert (
        app.output().count("The key or user needs the privileges create_doc and auto_configure")
        == 1
    )
    assert len(store.spans()) == 5  # they waited for a key that may


def test_the_trace_id_goes_back_to_the_browser_on_request(store: Store, run: Run) -> None:
    with run(store.environment(OTEL_ASAYER_TRACE_RESPONSE="true"), *FLASK) as app:
        answer = app.get("/ok", X_Session_Id=SESSION)
    assert answer.headers["traceresponse"].split("-")[1] == store.spans()[0]["trace_id"]
