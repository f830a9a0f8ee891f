"""A panel as Kibana's editor Lens keeps it: columns, each one operation on a field, and a chart or
table that shows them.

Lens makes one Elasticsearch query of the columns: the bucketed ones become nested aggregations in
their order, the others the metrics within.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_asayer.kibana.envelope import reference, saved_object
from otel_asayer.kibana.filters import NO_QUERY, filters

if TYPE_CHECKING:
    from otel_asayer.kibana.panels import Metric, Panel, Top

__all__ = ["lens"]

_LAYER: Final = "documents"
_TOP: Final = "top"
_TIME: Final = "time"

_OVER_TIME: Final = {
    "label": "Time",
    "customLabel": True,
    "dataType": "date",
    "operationType": "date_histogram",
    "sourceField": "@timestamp",
    "isBucketed": True,
    "scale": "interval",
    "params": {"interval": "auto", "includeEmptyRows": True, "dropPartials": False},
}


def lens(panel: Panel, title: str) -> dict[str, Any]:
    """Return the saved object of `panel`."""
    named, filter_references = filters(panel.chosen, panel.view, "filter-{}")
    columns = _columns(panel)
    state = {
        "visualization": _bars(columns) if panel.kind == "bars" else _table(columns),
        "query": NO_QUERY,
        "filters": [{**one, "meta": {**one["meta"], "index": name}} for name, one in named.items()],
        "datasourceStates": {
            "formBased": {
                "layers": {
                    _LAYER: {
                        "columns": columns,
                        "columnOrder": list(columns),
                        "incompleteColumns": {},
                    }
                }
            }
        },
        "internalReferences": [],
        "adHocDataViews": {},
    }
    attributes = {
        "title": title,
        "description": "",
        "visualizationType": "lnsXY" if panel.kind == "bars" else "lnsDatatable",
        "state": state,
    }
    source = reference(f"indexpattern-datasource-layer-{_LAYER}", "index-pattern", panel.view.id)
    return saved_object("lens", panel.id, attributes, [source, *filter_references])


def _columns(panel: Panel) -> dict[str, dict[str, Any]]:
    """The columns in their order: what stands before another encloses it."""
    metrics = {f"metric-{number}": _metric(metric) for number, metric in enumerate(panel.metrics)}
    over_time = {_TIME: _OVER_TIME} if panel.kind == "bars" else {}
    return {_TOP: _values(panel.top, ordered_by=next(iter(metrics))), **over_time, **metrics}


def _values(top: Top, ordered_by: str) -> dict[str, Any]:
    return {
        "label": top.label,
        "customLabel": True,
        "dataType": "string",
        "operationType": "terms",
        "sourceField": top.field,
        "isBucketed": True,
        "scale": "ordinal",
        "params": {
            "size": top.size,
            "orderBy": {"type": "column", "columnId": ordered_by},
            "orderDirection": "desc",
            "otherBucket": False,
            "missingBucket": False,
            "parentFormat": {"id": "terms"},
        },
    }


def _metric(metric: Metric) -> dict[str, Any]:
    params = (
        {"emptyAsNull": True} if metric.percentile is None else {"percentile": metric.percentile}
    )
    return {
        "label": metric.label,
        "customLabel": True,
        "dataType": "number",
        "operationType": metric.operation,
        "sourceField": metric.field,
        "isBucketed": False,
        "scale": "ratio",
        "params": params,
    }


def _bars(columns: dict[str, Any]) -> dict[str, Any]:
    layer = {
        "layerId": _LAYER,
        "layerType": "data",
        "seriesType": "bar_stacked",
        "xAccessor": _TIME,
        "splitAccessor": _TOP,
        "accessors": [name for name, column in columns.items() if not column["isBucketed"]],
    }
    return {
        "preferredSeriesType": "bar_stacked",
        "legend": {"isVisible": True, "position": "right"},
        "valueLabels": "hide",
        "layers": [layer],
    }


def _table(columns: dict[str, Any]) -> dict[str, Any]:
    return {
        "layerId": _LAYER,
        "layerType": "data",
        "columns": [{"columnId": name} for name in columns],
    }
