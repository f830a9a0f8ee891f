"""A redirect that a client follows does not carry the session to a host that is no target:

real clients, two real servers.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp
import httpx
import pytest
import requests
import urllib3
from opentelemetry import baggage, context, propagate
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib import URLLibInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import otel_asayer
from otel_asayer.propagation.redirects import guard_redirects

from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

SESSION = "2618307011354435587"

Ask: TypeAlias = Callable[[str, dict[str, str]], None]


@contextmanager
def server(location: str | None = None) -> Iterator[tuple[int, list[dict[str, str]]]]:
    """A server that remembers the headers of its requests, and sends them on to `location`."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200 if location is None else 302)
            if location is not None:
                self.send_header("location", location)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield running.server_port, seen
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def ask_requests(url: str, headers: dict[str, str]) -> None:
    requests.get(url, headers=headers, timeout=HANG_SECONDS)


def ask_urllib(url: str, headers: dict[str, str]) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=HANG_SECONDS):
        pass


def ask_aiohttp(url: str, headers: dict[str, str]) -> None:
    async def ask() -> None:
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers):
            pass

    asyncio.run(ask())


def ask_httpx(url: str, headers: dict[str, str]) -> None:
    httpx.get(url, headers=headers, follow_redirects=True)


def ask_urllib3(url: str, headers: dict[str, str]) -> None:
    with urllib3.PoolManager() as pool:
        pool.request("GET", url, headers=headers)


BELOW = [ask_requests, ask_urllib, ask_aiohttp]
"""Clients that follow redirects below their instrumentations."""


@pytest.fixture
def _instrumented() -> Iterator[None]:
    before = propagate.get_global_textmap()
    ours = otel_asayer.AsayerPropagator(propagation_targets="localhost")
    propagate.set_global_textmap(CompositePropagator([TraceContextTextMapPropagator(), ours]))
    guard_redirects()
    guard_redirects()
    instrumentors: list[Any] = [
        RequestsInstrumentor(),
        URLLibInstrumentor(),
        AioHttpClientInstrumentor(),
        HTTPXClientInstrumentor(),
        URLLib3Instrumentor(),
    ]
    for instrumentor in instrumentors:
        instrumentor.instrument(tracer_provider=TracerProvider(shutdown_on_exit=False))
    yield
    for instrumentor in instrumentors:
        instrumentor.uninstrument()
    propagate.set_global_textmap(before)


@pytest.mark.usefixtures("_instrumented")
@pytest.mark.parametrize("ask", [*BELOW, ask_httpx, ask_urllib3])
def test_the_session_stays_behind_when_a_target_redirects_to_a_foreign_host(ask: Ask) -> None:
    with (
        server() as (foreign, seen_there),
        server(f"http://127.0.0.1:{foreign}/") as (internal, seen_here),
        otel_asayer.session(SESSION),
    ):
        ask(f"http://localhost:{internal}/", {})
    assert seen_here[0]["x-session-id"] == SESSION
    assert SESSION not in repr(seen_there)
    assert "traceparent" in seen_there[0]


@pytest.mark.usefixtures("_instrumented")
@pytest.mark.parametrize("ask", [*BELOW, ask_httpx, ask_urllib3])
def test_the_session_goes_on_when_a_target_redirects_to_a_target(ask: Ask) -> None:
    with (
        server() as (following, seen_there),
        server(f"http://localhost:{following}/") as (internal, _),
        otel_asayer.session(SESSION),
    ):
        ask(f"http://localhost:{internal}/", {})
    assert seen_there[0]["x-session-id"] == SESSION


@pytest.mark.usefixtures("_instrumented")
@pytest.mark.parametrize("ask", BELOW)
def test_other_baggage_goes_on_to_a_foreign_host(ask: Ask) -> None:
    with (
        server() as (foreign, seen_there),
        server(f"http://127.0.0.1:{foreign}/") as (internal, _),
        otel_asayer.session(SESSION),
    ):
        token = context.attach(baggage.set_baggage("tenant", "seven"))
        ask(f"http://localhost:{internal}/", {})
        context.detach(token)
    assert seen_there[0]["baggage"] == "tenant=seven"


