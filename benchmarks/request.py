"""Measure what one request of a Flask application costs with each kind of telemetry.

The measurement spans the request and everything that is sent because of it.

    python benchmarks/request.py [--peers PYTHON] [--json FILE]

Each kind is set up as its users do, in a process of its own: OpenTelemetry by
`opentelemetry-instrument` with variables alone, exporting by OTLP/HTTP or by otel-asayer; Sentry
and Datadog, as libraries, by a Python (`--peers`) that has them. The application logs a line in
each request and fails in one of fifty. Requests go through its WSGI entry, without a server, with
the headers that a browser and the replay's tracker send. Everything recorded is sent over loopback
to a server that takes it all, and all of it is sent before the clock stops.

Measured is processor time, user and system, of all threads. Rounds alternate, so that whatever else
the machine does meets all kinds; medians count, and what the bare application takes is subtracted.
Datadog's library hands over to an agent on the same machine, whose work is not counted.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from flask import Flask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

REQUESTS = 1000
ROUNDS = int(os.environ.get("ROUNDS") or 15)
FAILS = 50
SESSION_ID = "2618307011354435587"
TRACE = "0af7651916cd43dd8448eb211c80319c"
HERE = Path(__file__)
BINARIES = Path(sys.executable).parent

BARE = "no telemetry"
OTLP = "OpenTelemetry, OTLP/HTTP"
OURS = "OpenTelemetry, otel-asayer"
SENTRY = "Sentry"
DATADOG = "Datadog"

HEADERS = {
    "HTTP_HOST": "shop.example",
    "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36",
    "HTTP_ACCEPT": "application/json",
    "HTTP_ORIGIN": "https://shop.example",
    "HTTP_REFERER": "https://shop.example/cart",
    "HTTP_ACCEPT_ENCODING": "gzip, deflate, br, zstd",
    "HTTP_ACCEPT_LANGUAGE": "en-US,en;q=0.9",
    "HTTP_COOKIE": "theme=dark; consent=1",
    "HTTP_SEC_FETCH_SITE": "same-origin",
    "HTTP_SEC_FETCH_MODE": "cors",
}
TRACKERS = {
    OTLP: {
        "HTTP_TRACEPARENT": f"00-{TRACE}-b7ad6b7169203331-01",
        "HTTP_BAGGAGE": f"session.id={SESSION_ID}",
    },
    OURS: {"HTTP_TRACEPARENT": f"00-{TRACE}-b7ad6b7169203331-01", "HTTP_X_SESSION_ID": SESSION_ID},
    SENTRY: {
        "HTTP_SENTRY_TRACE": f"{TRACE}-b7ad6b7169203331-1",
        "HTTP_BAGGAGE": f"sentry-trace_id={TRACE},sentry-sampled=true,sentry-replay_id={TRACE}",
    },
    DATADOG: {
        "HTTP_X_DATADOG_TRACE_ID": "9254521233455321234",
        "HTTP_X_DATADOG_PARENT_ID": "1254521233455321234",
        "HTTP_X_DATADOG_ORIGIN": "rum",
        "HTTP_X_DATADOG_SAMPLING_PRIORITY": "1",
        "HTTP_BAGGAGE": f"session.id={SESSION_ID}",
    },
}


def shop() -> Flask:
    """The application: it knows nothing of telemetry."""
    app = Flask("shop")
    log = logging.getLogger("carts")
    log.setLevel(logging.INFO)

    @app.get("/carts/<int:number>")
    def cart(number: int) -> dict[str, int]:
        log.info("Cart %d is shown", number)
        if number % FAILS == 0:
            raise LookupError(f"cart {number} is lost")
        return {"cart": number}

    return app


def work(kind: str, url: str) -> None:
    """Be one of the processes.

    Answer each line of standard input with the microseconds of processor time that a request took.
    """
    flush = SETUPS.get(kind, flush_opentelemetry)(url)
    if not logging.getLogger().handlers:  # or the standard library would print errors
        logging.getLogger().addHandler(logging.NullHandler())
    app = shop()
    environ = _environ(kind)
    _microseconds(app, environ, flush)
    gc.collect()
    # What is there after the first requests stays: to look through all of it now and then costs
    # more than what is compared
    gc.freeze()
    for _ in sys.stdin:
        print(_microseconds(app, environ, flush), flush=True)


def answer_one(app: Flask, kind: str, number: int) -> None:
    """Ask an application of `shop` for a cart, as the browser of a kind's session does."""
    expected = 200 if number % FAILS else 500
    _request(app, {**_environ(kind), "PATH_INFO": f"/carts/{number}"}, expected)


