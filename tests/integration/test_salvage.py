"""Real conflicts with real mappings:

each document is refused at first, and after salvage it is indexed and found by its session.
"""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import pytest

from otel_asayer.attributes import UNMAPPED
from otel_asayer.config import Config
from otel_asayer.documents import Operation, salvage
from otel_asayer.elasticsearch.bulk import parse_answer, target
from otel_asayer.elasticsearch.client import Client
from otel_asayer.setup.first_contact import ensure

from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from elasticsearch_server import Endpoint

SESSION = "2618307011354435587"
OURS = "logs-generic.otel"
OBJECTS = "logs-objects"
"""Attributes mapped as objects, as Elasticsearch does it where nobody has told it otherwise."""
TYPED = "logs-typed"
"""Attributes of types that only people choose."""
TYPES: dict[str, Any] = {
    "d": {"type": "date"},
    "i": {"type": "ip"},
    "b": {"type": "boolean"},
    "k": {"type": "keyword"},
    "n": {"type": "nested"},
    "p": {"type": "geo_point"},
}


class Conflict(NamedTuple):
    stream: str
    documents: Sequence[dict[str, Any]]
    """The last one is refused; those before it make the mapping."""
    aside: Any
    """What salvage puts aside."""
    attempts: int = 1


def of(**attributes: Any) -> dict[str, Any]:
    return {"attributes": attributes}


def named(name: str, value: Any = 1) -> dict[str, Any]:
    return {"attributes": {name: value}}


def nested(depth: int) -> Any:
    return json.loads('{"a":' * depth + "1" + "}" * depth)


