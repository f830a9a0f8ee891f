"""No client takes the session to a foreign host, in any spelling of a redirect or kind of span."""

from __future__ import annotations

import asyncio
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
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
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import otel_asayer

if TYPE_CHECKING:
    from collections.abc import Iterator

Ask: TypeAlias = Callable[[str], None]

SESSION = "2618307011354435587"
FORMS = [
    "http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}",
    "http://127.0.0.1:{port}/?next=http://localhost/",
    "http://127.0.0.1:{port}/#@localhost/",
    "http://127.0.0.1:{port}?@localhost/",
    "//127.0.0.1:{port}/",
    "///127.0.0.1:{port}/",
    "HTTP://127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "http:/127.0.0.1:{port}/",
    "http:\\\\127.0.0.1:{port}\\",
    "http://localhost@127.0.0.1:{port}/",
    "http://localhost:80@127.0.0.1:{port}/",
    "http://localhost%40127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@localhost/",
    "http://localhost\\@127.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "  http://127.0.0.1:{port}/  ",
    "http://127.0.0.1:{port}/\tlocalhost",
    "http://①②⑦.0.0.1:{port}/",
]
"""Ways to write the address of the foreign server.

Not every client understands each; none may take the session along.
"""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Any = self.server
        server.seen.append(self.headers.as_string())
        self.send_response(server.status)
        if server.status != 200:
            self.wfile.flush()
            self._headers_buffer.append(f"location: {server.location}\r\n".encode())  # type: ignore[attr-defined]
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


class Server(ThreadingHTTPServer):
    """Stores the headers of its requests; with any status but 200, redirects to `location`."""

    status = 200
    location = ""

    def __init__(self) -> None:
        self.seen: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


@pytest.fixture(scope="module")
def foreign() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def internal() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


def ask_requests(url: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.get(url, timeout=60)


class _OwnAuthorisation(requests.Session):
    def rebuild_auth(self, prepared_request: Any, response: Any) -> None:
        """Keep credentials, as some services want it."""


def ask_requests_with_an_own_way_of_authorisation(url: str) -> None:
    with _OwnAuthorisation() as session:
        session.trust_env = False
        session.get(url, timeout=60)


def ask_requests_step_by_step(url: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        response = session.get(url, timeout=60, allow_redirects=False)
        if response.next is not None:
            session.send(response.next, timeout=60)


def ask_httpx(url: str) -> None:
    with httpx.Client(trust_env=False, follow_redirects=True, timeout=60) as client:
        client.get(url)


def ask_httpx_step_by_step(url: str) -> None:
    with httpx.Client(trust_env=False, timeout=60) as client:
        response = client.get(url)
        if response.next_request is not None:
            client.send(response.next_request)


def ask_httpx_async(url: str) -> None:
    async def ask() -> None:
        async with httpx.AsyncClient(trust_env=False, follow_redirects=True, timeout=60) as client:
            await client.get(url)

    asyncio.run(ask())


def ask_httpx_async_step_by_step(url: str) -> None:
    async def ask() -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            response = await client.get(url)
            if response.next_request is not None:
                await client.send(response.next_request)

    asyncio.run(ask())


def ask_urllib3(url: str) -> None:
    with urllib3.PoolManager() as pool:
        pool.request("GET", url, timeout=60, retries=urllib3.Retry(connect=0, read=0, redirect=2))


def ask_urllib(url: str) -> None:
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=60).close()
    except urllib.error.HTTPError as error:
        error.close()


def ask_aiohttp(url: str) -> None:
    async def ask() -> None:
        async with aiohttp.ClientSession() as session, session.get(url):
            pass

    asyncio.run(ask())


CLIENTS: list[Ask] = [
    ask_requests,
    ask_requests_with_an_own_way_of_authorisation,
    ask_requests_step_by_step,
    ask_httpx,
    ask_httpx_step_by_step,
    ask_httpx_async,
    ask_httpx_async_step_by_step,
    ask_urllib3,
    ask_urllib,
    ask_aiohttp,
]


class OneOfTwo(Sampler):
    """Samples the first call, and not the one that it is redirected to."""

    def __init__(self) -> None:
        self.asked = 0

    def should_sample(self, *arguments: Any, attributes: Any = None, **_: Any) -> SamplingResult:
        self.asked += 1
        given = attributes or next(
            (argument for argument in arguments if isinstance(argument, dict)), None
        )
        return SamplingResult(
            Decision.RECORD_AND_SAMPLE if self.asked == 1 else Decision.DROP, given
        )

    def get_description(self) -> str:
        return "OneOfTwo"


INSTRUMENTORS: tuple[Any, ...] = (
    RequestsInstrumentor,
    HTTPXClientInstrumentor,
    URLLib3Instrumentor,
    URLLibInstrumentor,
    AioHttpClientInstrumentor,
)


@pytest.fixture(params=["sampled", "unsampled", "excluded"])
def sampler(
    request: pytest.FixtureRequest, foreign: Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OneOfTwo | None]:
    """Instrument all clients; the second call is recorded, not sampled, or excluded."""
    if request.param == "excluded":
        monkeypatch.setenv("OTEL_PYTHON_EXCLUDED_URLS", f":{foreign.server_port}")
    before = propagate.get_global_textmap()
    ours = otel_asayer.AsayerPropagator(propagation_targets="localhost")
    propagate.set_global_textmap(CompositePropagator([TraceContextTextMapPropagator(), ours]))
    sampler = OneOfTwo() if request.param == "unsampled" else None
    provider = (
        TracerProvider(sampler=sampler, shutdown_on_exit=False)
        if sampler
        else TracerProvider(shutdown_on_exit=False)
    )
    for instrumentor in INSTRUMENTORS:
        instrumentor().instrument(tracer_provider=provider)
    yield sampler
    for instrumentor in INSTRUMENTORS:
        instrumentor().uninstrument()
    propagate.set_global_textmap(before)


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("ask", CLIENTS)
def test_the_session_never_follows_a_redirect_to_a_foreign_host(
    ask: Ask, status: int, sampler: OneOfTwo | None, internal: Server, foreign: Server
) -> None:
    leaks, arrived = [], 0
    for form in FORMS:
        internal.status, internal.location = status, form.format(port=foreign.server_port)
        internal.seen.clear()
        foreign.seen.clear()
        if sampler:
            sampler.asked = 0
        token = context.attach(baggage.set_baggage("tenant", "seven"))
        with otel_asayer.session(SESSION), suppress(Exception):
            ask(f"http://localhost:{internal.server_port}/")
        context.detach(token)
        assert SESSION in internal.seen[0], (
            "the session goes to the target, or nothing is shown by this test"
        )
        arrived += len(foreign.seen)
        leaks += [form for headers in foreign.seen if SESSION in headers]
    assert leaks == []
    assert arrived >= 5
