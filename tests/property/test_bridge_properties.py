"""Whatever others stored: the bridge reads it without failing, and writes valid operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, strategies as st

from golden.recording import SESSION, read
from otel_asayer.bridge.queries import spans_of
from otel_asayer.bridge.records import FIELDS
from otel_asayer.documents import is_our_action
from otel_asayer.timeline.stored import Stored
from unit.bridge.support import bridged

if TYPE_CHECKING:
    from collections.abc import Mapping

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
ATTRIBUTES = [name.partition(".")[2] for name in FIELDS if name.startswith("attributes.")]
attributes = st.dictionaries(st.sampled_from(ATTRIBUTES) | st.text(max_size=9), values).map(
    lambda given_attributes: {**given_attributes, "session.id": SESSION}
)
GOOD: dict[str, Any] = {
    "trace_id": "5b8aa5a2" * 4,
    "span_id": "051581bf3cb55c13",
    "kind": "Server",
    "event_name": "exception",
    "@timestamp": "1795536236662.5",
}
fields = st.dictionaries(
    st.sampled_from([name for name in FIELDS if "." not in name]), values, max_size=6
)


@given(
    fields,
    attributes,
    st.sets(st.sampled_from(sorted(GOOD))),
    st.text(min_size=1, max_size=40),
    st.sampled_from([".ds-logs-generic.otel-eu-1-2026.11.24-000001", "x", ""]),
)
def test_any_document(
    stored_fields: Mapping[str, Any],
    stored_attributes: Mapping[str, Any],
    good: set[str],
    document_id: str,
    index: str,
) -> None:
    source = {
        **stored_fields,
        **{name: GOOD[name] for name in good},
        "attributes": stored_attributes,
    }
    for operation in bridged([Stored(index, document_id, source)], level="debug"):
        record = read(operation).source
        assert record["attributes"] == {"session.id": SESSION}
        assert record["level"] in ("debug", "info", "warning", "error")
        # One that is made of an `_id` with a quotation mark is valid, and not in our only form.
        assert (
            is_our_action(operation.partition(b"\n")[0] + b"\n")
            or '"' in document_id
            or (set(document_id) & set(map(chr, [*range(32), ord("\\")])))
        )


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), min_size=1))
def test_any_places_make_one_search(places: list[tuple[str, str]]) -> None:
    assert spans_of(places)["size"] == 10_000
