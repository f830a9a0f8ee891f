"""One HTTP exchange with one endpoint, by urllib3 alone.

urllib3 brings connections, TLS and addresses. The elasticsearch package is not needed for that: its
import takes 0.3 s of a processor and 25 MiB of each worker (ADR 16). Its transport would trace and
log each request, retry 429 four times in a tenth of a second, send a whole body again after a
dropped connection, and hide an endpoint for up to 30 seconds (ADR 4).

All versions of Elasticsearch understand plain `application/json`. There are no proxies: urllib3
reads none from the environment. Redirects come back as answers, because credentials must not follow
them.
"""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from urllib.parse import urlsplit

from otel_asayer.config.parsers import cloud_endpoint
from otel_asayer.elasticsearch.request_pool import patched_late, silence_loggers
from otel_asayer.runtime.fork_safety import unforked
from otel_asayer.sanitize import sanitize_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3.response import BaseHTTPResponse

    from otel_asayer.config import Config
    from otel_asayer.elasticsearch.pinning import Pin

__all__ = ["Node", "Request", "Response", "UnreachableError", "build_nodes"]

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


def _innermost(error: BaseException) -> BaseException:
    """The innermost of nested errors, which says what happened.

    Those around it say only that a request failed.
    """
    while inner := next(
        (cause for cause in error.args if isinstance(cause, BaseException)),
        error.__cause__ or (None if error.__suppress_context__ else error.__context__),
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


class _Pool(Protocol):
    """What a node needs of a pool of urllib3's."""

    def urlopen(self, method: str, url: str, *, timeout: float, **options: Any) -> BaseHTTPResponse:
        """Send a request; `url` is a path with its query."""

    def close(self) -> None:
        """Close idle connections."""


class Node:
    """One endpoint, and the connections to it.

    Nothing here holds a reference to itself: what is left for the interpreter's end to collect has
    its queue emptied by urllib3 then, and one of gevent's cannot even say any more that it is
    empty.
    """

    def __init__(self, endpoint: str, pool: _Pool) -> None:
        self.endpoint = endpoint
        """Its URL, as messages name it."""
        self._prefix = urlsplit(endpoint).path
        self._pool = pool

    def perform(self, request: Request, timeout: float, limit: str) -> Response:
        """Send a request that ends within `timeout` seconds.

        Messages name `limit` in its place: a text that does not depend on the time already spent.

        Raises:
            UnreachableError: no answer came, or not one of Elasticsearch.
        """
        from ssl import SSLError

        from urllib3.exceptions import (
            ConnectTimeoutError,
            HTTPError,
            NewConnectionError,
            ReadTimeoutError,
        )

        try:
            answer = self._exchange(request, timeout)
        except (HTTPError, SSLError, _PackedError, _EndlessAnswerError) as error:
            # In urllib3 1, a refused connection is a kind of connection that took too long.
            if isinstance(error, (ConnectTimeoutError, ReadTimeoutError)) and not isinstance(
                error, NewConnectionError
            ):
                raise UnreachableError(f"{self.endpoint}: no answer {limit}") from None
            inner = _innermost(error)
            raise UnreachableError(
                f"{self.endpoint}: {_describe(inner, limit)}",
                too_long=isinstance(inner, _EndlessAnswerError),
            ) from None
        except Exception as error:
            # Messages of the standard library's HTTP client may quote a header, and with it the
            # credentials.
            raise UnreachableError(
                f"{self.endpoint}: the request failed with {type(error).__name__}"
            ) from None
        is_success = answer.status // 100 == 2  # noqa: PLR2004
        if is_success and answer.headers.get("x-elastic-product") != "Elasticsearch":
            raise UnreachableError(
                f"{self.endpoint}: this is not Elasticsearch (its answer has no header "
                f"X-Elastic-Product)"
            )
        return answer

    def close(self) -> None:
        """Close idle connections."""
        self._pool.close()

    def _exchange(self, request: Request, timeout: float) -> Response:
        """Send a request, and read the answer, or what is needed of it, as long as it is safe.

        An answer that never ends would fill the memory long after everybody has stopped waiting for
        it.
        """
        deadline = time.monotonic() + timeout
        response = self._pool.urlopen(
            request.method,
            self._prefix + request.target,
            body=request.body or None,
            headers=request.headers,
            timeout=timeout,
            retries=False,
            redirect=False,
            preload_content=False,
        )
        # Compressed several times, or by a method that packs a million to one, a piece of it would
        # fill the memory before it is counted.
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
        return Response(
            response.status,
            {name.lower(): value for name, value in response.headers.items()},
            b"".join(pieces),
        )


def build_nodes(config: Config) -> list[Node]:
    """Return a node for each endpoint of `config`; nothing is connected.

    Raises:
        ValueError: the Cloud ID names no Elasticsearch.
    """
    silence_loggers()
    with unforked():  # imports urllib3
        from otel_asayer.elasticsearch.pinning import Pin

        pin = (
            Pin(config.certificate_fingerprint, config.client_certificate, config.client_key)
            if config.certificate_fingerprint
            else None
        )
        endpoints = (
            [cloud_endpoint(config.cloud_id)] if config.cloud_id else dict.fromkeys(config.endpoint)
        )
        return [Node(endpoint, _pool(endpoint, config, pin)) for endpoint in endpoints]


def _pool(endpoint: str, config: Config, pin: Pin | None) -> _Pool:
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

    from otel_asayer.elasticsearch.pinning import PinnedPool

    parts = urlsplit(endpoint)
    host, port = parts.hostname or "", parts.port or 443
    if parts.scheme == "https" and pin:
        return PinnedPool(pin, host, port, _IdleConnections)
    # A pool that blocks would wait for ever for a connection to come back; this one opens another.
    pool = (
        HTTPSConnectionPool(host, port, block=False, **_tls(config, host))
        if parts.scheme == "https"
        else HTTPConnectionPool(host, port, block=False)
    )
    pool.pool = _IdleConnections()  # type: ignore[assignment]
    return pool


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


class _PackedError(Exception):
    """An answer is encoded as no Elasticsearch encodes one; the message says so."""


class _EndlessAnswerError(Exception):
    """An answer goes on for too long."""


def _tls(config: Config, host: str) -> dict[str, Any]:
    """Return what a pool of urllib3's is to trust, and to show.

    The system's authorities are trusted, and the given one beside them, or else certifi's, for some
    installations of Python know none. urllib3 reads the files anew for each connection: they may be
    renewed. Fingerprints are checked by `pinning`.
    """
    import ssl

    import certifi
    import urllib3

    from otel_asayer.elasticsearch.pinning import leave_addresses_to_urllib3

    context = ssl.create_default_context()
    leave_addresses_to_urllib3(context, host)
    shown = {"cert_file": config.client_certificate, "key_file": config.client_key}
    if config.verify_certs:
        return {
            **shown,
            "ssl_context": context,
            "cert_reqs": "CERT_REQUIRED",
            "ca_certs": config.certificate or certifi.where(),
        }
    # The warning would go to stderr at each start; that the setting is dangerous stands with the
    # setting.
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return {**shown, "ssl_context": context, "cert_reqs": "CERT_NONE"}
