"""What Kibana would ask for the saved objects finds what the exporters wrote, with a viewer's key:

the queries are made of the objects themselves.
"""

from __future__ import annotations

import json
import secrets
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context

from otel_asayer.cli.kibana import saved_objects
from otel_asayer.exporter import ElasticsearchLogRecordExporter, ElasticsearchSpanExporter

from store import SESSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elasticsearch_server import Endpoint

VIEWER = {
    "viewer": {
        "index": [
            {
                "names": ["logs-*", "traces-*", "asayer-logs-*"],
                "privileges": ["read", "view_index_metadata"],
            }
        ]
    }
}
REPLAY_URL = "https://replay.example/7/session/{session_id}?jumpto={time_ms}"
OTHER = "2618307011354435999"
START = datetime(2026, 11, 24, 16, tzinfo=timezone.utc)
MS = 1_000_000  # nanoseconds
AGGREGATIONS = {
    "terms": "terms",
    "date_histogram": "date_histogram",
    "percentile": "percentiles",
    "unique_count": "cardinality",
}
OBJECTS = {one["id"]: one for one in saved_objects(REPLAY_URL)}
LENSES = [identifier for identifier, one in OBJECTS.items() if one["type"] == "lens"]
SEARCHES = [identifier for identifier, one in OBJECTS.items() if one["type"] == "search"]
VIEWS = [identifier for identifier, one in OBJECTS.items() if one["type"] == "index-pattern"]


class CardDeclined(Exception):  # noqa: N818 (the application's)
    pass


