"""Measure how long requests take behind a real server, by telemetry and by what Elasticsearch does.

    python benchmarks/latency.py [--seconds 8] [--json FILE]

Flask on gunicorn (one worker, 4 threads) and FastAPI on uvicorn (one worker) answer requests of wrk
on 4 connections, as fast as they can. Each request belongs to a session and logs a line. Servers
run under `opentelemetry-instrument`, with variables alone:

- the application alone; OpenTelemetry without an exporter; with one that throws all away; with
  OTLP/HTTP; with otel-asayer;
- otel-asayer while Elasticsearch refuses connections, never answers, answers after 5 seconds, and
  while a full spool drains;
- OTLP/HTTP while its server never answers.

Each round starts every server anew, warms it up, measures it, and ends it with SIGTERM. Rounds
alternate, so that whatever else the machine does meets all; medians count. A server, wrk and the
server behind it share the processors. Goal: throughput within 3 % of "no exporter" in each state,
and 99 of 100 requests below 25 ms.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from process import SDK, sdk_variables
from request import BARE, BINARIES, OTLP, OURS, SESSION_ID, shop

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fastapi import FastAPI
    from flask import Flask

ROUNDS = int(os.environ.get("ROUNDS") or 5)
CONNECTIONS = 4
HERE = Path(__file__).parent
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
WAITING = 600
"""Bodies of 512 spans in the spool that drains."""
START_SECONDS = 60.0
THROWS_AWAY = "THROWS_AWAY"
"""A variable that tells a server so."""
PERCENTILES = """
done = function(summary, latency, requests)
  local lost = summary.errors.connect + summary.errors.read + summary.errors.write
             + summary.errors.status + summary.errors.timeout
  io.write(string.format("RESULT %f %f %f %f %d\\n", latency:percentile(50) / 1000,
    latency:percentile(99) / 1000, latency:percentile(99.9) / 1000,
    summary.requests * 1e6 / summary.duration, lost))
