"""How Elasticsearch is asked for recent sessions, and what its answers say. Pure.

Two searches: the first finds the ids of the sessions with the latest events, the second sums up
these sessions. One search for both would count wrongly: a shard leaves out a session that is not
among its own latest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_asayer.attributes import HANDLED, REPLAY_URL, SESSION_ID
from otel_asayer.documents import EXCEPTION_MESSAGE, EXCEPTION_TYPE
from otel_asayer.propagation.session_id import SessionId, parse_session_id
from otel_asayer.timeline.events import ENTRY_KINDS, event_of
from otel_asayer.timeline.matching import parse_condition
from otel_asayer.timeline.sessions import USER_AGENT, SessionFilter, SessionSummary
from otel_asayer.timeline.stored import Stored
from otel_asayer.timeline.timeline import LONGEST_SESSION_NS, session_start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ids_of", "latest_ids", "since", "summaries_of", "sums"]

_SESSION: Final = f"attributes.{SESSION_ID}"
_SERVICE: Final = "resource.attributes.service.name"
_NS_PER_MS: Final = 1_000_000
_MAX_SERVICES: Final = 50
_EXACT_TRACES: Final = 1000
"""Failed traces of a session up to which their number is exact."""

_IS_HANDLED: Final = {"term": {f"attributes.{HANDLED}": True}}
_ENTERS_A_SERVICE: Final = {"terms": {"kind": list(ENTRY_KINDS)}}
_REQUEST: Final = {
    "bool": {
        "filter": [{"exists": {"field": "kind"}}],
        "should": [
            _ENTERS_A_SERVICE,
            {"bool": {"must_not": [{"exists": {"field": "parent_span_id"}}]}},
        ],
        "minimum_should_match": 1,
    }
}
"""The spans that are events of the kind `request`."""

_ERROR: Final = {
    "bool": {
        "should": [
            {"bool": {"filter": [{"term": {"status.code": "Error"}}], "must_not": [_IS_HANDLED]}},
            {"range": {"severity_number": {"gte": 17}}},
            {
                "bool": {
                    "filter": [{"exists": {"field": f"attributes.{EXCEPTION_TYPE}"}}],
                    "must_not": [_IS_HANDLED, {"exists": {"field": "severity_number"}}],
                }
            },
            *(
                {
                    "bool": {
                        "filter": [
                            _REQUEST,
                            {"range": {f"attributes.{name}": {"gte": 500, "lt": 600}}},
                        ]
                    }
                }
                for name in ("http.response.status_code", "http.status_code")
            ),
        ],
        "minimum_should_match": 1,
    }
}
"""The documents that are events of level `error`."""

_WORDS: Final = ("body.text", f"attributes.{EXCEPTION_MESSAGE}")
"""Fields of which Elasticsearch keeps single words."""
_WHOLE: Final = (
    "name",
    _SESSION,
    _SERVICE,
    *(
        f"attributes.{name}"
        for name in (
            "http.route",
            "url.path",
            "http.target",
            *USER_AGENT,
            EXCEPTION_TYPE,
            EXCEPTION_MESSAGE,
        )
    ),
)
"""Fields of which Elasticsearch keeps the whole value, so that any part of it can be found."""


def latest_ids(wanted: SessionFilter, limit: int) -> dict[str, Any]:
    """Return the search for the ids of the sessions whose passing events are the latest."""
    last = {"last": {"max": {"field": "@timestamp"}}}
    terms = {"field": _SESSION, "size": limit, "order": {"last": "desc"}}
    return {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": _filters(wanted)}},
        "aggs": {"sessions": {"terms": terms, "aggs": last}},
    }


def ids_of(answer: Mapping[str, Any], *, opaque: bool) -> tuple[list[str], bool]:
    """Return the ids that the first search found, and whether these are all."""
    found = answer.get("aggregations", {}).get("sessions", {})
    ids = (str(bucket["key"]) for bucket in found.get("buckets", ()))
    return (
        [text for text in ids if parse_session_id(text, opaque=opaque) == text],
        not found.get("sum_other_doc_count"),
    )


def sums(ids: Sequence[str], since_ns: int) -> dict[str, Any]:
    """Return the search that sums up these sessions, of which each has an event since a time."""
    agent = [{"terms": {"field": f"attributes.{name}", "size": 1}} for name in USER_AGENT]
    first = {
        "size": 1,
        "sort": [{"@timestamp": {"order": "asc", "unmapped_type": "date", "numeric_type": "date"}}],
        "_source": [
            "@timestamp",
            "name",
            "kind",
            "duration",
            "status",
            "trace_id",
            "span_id",
            "parent_span_id",
            "resource.attributes.service.name",
            "attributes.http.*",
            "attributes.url.path",
            f"attributes.{REPLAY_URL}",
            f"attributes.{SESSION_ID}",
        ],
    }
    details = {
        "first": {"min": {"field": "@timestamp"}},
        "last": {"max": {"field": "@timestamp"}},
        "services": {"terms": {"field": _SERVICE, "size": _MAX_SERVICES}},
        "requests": {"filter": _REQUEST, "aggs": {"first": {"top_hits": first}}},
        "errors": {
            "filter": _ERROR,
            "aggs": {
                "traces": {
                    "cardinality": {"field": "trace_id", "precision_threshold": _EXACT_TRACES}
                },
                "outside": {"missing": {"field": "trace_id"}},
            },
        },
        **{f"agent{number}": terms for number, terms in enumerate(agent)},
    }
    begin = since_ns - LONGEST_SESSION_NS  # lets Elasticsearch skip older indices
    return {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": [{"terms": {_SESSION: list(ids)}}, *since(begin)]}},
        "aggs": {
            "sessions": {"terms": {"field": _SESSION, "size": len(ids)}, "aggs": details},
        },
    }


def summaries_of(answer: Mapping[str, Any], *, opaque: bool) -> list[SessionSummary]:
    """Return the sessions of the second answer, the latest first."""
    buckets = answer.get("aggregations", {}).get("sessions", {}).get("buckets", ())
    found = [
        _summary(bucket, session_id)
        for bucket in buckets
        if (session_id := parse_session_id(str(bucket["key"]), opaque=opaque))
    ]
    return sorted(found, key=lambda summary: -summary.last_ns)


def since(since_ns: int) -> list[dict[str, Any]]:
    """Return the filter of documents from a time on, in nanoseconds since 1970; none for 0."""
    return (
        [{"range": {"@timestamp": {"gte": since_ns // _NS_PER_MS, "format": "epoch_millis"}}}]
        if since_ns > 0
        else []
    )


def _summary(bucket: Mapping[str, Any], session_id: SessionId) -> SessionSummary:
    first_ns, last_ns = (int(bucket[name]["value"] or 0) * _NS_PER_MS for name in ("first", "last"))
    agents = [
        str(agent["key"])
        for number in range(len(USER_AGENT))
        for agent in bucket[f"agent{number}"]["buckets"]
    ]
    requests, errors = bucket["requests"], bucket["errors"]
    hits = requests["first"]["hits"]["hits"]
    return SessionSummary(
        session_id,
        session_start(session_id, (first_ns, last_ns)),
        last_ns,
        tuple(sorted(str(service["key"]) for service in bucket["services"]["buckets"])),
        bucket["doc_count"],
        requests["doc_count"],
        errors["traces"]["value"] + errors["outside"]["doc_count"],
        agents[0] if agents else "",
        event_of(Stored(hits[0]["_index"], hits[0]["_id"], hits[0]["_source"])) if hits else None,
    )


def _filters(wanted: SessionFilter) -> list[dict[str, Any]]:
    filters: list[dict[str, Any]] = [
        # An id of another system would have no page; most of them are no numbers.
        {"exists": {"field": _SESSION}} if wanted.opaque else {"regexp": {_SESSION: "[0-9]+"}},
        *since(wanted.since_ns),
    ]
    if wanted.services:
        filters.append({"terms": {_SERVICE: list(wanted.services)}})
    if wanted.errors_only:
        filters.append(_ERROR)
    if wanted.text:
        filters.append(_text(wanted.text))
    return filters


def _text(text: str) -> dict[str, Any]:
    if condition := parse_condition(text):
        name, value = condition
        # `lenient`: a text asked of a field of numbers finds nothing.
        of = {"query": value, "lenient": True, "operator": "and"}
        either: list[dict[str, Any]] = [
            {"match": {f"{where}attributes.{name}": of}} for where in ("", "resource.")
        ]
    else:
        words = {"query": text, "fields": list(_WORDS), "type": "phrase_prefix", "lenient": True}
        pattern = "".join(f"\\{letter}" if letter in "*?\\" else letter for letter in text)
        part = {"value": f"*{pattern}*", "case_insensitive": True}
        either = [{"multi_match": words}, *({"wildcard": {field: part}} for field in _WHOLE)]
    return {"bool": {"should": either, "minimum_should_match": 1}}
