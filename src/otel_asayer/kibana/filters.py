"""Kibana's filters, which carry a query of Elasticsearch under a name of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_asayer.kibana.envelope import reference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_asayer.kibana.panels import Chosen
    from otel_asayer.kibana.views import DataView

__all__ = ["NO_QUERY", "filters"]

NO_QUERY: Final = {"query": "", "language": "kuery"}
"""The search bar, left to the person who looks."""


def filters(
    chosen: Iterable[Chosen], view: DataView, names: str
) -> tuple[dict[str, dict[str, Any]], list[dict[str, str]]]:
    """Return filters by the names of their references to `view`, and these references; `names` is a pattern with `{}` for a number."""
    made = {names.format(number): _filter(one) for number, one in enumerate(chosen)}
    return made, [reference(name, "index-pattern", view.id) for name in made]


def _filter(chosen: Chosen) -> dict[str, Any]:
    meta = {"type": "custom", "alias": chosen.name, "disabled": False, "negate": False}
    return {"meta": meta, "query": chosen.query, "$state": {"store": "appState"}}
