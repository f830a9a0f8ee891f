"""Measure what the session side costs a request and the start of a process, beside its peers.

    python benchmarks/propagation.py

A request is `extract`, `on_start` of its span, and `inject` for one call to another service.
Compared are AsayerPropagator with SessionSpanProcessor, and B3SingleFormat with
BaggageSpanProcessor, on the same carriers. The rounds of the two alternate, so that whatever else
the machine does meets both; the median of the rounds' ratios counts. Goal: at most 1.

B3 carries no session: for a BaggageSpanProcessor that has an entry to write, the context it starts
from already holds one, free of charge.

Start-up is `import opentelemetry.propagate` in a new process, with byte code cached as an
installation has it, against the propagators that ours replaces. Goal: at most 10 ms more.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry import baggage
from opentelemetry.context import Context
from opentelemetry.instrumentation.asgi import asgi_getter
from opentelemetry.instrumentation.wsgi import wsgi_getter
from opentelemetry.processor.baggage import ALLOW_ALL_BAGGAGE_KEYS, BaggageSpanProcessor
from opentelemetry.propagators.b3 import B3SingleFormat
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, set_span_in_context

from otel_asayer.processors import SessionSpanProcessor
from otel_asayer.propagator import AsayerPropagator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.propagators.textmap import Getter, TextMapPropagator
    from opentelemetry.sdk.trace import SpanProcessor

ROUNDS = int(os.environ.get("ROUNDS") or 101)
REQUESTS_PER_ROUND = 500
STARTS = 41
SESSION_ID = "2618307011354435587"

BROWSER = {
    "host": "shop.example",
    "connection": "keep-alive",
    "content-length": "33",
    "sec-ch-ua": '"Chromium";v="140", "Not=A?Brand";v="24"',
    "sec-ch-ua-mobile": "?0",
    "sec-ch-ua-platform": '"Linux"',
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36",
    "accept": "application/json",
    "content-type": "application/json",
    "origin": "https://shop.example",
    "sec-fetch-site": "same-origin",
    "sec-fetch-mode": "cors",
    "sec-fetch-dest": "empty",
    "referer": "https://shop.example/cart",
    "accept-encoding": "gzip, deflate, br, zstd",
    "accept-language": "en-US,en;q=0.9",
    "cookie": "theme=dark; login=c2Vzc2lvbg; consent=1",
    "x-request-id": "7b0cb2f4-5d0f-4b8e-9d8e-0a5a3f6c2f11",
}
TRACED = {"b3": "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1"}
SESSION = {"x-session-id": SESSION_ID}
OUTGOING = {
    "User-Agent": "python-requests/2.34",
    "Accept-Encoding": "gzip, deflate",
    "Accept": "*/*",
    "Connection": "keep-alive",
}


class Carrier(NamedTuple):
    """A request as a server hands it to the instrumentation."""

    name: str
    content: dict[str, Any]
    getter: Getter[Any]


class Contender(NamedTuple):
    """A propagator and a span processor that work together, and the context they start from."""

    propagator: TextMapPropagator
    processor: SpanProcessor
    context: Context


def wsgi(name: str, headers: Mapping[str, str]) -> Carrier:
    server = (
        "REQUEST_METHOD",
        "SCRIPT_NAME",
        "PATH_INFO",
        "QUERY_STRING",
        "SERVER_NAME",
        "SERVER_PORT",
        "SERVER_PROTOCOL",
        "REMOTE_ADDR",
    )
    gateway = (
        "version",
        "url_scheme",
        "input",
        "errors",
        "multithread",
        "multiprocess",
        "run_once",
        "file_wrapper",
        "input_terminated",
    )
    environ = dict.fromkeys((*server, *(f"wsgi.{key}" for key in gateway)), "")
    return Carrier(
        f"WSGI, {name}",
        environ
        | {f"HTTP_{key.upper().replace('-', '_')}": value for key, value in headers.items()},
        wsgi_getter,
    )


def asgi(name: str, headers: Mapping[str, str]) -> Carrier:
    raw = [(key.encode(), value.encode()) for key, value in headers.items()]
    return Carrier(
        f"ASGI, {name}",
        {"type": "http", "method": "POST", "path": "/cart", "headers": raw},
        asgi_getter,
    )


def request(contender: Contender, carrier: Carrier, server_span: Span, client_span: Span) -> None:
    context = contender.propagator.extract(carrier.content, contender.context, carrier.getter)
    contender.processor.on_start(server_span, context)  # type: ignore[arg-type]
    contender.propagator.inject(OUTGOING.copy(), set_span_in_context(client_span, context))


def seconds(contender: Contender, carrier: Carrier) -> float:
    tracer = TracerProvider().get_tracer("benchmark")
    server_span = tracer.start_span("POST /cart", kind=SpanKind.SERVER)
    url = {
        "http.method": "GET",
        "http.url": "http://stock.shop.svc.cluster.local:8080/items/17?warehouse=3",
    }
    client_span = tracer.start_span("GET", kind=SpanKind.CLIENT, attributes=url)
    started = time.process_time()
    for _ in range(REQUESTS_PER_ROUND):
        request(contender, carrier, server_span, client_span)
    return time.process_time() - started


def compare(carrier: Carrier) -> None:
    ours = Contender(AsayerPropagator(), SessionSpanProcessor(), Context())
    theirs = Contender(
        B3SingleFormat(),
        BaggageSpanProcessor(ALLOW_ALL_BAGGAGE_KEYS),
        baggage.set_baggage("session.id", SESSION_ID, Context()),
    )
    pairs = [(seconds(ours, carrier), seconds(theirs, carrier)) for _ in range(ROUNDS)]
    ratio = statistics.median(mine / peer for mine, peer in pairs)
    mine, peer = (
        statistics.median(column) / REQUESTS_PER_ROUND * 1e6 for column in zip(*pairs, strict=True)
    )
    print(f"{carrier.name:34} {mine:6.2f} us against {peer:6.2f} us: ratio {ratio:.2f}")


def start_milliseconds(propagators: str, environ: Mapping[str, str]) -> float:
    """Processor time of one process: what else the machine does would count in the time of day."""
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", "import opentelemetry.propagate"],
        {**environ, "OTEL_PROPAGATORS": propagators},
    )
    _, status, used = os.wait4(process, 0)
    if status:
        raise SystemExit(f"a process with OTEL_PROPAGATORS={propagators} could not start")
    return (used.ru_utime + used.ru_stime) * 1e3


def compare_starts() -> None:
    names = ("tracecontext,asayer", "tracecontext,baggage")
    with tempfile.TemporaryDirectory() as byte_code:
        environ = {
            key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"
        } | {"PYTHONPYCACHEPREFIX": byte_code}
        rounds = [[start_milliseconds(name, environ) for name in names] for _ in range(1 + STARTS)][
            1:
        ]  # the first one compiles
    mine, peer = map(statistics.median, zip(*rounds, strict=True))
    print(f"{'start-up':34} {mine:6.1f} ms against {peer:6.1f} ms: {mine - peer:.1f} ms more")


def main() -> None:
    for build in (wsgi, asgi):
        compare(build("session and trace", {**BROWSER, **TRACED, **SESSION}))
        compare(build("neither session nor trace", BROWSER))
    compare_starts()


if __name__ == "__main__":
    main()
