"""The panels of the dashboard, and the searches, as a table: what is counted, of which documents,
and by what.

Documents are chosen by queries of Elasticsearch itself, which Kibana's filters carry unchanged:
what is tested is what Kibana sends.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

from otel_asayer.attributes import HANDLED
from otel_asayer.kibana.envelope import PREFIX
from otel_asayer.kibana.views import (
    LOGS,
    REPLAY_URL_FIELD,
    SERVICE_FIELD,
    SESSION_FIELD,
    TRACES,
    DataView,
)

__all__ = ["PANELS", "SEARCHES", "Chosen", "Metric", "Panel", "Place", "Search", "Top"]

# The least severity number of an error: https://opentelemetry.io/docs/specs/otel/logs/data-model/
_ERROR: Final = 17


class Chosen(NamedTuple):
    """Documents that a panel is about: what they are called, and the query that finds them."""

    name: str
    query: dict[str, Any]


class Top(NamedTuple):
    """The rows of a table, or the colours of a chart:

    the `size` values of `field` that rank highest by the panel's first metric.
    """

    field: str
    label: str
    size: int


class Metric(NamedTuple):
    """A number of each row:

    `operation` is Lens's name of it; `field` and `percentile` where it needs them.
    """

    label: str
    operation: Literal["count", "unique_count", "percentile"] = "count"
    field: str = "___records___"
    percentile: int | None = None


class Place(NamedTuple):
    """Where a panel stands: the dashboard is 48 wide."""

    x: int
    y: int
    w: int
    h: int


class Panel(NamedTuple):
    """Bars over time, coloured by `top`, or a table with a row for each of them."""

    id: str
    title: str
    kind: Literal["bars", "table"]
    view: DataView
    chosen: tuple[Chosen, ...]
    top: Top
    metrics: tuple[Metric, ...]
    place: Place


class Search(NamedTuple):
    """Documents in rows, the newest first; the time is always the first column."""

    id: str
    title: str
    description: str
    view: DataView
    chosen: tuple[Chosen, ...]
    columns: tuple[str, ...]
    place: Place


def _any_of(*queries: dict[str, Any]) -> dict[str, Any]:
    return {"bool": {"should": list(queries), "minimum_should_match": 1}}


_ENTRIES: Final = Chosen(
    "requests and jobs",
    _any_of(
        {"terms": {"kind": ["Server", "Consumer"]}},
        {"bool": {"must_not": [{"exists": {"field": "parent_span_id"}}]}},
    ),
)
_HANDLED: Final = {"must_not": [{"term": {f"attributes.{HANDLED}": True}}]}
_FAILED: Final = Chosen(
    "failed", {"bool": {"filter": [{"term": {"status.code": "Error"}}], **_HANDLED}}
)
_ERRORS: Final = Chosen(
    "exceptions and errors",
    _any_of(
        {"bool": {"filter": [{"exists": {"field": "attributes.exception.type"}}], **_HANDLED}},
        {"range": {"severity_number": {"gte": _ERROR}}},
    ),
)

_BY_SERVICE: Final = Top(SERVICE_FIELD, "Service", 10)
_IN_TRACES: Final = Metric("Traces", "unique_count", "trace_id")

PANELS: Final = (
    Panel(
        f"{PREFIX}requests",
        "Requests by service",
        "bars",
        TRACES,
        (_ENTRIES,),
        _BY_SERVICE,
        (Metric("Requests"),),
        Place(0, 0, 24, 10),
    ),
    Panel(
        f"{PREFIX}failed-requests",
        "Failed requests by service",
        "bars",
        TRACES,
        (_ENTRIES, _FAILED),
        _BY_SERVICE,
        (Metric("Failed requests"),),
        Place(24, 0, 24, 10),
    ),
    Panel(
        f"{PREFIX}errors-over-time",
        "Exceptions and errors by service",
        "bars",
        LOGS,
        (_ERRORS,),
        _BY_SERVICE,
        (Metric("Exceptions and errors"),),
        Place(0, 10, 24, 10),
    ),
    Panel(
        # The name of an entry span is its method and route, or its task: every one has it, as not
        # every one has a route.
        f"{PREFIX}latency",
        "Latency by route",
        "table",
        TRACES,
        (_ENTRIES,),
        Top("name", "Route", 20),
        (
            Metric("Requests"),
            Metric("Median", "percentile", "duration", 50),
            Metric("95th percentile", "percentile", "duration", 95),
            Metric("99th percentile", "percentile", "duration", 99),
        ),
        Place(24, 10, 24, 10),
    ),
    Panel(
        f"{PREFIX}top-errors",
        "Top errors by type",
        "table",
        LOGS,
        (_ERRORS,),
        Top("attributes.exception.type", "Exception", 20),
        (Metric("Times recorded"), _IN_TRACES, Metric("Sessions", "unique_count", SESSION_FIELD)),
        Place(0, 20, 24, 10),
    ),
    Panel(
        f"{PREFIX}sessions",
        "Sessions with most errors",
        "table",
        LOGS,
        (_ERRORS,),
        Top(SESSION_FIELD, "Session", 20),
        (Metric("Exceptions and errors"), _IN_TRACES),
        Place(24, 20, 24, 10),
    ),
)

SEARCHES: Final = (
    Search(
        f"{PREFIX}errors",
        "Exceptions and errors",
        "Exceptions, and log records of level error and above, each with the link to its moment in "
        "the replay",
        LOGS,
        (_ERRORS,),
        (
            SERVICE_FIELD,
            "attributes.exception.type",
            "attributes.exception.message",
            "body.text",
            SESSION_FIELD,
            REPLAY_URL_FIELD,
            "trace_id",
        ),
        Place(0, 30, 48, 12),
    ),
    Search(
        f"{PREFIX}log-records",
        "Logs",
        "Log records and span events",
        LOGS,
        (),
        ("severity_text", SERVICE_FIELD, "body.text", SESSION_FIELD, "trace_id"),
        Place(0, 42, 48, 15),
    ),
)
