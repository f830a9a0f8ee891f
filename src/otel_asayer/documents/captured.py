"""Headers of requests that an instrumentation captured as attributes: what is a credential of a
session's is reduced to the session's id.

`OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST` and its like store headers as they come,
`http.request.header.x-session-id` or, of older instrumentations, with underscores. A value of a
header for sessions that is none (other software puts secrets there) is not stored at all.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from otel_asayer.attributes import BAGGAGE_SESSION_ID
from otel_asayer.propagation.baggage_header import read_baggage, without_session
from otel_asayer.propagation.session_id import parse_session_id, without_tokens

__all__ = ["REDACTED", "Credentials", "is_captured", "reduce_captured"]

REDACTED: Final = "[REDACTED]"
"""What instrumentations write for headers that they are told to sanitise."""

_CAPTURED: Final = (
    "http.request.header.",
    "http.response.header.",
    "rpc.request.metadata.",
    "rpc.grpc.request.metadata.",
)


class Credentials(NamedTuple):
    """Where requests carry sessions."""

    headers: frozenset[str]
    """Names, in lower case."""
    cookie: str = ""
    """Name, or nothing."""


def is_captured(name: str) -> bool:
    """Whether an attribute of this name holds a captured header."""
    return name.startswith(_CAPTURED)


def reduce_captured(attributes: dict[str, Any], credentials: Credentials) -> None:
    """Reduce the credentials among the headers captured in `attributes`."""
    for name in filter(is_captured, list(attributes)):
        header = name.partition(".header.")[2] or name.partition(".metadata.")[2]
        attributes[name] = _each(attributes[name], _header_name(header, credentials), credentials)


def _header_name(captured: str, credentials: Credentials) -> str:
    """The header's own name, if it is one for sessions:

    instrumentations write some characters of it as underscores.
    """
    folded = _folded(captured)
    return next(
        (name for name in (*credentials.headers, "baggage", "cookie") if _folded(name) == folded),
        "",
    )


def _folded(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


def _each(value: Any, header: str, credentials: Credentials) -> Any:
    if isinstance(value, (list, tuple)):
        return [_each(item, header, credentials) for item in value]
    if not isinstance(value, str):
        return value
    if header in credentials.headers:
        return parse_session_id(value) or REDACTED
    if header == "baggage":
        return _baggage(value)
    return without_tokens(_cookies(value, credentials.cookie) if header == "cookie" else value)


def _baggage(header: str) -> str:
    """A header without the session, or with its id in its one form."""
    ids = filter(None, map(parse_session_id, read_baggage(header).sessions))
    entries = [f"{BAGGAGE_SESSION_ID}={session}" for session in list(ids)[:1]]
    return ",".join(filter(None, [*entries, without_tokens(without_session(header))]))


def _cookies(header: str, wanted: str) -> str:
    cookies = (cookie.partition("=") for cookie in header.split(";"))
    return ";".join(
        f"{name}={parse_session_id(value.strip()) or REDACTED}"
        if wanted and name.strip() == wanted
        else f"{name}{equals}{value}"
        for name, equals, value in cookies
    )
