"""One HTTP exchange with one endpoint, by a node of the elasticsearch package.

That package brings connections, TLS and addresses; its nodes are used one by one, below its own
transport. The transport would trace and log each request, retry 429 four times in a tenth of a
second, send a whole body again after a dropped connection, hide an endpoint for up to 30 seconds,
add a newline to a compressed body, and negotiate a media type that Elasticsearch 8 refuses from
version 9 of the package. All of them understand plain `application/json`.

There are no proxies: urllib3 reads none from the environment. Redirects come back as answers,
because credentials must not follow them.
"""

from __future__ import annotations

import queue
import time
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.elasticsearch.request_pool import patched_late, silence_loggers
from otel_asayer.runtime.fork_safety import unforked
from otel_asayer.sanitize import sanitize_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from elastic_transport import BaseNode

    from otel_asayer.config import Config

__all__ = ["Request", "Response", "UnreachableError", "build_nodes", "perform"]

_LONGEST_ANSWER: Final = 128 * 1024 * 1024
"""Bytes, decompressed. The longest answers are pages of a thousand documents."""
_PIECE: Final = 64 * 1024


class Response(NamedTuple):
    """An answer of whatever status. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    repeated: bool = False
    """Whether another endpoint got the same request before, and gave no answer: it may have carried
    it out."""


class Request(NamedTuple):
    """A request as it is sent, with all its headers; a body is compressed already."""

    method: str
    target: str
    body: bytes | None
    headers: Mapping[str, str]


# The contract's name: a state of the server, not a defect of the program
class UnreachableError(Exception):
    """No endpoint answered as Elasticsearch does.

    `reason` is half a sentence that names each endpoint and what went wrong there.
    """

    def __init__(self, reason: str, *, too_long: bool = False) -> None:
        self.too_long = too_long  # a smaller request may be answered
        # A line that is no HTTP may have 65,536 characters.
        self.reason = sanitize_line(reason[:1000])
        super().__init__(self.reason)


def perform(node: BaseNode, request: Request, timeout: float, limit: str) -> Response:
    """Send a request that ends within `timeout` seconds.

    Messages name `limit` in its place: a text that does not depend on the time already spent.
    """
    from elastic_transport import ConnectionTimeout, HttpHeaders, TransportError

    try:
        meta, content = node.perform_request(
            request.method,
            request.target,
            body=request.body,
            headers=HttpHeaders(request.headers),
            request_timeout=timeout,
        )
    except ConnectionTimeout:
        raise UnreachableError(f"{node.base_url}: no answer {limit}") from None
    except TransportError as error:
        inner = _innermost(error)
        raise UnreachableError(
            f"{node.base_url}: {_describe(inner, limit)}",
            too_long=isinstance(inner, _EndlessAnswerError),
        ) from None
    except Exception as error:
        # Messages of the standard library's HTTP client may quote a header, and with it the
        # credentials.
        raise UnreachableError(
            f"{node.base_url}: the request failed with {type(error).__name__}"
        ) from None
    answer = Response(
        meta.status, {name.lower(): value for name, value in meta.headers.items()}, content
    )
    # Success
    if answer.status // 100 == 2 and answer.headers.get("x-elastic-product") != "Elasticsearch":  # noqa: PLR2004
        raise UnreachableError(
            f"{node.base_url}: this is not Elasticsearch (its answer has no header "
            f"X-Elastic-Product)"
        )
    return answer


def _innermost(error: BaseException) -> BaseException:
    """The innermost of nested errors, which says what happened.

    Those around it say only that a request failed.
    """
    while inner := next(
        (
            cause
            for cause in (*getattr(error, "errors", ()), *error.args)
            if isinstance(cause, BaseException)
        ),
        error.__cause__,
    ):
        error = inner
    return error


def _describe(error: BaseException, limit: str) -> str:
    from http.client import BadStatusLine

    if type(error) is BadStatusLine:  # all it says is what was read; of its subclass, a sentence
        return f"what answers is no HTTP: {str(error).strip()}"
    return (
        f"its answer does not end {limit}, or {_LONGEST_ANSWER} bytes"
        if type(error) is _EndlessAnswerError
        else str(error) or type(error).__name__
    )


def build_nodes(config: Config) -> list[BaseNode]:
    """Return a node for each endpoint of `config`; raise what the elasticsearch package raises."""
    with unforked():
        from elastic_transport import BaseNode, NodeConfig, Urllib3HttpNode
        from elasticsearch import Elasticsearch

        from otel_asayer.elasticsearch.pinning import Pin, PinnedPool

    pin = config.certificate_fingerprint and Pin(
        config.certificate_fingerprint, config.client_certificate, config.client_key
    )

    class Node(Urllib3HttpNode):
        def __init__(self, node: NodeConfig) -> None:
            super().__init__(node)
            if pin and node.scheme == "https":
                self.pool = PinnedPool(pin, node.host, node.port, _IdleConnections)  # type: ignore[assignment]
            else:
                # A pool that blocks would wait for ever for a connection to come back; this one
                # opens another.
                self.pool.block = False
                self.pool.pool = _IdleConnections()  # type: ignore[assignment]
            # Nothing here may hold a reference to itself: what is left for the interpreter's end to
            # collect has its queue emptied by urllib3 then, and one of gevent's cannot even say any
            # more that it is empty.
            self.pool = SimpleNamespace(  # type: ignore[assignment]
                urlopen=partial(_open, self.pool.urlopen), close=self.pool.close
            )

    silence_loggers()
    # Its nodes are not used, only what it makes of the settings: it holds references to itself, and
    # would hold connections as long.
    settings = Elasticsearch(
        hosts=None if config.cloud_id else list(dict.fromkeys(config.endpoint)),
        cloud_id=config.cloud_id or None,
        **_tls(config),
        node_class=BaseNode,
        http_compress=False,
    )
    return [Node(node.config) for node in settings.transport.node_pool.all()]


class _IdleConnections:
    """What a pool of urllib3's needs of its queue.

    Where gevent has patched this process late, urllib3's own is gevent's, which is not made for
    real threads. Nor are gevent's connections: each works in the thread that opened it alone, and
    the next request may have another one. So none is kept then. Elasticsearch, asked to close one,
    does so without saying it, and the next request would fail on it.
    """

    def __init__(self) -> None:
        self._connections: list[Any] = []

    def get(self, **_: object) -> Any:
        """Return the connection that was used last; without one, urllib3 opens another.

        Raises:
            queue.Empty: There is none.
        """
        try:
            return self._connections.pop()
        except IndexError:
            raise queue.Empty from None

    def put(self, connection: Any, **_: object) -> None:
        """Keep a connection, or close it where none is kept; None stands for a closed one."""
        if connection is None:
            return
        if patched_late():
            connection.close()
        else:
            self._connections.append(connection)


# Not a built-in one, which a node of the elasticsearch package would pass on as it is.
class _PackedError(Exception):
    """An answer is encoded as no Elasticsearch encodes one; the message says so."""


class _EndlessAnswerError(Exception):
    """An answer goes on for too long."""


def _open(
    urlopen: Callable[..., Any], method: str, target: str, *, timeout: float, **options: Any
) -> SimpleNamespace:
    """Send a request, and read the answer, or what a node needs of it, as long as it is safe.

    An answer that never ends would fill the memory long after everybody has stopped waiting for it.
    """
    deadline = time.monotonic() + timeout
    response = urlopen(method, target, timeout=timeout, preload_content=False, **options)
    # Compressed several times, or by a method that packs a million to one, a piece of it would fill
    # the memory before it is counted.
    if response.headers.get("content-encoding", "identity").lower() not in ("identity", "gzip"):
        response.close()
        raise _PackedError("its answer is packed in a way that nobody asked for")
    pieces: list[bytes] = []
    left = _LONGEST_ANSWER
    for piece in response.stream(_PIECE):
        pieces.append(piece)
        left -= len(piece)
        if left < 0 or time.monotonic() > deadline:
            response.close()
            raise _EndlessAnswerError
    response.release_conn()
    return SimpleNamespace(status=response.status, headers=response.headers, data=b"".join(pieces))


def _tls(config: Config) -> dict[str, Any]:
    given = {
        name: value
        for name, value in (
            ("ca_certs", config.certificate),
            ("client_cert", config.client_certificate),
            ("client_key", config.client_key),
        )
        if value
    }
    # Its warning would go to stderr at each start; that the setting is dangerous stands with the
    # setting. Fingerprints are checked by `pinning`: the package itself takes one for proof
    # wherever it stands among what a server sends, and checks no signature.
    return (
        given if config.verify_certs else {**given, "verify_certs": False, "ssl_show_warn": False}
    )
