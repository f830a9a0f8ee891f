"""Resources and scopes: encoded once, found by identity, and never mixed up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import orjson
import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_asayer.documents import attributes
from otel_asayer.documents.attributes import Credentials, ResourceScopeCache
from otel_asayer.documents.operations import DataStreams

if TYPE_CHECKING:
    from orjson import Fragment


def made() -> ResourceScopeCache:
    return ResourceScopeCache(
        DataStreams("generic", "default", 32), Credentials(frozenset()), links=False
    )


def content(fragment: Fragment) -> object:
    return json.loads(orjson.dumps(fragment))


def test_a_resource_and_a_scope_are_encoded_once() -> None:
    known, resource, scope = made(), Resource({"a": 1}), InstrumentationScope("shop")
    assert known.of(resource, scope) is known.of(resource, scope)


def test_absent_parts_are_left_out() -> None:
    resource_scope = made().of(Resource({}), InstrumentationScope("shop"))
    assert content(resource_scope.resource) == {}
    assert content(resource_scope.scope) == {"name": "shop"}


def test_all_parts_are_there() -> None:
    scope = InstrumentationScope("shop", "1.0", "https://scope", {"b": b"\x01"})
    resource_scope = made().of(Resource({"a": 2**64}, "https://resource"), scope)
    assert content(resource_scope.resource) == {
        "schema_url": "https://resource",
        "attributes": {"a": "18446744073709551616"},
    }
    assert content(resource_scope.scope) == {
        "schema_url": "https://scope",
        "name": "shop",
        "version": "1.0",
        "attributes": {"b": "01"},
    }


def test_a_record_without_resource_and_scope_has_empty_ones() -> None:
    resource_scope = made().of(None, None)
    assert content(resource_scope.resource) == {}
    assert content(resource_scope.scope) == {}
    assert resource_scope.service == ""


def test_one_scope_under_two_resources_is_not_mixed_up() -> None:
    known, scope = made(), InstrumentationScope("shop")
    first, second = Resource({"service.name": "a"}), Resource({"service.name": "b"})
    assert [known.of(resource, scope).service for resource in (first, second, first)] == [
        " · service a",
        " · service b",
        " · service a",
    ]


def test_a_point_of_a_resource_is_joined() -> None:
    resource = Resource({"geo.location.lat": 1.5, "geo.location.lon": 2.5})
    assert content(made().of(resource, None).resource) == {
        "attributes": {"geo.location": [2.5, 1.5]}
    }


def test_scopes_made_per_request_do_not_pile_up() -> None:
    known, resource = made(), Resource({"service.name": "shop"})
    seen = [known.of(resource, InstrumentationScope(f"scope {number}")) for number in range(1000)]
    assert [content(resource_scope.scope) for resource_scope in seen] == [
        {"name": f"scope {number}"} for number in range(1000)
    ]
    assert len(known._entries) <= 256


def test_streams_chosen_per_request_do_not_pile_up() -> None:
    known = made()
    resource_scope = known.of(None, None)
    chosen = [
        known.settle({"data_stream.dataset": f"d{number}"}, resource_scope).dataset
        for number in range(1000)
    ]
    assert len(set(chosen)) == 32


@pytest.mark.parametrize("length", [1, 1000])
def test_names_made_per_request_do_not_pile_up(length: int) -> None:
    known = made()
    resource_scope = known.of(None, None)
    for number in range(10_000):
        known.settle({"x" * length + str(number): 1}, resource_scope)
    assert len(known._ordinary) <= attributes._MAX_NAMES


def test_ordinary_attributes_stay_as_they_are() -> None:
    known, attributes = made(), {"a": 1, "session.id": "1"}
    resource_scope = known.of(None, None)
    assert [known.settle(attributes, resource_scope) for _ in range(2)] == [
        resource_scope.streams
    ] * 2
    assert attributes == {"a": 1, "session.id": "1"}
