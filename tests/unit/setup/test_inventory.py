"""What stands on a server, and what a mapping lacks."""

from __future__ import annotations

from typing import Any

import pytest

from otel_asayer.setup.inventory import (
    AliasConflict,
    InstalledTemplate,
    alias_conflict,
    mapping_difference,
    templates_in,
)
from otel_asayer.setup.templates import LOGS, REPLAY, TRACES

KEYWORD = {"type": "keyword"}


def gap(wanted: dict[str, Any], there: dict[str, Any]) -> Any:
    return mapping_difference(wanted, there)


def test_a_template_is_read_with_owner_version_retention_and_alias() -> None:
    body = {
        "index_patterns": ["a-*"],
        "priority": 7,
        "_meta": {"managed_by": "otel-asayer", "version": "1.2"},
        "data_stream": {"hidden": False},
        "template": {
            "aliases": {"logs": {}},
            "lifecycle": {"data_retention": "30d"},
            "settings": {"index": {"lifecycle": {"name": "p"}}},
        },
    }
    assert templates_in({"index_templates": [{"name": "a", "index_template": body}]}) == (
        InstalledTemplate(
            "a",
            ("a-*",),
            7,
            True,
            "1.2",
            "30d",
            has_alias=True,
            makes_streams=True,
            policy="p",
        ),
    )


@pytest.mark.parametrize(
    "pattern",
    [
        "logs-*",
        "*",
        "logs-*-*",
        "*-a.otel-*",
        "logs-a.otel-b",
        "l*o*g*s*",
        "logs-a.otel-b*",
        "*b",
        "**",
    ],
)
def test_a_pattern_fits_names_that_it_describes(pattern: str) -> None:
    assert InstalledTemplate("t", (pattern,), 1).matches("logs-a.otel-b")


@pytest.mark.parametrize(
    "pattern",
    [
        "logs",
        "*.otel",
        "traces-*",
        "logs-a.otel-b*b",
        "l*x*",
        "",
        "logs-a.otel-*otel-b",
        "LOGS-*",
        "logs?a*",
    ],
)
def test_a_pattern_fits_no_others(pattern: str) -> None:
    assert not InstalledTemplate("t", (pattern,), 1).matches("logs-a.otel-b")


def test_a_pattern_of_many_stars_costs_no_more_than_its_length() -> None:
    assert not InstalledTemplate("t", ("*a" * 5000 + "b",), 1).matches("a" * 10_000)


@pytest.mark.parametrize(
    ("kind", "indices", "streams"), [("index", ["logs"], []), ("data stream", [], ["logs"])]
)
def test_a_clash_tells_what_has_the_very_name(
    kind: str, indices: list[str], streams: list[str]
) -> None:
    resolved = {
        "indices": [{"name": name} for name in indices],
        "data_streams": [{"name": name} for name in streams],
        "aliases": [],
    }
    assert alias_conflict(resolved) == AliasConflict(kind)


def test_what_has_another_name_is_no_clash() -> None:
    assert (
        alias_conflict(
            {
                "indices": [{"name": "logs-2024"}],
                "data_streams": [{"name": "logs-app-default"}],
                "aliases": [],
            }
        )
        is None
    )


def test_the_mapping_of_our_template_lacks_nothing_of_itself() -> None:
    for template in (TRACES, LOGS, REPLAY):
        properties = template.body["template"]["mappings"]["properties"]
        assert gap(properties, properties) == ({}, [])


def test_a_field_that_is_not_there_is_missing() -> None:
    assert gap({"a": KEYWORD, "b": KEYWORD}, {"a": KEYWORD}) == ({"b": KEYWORD}, [])


def test_a_missing_field_of_an_object_comes_with_the_objects_own_parameters() -> None:
    wanted = {
        "o": {"type": "object", "subobjects": False, "properties": {"a": KEYWORD, "b": KEYWORD}}
    }
    there = {"o": {"subobjects": False, "properties": {"a": KEYWORD}}}
    assert gap(wanted, there) == (
        {"o": {"type": "object", "subobjects": False, "properties": {"b": KEYWORD}}},
        [],
    )


@pytest.mark.parametrize(
    "present",
    [
        {"type": "text"},
        {"type": "keyword", "similarity": "boolean"},
        {"properties": {"deep": KEYWORD}},
    ],
)
def test_a_field_of_another_kind_is_a_contradiction(present: dict[str, Any]) -> None:
    assert gap({"o": {"properties": {"a": KEYWORD}}}, {"o": {"properties": {"a": present}}}) == (
        {},
        ["o.a"],
    )


def test_what_elasticsearch_can_change_later_is_no_contradiction() -> None:
    assert gap({"a": {"type": "keyword", "ignore_above": 1024}}, {"a": KEYWORD}) == ({}, [])
