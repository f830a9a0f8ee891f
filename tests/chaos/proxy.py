"""A proxy for HTTP on loopback: it does to each request what the next turn of a schedule says."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from chaos.plan import Fault, Turn

if TYPE_CHECKING:
    from collections.abc import Iterator

UPSTREAM_SECONDS = 120.0
"""How long an answer is waited for: longer than any server stays frozen."""
LARGEST_BYTES = 256 * 1024
"""Of a body, as it is sent. What is larger never passes."""
SMALL_BYTES = 2 * 1024
"""A body up to here meets no 413: what is halved often enough passes."""

_NO_LINGER = struct.pack("ii", 1, 0)
"""Makes closing a connection a reset."""
_HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding"}


class Proxy:
    """Passes requests to `port` on loopback, as far as `turns` lets it.

    Serves inside of a `with` block.
    """

    def __init__(self, port: int, turns: Iterator[Turn]) -> None:
        self.upstream = port
        self.met: Counter[Fault] = Counter()
        """How many requests met which fault."""
        self._turns = turns
        self._healed = False
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def heal(self) -> None:
        """Pass everything on from now on, but for what is too large."""
        self._healed = True

    def turn(self, length: int) -> Turn:
        """Return what happens to the next request, whose body has this length."""
        with self._lock:
            turn = Turn(Fault.NONE, 0.0) if self._healed else next(self._turns)
            if turn.fault is Fault.TOO_LARGE and length <= SMALL_BYTES:
                turn = Turn(Fault.NONE, 0.0)
            if length > LARGEST_BYTES:
                turn = Turn(Fault.TOO_LARGE, 0.0)
            self.met[turn.fault] += 1
            return turn


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def shutdown_request(self, request: Any) -> None:
        """Close at once:

        in order, the standard library says goodbye before, and a reset would be none.
        """
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing is said of clients that went away: they are meant to."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together, or not at all
    proxy: Proxy

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        turn = self.proxy.turn(len(body))
        if turn.fault is Fault.DELAY:
            time.sleep(turn.seconds)
        if turn.fault in _ANSWERS:
            self._answer(*_ANSWERS[turn.fault])
        elif turn.fault is Fault.RESET:
            self._reset()
        else:
            self._pass_on(body, turn.fault)

    # The standard library's names
    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815

    def _pass_on(self, body: bytes, fault: Fault) -> None:
        try:
            status, headers, answer = self._ask(body)
        except (OSError, http.client.HTTPException):
            self._reset()
            return
        if fault is Fault.LOST_ANSWER:
            self._reset()
        else:
            self._answer(status, headers, answer, whole=fault is not Fault.HALF_ANSWER)

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream = http.client.HTTPConnection(
            "127.0.0.1", self.proxy.upstream, timeout=UPSTREAM_SECONDS
        )
        try:
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in _HOP_BY_HOP
            }
            upstream.request(self.command, self.path, body or None, headers)
            answer = upstream.getresponse()
            return (
                answer.status,
                {
                    name: value
                    for name, value in answer.getheaders()
                    if name.lower() not in _HOP_BY_HOP
                },
                answer.read(),
            )
        finally:
            upstream.close()

    def _answer(
        self, status: int, headers: dict[str, str], body: bytes, *, whole: bool = True
    ) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header(
            "content-length", str(len(body) + (not whole))
        )  # an empty answer is cut short as well
        self.end_headers()
        self.wfile.write(body if whole else body[: len(body) // 2])
        self.wfile.flush()
        self.close_connection = not whole

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.close_connection = True

    # The standard library's name
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing is logged: what requests met is counted."""


def _handler(proxy: Proxy) -> type[_Handler]:
    return type("Handler", (_Handler,), {"proxy": proxy})


def _error(status: int, **headers: str) -> tuple[int, dict[str, str], bytes]:
    body = json.dumps({"message": http.client.responses[status]}).encode()
    return (
        status,
        {
            "content-type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
        body,
    )


_ANSWERS = {
    Fault.BUSY: _error(429, retry_after="1"),
    Fault.UNAVAILABLE: _error(503),
    Fault.TOO_LARGE: _error(413),
}