@pytest.mark.usefixtures("_instrumented")
@pytest.mark.parametrize("ask", BELOW)
def test_a_header_of_the_application_that_is_no_session_is_left_to_the_client(ask: Ask) -> None:
    with server() as (foreign, seen_there), server(f"http://127.0.0.1:{foreign}/") as (internal, _):
        ask(f"http://localhost:{internal}/", {"X-Session-Id": "a login"})
    assert seen_there[0]["x-session-id"] == "a login"


@pytest.mark.usefixtures("_instrumented")
def test_redirects_are_guarded_once() -> None:
    guarded = requests.sessions.SessionRedirectMixin.rebuild_auth
    guard_redirects()
    assert requests.sessions.SessionRedirectMixin.rebuild_auth is guarded


@pytest.mark.usefixtures("_instrumented")
@pytest.mark.parametrize("ask", BELOW)
def test_beside_a_header_of_the_application_the_session_in_baggage_stays_behind(ask: Ask) -> None:
    with (
        server() as (foreign, seen_there),
        server(f"http://127.0.0.1:{foreign}/") as (internal, seen_here),
        otel_asayer.session(SESSION),
    ):
        ask(f"http://localhost:{internal}/", {"X-Session-Id": "a login"})
    assert seen_here[0]["x-session-id"] == "a login"
    assert seen_here[0]["baggage"] == f"session.id={SESSION}"
    assert seen_there[0]["x-session-id"] == "a login"
    assert "baggage" not in seen_there[0]


@pytest.mark.usefixtures("_instrumented")
@pytest.mark.parametrize("location", ["http://[", "//"])
def test_a_location_that_aiohttp_cannot_follow_fails_as_it_does_without_us(location: str) -> None:
    AioHttpClientInstrumentor().uninstrument()
    with server(location) as (internal, _):
        with pytest.raises(Exception) as without_us:  # noqa: PT011 (which one is aiohttp's affair)
            ask_aiohttp(f"http://localhost:{internal}/", {})
        AioHttpClientInstrumentor().instrument(
            tracer_provider=TracerProvider(shutdown_on_exit=False)
        )
        with otel_asayer.session(SESSION), pytest.raises(without_us.type):
            ask_aiohttp(f"http://localhost:{internal}/", {})


@pytest.mark.usefixtures("_instrumented")
def test_a_redirect_without_a_location_ends_aiohttps_call() -> None:
    with server("") as (internal, seen), otel_asayer.session(SESSION):
        ask_aiohttp(f"http://localhost:{internal}/", {})
    assert len(seen) == 1


ONE_BY_ONE = """
import urllib.request
import requests
from opentelemetry import propagate
from opentelemetry.instrumentation.{module} import {instrumentor}
from opentelemetry.sdk.trace import TracerProvider
from otel_asayer import AsayerPropagator, session
propagate.set_global_textmap(AsayerPropagator(propagation_targets="localhost"))
{instrumentor}().instrument(tracer_provider=TracerProvider())
with session("{session}"):
    {ask}
"""


@pytest.mark.parametrize(
    ("module", "instrumentor", "ask"),
    [
        ("requests", "RequestsInstrumentor", "requests.get('{url}', timeout=60)"),
        ("urllib", "URLLibInstrumentor", "urllib.request.urlopen('{url}', timeout=60).close()"),
    ],
)
def test_the_propagator_alone_guards_redirects(module: str, instrumentor: str, ask: str) -> None:
    with (
        server() as (foreign, seen_there),
        server(f"http://127.0.0.1:{foreign}/") as (internal, seen_here),
    ):
        code = ONE_BY_ONE.format(
            module=module,
            instrumentor=instrumentor,
            session=SESSION,
            ask=ask.format(url=f"http://localhost:{internal}/"),
        )
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OTEL_", "COV"))
        }
        subprocess.run([sys.executable, "-c", code], check=True, env={**environ, "NO_PROXY": "*"})
    assert (seen_here[0]["x-session-id"], len(seen_there), SESSION in repr(seen_there)) == (
        SESSION,
        1,
        False,
    )


def test_headers_that_cannot_be_read_raise_nothing() -> None:
    class Hostile(dict[str, Any]):
        asked = 0

        def __iter__(self) -> Any:
            self.asked += 1
            raise RuntimeError

    headers = Hostile()
    otel_asayer.AsayerPropagator().withdraw(headers, "http://foreign.example/")
    assert headers.asked == 1