end
"""
"""For wrk: percentiles in milliseconds, requests a second, and requests that failed."""


class State(NamedTuple):
    """What is measured: which exporter, and what the server behind it does."""

    exporter: str
    behind: str = "answers"

    @property
    def name(self) -> str:
        """How a report names it."""
        return self.exporter if self.behind == "answers" else f"{self.exporter}, {self.behind}"


DISCARDING = State(OURS, "all thrown away")
"""What every exporter costs: the batch processors, and here our propagator and processors."""
STATES = (
    State(BARE),
    State(SDK),
    DISCARDING,
    State(OTLP),
    State(OTLP, "hangs"),
    State(OURS),
    State(OURS, "refuses"),
    State(OURS, "hangs"),
    State(OURS, "answers after 5 s"),
    State(OURS, "drains a spool"),
)
DELAYS = {
    "answers": 0.0,
    "drains a spool": 0.0,
    "all thrown away": 0.0,
    "answers after 5 s": 5.0,
    "hangs": 3600.0,
}
"""Seconds after which the server behind answers a request; without one, nobody listens."""
SERVERS = {
    "Flask on gunicorn": [
        *("gunicorn", "--workers", "1", "--threads", "4", "--log-level", "error"),
        *("--chdir", str(HERE), "--bind", "127.0.0.1:{port}", "latency:flask_shop()"),
    ],
    "FastAPI on uvicorn": [
        *("uvicorn", "--app-dir", str(HERE), "--port", "{port}", "--log-level", "error"),
        *("--no-access-log", "--factory", "latency:fastapi_shop"),
    ],
}


class Measured(NamedTuple):
    """One server in one round."""

    p50: float
    """Milliseconds, as the next two."""
    p99: float
    p999: float
    throughput: float
    """Requests a second."""
    processor: float
    """Milliseconds of processor time for a request, of all that the server did for it."""
    end: float
    """Seconds from SIGTERM to the end of the process."""


def flask_shop() -> Flask:
    """The application on gunicorn: it knows nothing of telemetry."""
    _discard_if_asked()
    return shop()


def fastapi_shop() -> FastAPI:
    """The application on uvicorn: it knows nothing of telemetry."""
    from fastapi import FastAPI

    _discard_if_asked()
    app = FastAPI()
    log = logging.getLogger("carts")
    log.setLevel(logging.INFO)

    @app.get("/carts/{number}")
    async def cart(number: int) -> dict[str, int]:
        log.info("Cart %d is shown", number)
        return {"cart": number}

    return app


def _discard_if_asked() -> None:
    if THROWS_AWAY in os.environ:
        from otel_asayer.exporter import ElasticsearchLogRecordExporter, ElasticsearchSpanExporter

        for exporter in (ElasticsearchLogRecordExporter, ElasticsearchSpanExporter):
            exporter.export = lambda _self, _batch: None  # type: ignore[method-assign, assignment]


def variables(state: State, framework: str, url: str, spool: Path) -> dict[str, str]:
    """What a server is told by its variables."""
    if state.exporter != OURS:
        return sdk_variables(state.exporter, url, framework)
    return (
        sdk_variables(OURS, url, framework)
        | ({THROWS_AWAY: "1"} if state == DISCARDING else {})
        | {
            "OTEL_EXPORTER_ELASTICSEARCH_SPOOL": "on_failure",
            "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(spool),
        }
    )


@contextmanager
def behind(state: State) -> Iterator[str]:
    """Run what the exporter sends to; give its URL."""
    from export import process

    delay = DELAYS.get(state.behind)
    if delay is None:
        with socket.socket() as taken:  # bound, but not listening: refused
            taken.bind(("127.0.0.1", 0))
            yield f"http://127.0.0.1:{taken.getsockname()[1]}"
        return
    with process([sys.executable, str(HERE / "sink.py"), str(delay)]) as (_, port):
        yield f"http://127.0.0.1:{int(port.readline())}"


def fill(url: str, spool: Path) -> None:
    """Let bodies wait in the spool for `url`."""
    from export import BATCH, recorded_spans

    from otel_asayer.config import Config
    from otel_asayer.documents import Encoder
    from otel_asayer.spool import configured_spool

    config = Config.from_environment({}, endpoint=url, spool_directory=str(spool))
    waiting = configured_spool(config)
    assert waiting is not None  # noqa: S101 (for the type)
    operations = Encoder(config, lambda: "x").spans(recorded_spans(BATCH)).operations
    for _ in range(WAITING):
        waiting.write(operations)


def measure(server: str, state: State, seconds: int) -> Measured:
    """Start a server, measure it, and end it."""
    with tempfile.TemporaryDirectory() as folder, behind(state) as url:
        spool = Path(folder) / "spool"
        if state.behind == "drains a spool":
            fill(url, spool)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [part.format(port=port) for part in SERVERS[server]]
        command[0] = str(BINARIES / command[0])
        if state.exporter != BARE:
            command.insert(0, str(BINARIES / "opentelemetry-instrument"))
        script = Path(folder) / "percentiles.lua"
        script.write_text(PERCENTILES)
        with (Path(folder) / "console").open("wb") as console:
            process = subprocess.Popen(
                command,
                env=variables(state, server.split(maxsplit=1)[0].lower(), url, spool),
                stdout=console,
                stderr=console,
            )
            try:
                target = f"http://127.0.0.1:{port}/carts/7"
                _wait_for(target, process)
                first = _load(target, max(1, seconds // 3), script)
                numbers = _load(target, seconds, script)
                process.send_signal(signal.SIGTERM)
                began = time.monotonic()
                _, _, used = os.wait4(process.pid, 0)
                process.returncode = 0
                requests = (first[3] * max(1, seconds // 3)) + numbers[3] * seconds
                processor = (used.ru_utime + used.ru_stime) * 1e3 / requests
                return Measured(*numbers, processor, time.monotonic() - began)
            finally:
                if process.returncode is None:
                    process.kill()
                    process.wait()


def _wait_for(target: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError):
            urllib.request.urlopen(target, timeout=5).close()
            return
        time.sleep(0.1)
    raise SystemExit("A server did not start, so nothing is measured.")


def _load(target: str, seconds: int, script: Path) -> tuple[float, float, float, float]:
    command = [
        *("wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--latency"),
        *("--duration", f"{seconds}s", "--timeout", "60s", "--script", str(script)),
        *("--header", f"X-Session-Id: {SESSION_ID}", "--header", f"traceparent: {TRACE}", target),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    p50, p99, p999, throughput, lost = map(float, line.split()[1:])
    if lost:
        raise SystemExit(f"{lost:.0f} requests failed, so nothing is measured.")
    return p50, p99, p999, throughput


def report(server: str, results: Mapping[State, Sequence[Measured]]) -> dict[str, dict[str, float]]:
    """Print the table of a server, and return its rows."""
    rows = {}
    print(
        f"\n{server:46}{'p50, ms':>9}{'p99, ms':>9}{'p99.9, ms':>11}{'requests/s':>12}"
        f"{'of no exporter':>16}{'CPU, ms':>9}{'end, s':>8}"
    )
    for state, several in results.items():
        middle = Measured(*map(statistics.median, zip(*several, strict=True)))
        ratio = statistics.median(
            one.throughput / reference.throughput
            for one, reference in zip(several, results[State(SDK)], strict=True)
        )
        rows[state.name] = {**middle._asdict(), "ratio": ratio}
        print(
            f"{state.name:46}{middle.p50:9.1f}{middle.p99:9.1f}{middle.p999:11.1f}"
            f"{middle.throughput:12.0f}{ratio:16.2f}{middle.processor:9.2f}{middle.end:8.1f}"
        )
    return rows


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the numbers to this file as well")
    parser.add_argument("--seconds", type=int, default=8, help="of a measurement; default: 8")
    parser.add_argument("--servers", nargs="*", default=list(SERVERS), choices=list(SERVERS))
    parser.add_argument("--states", nargs="*", help="names of states; default: all")
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("This benchmark needs wrk: apt-get install wrk")
    wanted = {SDK, *(arguments.states or (state.name for state in STATES))}
    states = [state for state in STATES if state.name in wanted]
    tables = {}
    for server in arguments.servers:
        results: dict[State, list[Measured]] = {state: [] for state in states}
        for _ in range(ROUNDS):
            for state in states:
                results[state].append(measure(server, state, arguments.seconds))
        tables[server] = report(server, results)
    if arguments.json:
        arguments.json.write_text(json.dumps(tables, indent=2) + "\n")


if __name__ == "__main__":
    main()
