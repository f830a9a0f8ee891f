"""The only door to the network: one HTTP exchange with whichever of the configured endpoints
answers.

The elasticsearch package brings connections, TLS and addresses; its nodes are used one by one,
below its own transport. What is above them would trace and log each request, retry 429 four times
in a tenth of a second, send a whole body again after a dropped connection, hide an endpoint for up
to 30 seconds, add a newline to a compressed body, and negotiate a media type that Elasticsearch 8
refuses from version 9 of the package. Plain `application/json` is understood by all of them.

There are no proxies: urllib3 reads none from the environment. Redirects come back as answers, for
credentials must not follow them.
"""

from __future__ import annotations

import queue
import threading
import time
from base64 import b64encode
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from otel_asayer.config.parsers import parse_api_key
from otel_asayer.elasticsearch.compression import gzip_of
from otel_asayer.elasticsearch.request_pool import (
    CallAbortedError,
    RequestPool,
    patched_late,
    silence_loggers,
)
from otel_asayer.runtime.fork_safety import unforked
from otel_asayer.sanitize import sanitize_line
from otel_asayer.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from elastic_transport import BaseNode

    from otel_asayer.config import Config

__all__ = ["Client", "Requester", "Response", "UnreachableError"]

_GRACE: Final = 0.25
"""Seconds past a request's own timeout after which it is not waited for:

its own timeout has the better message.
"""

_LONGEST_ANSWER: Final = 128 * 1024 * 1024
"""Bytes, decompressed. The longest answers are pages of a thousand documents."""
_ENCODINGS: Final = ("identity", "gzip")
"""Of an answer.

Packed several times, or by what packs a million to one, 64 KiB of it would fill the memory before
they are counted.
"""
_PIECE: Final = 64 * 1024
_LONGEST_REASON: Final = 1000
"""Characters: a line that is no HTTP may have 65,536."""

_UNAUTHORIZED: Final = 401


