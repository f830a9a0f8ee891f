"""Data streams that exist already: what they lack of what their template of ours says, for it was made later, or is newer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_asayer.elasticsearch.inventory import mapping_gap, rival_of
from otel_asayer.elasticsearch.steps import Request, Step
from otel_asayer.elasticsearch.template_bodies import READERS_ALIAS, REPLAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otel_asayer.elasticsearch.api import Api
    from otel_asayer.elasticsearch.inventory import Template
    from otel_asayer.elasticsearch.template_bodies import IndexTemplate

__all__ = ["additions", "repair", "streams_on"]


def streams_on(api: Api, pattern: str) -> dict[str, tuple[str, ...]]:
    """Return the data streams of a pattern, each with its backing indices, the one written to last.

    Raises:
        ElasticsearchError: they cannot be listed; the message says why.
    """
    resolved = api.expect("GET", f"/_resolve/index/{pattern}", doing=f"to look for data streams {pattern}", or_nothing=True)
    return {stream["name"]: tuple(stream["backing_indices"]) for stream in resolved.get("data_streams", ())}


def repair(api: Api, stream: str, write_index: str, *, lacks_alias: bool, takes_ours: bool) -> Step:
    """Return the step that makes readers find the replay records of a data stream.

    Args:
        api: The server.
        stream: Its name.
        write_index: Its newest backing index.
        lacks_alias: Whether it should bear the alias `logs`, and does not.
        takes_ours: Whether its next backing index will be made by our template.

    Raises:
        ElasticsearchError: its mapping cannot be read; the message says why.
    """
    requests, notes = [], []
    if lacks_alias:
        requests.append(Request("POST", "/_aliases", {"actions": [{"add": {"index": stream, "alias": READERS_ALIAS}}]}))
        notes.append(f"It lacked the alias {READERS_ALIAS}.")
    missing, contradictions = _gap(api, REPLAY, stream, write_index)
    if contradictions:
        after = "records from now on go to a new index" if takes_ours else "a rollover mends it, once our index template takes the stream"
        notes.append(f"Its mapping of {', '.join(contradictions)} is another one: {after}.")
    if contradictions and takes_ours:
        requests.append(Request("POST", f"/{stream}/_rollover"))
    elif missing:
        requests.append(_addition(stream, missing))
    return Step(f"data stream {stream}", "repaired" if requests else "present", " ".join(notes), tuple(requests))


def additions(api: Api, template: IndexTemplate, present: Iterable[Template]) -> list[Request]:
    """Return the requests that add a newer template's fields to the data streams which it made before.

    Raises:
        ElasticsearchError: those cannot be looked at; the message says why.
    """
    (pattern,) = template.body["index_patterns"]
    ours = {stream: indices[-1] for stream, indices in streams_on(api, pattern).items() if rival_of(template, stream, present) is None}
    gaps = {stream: _gap(api, template, stream, index)[0] for stream, index in ours.items()}
    return [_addition(stream, missing) for stream, missing in gaps.items() if missing]


def _gap(api: Api, template: IndexTemplate, stream: str, write_index: str) -> tuple[dict[str, Any], Sequence[str]]:
    mappings = api.expect("GET", f"/{stream}/_mapping", doing=f"to read the mapping of {stream}")
    return mapping_gap(template.body["template"]["mappings"]["properties"], mappings[write_index]["mappings"].get("properties", {}))


def _addition(stream: str, missing: Mapping[str, Any]) -> Request:
    return Request("PUT", f"/{stream}/_mapping?write_index_only=true", {"properties": missing})
