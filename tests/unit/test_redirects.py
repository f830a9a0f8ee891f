"""A redirect that `requests` follows does not carry the session to a host that is no target: real requests, two real servers."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import requests
from opentelemetry import baggage, context, propagate
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import otel_asayer
from otel_asayer.redirects import guard_redirects

if TYPE_CHECKING:
    from collections.abc import Iterator

SESSION = "2618307011354435587"


@contextmanager
def server(location: str | None = None) -> Iterator[tuple[int, list[dict[str, str]]]]:
    """A server that remembers the headers of its requests, and sends them on to `location`."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(302 if location else 200)
            if location:
                self.send_header("location", location)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    try:
        yield running.server_port, seen
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


@pytest.fixture
def _instrumented() -> Iterator[None]:
    before = propagate.get_global_textmap()
    ours = otel_asayer.AsayerPropagator(propagation_targets="localhost")
    propagate.set_global_textmap(CompositePropagator([TraceContextTextMapPropagator(), ours]))
    RequestsInstrumentor().instrument(tracer_provider=TracerProvider(shutdown_on_exit=False))
    guard_redirects()
    guard_redirects()
    yield
    RequestsInstrumentor().uninstrument()
    propagate.set_global_textmap(before)


@pytest.mark.usefixtures("_instrumented")
def test_the_session_stays_behind_when_a_target_redirects_to_a_foreign_host() -> None:
    with server() as (foreign, seen_there), server(f"http://127.0.0.1:{foreign}/") as (internal, seen_here), otel_asayer.session(SESSION):
        assert requests.get(f"http://localhost:{internal}/", timeout=10).status_code == 200
    assert seen_here[0]["x-session-id"] == SESSION
    assert SESSION not in repr(seen_there)
    assert "traceparent" in seen_there[0]


@pytest.mark.usefixtures("_instrumented")
def test_the_session_goes_on_when_a_target_redirects_to_a_target() -> None:
    with server() as (following, seen_there), server(f"http://localhost:{following}/") as (internal, _), otel_asayer.session(SESSION):
        requests.get(f"http://localhost:{internal}/", timeout=10)
    assert seen_there[0]["x-session-id"] == SESSION


@pytest.mark.usefixtures("_instrumented")
def test_other_baggage_goes_on_to_a_foreign_host() -> None:
    with server() as (foreign, seen_there), server(f"http://127.0.0.1:{foreign}/") as (internal, _), otel_asayer.session(SESSION):
        token = context.attach(baggage.set_baggage("tenant", "seven"))
        requests.get(f"http://localhost:{internal}/", timeout=10)
        context.detach(token)
    assert seen_there[0]["baggage"] == "tenant=seven"


@pytest.mark.usefixtures("_instrumented")
def test_a_header_of_the_application_that_is_no_session_is_left_to_requests() -> None:
    with server() as (foreign, seen_there), server(f"http://127.0.0.1:{foreign}/") as (internal, _):
        requests.get(f"http://localhost:{internal}/", headers={"X-Session-Id": "a login"}, timeout=10)
    assert seen_there[0]["x-session-id"] == "a login"


@pytest.mark.usefixtures("_instrumented")
def test_redirects_are_guarded_once() -> None:
    guarded = requests.sessions.SessionRedirectMixin.rebuild_auth
    guard_redirects()
    assert requests.sessions.SessionRedirectMixin.rebuild_auth is guarded


def test_headers_that_cannot_be_read_raise_nothing() -> None:
    class Hostile(dict[str, Any]):
        def get(self, *_: Any) -> Any:
            raise RuntimeError

    otel_asayer.AsayerPropagator().withdraw(Hostile(), "http://foreign.example/")