class Response(NamedTuple):
    """An answer of whatever status. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    repeated: bool = False
    """Whether another endpoint got the same request before, and gave no answer:

    it may have carried it out.
    """


class Requester(Protocol):
    """What most need of a client:

    every status comes back as an answer, and only a failed connection raises.
    """

    def request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        *,
        timeout: float,
    ) -> Response:
        """Send one request that ends within `timeout` seconds; raise `UnreachableError` when no endpoint answers."""


class _Request(NamedTuple):
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
        self.reason = sanitize_line(reason[:_LONGEST_REASON])
        super().__init__(self.reason)


class Client:
    """An Elasticsearch, as `config` has it.

    Nothing is imported, read or connected before the first request. A client belongs to the process
    that made it: after a fork, connections shared with the parent would bring the parent's answers.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._credentials = _Credentials(config)
        self._calls = RequestPool()
        self._lock = threading.Lock()
        self._nodes: list[BaseNode] = []

    def request(
        self,
        method: str,
        target: str,
        body: bytes | Sequence[bytes] | None = None,
        *,
        timeout: float,
    ) -> Response:
        """Send one request and return the answer, of whatever status.

        Args:
            method: GET, POST, …
            target: Path and query.
            body: JSON or NDJSON, in one piece or several; compressed on the way if so configured.
            timeout: Seconds for everything: connecting, other endpoints, a second try with a new
                key.

        Raises:
            UnreachableError: no endpoint answered in time, or what answers is not Elasticsearch.
        """
        exchange = partial(self._exchange, method, target, body, timeout)
        try:
            return self._calls.run(exchange, timeout + _GRACE)
        except CallAbortedError as given_up:
            raise UnreachableError(str(given_up)) from None

    def connect(self) -> None:
        """Import and build what requests need, which takes some tenths of a second and no network.

        Raises:
            UnreachableError: the settings do not make a client; the reason says why.
        """
        self._connected()

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return self._calls.busy

    def abort(self, within: float) -> None:
        """Let no request that is under way outlast `within` seconds, and wait for those that end before."""
        self._calls.abort(within)

    def close(self) -> None:
        """Close idle connections; a later request opens new ones."""
        self._calls.close()
        with self._lock:
            nodes, self._nodes = self._nodes, []
        for node in nodes:
            node.close()

    def _exchange(
        self, method: str, target: str, body: bytes | Sequence[bytes] | None, timeout: float
    ) -> Response:
        deadline = time.monotonic() + timeout
        request = _Request(method, target, *_encoded(body, self._config.compression))
        used = self._credentials.headers()
        response = self._send(request, used, deadline, timeout)
        # Compared with what this request has used: another one may have read the new key meanwhile.
        if response.status == _UNAUTHORIZED and (fresh := self._credentials.read_again()) != used:
            return self._send(request, fresh, deadline, timeout)
        return response

    def _send(
        self, request: _Request, credentials: Mapping[str, str], deadline: float, timeout: float
    ) -> Response:
        """Ask one endpoint after the other, each within its share of the time that is left of `timeout`, until one answers."""
        nodes = self._connected()
        limit = (
            f"within {timeout:.3g} s" if len(nodes) == 1 else f"within its share of {timeout:.3g} s"
        )
        headers = {
            **_base_headers(),
            **dict(self._config.headers),
            **credentials,
            **request.headers,
        }
        failures: list[UnreachableError] = []
        for position, node in enumerate(nodes):
            share = max(0.001, (deadline - time.monotonic()) / (len(nodes) - position))
            try:
                response = _perform(node, request._replace(headers=headers), share, limit)
            except UnreachableError as failure:
                failures.append(failure)
            else:
                self._prefer(node)
                return response._replace(repeated=bool(failures))
        raise UnreachableError(
            "; ".join(failure.reason for failure in failures),
            too_long=any(failure.too_long for failure in failures),
        )

    def _connected(self) -> list[BaseNode]:
        with self._lock:
            if not self._nodes:
                try:
                    self._nodes = _build_nodes(self._config)
                except Exception as error:
                    raise UnreachableError(
                        f"the settings make no client for Elasticsearch: {error}"
                    ) from error
            return self._nodes

    def _prefer(self, node: BaseNode) -> None:
        """Begin with `node` next time, so that a dead endpoint costs its time only once."""
        nodes = self._nodes
        if nodes and nodes[0] is not node:
            self._nodes = [node, *(other for other in nodes if other is not node)]


class _Credentials:
    """The header that says who we are; of a key in a file, read when it is first needed, and again after it was refused."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._key = config.api_key

    def headers(self) -> dict[str, str]:
        config = self._config
        if config.api_key_file and self._key is None:
            self._key = _read_key(config.api_key_file)
        if self._key:
            return {"authorization": f"ApiKey {self._key}"}
        if config.username:
            pair = f"{config.username}:{config.password}".encode()
            return {"authorization": f"Basic {b64encode(pair).decode()}"}
        return {"authorization": f"Bearer {config.bearer_token}"} if config.bearer_token else {}

    def read_again(self) -> dict[str, str]:
        """Read the key's file, if there is one, once more; return the header."""
        if self._config.api_key_file:
            self._key = _read_key(self._config.api_key_file)
        return self.headers()


def _read_key(path: str) -> str:
    try:
        return parse_api_key(Path(path).read_text("ascii"))
    except (OSError, ValueError) as error:
        # Neither message holds the file's text: an OSError names the file, a BadValueError what was
        # expected, a decoding error a position.
        reason = "it is not ASCII text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise UnreachableError(
            f"the file of OTEL_EXPORTER_ELASTICSEARCH_API_KEY_FILE gives no key: {reason}"
        ) from None


