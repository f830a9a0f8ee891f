"""Whatever a document holds and Elasticsearch says of it, salvage loses nothing."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, strategies as st

from otel_asayer.attributes import UNMAPPED
from otel_asayer.documents import Operation, salvage
from otel_asayer.documents.values import json_line

HEADER = b'{"create":{"_index":"logs-generic.otel-default","_id":"x"}}\n'
PATHS = ("attributes.", "resource.attributes.", "scope.attributes.", "body.", "links.")

texts = st.text(max_size=12)
names = st.one_of(
    st.text("ab. []'\n", max_size=6),
    texts,
    st.sampled_from(("service.name", "geo.location", "session", *PATHS)),
    st.tuples(st.sampled_from(PATHS), texts).map("".join),
).filter(lambda name: name not in ("session.id", UNMAPPED))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
attributes = st.dictionaries(names, values, max_size=6)
documents = st.fixed_dictionaries(
    {"attributes": attributes, "@timestamp": st.just("1.000000"), "trace_id": st.just("t")},
    optional={
        "resource": st.fixed_dictionaries({"schema_url": texts, "attributes": attributes}),
        "scope": st.fixed_dictionaries({"name": texts}, optional={"attributes": attributes}),
        "body": st.fixed_dictionaries({}, optional={"text": texts, "structured": values}),
        "links": st.lists(
            st.fixed_dictionaries({"trace_id": texts, "attributes": attributes}), max_size=3
        ),
    },
)
reasons = st.one_of(
    st.tuples(st.sampled_from(PATHS), names)
    .map("".join)
    .map("failed to parse field [{}] of type [long]".format),
    st.tuples(st.sampled_from(PATHS), names).map("".join).map("failed to parse field [{}".format),
    names.map("field name cannot contain only whitespace: ['{}']".format),
    st.just("Limit of total fields [1000] has been exceeded"),
    st.text(),
)


def flat(document: dict[str, Any]) -> dict[tuple[str, ...], Any]:
    """Every value of a document that may be put aside, by where it stands."""
    places: dict[tuple[str, ...], Any] = {
        ("attributes",): document["attributes"],
        ("body",): document.get("body", {}),
    }
    places |= {
        (part, "attributes"): document.get(part, {}).get("attributes", {})
        for part in ("resource", "scope")
    }
    places |= {
        ("links", str(index), "attributes"): link["attributes"]
        for index, link in enumerate(document.get("links", []))
    }
    return {
        (*place, name): value for place, holder in places.items() for name, value in holder.items()
    }


def place_of(key: str) -> tuple[str, ...]:
    """Where a value that was put aside stood before."""
    if not key.startswith(PATHS):
        return "attributes", key
    parts = {"attributes": 2, "body": 2, "resource": 3, "scope": 3, "links": 4}[
        key.partition(".")[0]
    ]
    return tuple(key.split(".", parts - 1))


def restored(document: dict[str, Any]) -> dict[tuple[str, ...], Any]:
    """The values that remain together with those that were put aside; none may stand in both."""
    aside = orjson.loads(document["attributes"].pop(UNMAPPED))
    before = {place_of(key): value for key, value in aside.items()}
    remaining = flat(document)
    assert not before.keys() & remaining.keys()
    return before | remaining


@given(
    documents,
    st.none() | st.integers(1, 2**64 - 1).map(str),
    st.lists(reasons, min_size=3, max_size=3),
)
def test_a_salvaged_document_is_whole(
    document: dict[str, Any], session: str | None, all_reasons: list[str]
) -> None:
    if session is not None:
        document["attributes"]["session.id"] = session
    operation: Operation | None = Operation(HEADER + json_line(document))
    original = flat(document)
    for reason in all_reasons:
        assert operation is not None
        operation = salvage(operation, reason)
        if operation is None:
            return
        assert operation.startswith(HEADER)
        assert operation.count(b"\n") == 2
        assert operation[-1:] == b"\n"
        result = orjson.loads(operation[len(HEADER) :])
        assert result["attributes"].get("session.id") == session
        assert result["@timestamp"] == "1.000000"
        assert result["trace_id"] == "t"
        assert restored(result) == original
    raise AssertionError("there is no third round")
