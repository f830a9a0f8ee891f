"""Serve bulk requests, OTLP/HTTP and everything else for the other benchmarks.

It runs in a process of its own and answers as the real servers do.

A bulk answer names as many items as the request has documents, with the fields that the exporter's
`filter_path` asks for. Prints its port on one line; ends when its standard input is closed.
"""

from __future__ import annotations

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from zlib import MAX_WBITS, decompressobj

_GZIP = MAX_WBITS | 16
_ITEM = b'{"create":{"status":201}}'


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept
    disable_nagle_algorithm = True

    delay = 0.0
    """Seconds before an answer."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("content-encoding") == "gzip":
            body = decompressobj(_GZIP).decompress(body)
        if self.path.startswith("/_bulk"):
            self._answer(
                b'{"errors":false,"items":['
                + b",".join([_ITEM] * (body.count(b"\n") // 2))
                + b"]}",
                "application/json",
            )
        elif self.path.startswith("/v1/"):
            self._answer(b"", "application/x-protobuf")
        else:
            self._answer(b"{}", "application/json")

    do_GET = do_POST  # noqa: N815 (the name is http.server's)

    def _answer(self, body: bytes, content_type: str) -> None:
        time.sleep(self.delay)
        self.send_response(200)
        self.send_header("x-elastic-product", "Elasticsearch")
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    # The standard library's name
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing is logged: the terminal belongs to the benchmark."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that do not wait for an answer."""


def main() -> None:
    """Serve until standard input is closed; an argument is the seconds before each answer."""
    _Handler.delay = float(sys.argv[1]) if sys.argv[1:] else 0.0
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