MANY = {f"n{number}": number for number in range(1_100)}
CONFLICTS = {
    "a string where a number was": Conflict(OURS, [of(a=1), of(a="oops", b=2)], {"a": "oops"}),
    "a list with a string": Conflict(OURS, [of(a=1), of(a=[1, "two"])], {"a": [1, "two"]}),
    "a string where a boolean was": Conflict(OURS, [of(a=True), of(a="x")], {"a": "x"}),
    "a scalar where an object was": Conflict(OURS, [of(a={"b": 1}), of(a=5)], {"a": 5}),
    "an object and a scalar in one list": Conflict(
        OURS, [of(a=[{"b": 1}, 2])], {"a": [{"b": 1}, 2]}
    ),
    "a number too large": Conflict(OURS, [of(a=1), of(a=2**63)], {"a": 2**63}),
    "a point beyond the pole": Conflict(
        OURS, [named("geo.location", [13, 500])], {"geo.location": [13, 500]}
    ),
    "a point that is none": Conflict(
        OURS, [named("geo.location", "hello")], {"geo.location": "hello"}
    ),
    "nested too deep": Conflict(OURS, [of(a=nested(30))], {"a": nested(30)}),
    "a long key in an object": Conflict(
        OURS, [of(a={"k" * 33_000: "v"})], {"a": {"k" * 33_000: "v"}}
    ),
    "a dotted name": Conflict(OURS, [named("a.b"), named("a.b", "x")], {"a.b": "x"}),
    "a name of whitespace": Conflict(OURS, [named("  ")], {"  ": 1}),
    "an empty name": Conflict(OURS, [named("")], {"": 1}),
    "a name with brackets": Conflict(
        OURS, [named("x[0] of type"), named("x[0] of type", "x")], {"x[0] of type": "x"}
    ),
    "a name with control characters": Conflict(
        OURS, [named("x\n\ty"), named("x\n\ty", "x")], {"x\n\ty": "x"}
    ),
    "a name longer than a reason": Conflict(
        OURS, [named("n" * 400), {"attributes": {"n" * 400: "x", "b": 1}}], {"n" * 400: "x"}
    ),
    "a name that would cut the reason": Conflict(
        OURS,
        [named("a in document with id 'x"), named("a in document with id 'x", "x")],
        {"a in document with id 'x": "x"},
    ),
    "a resource's attribute": Conflict(
        OURS,
        [
            {"resource": {"attributes": {"r": 1}}},
            {"resource": {"attributes": {"r": "x"}}, **of(a=1)},
        ],
        {"resource.attributes.r": "x"},
    ),
    "a scope's attribute": Conflict(
        OURS,
        [{"scope": {"attributes": {"s": 1}}}, {"scope": {"attributes": {"s": "x"}}}],
        {"scope.attributes.s": "x"},
    ),
    "a service's name": Conflict(
        OBJECTS,
        [
            {"resource": {"attributes": {"service.name": 1}}},
            {"resource": {"attributes": {"service.name": "shop"}}, **of(a=1)},
        ],
        {"resource.attributes.service.name": "shop"},
    ),
    "a body that is no map": Conflict(OURS, [{"body": {"structured": 5}}], {"body.structured": 5}),
    "a body nested too deep": Conflict(
        OURS, [{"body": {"structured": nested(30)}}], {"body.structured": nested(30)}
    ),
    "two that contradict": Conflict(
        OURS, [of(a=1, b=1), of(a="x", b="y", c=3)], {"a": "x", "b": "y", "c": 3}, attempts=2
    ),
    "mapped objects, then a scalar": Conflict(OBJECTS, [named("a.b"), of(a=5, c=1)], {"a": 5}),
    "a mapped scalar, then objects": Conflict(
        OBJECTS, [of(a=5), {"attributes": {"a.b": 1, "c": 1}}], {"a.b": 1}
    ),
    "both in one document": Conflict(OBJECTS, [{"attributes": {"a": 1, "a.b": 2}}], {"a": 1}),
    "a value within an attribute": Conflict(
        OBJECTS, [of(a={"b": 1}), of(a={"b": "x"}, c=1)], {"a": {"b": "x"}}
    ),
    "a name with two dots": Conflict(OBJECTS, [{"attributes": {"a..b": 1, "c": 1}}], {"a..b": 1}),
    "a name that begins with a dot": Conflict(
        OBJECTS, [{"attributes": {".a": 1, "c": 1}}], {".a": 1}
    ),
    "a name of dots": Conflict(OBJECTS, [named(".")], {".": 1}),
    "a part of whitespace": Conflict(OBJECTS, [{"attributes": {"a. .b": 1, "c": 1}}], {"a. .b": 1}),
    "a key of an object with two dots": Conflict(OBJECTS, [of(a={"x..y": 1})], {"a": {"x..y": 1}}),
    "objects too deep": Conflict(OBJECTS, [of(a=nested(30), c=1)], {"a": nested(30)}),
    "a link's attribute": Conflict(
        OBJECTS,
        [
            {"links": [{"attributes": {"l": 1}}]},
            {"links": [{"attributes": {"m": 1}}, {"attributes": {"l": "x"}}]},
        ],
        {"links.1.attributes.l": "x"},
    ),
    "a body's value": Conflict(
        OBJECTS,
        [{"body": {"structured": {"a": 1}}}, {"body": {"structured": {"a": "x"}}}],
        {"body.structured": {"a": "x"}},
    ),
    "a body with an empty key": Conflict(
        OBJECTS,
        [{"body": {"structured": {"": 1}}, **of(a=1)}],
        {"a": 1, "body.structured": {"": 1}},
        attempts=2,
    ),
    "more fields than are allowed": Conflict(OBJECTS, [{"attributes": MANY}], MANY),
    "more fields in the resource": Conflict(
        OBJECTS,
        [{"resource": {"attributes": MANY}}],
        {f"resource.attributes.{n}": v for n, v in MANY.items()},
    ),
    "no date": Conflict(TYPED, [of(d="oops", c=1)], {"d": "oops"}),
    "no address": Conflict(TYPED, [of(i="oops", c=1)], {"i": "oops"}),
    "no boolean": Conflict(TYPED, [of(b="oops", c=1)], {"b": "oops"}),
    "no nested object": Conflict(TYPED, [of(n=1, c=1)], {"n": 1}),
    "no point": Conflict(TYPED, [of(p="oops", c=1)], {"p": "oops"}),
    "a term too long": Conflict(TYPED, [of(k="x" * 40_000, c=1)], {"k": "x" * 40_000}),
    "an unknown name in strict attributes": Conflict("logs-strict", [of(c=1)], {"c": 1}),
}


