"""What is put aside of a refused document.

The reasons are those of Elasticsearch 9.4.3 and 8.19.16, as `elasticsearch.bulk` cleans them.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from otel_asayer.attributes import UNMAPPED
from otel_asayer.documents import Operation, salvage

HEADER = b'{"create":{"_index":"logs-generic.otel-default","_id":"x"}}\n'
NO_NAME = (
    "failed to parse: Limit of total fields [1000] has been exceeded while adding new fields [1000]"
)
SESSION = {"session.id": "2618307011354435587"}


def operation(document: Any) -> Operation:
    return Operation(HEADER + json.dumps(document).encode() + b"\n")


def salvaged(document: Any, reason: str) -> Any:
    """The document after salvage, with what was put aside parsed."""
    made = salvage(operation(document), reason)
    assert made is not None
    assert made.startswith(HEADER)
    result = json.loads(made[len(HEADER) :])
    result["attributes"][UNMAPPED] = json.loads(result["attributes"][UNMAPPED])
    return result


def moved(document: Any, reason: str) -> Any:
    return salvaged(document, reason)["attributes"][UNMAPPED]


def of(name: str) -> str:
    return f"failed to parse field [{name}] of type [long]"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a", "failed to parse field [attributes.a] of type [long]"),
        ("a", "failed to parse field [attributes.a] of type [flattened]"),
        ("a", "mapper [attributes.a] cannot be changed from type [flattened] to [long]"),
        (
            "a",
            (
                "object mapping for [attributes.a] tried to parse field [a] as object, but found a "
                "concrete value"
            ),
        ),
        (
            "a",
            (
                "object mapping for [attributes.a] tried to parse field [null] as object, but "
                "found a "
                "concrete value"
            ),
        ),
        ("a", "can't merge a non object mapping [attributes.a] with an object mapping"),
        (
            "a",
            (
                "failed to parse: Limit of mapping depth [20] has been exceeded due to object "
                "field "
                "[attributes.a.b.b]"
            ),
        ),
        ("a", "failed to parse field [attributes.a.b] of type [long]"),
        (
            "a",
            "mapping set to strict, dynamic introduction of [a] within [attributes] is not allowed",
        ),
        ("a.b.c", "failed to parse field [attributes.a] of type [long]"),
        ("a.b.c", "failed to parse field [attributes.a.b] of type [text]"),
        ("geo.location", "failed to parse: illegal latitude value [500.0] for geo.location"),
        ("  ", "Field name cannot contain only whitespace: [attributes.  ]"),
        ("a..b", "failed to parse: field name cannot contain only whitespace: ['a..b']"),
        (".a", "failed to parse: field name cannot contain only whitespace: ['.a']"),
        (
            "a. .b",
            (
                "failed to parse: field name starting or ending with a [.] makes object resolution "
                "ambiguous: [a. .b]"
            ),
        ),
        ("x[0] of type", "failed to parse field [attributes.x[0] of type] of type [long]"),
        ("x\n\ty", "failed to parse field [attributes.x y] of type [long]"),
        ("né☃😀", "failed to parse field [attributes.né☃😀] of type [long]"),
        ("n" * 400, f"failed to parse field [attributes.{'n' * 260}"),
        ("a in document with id 'x", "failed to parse field [attributes.a"),
        ("long", "failed to parse field [attributes.long] of type [long]"),
    ],
)
def test_the_named_attribute_is_put_aside_and_no_other(name: str, reason: str) -> None:
    others = {**SESSION, "float": 1, "null": 2}
    assert salvaged({"attributes": {**others, name: ["x", None]}}, reason) == {
        "attributes": {**others, UNMAPPED: {name: ["x", None]}}
    }


def test_of_flat_names_the_very_one_is_put_aside() -> None:
    assert moved({"attributes": {"a": 1, "a.b": 2, "a.b.c": 3}}, of("attributes.a.b")) == {"a.b": 2}


@pytest.mark.parametrize("part", ["resource", "scope"])
def test_an_attribute_of_resource_or_scope_is_put_aside_under_its_path(part: str) -> None:
    document = {
        "attributes": {**SESSION, "r": 1},
        part: {"name": "shop", "attributes": {"r": "x", "s": 1}},
    }
    expected = {
        "attributes": {**SESSION, "r": 1, UNMAPPED: {f"{part}.attributes.r": "x"}},
        part: {"name": "shop", "attributes": {"s": 1}},
    }
    assert salvaged(document, of(f"{part}.attributes.r")) == expected


def test_even_a_services_name_is_put_aside_when_it_is_the_refused_value() -> None:
    document = {"attributes": {}, "resource": {"attributes": {"service.name": {"a": 1}}}}
    assert moved(document, of("resource.attributes.service.name")) == {
        "resource.attributes.service.name": {"a": 1}
    }


def test_the_structure_of_a_body_is_put_aside_whole() -> None:
    document = {"attributes": {"a": 1}, "body": {"structured": {"a": {"b": 1}, "c": 2}}}
    assert salvaged(document, of("body.structured.a")) == {
        "attributes": {"a": 1, UNMAPPED: {"body.structured": {"a": {"b": 1}, "c": 2}}},
        "body": {},
    }


def test_an_attribute_of_links_is_put_aside_with_the_number_of_each() -> None:
    links = [
        {"trace_id": "0", "attributes": {"a": 1}},
        {"trace_id": "1"},
        {"trace_id": "2", "attributes": {"a": "x", "b": 1}},
    ]
    assert salvaged({"attributes": {"a": 1}, "links": links}, of("links.attributes.a")) == {
        "attributes": {"a": 1, UNMAPPED: {"links.0.attributes.a": 1, "links.2.attributes.a": "x"}},
        "links": [
            {"trace_id": "0", "attributes": {}},
            {"trace_id": "1"},
            {"trace_id": "2", "attributes": {"b": 1}},
        ],
    }


@pytest.mark.parametrize(
    "path",
    ["attributes.a", "resource.attributes.a", "scope.attributes.a", "links.0", "body.structured"],
)
def test_an_attribute_whose_name_looks_like_a_path_is_told_apart(path: str) -> None:
    assert moved({"attributes": {path: 1}}, of(f"attributes.{path}")) == {f"attributes.{path}": 1}


@pytest.mark.parametrize(
    "reason",
    [
        NO_NAME,
        "",
        "failed to parse: field name cannot be an empty string",
        of("attributes.no_such_one"),
    ],
)
def test_without_a_name_all_attributes_but_the_session_id_are_put_aside(reason: str) -> None:
    rest = {"@timestamp": "1.000000", "trace_id": "t", "resource": {"attributes": {"r": 1}}}
    expected = {**rest, "attributes": {**SESSION, UNMAPPED: {"a": 1, "": 2}}}
    assert salvaged({**rest, "attributes": {**SESSION, "a": 1, "": 2}}, reason) == expected


def test_without_a_name_and_without_attributes_everything_else_is_put_aside() -> None:
    assert moved({"attributes": SESSION, "resource": {"attributes": {"r": 1}}}, NO_NAME) == {
        "resource.attributes.r": 1
    }


WHOLE = {
    "@timestamp": "1.000000",
    "data_stream": {"dataset": "generic.otel"},
    "trace_id": "t",
    "name": "GET /cart",
    "attributes": {**SESSION, "a": "x", "b": 3.0},
    "resource": {"attributes": {"service.name": "shop", "r": 1}},
    "scope": {"name": "shop", "attributes": {"s": 1}},
    "body": {"text": "hello", "structured": {"c": 1}},
    "links": [{"trace_id": "u", "attributes": {"l": 1}}],
}
BARE = {
    **WHOLE,
    "resource": {"attributes": {"service.name": "shop"}},
    "scope": {"name": "shop", "attributes": {}},
    "body": {"text": "hello"},
    "links": [{"trace_id": "u", "attributes": {}}],
}
ASIDE = {
    "a": "x",
    "b": 3.0,
    "resource.attributes.r": 1,
    "scope.attributes.s": 1,
    "body.structured": {"c": 1},
    "links.0.attributes.l": 1,
}


def twice(first: str, second: str) -> bytes:
    once = salvage(operation(WHOLE), first)
    assert once is not None
    again = salvage(once, second)
    assert again is not None
    return again


@pytest.mark.parametrize("first", [of("attributes.a"), NO_NAME])
def test_a_document_refused_again_keeps_what_it_is_found_by(first: str) -> None:
    result = json.loads(twice(first, of("attributes.b")).splitlines()[1])
    assert json.loads(result["attributes"].pop(UNMAPPED)) == ASIDE
    assert result == {**BARE, "attributes": SESSION}


def test_there_is_no_third_time() -> None:
    assert salvage(Operation(twice(of("attributes.a"), NO_NAME)), NO_NAME) is None


@pytest.mark.parametrize(
    "path",
    [
        "@timestamp",
        "severity_number",
        "name",
        "attributes.session.id",
        f"attributes.{UNMAPPED}",
        "resource.schema_url",
        "data_stream.type",
    ],
)
def test_nothing_is_put_aside_when_the_refused_value_is_to_stay(path: str) -> None:
    assert salvage(operation(WHOLE), of(path)) is None


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"attributes": [1]},
        {"attributes": {}},
        {"attributes": SESSION},
        {
            "attributes": SESSION,
            "resource": {"attributes": {"service.name": "shop"}},
            "message": "hello",
        },
        {"attributes": {}, "resource": None, "scope": [], "links": {}, "body": {"text": "hello"}},
        {"attributes": {}, "links": [None, {"attributes": None}]},
    ],
)
def test_a_document_without_anything_to_put_aside_has_no_salvage(document: Any) -> None:
    assert salvage(operation(document), NO_NAME) is None


def test_of_a_log_record_without_attributes_the_body_is_put_aside() -> None:
    assert salvaged({"body": {"structured": {"a": [1, "two"]}}}, of("body.structured.a")) == {
        "body": {},
        "attributes": {UNMAPPED: {"body.structured": {"a": [1, "two"]}}},
    }


@pytest.mark.parametrize(
    "text", [b"", HEADER, HEADER + b"{broken\n", HEADER + b'{"attributes":{"a":NaN}}\n']
)
def test_what_is_no_operation_has_no_salvage(text: bytes) -> None:
    assert salvage(Operation(text), NO_NAME) is None


@pytest.mark.parametrize("own", ["text", 5, "[1]", '{"a":2}'])
def test_what_an_application_put_under_that_name_itself_is_kept(own: Any) -> None:
    assert moved({"attributes": {UNMAPPED: own, "a": 1}}, NO_NAME) == {UNMAPPED: own, "a": 1}
