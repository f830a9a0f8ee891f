"""From Python values to JSON that Elasticsearch reads."""

from __future__ import annotations

import json
from collections import UserDict, UserList, deque, namedtuple
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum, IntEnum
from itertools import count
from types import MappingProxyType
from typing import Any

import pytest
from opentelemetry.attributes import BoundedAttributes

from otel_asayer.documents.values import json_fragment, json_line, text_of

from naming import stable

Point = namedtuple("Point", "x y")  # noqa: PYI024 (the untyped kind is the one that nobody expects)


class Colour(Enum):
    RED = "red"


class Code(IntEnum):
    GONE = 410


class Named(str, Enum):
    ONE = "one"


class Text(str):
    __slots__ = ()


class Number(float):
    __slots__ = ()


class Whole(int):
    __slots__ = ()


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError


class Broken(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError

    def __len__(self) -> int:
        return 1


class Endless(Sequence[int]):
    def __getitem__(self, index: Any) -> Any:
        return index

    def __len__(self) -> int:
        return 1


class EndlessMap(Mapping[str, Any]):
    """Whose values are endless maps themselves, down to a depth:

    each level alone would be bounded.
    """

    def __init__(self, levels: int = 0) -> None:
        self._levels = levels

    def __getitem__(self, key: str) -> Any:
        return EndlessMap(self._levels - 1) if self._levels else 7

    def __iter__(self) -> Iterator[str]:
        return map(str, count())

    def __len__(self) -> int:
        return 1


class Failing(Mapping[str, Any]):
    """Whose values cannot be had."""

    def __getitem__(self, key: str) -> Any:
        raise ValueError(key)

    def __iter__(self) -> Iterator[str]:
        return iter("ab")

    def __len__(self) -> int:
        return 2


@dataclass
class Order:
    number: int


VALUES = [
    (None, None),
    (True, True),
    (3, 3),
    ("Grüße", "Grüße"),
    (b"\x00\xff", "00ff"),
    (bytearray(b"\x01"), "01"),
    (memoryview(b"\x02"), "02"),
    (float("nan"), None),
    (float("inf"), None),
    (float("-inf"), None),
    (Number(1.5), 1.5),
    (Number("nan"), None),
    (Whole(4), 4),
    (Text("a"), "a"),
    (Colour.RED, "red"),
    (Code.GONE, 410),
    (Named.ONE, "one"),
    (2**63, 2**63),
    (2**64 - 1, 2**64 - 1),
    (-(2**63), -(2**63)),
    (2**64, "18446744073709551616"),
    (-(2**63) - 1, "-9223372036854775809"),
    (Whole(2**70), str(2**70)),
    ((1, "two"), [1, "two"]),
    ({1}, [1]),
    (Point(1, 2), [1, 2]),
    (UserList([1]), [1]),
    (UserDict({"a": 1}), {"a": 1}),
    (MappingProxyType({"a": b"\x01"}), {"a": "01"}),
    (BoundedAttributes(attributes={"a": (1, b"\x01")}), {"a": [1, "01"]}),
    ({"a": {"b": [{"c": None}]}}, {"a": {"b": [{"c": None}]}}),
    ("\ud800", "\ufffd"),
    ("a\udcffb", "a\ufffdb"),
    ("\ud83d\ude00", "😀"),
    ({"\ud800": 1}, {"\ufffd": 1}),
    (Order(17), "Order(number=17)"),
    (datetime(2026, 11, 24, tzinfo=timezone.utc), "2026-11-24 00:00:00+00:00"),
    (Unprintable(), "<Unprintable>"),
    (Broken(), "<Broken>"),
    (ValueError("bad"), "bad"),
]


def spoiled(value: object) -> list[object]:
    """A list that the fast path refuses, with the value in it."""
    return [2**64, value]


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=stable)
def test_each_value_has_one_form_in_json(value: object, expected: object) -> None:
    assert json.loads(json_line([value]))[0] == expected


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=stable)
def test_what_stands_beside_a_value_does_not_change_its_form(
    value: object, expected: object
) -> None:
    assert json.loads(json_line(spoiled(value)))[1] == expected


def test_keys_become_strings() -> None:
    value = {
        1: "a",
        None: "b",
        b"\x01": "d",
        (1, 2): "e",
        Colour.RED: "f",
        Text("g"): "g",
        2**64: "h",
    }
    expected = {
        "1": "a",
        "null": "b",
        "01": "d",
        "[1,2]": "e",
        "red": "f",
        "g": "g",
        "18446744073709551616": "h",
    }
    assert json.loads(json_line(value)) == expected


def test_a_whole_float_stays_a_float() -> None:
    assert json_line([3.0]) == b"[3.0]\n"


def test_an_integer_of_more_digits_than_python_writes_is_written_in_hex() -> None:
    assert json.loads(json_line([1 << 20_000])) == [hex(1 << 20_000)]


def test_a_fragment_survives_the_slow_path() -> None:
    assert (
        json_line(spoiled(json_fragment({"a": b"\x01"})))
        == b'["18446744073709551616",{"a":"01"}]\n'
    )


def test_text_with_line_breaks_stays_on_its_line() -> None:
    assert json_line({"a": "one\ntwo\r\n"}).count(b"\n") == 1


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def test_nesting_beyond_all_reason_is_cut() -> None:
    assert json_line(deep(100_000)) == b"[" * 64 + '"…"'.encode() + b"]" * 64 + b"\n"


def test_a_value_that_contains_itself_is_cut() -> None:
    bomb: list[Any] = []
    bomb += [bomb, bomb]
    assert len(json_line(bomb)) < 2_000_000


def test_an_endless_sequence_is_cut() -> None:
    assert len(json.loads(json_line(Endless()))) == 100_000


def test_an_endless_mapping_is_cut() -> None:
    assert list(json.loads(json_line(EndlessMap()))) == [
        str(number) for number in range(50_000)
    ]  # names count, too


@pytest.mark.parametrize("levels", [1, 2, 100])
def test_endless_mappings_within_each_other_are_cut(levels: int) -> None:
    assert len(json_line({"a": EndlessMap(levels)})) < 2_000_000


@pytest.mark.parametrize("value", [[Endless()] * 10, {"a": {"b": [EndlessMap()] * 10}}])
def test_several_values_without_an_end_are_bounded_together(value: Any) -> None:
    assert len(json_line(value)) < 2_000_000


def test_a_mapping_that_fails_is_named_by_its_type() -> None:
    assert json.loads(json_line({"a": Failing(), "b": 1})) == {"a": "<Failing>", "b": 1}


@pytest.mark.parametrize("value", [MappingProxyType({"a": 1}), UserDict({"a": 1})])
def test_a_mapping_of_another_class_is_a_map(value: Any) -> None:
    assert json.loads(json_line(value)) == {"a": 1}


@pytest.mark.parametrize("value", [deque([1, 2]), UserList([1, 2]), range(1, 3)])
def test_a_sequence_of_another_class_is_a_list(value: Any) -> None:
    assert json.loads(json_line(value)) == [1, 2]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb", "a\nb"),
        (Text("a"), "a"),
        (b"\x00\xff", "00ff"),
        (17, "17"),
        (2**64, "18446744073709551616"),
        (True, "true"),
        (None, "null"),
        (float("nan"), "null"),
        ({"a": [1, "two"]}, '{"a":[1,"two"]}'),
        (["\ud800"], '["\ufffd"]'),
        ("\ud800", "\ufffd"),
        (Named.ONE, "one"),
        (Order(17), "Order(number=17)"),
    ],
    ids=repr,
)
def test_a_value_as_text(value: object, text: str) -> None:
    assert text_of(value) == text