def _perform(node: BaseNode, request: _Request, timeout: float, limit: str) -> Response:
    """Send a request that ends within `timeout` seconds; errors name the `limit` in its place, which does not depend on the time that is spent."""
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
            f"{node.base_url}: {_describe(inner, limit)}", too_long=isinstance(inner, _Endless)
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
    """The innermost of nested errors, which says what happened; those around it say only that a request failed."""
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
    if type(error) is _Endless:
        return f"its answer does not end {limit}, or {_LONGEST_ANSWER} bytes"
    return str(error) or type(error).__name__


def _build_nodes(config: Config) -> list[BaseNode]:
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
            self.pool = _Pool(partial(_open, self.pool.urlopen), self.pool.close)  # type: ignore[assignment]

    silence_loggers()
    # Its nodes are not used, only what it makes of the settings: it holds references to itself, and
    # would hold connections as long.
    settings = Elasticsearch(
        **_addresses(config), **_tls(config), node_class=BaseNode, http_compress=False
    )
    return [Node(node.config) for node in settings.transport.node_pool.all()]


class _Pool(NamedTuple):
    """What a node needs of a pool of urllib3's."""

    urlopen: Callable[..., _Answer]
    close: Callable[[], None]


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


class _Answer(NamedTuple):
    """What a node needs of an answer."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class _PackedError(Exception):
    """An answer is encoded as no Elasticsearch encodes one; the message says so."""


class _Endless(Exception):  # noqa: N818 (caught in this module)
    """An answer goes on for too long."""


def _open(
    urlopen: Callable[..., Any], method: str, target: str, *, timeout: float, **options: Any
) -> _Answer:
    """Ask, and read the answer as long as it is no danger:

    what never ends would fill the memory long after everybody has given it up.
    """
    deadline = time.monotonic() + timeout
    response = urlopen(method, target, timeout=timeout, preload_content=False, **options)
    if response.headers.get("content-encoding", "identity").lower() not in _ENCODINGS:
        response.close()
        raise _PackedError("its answer is packed in a way that nobody asked for")
    pieces: list[bytes] = []
    left = _LONGEST_ANSWER
    for piece in response.stream(_PIECE):
        pieces.append(piece)
        left -= len(piece)
        if left < 0 or time.monotonic() > deadline:
            response.close()
            raise _Endless
    response.release_conn()
    return _Answer(response.status, response.headers, b"".join(pieces))


def _addresses(config: Config) -> dict[str, Any]:
    return (
        {"cloud_id": config.cloud_id}
        if config.cloud_id
        else {"hosts": list(dict.fromkeys(config.endpoint))}
    )


def _tls(config: Config) -> dict[str, Any]:
    options = {
        "ca_certs": config.certificate,
        "client_cert": config.client_certificate,
        "client_key": config.client_key,
    }
    given = {name: value for name, value in options.items() if value}
    # Its warning would go to stderr at each start; that the setting is dangerous stands with the
    # setting. Fingerprints are checked by `pinning`: the package itself takes one for proof
    # wherever it stands among what a server sends, and checks no signature.
    return (
        given if config.verify_certs else {**given, "verify_certs": False, "ssl_show_warn": False}
    )


_BASE_HEADERS: Final = {
    "accept": "application/json",
    "content-type": "application/json",
    "user-agent": f"otel-asayer/{__version__}",
}


def _base_headers() -> Mapping[str, str]:
    # None is kept then (`_IdleConnections`), and the server need not keep it either.
    return {**_BASE_HEADERS, "connection": "close"} if patched_late() else _BASE_HEADERS


def _encoded(
    body: bytes | Sequence[bytes] | None, compression: str
) -> tuple[bytes | None, Mapping[str, str]]:
    """Return a body in one piece, compressed if so configured, and the headers that say so."""
    if body is None:
        return None, {}
    pieces = [body] if isinstance(body, bytes) else body
    if compression == "none":
        return b"".join(pieces), {}
    return gzip_of(pieces), {"content-encoding": "gzip"}
