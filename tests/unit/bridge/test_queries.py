"""Slices of all traces: each trace is in one, and stays there."""

from __future__ import annotations

from typing import Any

import pytest

from otel_asayer.bridge.queries import Slice


def fits(query: list[dict[str, Any]], trace_id: str | None) -> bool:
    """Whether Elasticsearch would find a document by these filters."""
    return all(map(lambda one: _fits(one, trace_id), query))  # noqa: C417 (two arguments)


def _fits(query: dict[str, Any], trace_id: str | None) -> bool:
    if "range" in query:
        bounds = query["range"]["trace_id"]
        return trace_id is not None and bounds.get("gte", "") <= trace_id < bounds.get("lt", "g")
    if "should" in query["bool"]:
        return any(_fits(one, trace_id) for one in query["bool"]["should"])
    return trace_id is None  # must not exist


@pytest.mark.parametrize("of", [1, 2, 3, 7, 8, 16, 100, 999])
@pytest.mark.parametrize(
    "trace_id",
    [
        None,
        "0" * 32,
        "f" * 32,
        "5b8aa5a2d2c872e8321cf37308d69df2",
        "7fff" + "f" * 28,
        "8" + "0" * 31,
    ],
)
def test_each_document_is_in_one_slice(of: int, trace_id: str | None) -> None:
    found = [number for number in range(1, of + 1) if fits(Slice(number, of).query, trace_id)]
    assert len(found) == 1
    assert trace_id is not None or found == [1]


def test_slices_are_equally_large() -> None:
    traces = [f"{first:04x}{'0' * 28}" for first in range(0, 65536, 16)]
    sizes = [sum(fits(Slice(number, 8).query, one) for one in traces) for number in range(1, 9)]
    assert sizes == [512] * 8
