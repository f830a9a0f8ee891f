"""Attributes as documents carry them: a dict of their own, without credentials.

A session's token is a credential. Code may have set one as `session.id`, and
`OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST` and its like store headers as they come:
as `http.request.header.x-session-id`, or with underscores in older instrumentations. A token is
reduced to the id of its session. A session header that holds something else is not stored at all:
other software puts secrets there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

from otel_asayer.attributes import BAGGAGE_SESSION_ID, SESSION_ID
from otel_asayer.propagation.baggage_header import read_baggage, without_session
from otel_asayer.propagation.session_id import SessionId, parse_session_id, without_tokens

__all__ = [
    "EVENT_NAME",
    "REDACTED",
    "Credentials",
    "copied",
    "is_captured",
    "is_part_of_point",
    "join_points",
    "reduce_captured",
    "take_session",
]

EVENT_NAME: Final = "event.name"
REDACTED: Final = "[REDACTED]"
"""What instrumentations write for headers that they are told to sanitise."""

_MAX_ID_LENGTH: Final = 20
_LATITUDE: Final = "geo.location.lat"
_LONGITUDE: Final = "geo.location.lon"
_CAPTURED: Final = (
    "http.request.header.",
    "http.response.header.",
    "rpc.request.metadata.",
    "rpc.grpc.request.metadata.",
)


class Credentials(NamedTuple):
    """The headers and the cookie that carry sessions; names of headers in lower case."""

    headers: frozenset[str]
    cookie: str = ""


def copied(attributes: Any) -> dict[str, Any]:
    """Return a dict of `attributes` (a mapping or None), to change and to encode.

    The `copy` of the SDK's mapping is public, and eight times faster than `dict(attributes)`.
    """
    try:
        made = attributes.copy()
    except AttributeError:
        made = attributes or {}
    return made if type(made) is dict else dict(made)


def take_session(attributes: dict[str, Any]) -> SessionId | None:
    """Return the session that a document's attributes name, if it can have a replay.

    The attribute becomes the id, also where it was a token.
    """
    value = attributes.get(SESSION_ID)
    if value is None:
        return None
    session = _session(value)
    if session is not None:
        attributes[SESSION_ID] = session
    return session


def _session(value: object) -> SessionId | None:
    if isinstance(value, str):
        return _known_session(value) if len(value) <= _MAX_ID_LENGTH else parse_session_id(value)
    return parse_session_id(str(value)) if type(value) is int else None


# Tokens are longer than ids, and so are never kept here.
@lru_cache(maxsize=1024)
def _known_session(value: str) -> SessionId | None:
    return parse_session_id(value)


def is_part_of_point(name: str) -> bool:
    """Whether an attribute of this name may be half of a point."""
    return name.endswith(_LATITUDE)


def join_points(attributes: dict[str, Any]) -> None:
    """Join each pair of `geo.location.lat` and `geo.location.lon` into one point `[lon, lat]`.

    They may stand in a namespace, such as `client.geo.location.lat`. A pair that is no place on
    earth stays as it is: Elasticsearch refuses a document with such a point.
    """
    for prefix in [name.removesuffix(_LATITUDE) for name in attributes if is_part_of_point(name)]:
        latitude, longitude = attributes[prefix + _LATITUDE], attributes.get(prefix + _LONGITUDE)
        if prefix[-1:] in ("", ".") and _is_degree(latitude, 90) and _is_degree(longitude, 180):
            del attributes[prefix + _LATITUDE], attributes[prefix + _LONGITUDE]
            attributes[prefix + "geo.location"] = [longitude, latitude]


def _is_degree(value: Any, limit: int) -> bool:
    return type(value) in (int, float) and abs(value) <= limit  # false for NaN


def is_captured(name: str) -> bool:
    """Whether an attribute of this name holds a captured header."""
    return name.startswith(_CAPTURED)


def reduce_captured(attributes: dict[str, Any], credentials: Credentials) -> None:
    """Reduce the credentials in the headers captured in `attributes`."""
    for name in filter(is_captured, list(attributes)):
        header = name.partition(".header.")[2] or name.partition(".metadata.")[2]
        attributes[name] = _reduced(
            attributes[name], _header_name(header, credentials), credentials
        )


def _header_name(captured: str, credentials: Credentials) -> str:
    """Return the header's own name if it can carry a session, else an empty text.

    Instrumentations write some characters of the name as underscores.
    """
    folded = _folded(captured)
    return next(
        (name for name in (*credentials.headers, "baggage", "cookie") if _folded(name) == folded),
        "",
    )


def _folded(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


def _reduced(value: Any, header: str, credentials: Credentials) -> Any:
    if isinstance(value, (list, tuple)):
        return [_reduced(item, header, credentials) for item in value]
    if not isinstance(value, str):
        return value
    if header in credentials.headers:
        return parse_session_id(value) or REDACTED
    if header == "baggage":
        return _reduced_baggage(value)
    return without_tokens(
        _reduced_cookies(value, credentials.cookie) if header == "cookie" else value
    )


def _reduced_baggage(header: str) -> str:
    ids = filter(None, map(parse_session_id, read_baggage(header).sessions))
    entries = [f"{BAGGAGE_SESSION_ID}={session}" for session in list(ids)[:1]]
    return ",".join(filter(None, [*entries, without_tokens(without_session(header))]))


def _reduced_cookies(header: str, session_cookie: str) -> str:
    cookies = (cookie.partition("=") for cookie in header.split(";"))
    return ";".join(
        f"{name}={parse_session_id(value.strip()) or REDACTED}"
        if session_cookie and name.strip() == session_cookie
        else f"{name}{equals}{value}"
        for name, equals, value in cookies
    )
