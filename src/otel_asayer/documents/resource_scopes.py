"""What all documents of one resource and scope share: encoded once, and cached.

The cache looks the two objects up by identity: hashing a resource costs nearly as much as encoding
a whole span. Each entry holds its objects, so that no other object takes over an identity while the
entry lives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.attributes import REPLAY_URL
from otel_asayer.documents.attributes import (
    Credentials,
    copied,
    is_captured,
    is_part_of_point,
    join_points,
    reduce_captured,
)
from otel_asayer.documents.operations import DataStreams, Streams, dataset_of, namespace_of
from otel_asayer.documents.values import json_fragment, one_line, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from orjson import Fragment

__all__ = ["ResourceScope", "ResourceScopeCache"]

_DATASET: Final = "data_stream.dataset"
_NAMESPACE: Final = "data_stream.namespace"
_ROUTING: Final = ("data_stream.type", _DATASET, _NAMESPACE)
_SERVICE_NAME: Final = "service.name"
# A program that makes a tracer per request has a scope per request.
_MAX_ENTRIES: Final = 256
_MAX_NAMES: Final = 4096
_MAX_NAME_LENGTH: Final = 128


class ResourceScope(NamedTuple):
    """A resource and a scope, encoded.

    Attributes:
        resource: The field `resource`.
        scope: The field `scope`.
        service: What replay records append for the service's name, or nothing.
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
        service = text_of(of_resource.get(_SERVICE_NAME) or "")
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
            f" · service {one_line(service)}" if service else "",
            json_fragment({"attributes": {_SERVICE_NAME: service}}) if service else None,
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
        or is_part_of_point(name)
        or is_captured(name)
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
