"""All saved objects:

three data views, the panels, two searches, and the dashboard that shows panels and searches of one
session or of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_asayer.kibana.envelope import PREFIX, compact, reference, saved_object
from otel_asayer.kibana.filters import NO_QUERY, filters
from otel_asayer.kibana.lens import lens
from otel_asayer.kibana.panels import PANELS, SEARCHES
from otel_asayer.kibana.views import LOGS, REPLAY, SESSION_FIELD, TRACES, data_view, session_link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_asayer.kibana.panels import Panel, Search

__all__ = ["ndjson", "saved_objects"]

_TITLE: Final = "[otel-asayer] {}"
_SOURCE: Final = "kibanaSavedObjectMeta.searchSourceJSON"
_CONTROL: Final = "session"
_PANEL_VERSION: Final = "8.9.0"


def saved_objects(
    replay_url: str | None = None, namespaces: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return all saved objects, each after those that it refers to.

    Args:
        replay_url: Template of a replay's URL, as in `OTEL_ASAYER_REPLAY_URL`; None leaves session
            ids without a link.
        namespaces: Of the data streams that the data views cover; none means all.

    Raises:
        BadValue: `replay_url` is no template, or has the moment elsewhere than in a parameter.
    """
    link = session_link(replay_url) if replay_url else None
    views = [data_view(view, link, namespaces) for view in (TRACES, LOGS, REPLAY)]
    panels = [lens(panel, _TITLE.format(panel.title)) for panel in PANELS]
    return [*views, *panels, *map(_search, SEARCHES), _dashboard()]


def ndjson(replay_url: str | None = None, namespaces: Sequence[str] = ()) -> str:
    """Return `saved_objects` in the form that Kibana imports: one in each line."""
    return "".join(compact(one) + "\n" for one in saved_objects(replay_url, namespaces))


def _search(search: Search) -> dict[str, Any]:
    named, filter_references = filters(
        search.chosen, search.view, f"{_SOURCE}.filter[{{}}].meta.index"
    )
    source = {
        "query": NO_QUERY,
        "filter": [
            {**one, "meta": {**one["meta"], "indexRefName": name}} for name, one in named.items()
        ],
        "indexRefName": f"{_SOURCE}.index",
        "highlightAll": True,
        "version": True,
    }
    attributes = {
        "title": _TITLE.format(search.title),
        "description": search.description,
        "columns": list(search.columns),
        "sort": [["@timestamp", "desc"]],
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": compact(source)},
    }
    return saved_object(
        "search",
        search.id,
        attributes,
        [reference(f"{_SOURCE}.index", "index-pattern", search.view.id), *filter_references],
    )


def _dashboard() -> dict[str, Any]:
    parts: list[tuple[str, Panel | Search]] = [("lens", panel) for panel in PANELS]
    parts += [("search", search) for search in SEARCHES]
    attributes = {
        "title": _TITLE.format("Sessions"),
        "description": "What the backend did in the sessions that Asayer / OpenReplay recorded",
        "panelsJSON": compact(
            [_placed(number, kind, part) for number, (kind, part) in enumerate(parts)]
        ),
        "optionsJSON": compact(
            {
                "useMargins": True,
                "syncColors": True,
                "syncCursor": True,
                "syncTooltips": False,
                "hidePanelTitles": False,
            }
        ),
        "timeRestore": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": compact({"query": NO_QUERY, "filter": []})},
        "controlGroupInput": _controls(),
    }
    shown = [
        reference(f"{number}:panel_{number}", kind, part.id)
        for number, (kind, part) in enumerate(parts)
    ]
    control = reference(f"controlGroup_{_CONTROL}:optionsListDataView", "index-pattern", TRACES.id)
    return saved_object("dashboard", f"{PREFIX}dashboard", attributes, [*shown, control])


def _placed(number: int, kind: str, part: Panel | Search) -> dict[str, Any]:
    """A panel of the dashboard, which refers to the object that it shows."""
    return {
        "version": _PANEL_VERSION,
        "type": kind,
        "title": part.title,
        "gridData": {**part.place._asdict(), "i": str(number)},
        "panelIndex": str(number),
        "embeddableConfig": {"enhancements": {}},
        "panelRefName": f"panel_{number}",
    }


def _controls() -> dict[str, str]:
    """The list of sessions above the panels: the one chosen there filters all of them."""
    explicit = {"id": _CONTROL, "fieldName": SESSION_FIELD, "title": "Session", "enhancements": {}}
    session = {
        "order": 0,
        "width": "large",
        "grow": True,
        "type": "optionsListControl",
        "explicitInput": explicit,
    }
    ignored = dict.fromkeys(
        ("ignoreFilters", "ignoreQuery", "ignoreTimerange", "ignoreValidations"), False
    )
    return {
        "controlStyle": "oneLine",
        "chainingSystem": "HIERARCHICAL",
        "panelsJSON": compact({_CONTROL: session}),
        "ignoreParentSettingsJSON": compact(ignored),
    }
