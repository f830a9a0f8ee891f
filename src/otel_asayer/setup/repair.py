"""Data streams and indices that exist already:

what they lack of what their template of ours says, for it was made later, or is newer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_asayer.setup.inventory import mapping_gap, rival_of
from otel_asayer.setup.steps import Request, Step
from otel_asayer.setup.template_bodies import READERS_ALIAS, REPLAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otel_asayer.elasticsearch.api import Api
    from otel_asayer.setup.inventory import Template
    from otel_asayer.setup.template_bodies import IndexTemplate

__all__ = ["additions", "newest_of_each", "repair", "streams_on"]


def streams_on(api: Api, pattern: str) -> dict[str, tuple[str, ...]]:
    """Return the data streams of a pattern, each with its backing indices, the one written to last.

    Raises:
        ElasticsearchError: they cannot be listed; the message says why.
    """
    resolved = api.expect(
        "GET",
        f"/_resolve/index/{pattern}",
        doing=f"to look for data streams {pattern}",
        or_nothing=True,
    )
    return {
        stream["name"]: tuple(stream["backing_indices"])
        for stream in resolved.get("data_streams", ())
    }


def newest_of_each(days: Iterable[str]) -> frozenset[str]:
    """Return, of indices of replay records, the last day of each namespace."""
    last: dict[str, str] = {}
    for name in sorted(days):
        last[name.rpartition("-")[0]] = name
    return frozenset(last.values())


def repair(api: Api, index: str, *, lacks_alias: bool, is_newest: bool) -> Step | None:
    """Return the step that makes readers find the replay records of an index, if there is something
    to say about it.

    Args:
        api: The server.
        index: Its name.
        lacks_alias: Whether it should bear the alias `logs`, and does not.
        is_newest: Whether it is the last of its namespace: what its mapping lacks matters to what
            is written yet.

    Raises:
        ElasticsearchError: its mapping cannot be read; the message says why.
    """
    requests, notes = [], []
    if lacks_alias:
        requests.append(
            Request(
                "POST",
                "/_aliases",
                {"actions": [{"add": {"index": index, "alias": READERS_ALIAS}}]},
            )
        )
        notes.append(f"It lacked the alias {READERS_ALIAS}.")
    missing, contradictions = _gap(api, REPLAY, index, index) if is_newest else ({}, ())
    if contradictions:
        notes.append(
            f"Its mapping of {', '.join(contradictions)} is another one, which no request can "
            f"change: the index of the next day is right."
        )
    elif missing:
        requests.append(Request("PUT", f"/{index}/_mapping", {"properties": missing}))
    return (
        Step(f"index {index}", "repaired" if requests else "left", " ".join(notes), tuple(requests))
        if requests or notes
        else None
    )


def additions(api: Api, template: IndexTemplate, present: Iterable[Template]) -> list[Request]:
    """Return the requests that add a newer template's fields to the data streams which it made
    before.

    Raises:
        ElasticsearchError: those cannot be looked at; the message says why.
    """
    (pattern,) = template.body["index_patterns"]
    ours = {
        stream: indices[-1]
        for stream, indices in streams_on(api, pattern).items()
        if rival_of(template, stream, present) is None
    }
    gaps = {stream: _gap(api, template, stream, index)[0] for stream, index in ours.items()}
    return [_addition(stream, missing) for stream, missing in gaps.items() if missing]


def _gap(
    api: Api, template: IndexTemplate, stream: str, write_index: str
) -> tuple[dict[str, Any], Sequence[str]]:
    mappings = api.expect("GET", f"/{stream}/_mapping", doing=f"to read the mapping of {stream}")
    return mapping_gap(
        template.body["template"]["mappings"]["properties"],
        mappings[write_index]["mappings"].get("properties", {}),
    )


def _addition(stream: str, missing: Mapping[str, Any]) -> Request:
    return Request("PUT", f"/{stream}/_mapping?write_index_only=true", {"properties": missing})