def _environ(kind: str) -> dict[str, Any]:
    address = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
    }
    client = {"SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "203.0.113.7", "REMOTE_PORT": "40000"}
    gateway = {
        "wsgi.url_scheme": "https",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    return {
        **address,
        **client,
        **gateway,
        "wsgi.version": (1, 0),
        "wsgi.input": None,
        **HEADERS,
        **TRACKERS.get(kind, {}),
    }


def _microseconds(app: Flask, environ: Mapping[str, Any], flush: Callable[[], object]) -> float:
    start = time.process_time()
    for number in range(1, REQUESTS + 1):
        _request(app, {**environ, "PATH_INFO": f"/carts/{number}"}, 200 if number % FAILS else 500)
    flush()
    return (time.process_time() - start) * 1e6 / REQUESTS


def _request(app: Flask, environ: dict[str, Any], expected: int) -> None:
    statuses: list[str] = []

    def start_response(
        status: str, _headers: list[tuple[str, str]], _failure: Any = None
    ) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda _: None

    answer: Iterable[bytes] = app(environ, start_response)
    b"".join(answer)
    answer.close()  # type: ignore[attr-defined] # servers do so, and the request's span ends here
    if int(statuses[0][:3]) != expected:
        raise SystemExit(f"{environ['PATH_INFO']} answered {statuses[0]}.")


def flush_opentelemetry(_: str) -> Callable[[], object]:
    from opentelemetry._logs import get_logger_provider
    from opentelemetry.trace import get_tracer_provider

    traces, logs = get_tracer_provider(), get_logger_provider()
    # They are the SDK's
    return lambda: (traces.force_flush(), logs.force_flush())  # type: ignore[attr-defined]


def _start_sentry(url: str) -> Callable[[], object]:
    import sentry_sdk

    address = url.replace("http://", "http://0123456789abcdef0123456789abcdef@")
    sentry_sdk.init(
        dsn=f"{address}/1",
        traces_sample_rate=1.0,
        enable_logs=True,
        transport_queue_size=10 * REQUESTS,
    )
    flush: Callable[[], object] = sentry_sdk.flush
    return flush


def _start_datadog(_: str) -> Callable[[], object]:
    from ddtrace.trace import tracer

    flush: Callable[[], object] = tracer.flush
    return flush


SETUPS: Mapping[str, Callable[[str], Callable[[], object]]] = {
    BARE: lambda _: lambda: None,
    SENTRY: _start_sentry,
    DATADOG: _start_datadog,
}


def commands(peers: Path | None) -> dict[str, list[str]]:
    """How each kind is run, by its name."""
    instrumented = [str(BINARIES / "opentelemetry-instrument"), sys.executable, str(HERE)]
    kinds = {BARE: [sys.executable, str(HERE)], OTLP: instrumented, OURS: instrumented}
    if peers:
        kinds |= {
            SENTRY: [str(peers), str(HERE)],
            DATADOG: [str(peers.parent / "ddtrace-run"), str(peers), str(HERE)],
        }
    return kinds


def variables(kind: str, url: str) -> dict[str, str]:
    """What each kind is told by its variables."""
    base = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "DD_", "SENTRY_"))
    }
    common = {
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http",
    }
    exporters = {"OTEL_TRACES_EXPORTER": "elasticsearch", "OTEL_LOGS_EXPORTER": "elasticsearch"}
    return (
        base
        | {
            BARE: {},
            OTLP: {
                **common,
                "OTEL_ASAYER_ENABLED": "false",
                "OTEL_TRACES_EXPORTER": "otlp",
                "OTEL_LOGS_EXPORTER": "otlp",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_ENDPOINT": url,
                "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            },
            OURS: {
                **common,
                **exporters,
                "OTEL_PROPAGATORS": "tracecontext,asayer",
                "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": url,
                "OTEL_EXPORTER_ELASTICSEARCH_SETUP": "off",
                "OTEL_EXPORTER_ELASTICSEARCH_SPOOL": "off",
                "OTEL_ASAYER_REPLAY_URL": "https://app.openreplay.com/1234/session/{session_id}?jumpto={time_ms}",
            },
            SENTRY: {},
            DATADOG: {
                "DD_SERVICE": "shop",
                "DD_TRACE_AGENT_URL": url,
                "DD_LOGS_INJECTION": "true",
                "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
                "DD_REMOTE_CONFIGURATION_ENABLED": "false",
                "DD_TRACE_STARTUP_LOGS": "false",
            },
        }[kind]
    )


def measure(peers: Path | None) -> dict[str, list[float]]:
    """Return the microseconds per request of each kind in each round."""
    from export import process

    with ExitStack() as stack:
        _, port = stack.enter_context(process([sys.executable, str(HERE.with_name("sink.py"))]))
        url = f"http://127.0.0.1:{int(port.readline())}"
        workers: dict[str, tuple[IO[str], IO[str]]] = {
            kind: stack.enter_context(
                process([*command, "--worker", kind, url], variables(kind, url))
            )
            for kind, command in commands(peers).items()
        }
        times: dict[str, list[float]] = {kind: [] for kind in workers}
        for _ in range(ROUNDS):
            for kind, (orders, answers) in workers.items():
                print(file=orders)
                times[kind].append(float(answers.readline()))
    return times


def report(times: Mapping[str, Sequence[float]], file: Path | None) -> None:
    """Print a table, and write JSON where asked."""
    bare = times[BARE]
    rows = []
    for kind, values in times.items():
        added = [value - least for value, least in zip(values, bare, strict=True)]
        ratios = [
            value / (reference - least)
            for value, reference, least in zip(added, times[OTLP], bare, strict=True)
        ]
        rows.append(
            {
                "telemetry": kind,
                "us": statistics.median(values),
                "added_us": statistics.median(added),
                "ratio": statistics.median(ratios),
            }
        )
    print(f"{'telemetry':30}{'µs a request':>14}{'added':>10}{'of OTLP':>10}")
    for row in rows:
        print(f"{row['telemetry']:30}{row['us']:14.1f}{row['added_us']:10.1f}{row['ratio']:10.2f}")
    if file:
        file.write_text(json.dumps(rows, indent=2) + "\n")


def main() -> None:
    """Measure and report; with `--worker`, be one of the processes that are measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--peers", type=Path, help="a Python with Flask, sentry-sdk and ddtrace")
    parser.add_argument("--json", type=Path, help="write the numbers to this file as well")
    parser.add_argument("--worker", nargs=2, metavar=("KIND", "URL"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(*arguments.worker)
    else:
        report(measure(arguments.peers), arguments.json)


if __name__ == "__main__":
    main()
