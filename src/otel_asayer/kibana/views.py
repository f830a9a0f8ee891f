"""Data views: which data streams and indices, under which names, and how the values of their fields
are shown.

A data view's URL formatter puts the value of one field into a template, percent-encoded, for
`{{value}}`. So the link on a session id leads to the replay's start. The link to the moment stands
in the documents themselves, as `asayer.replay.url`.
"""

from __future__ import annotations

import re
from string import Formatter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.attributes import REPLAY_URL, SESSION_ID
from otel_asayer.config.parsers import BadValue, parse_replay_url
from otel_asayer.kibana.envelope import PREFIX, compact, saved_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "LOGS",
    "REPLAY",
    "REPLAY_URL_FIELD",
    "SERVICE_FIELD",
    "SESSION_FIELD",
    "TRACES",
    "DataView",
    "data_view",
    "session_link",
]

SESSION_FIELD: Final = f"attributes.{SESSION_ID}"
SERVICE_FIELD: Final = "resource.attributes.service.name"
REPLAY_URL_FIELD: Final = f"attributes.{REPLAY_URL}"

_ANY_NAMESPACE: Final = "*"
# A parameter whose value is a moment, wherever in the URL parameters stand: also behind a `#`,
# where some applications have their paths.
_MOMENT: Final = re.compile(r"(?<=[?&])[^?&#=]*=[^?&#]*\{(?:time_ms|offset_ms)\}[^?&#]*&?")
_DANGLING: Final = re.compile(r"[?&]+(?=#|$)")


class DataView(NamedTuple):
    """A data view.

    `pattern` names its data streams or indices, with `{namespace}`; `labels` are what its fields
    are called in Kibana.
    """

    id: str
    name: str
    pattern: str
    labels: Mapping[str, str]
    formats: Mapping[str, Mapping[str, Any]] = {}
    time: str = "@timestamp"


_LABELS: Final = {SESSION_FIELD: "Session", SERVICE_FIELD: "Service", "trace_id": "Trace"}
_LINK: Final = {"id": "url", "params": {"type": "a"}}
_MILLISECONDS: Final = {
    "outputFormat": "asMilliseconds",
    "outputPrecision": 1,
    "showSuffix": True,
    "useShortSuffix": True,
}
_DURATION: Final = {"id": "duration", "params": {"inputFormat": "nanoseconds", **_MILLISECONDS}}

TRACES: Final = DataView(
    f"{PREFIX}traces",
    "Spans of sessions (otel-asayer)",
    "traces-*.otel-{namespace}",
    {**_LABELS, REPLAY_URL_FIELD: "Replay at this moment", "name": "Span", "duration": "Duration"},
    {REPLAY_URL_FIELD: _LINK, REPLAY_URL: _LINK, "duration": _DURATION},
)
LOGS: Final = DataView(
    f"{PREFIX}logs",
    "Logs and exceptions of sessions (otel-asayer)",
    "logs-*.otel-{namespace}",
    {
        **_LABELS,
        REPLAY_URL_FIELD: "Replay at this moment",
        "severity_text": "Level",
        "body.text": "Message",
        "attributes.exception.type": "Exception",
        "attributes.exception.message": "Exception's message",
    },
    {REPLAY_URL_FIELD: _LINK, REPLAY_URL: _LINK},
)
REPLAY: Final = DataView(
    f"{PREFIX}replay",
    "Replay records (otel-asayer)",
    "asayer-logs-{namespace}-*",
    _LABELS,
    time="utc_time",
)
"""Their `@timestamp` is not indexed."""


def data_view(view: DataView, link: str | None, namespaces: Sequence[str]) -> dict[str, Any]:
    """Return the saved object of `view`.

    Args:
        view: One of the three.
        link: What `session_link` gives; None leaves session ids without a link.
        namespaces: Of the data streams; none means all.
    """
    attributes = {
        "title": ",".join(
            view.pattern.format(namespace=namespace)
            for namespace in namespaces or (_ANY_NAMESPACE,)
        ),
        "name": view.name,
        "timeFieldName": view.time,
        "allowNoIndex": True,
        "fieldFormatMap": compact({**_session_formats(link), **view.formats}),
        "fieldAttrs": compact(
            {field: {"customLabel": label} for field, label in view.labels.items()}
        ),
        "fields": "[]",
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        "typeMeta": "{}",
    }
    return saved_object("index-pattern", view.id, attributes)


def _session_formats(link: str | None) -> dict[str, Any]:
    """The formats of a session id under its whole name, and under the short one that Elasticsearch finds it by as well."""
    link_to_replay = {
        "id": "url",
        "params": {"type": "a", "urlTemplate": link, "labelTemplate": "{{value}}"},
    }
    return dict.fromkeys((SESSION_FIELD, SESSION_ID), link_to_replay) if link else {}


def session_link(replay_url: str) -> str:
    """Return Kibana's template of the link from a session id to its replay, out of the template of
    `OTEL_ASAYER_REPLAY_URL`.

    A field's formatter knows no other field, so a parameter with the moment is left out.

    Raises:
        BadValue: `replay_url` is no template, or has the moment elsewhere than in a parameter.
    """
    without_moment = _DANGLING.sub("", _MOMENT.sub("", parse_replay_url(replay_url)))
    placeholders = {name for _, name, *_ in Formatter().parse(without_moment) if name}
    if placeholders != {"session_id"}:
        raise BadValue(
            "expected the moment in a parameter of its own, such as ?jumpto={time_ms}: Kibana's "
            "link to a session has to do without it"
        )
    return without_moment.format(session_id="{{value}}")
