"""What all documents of one resource and scope share, encoded once.

Found by the identity of the two objects: hashing a resource costs nearly as much as encoding a
whole span. Each entry holds its objects, so that no identity passes to another object while the
entry lives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from otel_asayer.attributes import REPLAY_URL
from otel_asayer.documents.attributes import copied, is_part_of_point, join_points
from otel_asayer.documents.captured import is_captured, reduce_captured
from otel_asayer.documents.streams import dataset_of, namespace_of
from otel_asayer.documents.values import json_fragment, one_line, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from orjson import Fragment

    from otel_asayer.documents.captured import Credentials
    from otel_asayer.documents.streams import DataStreams, Streams

__all__ = ["Origin", "Origins"]

_K = TypeVar("_K")
_V = TypeVar("_V")

_TYPE: Final = "data_stream.type"
_DATASET: Final = "data_stream.dataset"
_NAMESPACE: Final = "data_stream.namespace"
_ROUTING: Final = (_TYPE, _DATASET, _NAMESPACE)
_SERVICE_NAME: Final = "service.name"
_MOST: Final = 256
"""Entries of each kind; a program that makes a tracer per request has a scope per request."""
_MOST_NAMES: Final = 4096
_LONGEST_NAME: Final = 128


class Origin(NamedTuple):
    """A resource and a scope, encoded."""

    resource: Fragment
    scope: Fragment
    service: str
    """The service's name as replay records show it behind their text, or nothing."""
    service_resource: Fragment | None
    """A resource of the service's name alone, if it has one."""
    streams: Streams
    """Where the documents go, unless their own attributes say otherwise."""
    source: tuple[Resource | None, InstrumentationScope | None]


class Origins:
    """The origins, data streams and names of attributes met so far."""

    def __init__(self, data_streams: DataStreams, credentials: Credentials, *, links: bool) -> None:
        """Route to `data_streams`, and let attributes neither hold credentials nor, with `links` of our own, links of others."""
        self._data_streams = data_streams
        self._credentials = credentials
        self._links = links
        self._origins: dict[int, Origin] = {}
        self._ordinary: set[str] = set()

    def of(self, resource: Resource | None, scope: InstrumentationScope | None) -> Origin:
        """Return the origin of documents of this resource and scope."""
        origin = self._origins.get(id(scope))
        return (
            origin
            if origin is not None and origin.source[0] is resource
            else self._add(resource, scope)
        )

    def settle(self, attributes: dict[str, Any], origin: Origin) -> Streams:
        """Return where a document with `attributes` goes, take out of them what says so, what is no
        one's to set or to know, and join the points.

        Nearly all documents have ordinary names only, and one look at a set of those tells.
        """
        if self._ordinary.issuperset(attributes):
            return origin.streams
        self._learn(attributes)
        reduce_captured(attributes, self._credentials)
        if self._links:
            attributes.pop(REPLAY_URL, None)
        join_points(attributes)
        routing = _routing(attributes)
        return (
            self._data_streams.of(*_asked(routing, origin.streams)) if routing else origin.streams
        )

    def _learn(self, attributes: dict[str, Any]) -> None:
        if len(self._ordinary) >= _MOST_NAMES:
            self._ordinary.clear()
        self._ordinary.update(filter(_is_ordinary, attributes))

    def _add(self, resource: Resource | None, scope: InstrumentationScope | None) -> Origin:
        of_resource = copied(resource.attributes if resource else None)
        of_scope = copied(scope.attributes if scope else None)
        asked = _asked({**_routing(of_resource), **_routing(of_scope)}, self._data_streams.default)
        streams = self._data_streams.of(*asked)
        join_points(of_resource)
        join_points(of_scope)
        service = text_of(of_resource.get(_SERVICE_NAME) or "")
        origin = Origin(
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
        if asked == (
            streams.dataset,
            streams.namespace,
        ):  # what goes elsewhere is counted each time
            _put(self._origins, id(scope), origin)
        return origin


def _is_ordinary(name: str) -> bool:
    return not (
        name in _ROUTING
        or name == REPLAY_URL
        or is_part_of_point(name)
        or is_captured(name)
        or len(name) > _LONGEST_NAME
    )


def _routing(attributes: dict[str, Any]) -> dict[str, Any]:
    """Take the attributes that choose a data stream out of `attributes`."""
    return {name: attributes.pop(name) for name in _ROUTING if name in attributes}


def _asked(routing: Mapping[str, Any], default: Streams) -> tuple[str, str]:
    """The dataset and namespace that attributes ask for."""
    return dataset_of(routing.get(_DATASET), default.dataset), namespace_of(
        routing.get(_NAMESPACE), default.namespace
    )


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _put(cache: dict[_K, _V], key: _K, value: _V) -> None:
    if len(cache) >= _MOST:
        cache.clear()
    cache[key] = value
