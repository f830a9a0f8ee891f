"""A double of Elasticsearch: for faults on request, and for tests of what an application sends.

::

    with ElasticsearchDouble() as elasticsearch:
        elasticsearch.reply_with(status(503, retry_after=1), Fault.LOST_ANSWER)
        exporter = ElasticsearchSpanExporter(endpoint=elasticsearch.url, setup="off")
        ...
        assert elasticsearch.documents == [...]

It listens on loopback inside a `with` block; without one its `request` can take the place of a
`Client`. Once its script is used up it takes bulk requests as Elasticsearch does, each `_id` once,
and says who it is. It knows nothing of mappings, templates or keys: tests of those need a real
Elasticsearch.
"""

from __future__ import annotations

import gzip
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

import orjson

from otel_asayer.elasticsearch.client import Response, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from ssl import SSLContext

    from typing_extensions import Self

__all__ = ["IDENTITY", "ElasticsearchDouble", "Exchange", "Fault", "items", "status"]

_PRODUCT: Final = {"x-elastic-product": "Elasticsearch", "content-type": "application/json"}
_CONFLICT: Final = (
    409,
    "version_conflict_engine_exception",
    "version conflict, document already exists",
)


class Fault(Enum):
    """A way not to answer."""

    RESET = "reset"
    """The connection is closed, and nothing of the request was done."""

    LOST_ANSWER = "lost answer"
    """The request is carried out, and the connection closed before the answer."""

    HANG = "hang"
    """The request is read, and nothing follows until the double is closed."""


@dataclass(frozen=True)
class Exchange:
    """A request that arrived. Names of headers are in lower case; the body is as it was sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> bytes:
        """The body, decompressed."""
        return (
            gzip.decompress(self.body)
            if self.headers.get("content-encoding") == "gzip"
            else self.body
        )

    @property
    def operations(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """The actions and documents of a bulk request."""
        lines = [orjson.loads(line) for line in self.content.splitlines()]
        return list(zip(lines[::2], lines[1::2], strict=True))


def status(code: int, body: object = None, **headers: object) -> Response:
    """Return an answer; `retry_after=3` becomes the header `retry-after: 3`."""
    named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    return Response(code, _PRODUCT | named, b"" if body is None else orjson.dumps(body))


def items(*outcomes: int | tuple[int, str] | tuple[int, str, str]) -> Response:
    """Return the answer to a bulk request, with one outcome for each document.

    An outcome is a status, a status and an error type, or those and a reason.
    """
    entries = [
        {"create": _item(*((outcome,) if isinstance(outcome, int) else outcome))}
        for outcome in outcomes
    ]
    return status(
        200,
        {"errors": any(entry["create"]["status"] >= 300 for entry in entries), "items": entries},  # noqa: PLR2004
    )


IDENTITY: Final = status(200, {"cluster_name": "double", "version": {"number": "9.4.3"}})
"""The answer to `GET /`."""


def _item(code: int, kind: str = "", reason: str = "") -> dict[str, Any]:
    return {"status": code, "error": {"type": kind, "reason": reason}} if kind else {"status": code}


@dataclass
class ElasticsearchDouble:
    """Answers by a script, then as Elasticsearch does.

    Attributes:
        exchanges: All requests that arrived.
        stored: The documents taken, by data stream and `_id`.
        url: Where it listens, inside a `with` block.
        tls: Makes it speak https, with the certificate that is loaded there.
        arrived: Set once a request has arrived.
    """

    exchanges: list[Exchange] = field(default_factory=list)
    stored: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    url: str = ""
    tls: SSLContext | None = None
    arrived: threading.Event = field(default_factory=threading.Event)
    _script: deque[Response | Fault] = field(default_factory=deque)
    _closing: threading.Event = field(default_factory=threading.Event)
    _server: ThreadingHTTPServer | None = None

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The documents taken, in the order of their arrival."""
        return list(self.stored.values())

    def reply_with(self, *replies: Response | Fault) -> None:
        """Answer the next requests like this, one reply for each."""
        self._script.extend(replies)

    def forget_replies(self) -> None:
        """Answer the next requests as Elasticsearch does, whatever the script has left."""
        self._script.clear()

    def request(
        self,
        method: str,
        target: str,
        body: bytes | Sequence[bytes] | None = None,
        *,
        timeout: float,
    ) -> Response:
        """Answer as a `Client` would, without network; no time passes.

        Raises:
            UnreachableError: the script has a fault here.
        """
        reply = self.answer(
            Exchange(method, target, {}, body if isinstance(body, bytes) else b"".join(body or ()))
        )
        if isinstance(reply, Fault):
            raise UnreachableError(
                f"no answer within {timeout:.3g} s"
                if reply is Fault.HANG
                else "Connection reset by peer"
            )
        return reply

    def connect(self) -> None:
        """Do nothing: in place of a `Client`, there is nothing to import."""

    @property
    def busy(self) -> bool:
        """False: in place of a `Client`, no request is ever under way."""
        return False

    def abort(self, within: float) -> None:
        """Do nothing: in place of a `Client`, no request is ever under way."""

    def close(self) -> None:
        """Do nothing: in place of a `Client`, there are no connections."""

    def answer(self, exchange: Exchange) -> Response | Fault:
        """Note a request, and return the answer to it.

        `HEAD /`, by which an ending process checks whether Elasticsearch answers, is neither noted
        nor answered by the script. But where the script continues with a reset or hanging
        connection, this request gets the same.
        """
        if (exchange.method, exchange.target) == ("HEAD", "/"):
            return (
                self._script[0]
                if self._script and self._script[0] in (Fault.RESET, Fault.HANG)
                else status(200)
            )
        self.exchanges.append(exchange)
        self.arrived.set()
        reply = self._script.popleft() if self._script else None
        if reply is None or reply is Fault.LOST_ANSWER:
            done = self._carry_out(exchange)
            return reply or done
        return reply

    def _carry_out(self, exchange: Exchange) -> Response:
        if exchange.target.startswith("/_bulk"):
            return items(
                *(
                    self._store(action["create"], document)
                    for action, document in exchange.operations
                )
            )
        return IDENTITY if (exchange.method, exchange.target) == ("GET", "/") else status(404, {})

    def _store(
        self, action: Mapping[str, str], document: dict[str, Any]
    ) -> int | tuple[int, str, str]:
        key = action["_index"], action["_id"]
        return 201 if self.stored.setdefault(key, document) is document else _CONFLICT

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), partial(_Handler, self))
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self._server.server_port}"
        if self.tls:
            # The handshake belongs to the connection's own thread: one that a client breaks off
            # must not stop the server.
            self._server.socket = self.tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def wait_until_closed(self) -> None:
        """Block while the double is open."""
        self._closing.wait()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about a connection that the other side closed, as after a failed handshake.

        Its own message says what happened.
        """
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, double: ElasticsearchDouble, *arguments: Any) -> None:
        self._double = double
        super().__init__(*arguments)

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        reply = self._double.answer(
            Exchange(
                self.command,
                self.path,
                {name.lower(): value for name, value in self.headers.items()},
                body,
            )
        )
        if isinstance(reply, Fault):
            if reply is Fault.HANG:
                self._double.wait_until_closed()
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in {**reply.headers, "content-length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    # The standard library's names
    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815

    # The standard library's name
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Log nothing: the application's log belongs to the application."""