class Kibana(NamedTuple):
    """Asks Elasticsearch what Kibana would, with the key of somebody who may only look."""

    server: Endpoint
    objects: dict[str, dict[str, Any]]
    viewer_key: str

    def pattern(self, data_view: str) -> str:
        title: str = self.objects[data_view]["attributes"]["title"]
        return title

    def values(
        self, identifier: str, session_id: str | None = None
    ) -> dict[tuple[str, ...], tuple[float, ...]]:
        """The numbers of a panel, by what its buckets are called; empty buckets are left out."""
        panel = self.objects[identifier]
        state = panel["attributes"]["state"]
        (layer,) = state["datasourceStates"]["formBased"]["layers"].values()
        columns = {name: layer["columns"][name] for name in layer["columnOrder"]}
        body = {
            "size": 0,
            "query": query(state["filters"], session_id),
            "aggs": aggregations(columns),
        }
        answer = self.search(referred(panel, "indexpattern-datasource-layer-documents"), body)
        return dict(rows(answer["aggregations"], columns))

    def documents(self, identifier: str, session_id: str | None = None) -> list[dict[str, Any]]:
        """The rows of a search: for each column its one value, None where there is none."""
        search = self.objects[identifier]
        columns = search["attributes"]["columns"]
        source = json.loads(search["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
        sort = [{field: {"order": order}} for field, order in search["attributes"]["sort"]]
        body = {
            "size": 500,
            "query": query(source["filter"], session_id),
            "sort": sort,
            "fields": columns,
            "_source": False,
        }
        hits = self.search(referred(search, source["indexRefName"]), body)["hits"]["hits"]
        return [
            {column: hit["fields"].get(column, [None])[0] for column in columns} for hit in hits
        ]

    def fields(self, data_view: str) -> dict[str, dict[str, Any]]:
        answer = self.ask(
            f"/{quote(self.pattern(data_view), safe='*,')}/_field_caps?fields=*", None
        )
        return {name: next(iter(kinds.values())) for name, kinds in answer["fields"].items()}

    def search(self, data_view: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.ask(f"/{quote(self.pattern(data_view), safe='*,')}/_search", body)

    def ask(self, path: str, body: object) -> dict[str, Any]:
        response = self.server.request("POST", path, body, auth=self.viewer_key)
        assert response.status == 200, response.body
        answer: dict[str, Any] = response.json()
        return answer


def referred(one: dict[str, Any], name: str) -> str:
    (identifier,) = [
        reference["id"] for reference in one["references"] if reference["name"] == name
    ]
    return str(identifier)


def query(filters: list[dict[str, Any]], session_id: str | None) -> dict[str, Any]:
    """What Kibana makes of filters, of the time range, and of the session that was chosen above the
    panels."""
    time = {
        "range": {
            "@timestamp": {
                "gte": START.isoformat(),
                "lte": (START + timedelta(hours=1)).isoformat(),
                "format": "strict_date_optional_time",
            }
        }
    }
    session = [{"match_phrase": {control()["fieldName"]: session_id}}] if session_id else []
    return {
        "bool": {
            "must": [],
            "filter": [time, *(one["query"] for one in filters), *session],
            "should": [],
            "must_not": [],
        }
    }


def control() -> dict[str, Any]:
    (one,) = json.loads(
        OBJECTS["otel-asayer-dashboard"]["attributes"]["controlGroupInput"]["panelsJSON"]
    ).values()
    explicit: dict[str, Any] = one["explicitInput"]
    return explicit


def aggregations(columns: dict[str, Any]) -> dict[str, Any]:
    """Buckets within buckets in the order of the columns, as Lens nests them, with the metrics in
    the innermost and where they rank."""
    names = list(columns)
    metrics = {
        name: metric(columns[name])
        for name in names
        if not columns[name]["isBucketed"] and columns[name]["operationType"] != "count"
    }
    inner = metrics
    for name in reversed([name for name in names if columns[name]["isBucketed"]]):
        inner = {name: {**bucket(columns[name], columns), "aggs": {**metrics, **inner}}}
    return inner


def bucket(column: dict[str, Any], columns: dict[str, Any]) -> dict[str, Any]:
    params, field = column["params"], column["sourceField"]
    if column["operationType"] == "date_histogram":
        return {
            "date_histogram": {
                "field": field,
                "fixed_interval": "1m",
                "min_doc_count": 0,
                "time_zone": "UTC",
            }
        }
    ranked_by = params["orderBy"]["columnId"]
    order = "_count" if columns[ranked_by]["operationType"] == "count" else ranked_by
    return {
        "terms": {
            "field": field,
            "size": params["size"],
            "order": {order: params["orderDirection"]},
        }
    }


def metric(column: dict[str, Any]) -> dict[str, Any]:
    percents = (
        {"percents": [column["params"]["percentile"]]}
        if column["operationType"] == "percentile"
        else {}
    )
    return {AGGREGATIONS[column["operationType"]]: {"field": column["sourceField"], **percents}}


def rows(
    answer: dict[str, Any], columns: dict[str, Any], *above: str
) -> Iterator[tuple[tuple[str, ...], tuple[float, ...]]]:
    buckets = [name for name, column in columns.items() if column["isBucketed"]]
    name = buckets[len(above)]
    for one in answer[name]["buckets"]:
        key = one.get("key_as_string", one["key"])
        if len(above) + 1 < len(buckets):
            yield from rows(one, columns, *above, key)
        elif one["doc_count"]:
            yield (
                (*above, key),
                tuple(
                    number(one, each, column)
                    for each, column in columns.items()
                    if each not in buckets
                ),
            )


def number(bucket: dict[str, Any], name: str, column: dict[str, Any]) -> float:
    if column["operationType"] == "count":
        return float(bucket["doc_count"])
    if column["operationType"] == "percentile":
        return float(next(iter(bucket[name]["values"].values())) / MS)
    return float(bucket[name]["value"])


class Service:
    """One service of the shop, with providers and exporters of its own; times are milliseconds
    after `START`."""

    def __init__(self, name: str, **settings: Any) -> None:
        resource = Resource({"service.name": name})
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._traces.add_span_processor(BatchSpanProcessor(ElasticsearchSpanExporter(**settings)))
        self._logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
        self._logs.add_log_record_processor(
            BatchLogRecordProcessor(ElasticsearchLogRecordExporter(**settings))
        )

    def span(
        self,
        name: str,
        kind: SpanKind,
        at: int,
        duration: int,
        session_id: str | None = None,
        *,
        parent: Span | None = None,
        fails: bool = False,
    ) -> Span:
        span = self._traces.get_tracer("shop").start_span(
            name,
            set_span_in_context(parent) if parent else None,
            kind,
            attributes(session_id),
            start_time=time_ns(at),
        )
        if fails:
            span.record_exception(
                CardDeclined("insufficient funds"), timestamp=time_ns(at + duration)
            )
            span.set_status(StatusCode.ERROR)
        span.end(time_ns(at + duration))
        return span

    def log(
        self,
        severity: SeverityNumber,
        body: str,
        at: int,
        session_id: str | None = None,
        span: Span | None = None,
        **more: str,
    ) -> None:
        record = LogRecord(
            timestamp=time_ns(at),
            context=set_span_in_context(span) if span else None,
            severity_number=severity,
            severity_text=severity.name,
            body=body,
            attributes={
                **attributes(session_id),
                **{name.replace("_", "."): value for name, value in more.items()},
            },
        )
        self._logs.get_logger("shop").emit(record)

    def shutdown(self) -> None:
        self._traces.shutdown()
        self._logs.shutdown()


def attributes(session_id: str | None) -> dict[str, str]:
    return {"session.id": session_id} if session_id else {}


def time_ns(at: int) -> int:
    return (round(START.timestamp() * 1000) + at) * MS


@pytest.fixture(scope="module")
def kibana(prepared: Endpoint, writer_key: str) -> Kibana:
    """Two services, two sessions, and a job of none, in a namespace of their own."""
    namespace = f"test{secrets.token_hex(8)}"
    settings = {
        "endpoint": prepared.url,
        "api_key": writer_key,
        "namespace": namespace,
        "replay_url": REPLAY_URL,
        "timeout": 60,
    }
    shop, stock = Service("shop", **settings), Service("stock", **settings)

    for at in (0, 1_000, 61_000):
        shop.span("GET /cart/{id}", SpanKind.SERVER, at, 100, SESSION)
    order = shop.span("POST /order", SpanKind.SERVER, 62_000, 500, SESSION, fails=True)
    shop.span("POST", SpanKind.CLIENT, 62_100, 300, SESSION, parent=order)
    shop.log(
        SeverityNumber.ERROR,
        "POST /order failed",
        62_600,
        SESSION,
        order,
        exception_type="CardDeclined",
        exception_message="insufficient funds",
    )
    shop.log(SeverityNumber.INFO, "the cart has 3 items", 1_050, SESSION)

    stock.span("GET /stock/{id}", SpanKind.SERVER, 62_200, 20, SESSION, parent=order)
    job = stock.span("orders process", SpanKind.CONSUMER, 120_000, 2_000, OTHER, fails=True)
    stock.log(SeverityNumber.FATAL, "out of stock", 121_000, OTHER, job)
    stock.span("nightly count", SpanKind.INTERNAL, 180_000, 9_000)

    for service in (shop, stock):
        service.shutdown()
    prepared.refresh()
    objects = {one["id"]: one for one in saved_objects(REPLAY_URL, [namespace])}
    return Kibana(prepared, objects, prepared.create_api_key("viewer", VIEWER))


def minute(number: int) -> str:
    return f"2026-11-24T16:0{number}:00.000Z"


ALL: dict[str, dict[tuple[str, ...], tuple[float, ...]]] = {
    "otel-asayer-requests": {
        ("shop", minute(0)): (2.0,),
        ("shop", minute(1)): (2.0,),
        ("stock", minute(1)): (1.0,),
        ("stock", minute(2)): (1.0,),
        ("stock", minute(3)): (1.0,),
    },
    "otel-asayer-failed-requests": {("shop", minute(1)): (1.0,), ("stock", minute(2)): (1.0,)},
    "otel-asayer-errors-over-time": {("shop", minute(1)): (2.0,), ("stock", minute(2)): (2.0,)},
    "otel-asayer-latency": {
        ("GET /cart/{id}",): (3.0, 100.0, 100.0, 100.0),
        ("GET /stock/{id}",): (1.0, 20.0, 20.0, 20.0),
        ("POST /order",): (1.0, 500.0, 500.0, 500.0),
        ("nightly count",): (1.0, 9000.0, 9000.0, 9000.0),
        ("orders process",): (1.0, 2000.0, 2000.0, 2000.0),
    },
    "otel-asayer-top-errors": {
        (f"{__name__}.CardDeclined",): (2.0, 2.0, 2.0),
        ("CardDeclined",): (1.0, 1.0, 1.0),
    },
    "otel-asayer-sessions": {(SESSION,): (2.0, 1.0), (OTHER,): (2.0, 1.0)},
}
OF_THE_OTHER: dict[str, dict[tuple[str, ...], tuple[float, ...]]] = {
    "otel-asayer-requests": {("stock", minute(2)): (1.0,)},
    "otel-asayer-failed-requests": {("stock", minute(2)): (1.0,)},
    "otel-asayer-errors-over-time": {("stock", minute(2)): (2.0,)},
    "otel-asayer-latency": {("orders process",): (1.0, 2000.0, 2000.0, 2000.0)},
    "otel-asayer-top-errors": {(f"{__name__}.CardDeclined",): (1.0, 1.0, 1.0)},
    "otel-asayer-sessions": {(OTHER,): (2.0, 1.0)},
}


def link(session_id: str, at: int) -> str:
    return REPLAY_URL.format(session_id=session_id, time_ms=time_ns(at) // MS)


@pytest.mark.parametrize("panel", LENSES)
def test_a_panel_shows_all_sessions_and_ranks_them(kibana: Kibana, panel: str) -> None:
    assert list(kibana.values(panel).items()) == list(ALL[panel].items())


@pytest.mark.parametrize("panel", LENSES)
def test_a_panel_shows_the_session_that_was_chosen(kibana: Kibana, panel: str) -> None:
    assert kibana.values(panel, OTHER) == OF_THE_OTHER[panel]


def test_the_list_of_sessions_offers_each_of_them(kibana: Kibana) -> None:
    data_view = referred(
        kibana.objects["otel-asayer-dashboard"], "controlGroup_session:optionsListDataView"
    )
    body = {
        "size": 0,
        "query": query([], None),
        "aggs": {
            "suggestions": {"terms": {"field": control()["fieldName"], "order": {"_count": "desc"}}}
        },
    }
    answer = kibana.search(data_view, body)
    assert [one["key"] for one in answer["aggregations"]["suggestions"]["buckets"]] == [
        SESSION,
        OTHER,
    ]


def test_the_search_for_errors_finds_the_newest_first_with_the_link_to_their_moment(
    kibana: Kibana,
) -> None:
    shown = [tuple(one.values())[:-1] for one in kibana.documents("otel-asayer-errors")]
    declined, message = f"{__name__}.CardDeclined", "insufficient funds"
    assert shown == [
        ("stock", declined, message, None, OTHER, link(OTHER, 122_000)),
        ("stock", None, None, "out of stock", OTHER, None),
        ("shop", "CardDeclined", message, "POST /order failed", SESSION, link(SESSION, 62_600)),
        ("shop", declined, message, None, SESSION, link(SESSION, 62_500)),
    ]


def test_the_search_for_errors_names_their_traces(kibana: Kibana) -> None:
    of_the_order, again = (
        one["trace_id"] for one in kibana.documents("otel-asayer-errors", SESSION)
    )
    assert of_the_order == again
    assert len(of_the_order) == 32


def test_the_search_for_logs_finds_log_records_of_a_session(kibana: Kibana) -> None:
    shown = [
        (one["severity_text"], one["resource.attributes.service.name"], one["body.text"])
        for one in kibana.documents("otel-asayer-log-records", SESSION)
    ]
    assert sorted(filter(all, shown)) == [
        ("ERROR", "shop", "POST /order failed"),
        ("INFO", "shop", "the cart has 3 items"),
    ]


@pytest.mark.parametrize("view", VIEWS)
def test_every_field_that_a_data_view_names_or_formats_is_in_the_mapping(
    kibana: Kibana, view: str
) -> None:
    settings = kibana.objects[view]["attributes"]
    named = {
        *json.loads(settings["fieldAttrs"]),
        *json.loads(settings["fieldFormatMap"]),
        settings["timeFieldName"],
    }
    assert named - kibana.fields(view).keys() == set()


@pytest.mark.parametrize("identifier", [*LENSES, *SEARCHES])
def test_every_field_of_a_panel_or_search_is_in_the_mapping(
    kibana: Kibana, identifier: str
) -> None:
    one = kibana.objects[identifier]
    (view,) = {reference["id"] for reference in one["references"]}
    assert used_fields(one) - kibana.fields(view).keys() == set()


@pytest.mark.parametrize("identifier", LENSES)
def test_every_field_of_a_panel_can_be_aggregated(kibana: Kibana, identifier: str) -> None:
    fields = kibana.fields(
        referred(kibana.objects[identifier], "indexpattern-datasource-layer-documents")
    )
    assert {
        name for name in used_fields(kibana.objects[identifier]) if not fields[name]["aggregatable"]
    } == set()


@pytest.mark.parametrize("view", VIEWS)
def test_a_session_id_opens_its_replay(kibana: Kibana, view: str) -> None:
    formats = json.loads(kibana.objects[view]["attributes"]["fieldFormatMap"])
    (hit,) = kibana.search(
        view,
        {
            "size": 1,
            "query": query([], SESSION),
            "fields": [control()["fieldName"]],
            "_source": False,
        },
    )["hits"]["hits"]
    ((field, (value,)),) = hit["fields"].items()
    template = formats[field]["params"]["urlTemplate"]
    assert (
        template.replace("{{value}}", quote(value, safe=""))
        == f"https://replay.example/7/session/{SESSION}"
    )


def used_fields(one: dict[str, Any]) -> set[str]:
    if one["type"] == "search":
        return set(one["attributes"]["columns"])
    (layer,) = one["attributes"]["state"]["datasourceStates"]["formBased"]["layers"].values()
    return {column["sourceField"] for column in layer["columns"].values()} - {"___records___"}
