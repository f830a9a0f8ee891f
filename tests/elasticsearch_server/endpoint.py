"""What tests do with an Elasticsearch, whoever runs it. Only the standard library:

a test of our client must not lean on a client.
"""

import base64
import json
import ssl
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from elasticsearch_server.errors import HarnessError

REQUEST_SECONDS = 60.0
ELASTIC = "elastic"


@dataclass(frozen=True)
class Response:
    """An answer, whatever its status. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def read(cls, response: HTTPResponse) -> "Response":
        """Take over status, headers and the whole body."""
        return cls(
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            response.read(),
        )

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Endpoint(ABC):
    """An Elasticsearch that answers under a URL.

    Attributes:
        url: Scheme, address and port, without a slash at the end.
        username: Of the user that may do everything.
        password: Of that user.
        ca_certificate: The file to verify https with; None for http, or for the system's own
            authorities.
    """

    def __init__(self, url: str, username: str, password: str, ca_certificate: Path | None) -> None:
        self.url = url.rstrip("/")
        self.username = username
        self.password = password
        self.ca_certificate = ca_certificate

    @property
    @abstractmethod
    def version(self) -> str:
        """The number of its version."""

    @property
    @abstractmethod
    def pid(self) -> int:
        """The process id of its JVM."""

    @abstractmethod
    def stop(self) -> None:
        """Shut it down in order; the data stay. Nothing happens when it does not run."""

    @abstractmethod
    def kill(self) -> None:
        """Kill it, as by kill -9; the data stay. Nothing happens when it does not run."""

    @abstractmethod
    def pause(self) -> None:
        """Freeze it: connections are accepted by the system, and nobody answers."""

    @abstractmethod
    def resume(self) -> None:
        """Let it go on after `pause`."""

    @abstractmethod
    def restart(self) -> None:
        """Start it again, after a `stop` when it still runs: same port, same data.

        Returns when it is ready.
        """

    @abstractmethod
    def wait(self) -> None:
        """Return when it has ended by itself."""

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        auth: str | None = ELASTIC,
        timeout: float = REQUEST_SECONDS,
    ) -> Response:
        """Send one request on a connection of its own.

        Args:
            method: The HTTP method.
            path: Path and query, beginning with a slash.
            body: Bytes and text are sent as they are, anything else as JSON.
            headers: More headers; they win over those made here.
            auth: `elastic` for the user that may do everything, None for nobody, else an API key in
                its encoded form.
            timeout: Seconds to wait for the connection and for each part of the answer.

        Raises:
            OSError: There is no answer. An answer of any status is no error.
        """
        connection = self._connection(timeout)
        try:
            connection.request(
                method,
                self._prefix + path,
                _payload(body),
                self._headers(auth) | dict(headers or {}),
            )
            return Response.read(connection.getresponse())
        finally:
            connection.close()

    def create_api_key(
        self, name: str, role_descriptors: Mapping[str, Any], *, expiration: str | None = None
    ) -> str:
        """Create an API key, and return its encoded form, which goes into `Authorization: ApiKey`.

        Args:
            name: Its name; it need not be unique.
            role_descriptors: What it may do; an empty mapping lets it do everything.
            expiration: How long it lives, in Elasticsearch's notation (`1h`); None for ever.

        Raises:
            HarnessError: Elasticsearch refuses.
        """
        body = {"name": name, "role_descriptors": role_descriptors, "expiration": expiration}
        key: str = self._expect(
            "POST",
            "/_security/api_key",
            {field: value for field, value in body.items() if value is not None},
        )["encoded"]
        return key

    def search(self, index: str, query_body: Mapping[str, Any]) -> dict[str, Any]:
        """Search, and return the parsed answer.

        Raises:
            HarnessError: Elasticsearch refuses.
        """
        return self._expect("POST", f"/{quote(index, safe='*,')}/_search", query_body)

    def refresh(self, index: str = "*") -> None:
        """Make all that was indexed visible to searches.

        Raises:
            HarnessError: Elasticsearch refuses.
        """
        self._expect("POST", f"/{quote(index, safe='*,')}/_refresh", None)

    def _expect(self, method: str, path: str, body: object) -> dict[str, Any]:
        response = self.request(method, path, body)
        if response.status >= 400:
            raise HarnessError(
                f"{method} {path} on {self.url}: Elasticsearch answers {response.status} "
                f"{response.body.decode(errors='replace')}"
            )
        answer: dict[str, Any] = response.json()
        return answer

    def _headers(self, auth: str | None) -> dict[str, str]:
        headers = {"content-type": "application/json", "accept": "application/json"}
        if auth is None:
            return headers
        return headers | {
            "authorization": self._administrator() if auth == ELASTIC else f"ApiKey {auth}"
        }

    def _administrator(self) -> str:
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode(
            "ascii"
        )

    def _connection(self, timeout: float) -> HTTPConnection:
        address = urlsplit(self.url)
        if address.hostname is None:
            raise HarnessError(f"{self.url} names no host: write it as https://host:9200.")
        if address.scheme == "https":
            return HTTPSConnection(
                address.hostname, address.port, timeout=timeout, context=self._tls
            )
        return HTTPConnection(address.hostname, address.port, timeout=timeout)

    @property
    def _prefix(self) -> str:
        return urlsplit(self.url).path

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_certificate)


def _payload(body: object) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body)).encode()