def prepare(server: Endpoint, namespace: str) -> None:
    """Install our templates, and those of this test's own streams."""
    config = Config.from_environment(
        {},
        endpoint=server.url,
        username=server.username,
        password=server.password,
        certificate=server.ca_certificate and str(server.ca_certificate),
    )
    with closing(Client(config)) as client:
        assert not ensure(client, config, timeout=HANG_SECONDS).problems
    known: dict[str, Any] = {
        "session.id": {"type": "keyword"},
        UNMAPPED: {"type": "keyword", "ignore_above": 1024},
    }
    for stream, attributes in {
        OBJECTS: {"properties": known},
        TYPED: {"properties": known | TYPES},
        "logs-strict": {"dynamic": "strict", "properties": known},
    }.items():
        mappings = {"properties": {"@timestamp": {"type": "date_nanos"}, "attributes": attributes}}
        template = {
            "index_patterns": [f"{stream}-{namespace}*"],
            "data_stream": {},
            "priority": 300,
            "template": {"mappings": mappings},
        }
        assert (
            server.request("PUT", f"/_index_template/{stream}-{namespace}", template).status == 200
        )


def operation(stream: str, document: dict[str, Any]) -> Operation:
    attributes = {"session.id": SESSION, **document.get("attributes", {})}
    whole = {"@timestamp": "1795536236662.000005", **document, "attributes": attributes}
    return Operation(
        orjson.dumps({"create": {"_index": stream}}) + b"\n" + orjson.dumps(whole) + b"\n"
    )


def refusal(server: Endpoint, one: bytes) -> str | None:
    """Send an operation; return the reason if it is refused."""
    answer = parse_answer(server.request("POST", f"{target()}&refresh=true", one).body, 1)
    return answer.others[0][1].reason if answer.others else None


def settle(server: Endpoint, stream: str, documents: Sequence[dict[str, Any]]) -> int:
    """Send documents, the last one until it is indexed; return how often it had to be salvaged."""
    *first, last = (operation(stream, document) for document in documents)
    assert [refusal(server, one) for one in first] == [None] * len(first)
    attempts = 0
    while (reason := refusal(server, last)) is not None:
        made = salvage(last, reason)
        assert made is not None, reason
        last, attempts = made, attempts + 1
    return attempts


def put_aside(server: Endpoint, stream: str) -> Any:
    """What was put aside of the one salvaged document of the session."""
    hits = server.search(stream, {"query": {"term": {"attributes.session.id": SESSION}}})["hits"][
        "hits"
    ]
    (unmapped,) = [
        hit["_source"]["attributes"][UNMAPPED]
        for hit in hits
        if UNMAPPED in hit["_source"]["attributes"]
    ]
    return orjson.loads(unmapped)


@pytest.mark.parametrize("conflict", CONFLICTS.values(), ids=CONFLICTS)
def test_a_refused_document_is_indexed_after_salvage(
    secured: Endpoint, namespace: str, conflict: Conflict
) -> None:
    prepare(secured, namespace)
    stream = f"{conflict.stream}-{namespace}"
    attempts = settle(secured, stream, conflict.documents)
    assert attempts == conflict.attempts
    assert put_aside(secured, stream) == conflict.aside


def test_on_every_supported_server_each_conflict_is_salvaged(
    matrix_server: Endpoint, namespace: str
) -> None:
    prepare(matrix_server, namespace)
    streams = {
        name: f"{conflict.stream}-{namespace}{number}"
        for number, (name, conflict) in enumerate(CONFLICTS.items())
    }
    attempts = {
        name: settle(matrix_server, streams[name], conflict.documents)
        for name, conflict in CONFLICTS.items()
    }
    assert {name: number for name, number in attempts.items() if number not in (1, 2)} == {}
