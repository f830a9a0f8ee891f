"""Attributes as documents carry them."""

from __future__ import annotations

from collections import UserDict
from types import MappingProxyType
from typing import Any

import pytest
from opentelemetry.attributes import BoundedAttributes

from otel_asayer.documents.attributes import copied, join_points, take_session
from otel_asayer.propagation.session_id import SessionId

SESSION = "2618307011354435587"
TOKEN = "jw4wdfpgqhoj.3az.lrraavgc.ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"


class Bare:
    """A mapping with nothing but what dict() needs."""

    def keys(self) -> list[str]:
        return ["a"]

    def __getitem__(self, key: str) -> int:
        return 1


@pytest.mark.parametrize(
    "attributes",
    [
        {"a": 1},
        MappingProxyType({"a": 1}),
        BoundedAttributes(attributes={"a": 1}),
        MappingProxyType(BoundedAttributes(attributes={"a": 1})),
        UserDict({"a": 1}),
        Bare(),
    ],
    ids=lambda attributes: type(attributes).__name__,
)
def test_attributes_are_copied_into_a_plain_dict(attributes: Any) -> None:
    copy = copied(attributes)
    assert type(copy) is dict
    assert copy == {"a": 1}
    assert copy is not attributes


def test_no_attributes_are_an_empty_dict() -> None:
    assert copied(None) == {}


@pytest.mark.parametrize(
    "value", [SESSION, int(SESSION), f"{SESSION}, {SESSION}", TOKEN, SessionId(SESSION)], ids=repr
)
def test_a_session_stands_in_a_document_as_the_id_alone(value: object) -> None:
    attributes = {"session.id": value}
    assert take_session(attributes) == SESSION
    assert attributes == {"session.id": SESSION}


@pytest.mark.parametrize(
    "value",
    ["a1b2", "", "0", "-1", True, None, 1.0, 2**64, b"1", (1,), {"a": 1}, ["1"], "x" * 600],
    ids=repr,
)
def test_another_value_stays_and_is_no_session(value: object) -> None:
    attributes = {"session.id": value}
    assert take_session(attributes) is None
    assert attributes == {"session.id": value}


def test_without_the_attribute_there_is_no_session() -> None:
    assert take_session({}) is None


def joined(attributes: dict[str, Any]) -> dict[str, Any]:
    join_points(attributes)
    return attributes


def test_latitude_and_longitude_become_a_point() -> None:
    assert joined({"geo.location.lat": 52.52, "geo.location.lon": 13.4, "a": 1}) == {
        "geo.location": [13.4, 52.52],
        "a": 1,
    }


def test_points_in_namespaces_stay_apart() -> None:
    attributes = {
        "client.geo.location.lat": 1,
        "client.geo.location.lon": 2,
        "server.geo.location.lat": -90.0,
        "server.geo.location.lon": -180,
    }
    assert joined(attributes) == {
        "client.geo.location": [2, 1],
        "server.geo.location": [-180, -90.0],
    }


@pytest.mark.parametrize(
    "attributes",
    [
        {"geo.location.lat": 1.0},
        {"geo.location.lon": 1.0},
        {"geo.location.lat": 1.0, "client.geo.location.lon": 1.0},
        {"geo.location.lat": 90.5, "geo.location.lon": 1.0},
        {"geo.location.lat": 1.0, "geo.location.lon": 181},
        {"geo.location.lat": float("inf"), "geo.location.lon": 1.0},
        {"geo.location.lat": "1", "geo.location.lon": "2"},
        {"geo.location.lat": True, "geo.location.lon": False},
        {"notgeo.location.lat": 1.0, "notgeo.location.lon": 1.0},
    ],
    ids=repr,
)
def test_what_is_no_place_on_earth_stays_as_it_is(attributes: dict[str, Any]) -> None:
    assert joined(dict(attributes)) == attributes


def test_not_a_number_is_no_latitude() -> None:
    assert list(joined({"geo.location.lat": float("nan"), "geo.location.lon": 1.0})) == [
        "geo.location.lat",
        "geo.location.lon",
    ]
