"""Attributes as documents carry them, and the resource and scope that documents share.

A document's attributes are a dict of their own, without credentials. A session's token is a
credential. Code may have set one as `session.id`, and
`OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST` and its like store headers as they come:
as `http.request.header.x-session-id`, or with underscores in older instrumentations. A token is
reduced to the id of its session. A session header that holds something else is not stored at all:
other software puts secrets there.

What all documents of one resource and scope share is encoded once, and cached. The cache looks the
two objects up by identity: hashing a resource costs nearly as much as encoding
a whole span. Each entry holds its objects, so that no other object takes over an identity while the
entry lives.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.attributes import BAGGAGE_SESSION_ID, REPLAY_URL, SESSION_ID
from otel_asayer.documents.operations import DataStreams, Streams, dataset_of, namespace_of
from otel_asayer.documents.replay_records import SERVICE_NAME, service_of
from otel_asayer.documents.values import json_fragment, text_of
from otel_asayer.propagation.baggage_header import read_baggage, without_session
from otel_asayer.propagation.session_id import SessionId, parse_session_id, without_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from orjson import Fragment

__all__ = [
    "EVENT_NAME",
    "REDACTED",
    "Credentials",
    "ResourceScope",
    "ResourceScopeCache",
    "copied",
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
_DATASET: Final = "data_stream.dataset"
_NAMESPACE: Final = "data_stream.namespace"
_ROUTING: Final = ("data_stream.type", _DATASET, _NAMESPACE)
# A program that makes a tracer per request has a scope per request.
_MAX_ENTRIES: Final = 256
_MAX_NAMES: Final = 4096
_MAX_NAME_LENGTH: Final = 128


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
    if isinstance(value, str) and len(value) <= _MAX_ID_LENGTH:
        session = _known_session(value)
    else:
        session = parse_session_id(str(value)) if isinstance(value, (str, int)) else None
    if session is not None:
        attributes[SESSION_ID] = session
    return session


# Tokens are longer than ids, and so are never kept here.
@lru_cache(maxsize=1024)
def _known_session(value: str) -> SessionId | None:
    return parse_session_id(value)


def _is_part_of_point(name: str) -> bool:
    return name.endswith(_LATITUDE)


def join_points(attributes: dict[str, Any]) -> None:
    """Join each pair of `geo.location.lat` and `geo.location.lon` into one point `[lon, lat]`.

    They may stand in a namespace, such as `client.geo.location.lat`. A pair that is no place on
    earth stays as it is: Elasticsearch refuses a document with such a point.
    """
    for prefix in [name.removesuffix(_LATITUDE) for name in attributes if _is_part_of_point(name)]:
        latitude, longitude = attributes[prefix + _LATITUDE], attributes.get(prefix + _LONGITUDE)
        if prefix[-1:] in ("", ".") and _is_degree(latitude, 90) and _is_degree(longitude, 180):
            del attributes[prefix + _LATITUDE], attributes[prefix + _LONGITUDE]
            attributes[prefix + "geo.location"] = [longitude, latitude]


def _is_degree(value: Any, limit: int) -> bool:
    return type(value) in (int, float) and abs(value) <= limit  # false for NaN


def _is_captured(name: str) -> bool:
    return name.startswith(_CAPTURED)


def reduce_captured(attributes: dict[str, Any], credentials: Credentials) -> None:
    """Reduce the credentials in the headers captured in `attributes`."""
    for name in filter(_is_captured, list(attributes)):
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


class ResourceScope(NamedTuple):
    """A resource and a scope, encoded.

    Attributes:
        resource: The field `resource`.
        scope: The field `scope`.
        service: What the messages of replay records append for the service's name, or nothing.
        service_resource: A resource with the service's name alone, if it has one.
        streams: Where the documents go, unless their own attributes say otherwise.
        key: Resource and scope themselves.
    """

    resource: Fragment
    scope: Fragment
    service: str
    service_resource: Fragment | None
    streams: Streams
    key: tuple[Resource | None, InstrumentationScope | None]


class ResourceScopeCache:
    """The resources and scopes, and the ordinary names of attributes, met so far."""

    def __init__(self, data_streams: DataStreams, credentials: Credentials, *, links: bool) -> None:
        """Prepare for documents in `data_streams`.

        With `links`, this package writes replay links, and removes the attribute from others.
        """
        self._data_streams = data_streams
        self._credentials = credentials
        self._links = links
        self._entries: dict[int, ResourceScope] = {}
        self._ordinary: set[str] = set()

    def of(self, resource: Resource | None, scope: InstrumentationScope | None) -> ResourceScope:
        """Return what documents of this resource and scope share."""
        entry = self._entries.get(id(scope))
        return (
            entry
            if entry is not None and entry.key[0] is resource
            else self._encode(resource, scope)
        )

    def settle(self, attributes: dict[str, Any], entry: ResourceScope) -> Streams:
        """Return where a document with `attributes` goes, and clean these up.

        Removes the attributes that choose a data stream and links of others, reduces credentials,
        and joins points. Nearly all documents have ordinary names only, and one look at a set of
        those shows it.
        """
        if self._ordinary.issuperset(attributes):
            return entry.streams
        if len(self._ordinary) >= _MAX_NAMES:
            self._ordinary.clear()
        self._ordinary.update(filter(_is_ordinary, attributes))
        reduce_captured(attributes, self._credentials)
        if self._links:
            attributes.pop(REPLAY_URL, None)
        join_points(attributes)
        routing = _routing(attributes)
        return self._data_streams.of(*_asked(routing, entry.streams)) if routing else entry.streams

    def _encode(
        self, resource: Resource | None, scope: InstrumentationScope | None
    ) -> ResourceScope:
        of_resource = copied(resource.attributes if resource else None)
        of_scope = copied(scope.attributes if scope else None)
        asked = _asked({**_routing(of_resource), **_routing(of_scope)}, self._data_streams.default)
        streams = self._data_streams.of(*asked)
        join_points(of_resource)
        join_points(of_scope)
        entry = ResourceScope(
            json_fragment(
                _present(schema_url=resource and resource.schema_url, attributes=of_resource)
            ),
            json_fragment(
                _present(
                    schema_url=scope and scope.schema_url,
                    name=scope and scope.name,
                    version=scope and scope.version,
                    attributes=of_scope,
                )
            ),
            *service_of(text_of(of_resource.get(SERVICE_NAME) or "")),
            streams,
            (resource, scope),
        )
        # Documents that go to other streams than they ask for are counted each time.
        if asked == (streams.dataset, streams.namespace):
            if len(self._entries) >= _MAX_ENTRIES:
                self._entries.clear()
            self._entries[id(scope)] = entry
        return entry


def _is_ordinary(name: str) -> bool:
    return not (
        name in _ROUTING
        or name == REPLAY_URL
        or _is_part_of_point(name)
        or _is_captured(name)
        or len(name) > _MAX_NAME_LENGTH
    )


def _routing(attributes: dict[str, Any]) -> dict[str, Any]:
    """Take the attributes that choose a data stream out of `attributes`."""
    return {name: attributes.pop(name) for name in _ROUTING if name in attributes}


def _asked(routing: Mapping[str, Any], default: Streams) -> tuple[str, str]:
    """Return the dataset and namespace that attributes ask for."""
    return dataset_of(routing.get(_DATASET), default.dataset), namespace_of(
        routing.get(_NAMESPACE), default.namespace
    )


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
