"""What takes OTLP/HTTP in place of Elasticsearch: a process that writes the numbers of documents to
a file before it answers.

It can be killed, frozen and started again as Elasticsearch can; what it acknowledged stays in its
file.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from typing import TYPE_CHECKING
from zlib import MAX_WBITS, decompressobj

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typing_extensions import Self

from chaos.ledger import append_numbers, read_numbers
from chaos.load import CHAOS_ID

from instrumented import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_SECONDS = 30.0
_GZIP = MAX_WBITS | 16


class Sink:
    """The sink's process, whose methods are those of the harness's Elasticsearch.

    Runs inside of a `with` block.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._file = folder / "arrived"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.restart()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def arrived(self) -> Counter[int]:
        """Return how often each document arrived."""
        return Counter(read_numbers(self._file))

    def restart(self) -> None:
        """Start it, again or for the first time; return when it listens."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "chaos.sink", str(self.port), str(self._file)],
            stdin=subprocess.PIPE,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the sink of OTLP did not listen within {START_SECONDS} s")
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill it, as by kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def pause(self) -> None:
        """Freeze it: connections are accepted by the system, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


def numbers_of_spans(body: bytes) -> Iterator[int]:
    """Yield the numbers of the spans in the body of a request."""
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for span in chain.from_iterable(scope.spans for scope in resource.scope_spans):
            yield from (
                attribute.value.int_value
                for attribute in span.attributes
                if attribute.key == CHAOS_ID
            )


def numbers_of_log_records(body: bytes) -> Iterator[int]:
    """Yield the numbers of the log records in the body of a request."""
    for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
        for log_record in chain.from_iterable(scope.log_records for scope in resource.scope_logs):
            yield from (
                attribute.value.int_value
                for attribute in log_record.attributes
                if attribute.key == CHAOS_ID
            )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    file: int

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = decompressobj(_GZIP).decompress(body)
        append_numbers(
            self.file,
            numbers_of_spans(body) if self.path == "/v1/traces" else numbers_of_log_records(body),
        )
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    # The standard library's name
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing is logged: the terminal belongs to the suite."""


def main(port: str, path: str) -> None:
    """Serve until standard input is closed."""
    _Handler.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
