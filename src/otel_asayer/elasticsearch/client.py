"""The only door to the network: requests to whichever of the configured endpoints answers.

`nodes` exchanges one request with one endpoint; `request_pool` lets a request be aborted.
"""

from __future__ import annotations

import gc
import operator
import threading
import time
from base64 import b64encode
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from otel_asayer.config.parsers import parse_api_key
from otel_asayer.elasticsearch.compression import gzip_of
from otel_asayer.elasticsearch.nodes import (
    Node,
    Request,
    Response,
    UnreachableError,
    build_nodes,
)
from otel_asayer.elasticsearch.request_pool import CallAbortedError, RequestPool, patched_late
from otel_asayer.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_asayer.config import Config

__all__ = ["Client", "Requester", "Response", "UnreachableError"]

_GRACE: Final = 0.25
"""Seconds past a request's own timeout after which nobody waits for it: its own timeout has the
better message."""

_UNAUTHORIZED: Final = 401


class Requester(Protocol):
    """What most need of a client: only a failed connection raises."""

    def request(
        self,
        method: str,
        target: str,
        body: bytes | Sequence[bytes] | None = None,
        *,
        timeout: float,
    ) -> Response:
        """Send one request that ends within `timeout` seconds.

        Raises:
            UnreachableError: no endpoint answers.
        """

    def close(self) -> None:
        """Close idle connections."""


class Client:
    """An Elasticsearch, as `config` has it.

    Nothing is imported, read or connected before the first request. A client belongs to the process
    that made it: after a fork, connections shared with the parent would bring the parent's answers.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._key = config.api_key
        self._calls = RequestPool()
        self._lock = threading.Lock()
        self._nodes: list[Node] = []

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
        # On a busy machine the import alone takes longer than a request may: no deadline counts it.
        self.connect()
        try:
            return self._calls.run(
                partial(self._exchange, method, target, body, timeout), timeout + _GRACE
            )
        except CallAbortedError as given_up:
            raise UnreachableError(str(given_up)) from None

    def connect(self) -> list[Node]:
        """Return a node for each endpoint.

        The first call imports and builds them, which takes no network.

        Raises:
            UnreachableError: the settings do not make a client; the reason says why.
        """
        with self._lock:
            if not self._nodes:
                try:
                    self._nodes = build_nodes(self._config)
                except Exception as error:
                    raise UnreachableError(
                        f"the settings make no client for Elasticsearch: {error}"
                    ) from error
            return self._nodes

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return self._calls.busy

    def abort(self, within: float) -> None:
        """Let no request under way outlast `within` seconds; wait for those that end before."""
        self._calls.abort(within)

    def close(self) -> None:
        """Close idle connections; a later request opens new ones."""
        self._calls.close()
        with self._lock:
            nodes, self._nodes = self._nodes, []
        for node in nodes:
            node.close()
        del nodes
        if patched_late():
            # An error's traceback may hold a node still. urllib3 looks into the node's queue when
            # it goes, and one of gevent's raises when the interpreter itself has ended.
            gc.collect()

    def _exchange(
        self, method: str, target: str, body: bytes | Sequence[bytes] | None, timeout: float
    ) -> Response:
        deadline = time.monotonic() + timeout
        request = Request(method, target, *_encoded(body, self._config.compression))
        used = self._authorization()
        response = self._send(request, used, deadline, timeout)
        # Compared with what this request has used: another one may have read the new key meanwhile.
        if response.status == _UNAUTHORIZED and (fresh := self._authorization(again=True)) != used:
            return self._send(request, fresh, deadline, timeout)
        return response

    def _send(
        self, request: Request, credentials: Mapping[str, str], deadline: float, timeout: float
    ) -> Response:
        """Ask one endpoint after the other until one answers.

        Each has its share of what is left of `timeout` seconds until `deadline`.
        """
        nodes = self.connect()
        limit = (
            f"within {timeout:.3g} s" if len(nodes) == 1 else f"within its share of {timeout:.3g} s"
        )
        headers = {
            **_BASE_HEADERS,
            # None is kept then (`_IdleConnections`), and the server need not keep it either.
            "connection": "close" if patched_late() else "keep-alive",
            **dict(self._config.headers),
            **credentials,
            **request.headers,
        }
        # What they say, and not themselves: their tracebacks hold this frame, and the connections.
        failures: list[tuple[str, bool]] = []
        for position, node in enumerate(nodes):
            share = max(0.001, (deadline - time.monotonic()) / (len(nodes) - position))
            try:
                response = node.perform(request._replace(headers=headers), share, limit)
            except UnreachableError as failure:
                failures.append((failure.reason, failure.too_long))
            else:
                if failures:
                    # Begin with it next time: a dead endpoint costs its time only once.
                    self._nodes = sorted(self._nodes, key=partial(operator.is_not, node))
                return response._replace(repeated=bool(failures))
        raise UnreachableError(
            "; ".join(reason for reason, _ in failures),
            too_long=any(too_long for _, too_long in failures),
        )

    def _authorization(self, *, again: bool = False) -> dict[str, str]:
        """Return the header with our credentials.

        A key in a file is read when it is first needed, and `again` after it was refused.
        """
        config = self._config
        if config.api_key_file and (again or self._key is None):
            self._key = _read_key(config.api_key_file)
        if self._key:
            return {"authorization": f"ApiKey {self._key}"}
        if config.username:
            pair = f"{config.username}:{config.password}".encode()
            return {"authorization": f"Basic {b64encode(pair).decode()}"}
        return {"authorization": f"Bearer {config.bearer_token}"} if config.bearer_token else {}


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


_BASE_HEADERS: Final = {
    "accept": "application/json",
    "content-type": "application/json",
    "user-agent": f"otel-asayer/{__version__}",
}


def _encoded(
    body: bytes | Sequence[bytes] | None, compression: str
) -> tuple[bytes | None, Mapping[str, str]]:
    """Return a body in one piece, compressed if so configured, and the headers that say so."""
    if body is None:
        return None, {}
    pieces = [body] if isinstance(body, bytes) else body
    return (
        (b"".join(pieces), {})
        if compression == "none"
        else (gzip_of(pieces), {"content-encoding": "gzip"})
    )
