"""Our three index templates and the ingest pipeline, as data.

- `REPLAY` makes the indices of replay records, one a day. Asayer and OpenReplay read them through
  the alias `logs`.
- `TRACES` and `LOGS` stand in on servers without Elasticsearch's own OTel templates (8.16 and newer
  have them, priority 120). They have the same field names and behaviour, and use core field types
  only, which every distribution and licence has.

Every key of `attributes`, `resource.attributes` and `scope.attributes` stays dotted and flat, so
Elasticsearch accepts the document `{"clash": 1, "clash.sub": 2}`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.documents import REPLAY_PIPELINE
from otel_asayer.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "LOGS",
    "MANAGED_BY",
    "NOT_OURS",
    "ORDERING",
    "OUT_OF_ORDER",
    "PIPELINE",
    "PIPELINE_TARGET",
    "READERS_ALIAS",
    "REPLAY",
    "TRACES",
    "IndexTemplate",
    "ReducedTemplate",
    "is_ours",
]

READERS_ALIAS: Final = "logs"
"""The only name that OpenReplay reads since 1.21.

The OTel streams must never have it: one hit from them breaks OpenReplay's panel.
"""
MANAGED_BY: Final = "otel-asayer"
"""The mark of what is ours, in the metadata of templates, pipeline, policy and keys."""
NOT_OURS: Final = f"Somebody else made it: its _meta does not say managed_by: {MANAGED_BY}."


def is_ours(body: Mapping[str, Any]) -> bool:
    """Whether otel-asayer made this template, pipeline or policy."""
    return bool(body.get("_meta", {}).get("managed_by") == MANAGED_BY)


class IndexTemplate(NamedTuple):
    """A composable index template.

    Attributes:
        name: Its name.
        stream: Name of the data stream that the exporter writes to, with `{dataset}` and
            `{namespace}`. Of replay records, the pattern of their indices.
        body: The template as Elasticsearch takes it.
    """

    name: str
    stream: str
    body: Mapping[str, Any]

    @property
    def priority(self) -> int:
        """Its rank among the templates that match an index: the highest wins."""
        return int(self.body["priority"])


# Elasticsearch stores longer strings without indexing them. Without a limit, a string of more than
# 32,766 bytes makes it refuse the whole document.
_KEYWORD: Final = {"type": "keyword", "ignore_above": 1024}
_FLATTENED: Final = {"type": "flattened", "ignore_above": 1024}
_TEXT: Final = {"type": "text"}
_DATE: Final = {"type": "date"}
_LONG: Final = {"type": "long"}
_BYTE: Final = {"type": "byte"}
_DATE_NANOS: Final = {"type": "date_nanos"}

_ATTRIBUTE_PATHS: Final = ("attributes.*", "resource.attributes.*", "scope.attributes.*")


def _alias(path: str) -> dict[str, str]:
    return {"type": "alias", "path": path}


def _object(**properties: Any) -> dict[str, Any]:
    return {"properties": properties}


def _meta(description: str) -> dict[str, str]:
    return {"description": description, "managed_by": MANAGED_BY, "version": __version__}


def _flat_attributes(name: str) -> dict[str, Any]:
    """Attributes of replay records; only `name` is searchable.

    Not `passthrough`, which older servers lack.
    """
    return {"type": "object", "subobjects": False, "dynamic": False, "properties": {name: _KEYWORD}}


def _attributes(priority: int, **properties: Any) -> dict[str, Any]:
    """Attributes of any name, which searches also find by their bare name.

    Where two have the same bare name, the one with the higher `priority` gets it.
    """
    return {"type": "passthrough", "dynamic": True, "priority": priority, "properties": properties}


ORDERING: Final = {
    "index.number_of_shards": 1,
    "index.sort.field": "@timestamp",
    "index.sort.order": "asc",
    "index.merge.policy.type": "time_based",
    "index.refresh_interval": "1s",
}
"""Settings that return rows oldest first; a server may refuse some of them.

OpenReplay's query has no sort: with equal scores (similarity `boolean`) its rows come segment by
segment, each in its own order. The merge policy merges neighbouring segments only. The refresh
interval is Elasticsearch's default, but an index that nobody searches refreshes only where the
interval is set: without it, segments from several processes would span the whole day.
"""
OUT_OF_ORDER: Final = "rows may come out of order in OpenReplay"
_SORT: Final = "index.sort."


class ReducedTemplate(NamedTuple):
    """An index template without the settings that a server refuses.

    Elastic's serverless Elasticsearch may refuse some of `ORDERING`.
    """

    body: Mapping[str, Any]
    refused: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say which settings are missing, and what that means, as a sentence, or nothing."""
        return (
            f"Elasticsearch refuses {', '.join(self.refused)}, so the index template of replay "
            f"records is installed without: {OUT_OF_ORDER}."
            if self.refused
            else ""
        )

    def without_refused(self, reason: str) -> ReducedTemplate | None:
        """Return the template without those settings of `ORDERING` that `reason` names.

        Field and order of the sort belong together. A server may name one setting at a time.
        Return None where the reason names no setting that the template still has.
        """
        template = self.body["template"]
        settings = template.get("settings", {})
        named = {
            name
            for name in settings
            if name in ORDERING and re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", reason)
        }
        if any(name.startswith(_SORT) for name in named):
            named |= {name for name in settings if name.startswith(_SORT)}
        if not named:
            return None
        kept = {name: value for name, value in settings.items() if name not in named}
        return ReducedTemplate(
            {**self.body, "template": {**template, "settings": kept}},
            tuple(sorted({*self.refused, *named})),
        )


REPLAY: Final = IndexTemplate(
    name="otel-asayer-replay",
    stream="asayer-logs-{namespace}-*",
    body={
        "index_patterns": ["asayer-logs-*"],
        # Below the 500 and more that Elastic's manual gives to a user's template that overrides all
        # others; above everything else.
        "priority": 499,
        "_meta": _meta("Replay records, which Asayer and OpenReplay show beside a session replay"),
        "template": {
            "aliases": {READERS_ALIAS: {}},
            "settings": dict(ORDERING),
            "mappings": {
                "dynamic": False,
                "properties": {
                    # Not indexed: where @timestamp is searchable, Elasticsearch lists the newest
                    # segment first.
                    "@timestamp": {**_DATE, "index": False},
                    "utc_time": _DATE,
                    "timestamp": _DATE,
                    "message": {**_TEXT, "similarity": "boolean"},
                    "level": _KEYWORD,
                    "tags": _KEYWORD,
                    "trace_id": _KEYWORD,
                    "span_id": _KEYWORD,
                    "attributes": _flat_attributes("session.id"),
                    "resource": _object(attributes=_flat_attributes("service.name")),
                    "session": _object(id=_alias("attributes.session.id")),
                    "service": _object(name=_alias("resource.attributes.service.name")),
                    "trace": _object(id=_alias("trace_id")),
                    "span": _object(id=_alias("span_id")),
                },
            },
        },
    },
)
"""The only one of the three that makes plain indices, and maps only what its readers ask for."""

PIPELINE_TARGET: Final = f"/_ingest/pipeline/{REPLAY_PIPELINE}"
PIPELINE: Final = {
    "description": "Does nothing to replay records. It says that their index template is "
    "installed: without it they are refused",
    "_meta": {"managed_by": MANAGED_BY, "version": __version__},
    "processors": [],
}


def _otel_template(
    name: str, stream: str, pattern: str, description: str, /, **properties: Any
) -> IndexTemplate:
    mappings = {
        "dynamic": False,
        "date_detection": False,
        "dynamic_templates": [
            {
                "complex_attributes": {
                    "path_match": _ATTRIBUTE_PATHS,
                    "match_mapping_type": "object",
                    "mapping": _FLATTENED,
                }
            },
            {
                "text_attributes": {
                    "path_match": _ATTRIBUTE_PATHS,
                    "match_mapping_type": "string",
                    "mapping": _KEYWORD,
                }
            },
        ],
        "properties": {**_COMMON, **properties},
    }
    # Elasticsearch stores attributes beyond the thousandth name without indexing them. Without this
    # setting it would refuse their document.
    settings = {
        "index.codec": "best_compression",
        "index.mapping.total_fields.ignore_dynamic_beyond_limit": True,
    }
    body = {
        "index_patterns": [pattern],
        "data_stream": {},
        # Above Elasticsearch's `logs-*-*` (100), which would map attributes as objects; below its
        # OTel templates (120), so that those win where they exist.
        "priority": 117,
        "_meta": _meta(description),
        "template": {"settings": settings, "mappings": mappings},
    }
    return IndexTemplate(name, stream, body)


_RESOURCE_ATTRIBUTES: Final = {
    "deployment.environment": _KEYWORD,
    "service.instance.id": _KEYWORD,
    "service.name": _KEYWORD,
    "telemetry.sdk.language": _KEYWORD,
}
_SPAN_ATTRIBUTES: Final = {"session.id": _KEYWORD, "geo.location": {"type": "geo_point"}}
_EXCEPTION_ATTRIBUTES: Final = {
    "exception.type": _KEYWORD,
    "exception.message": _KEYWORD,
    "exception.stacktrace": {**_KEYWORD, "fields": {"text": _TEXT}},
}

_COMMON: Final = {
    "@timestamp": _DATE_NANOS,
    "data_stream": _object(type=_KEYWORD, dataset=_KEYWORD, namespace=_KEYWORD),
    "trace_id": _KEYWORD,
    "span_id": _KEYWORD,
    "trace_flags": _BYTE,
    "attributes": _attributes(20, **_SPAN_ATTRIBUTES),
    "dropped_attributes_count": _LONG,
    "scope": _object(
        name=_KEYWORD,
        version=_KEYWORD,
        schema_url=_KEYWORD,
        dropped_attributes_count=_LONG,
        attributes=_attributes(30),
    ),
    "resource": _object(
        schema_url=_KEYWORD,
        dropped_attributes_count=_LONG,
        attributes=_attributes(40, **_RESOURCE_ATTRIBUTES),
    ),
    "event": _object(dataset=_alias("data_stream.dataset")),
    "service": _object(
        environment=_alias("resource.attributes.deployment.environment"),
        language=_object(name=_alias("resource.attributes.telemetry.sdk.language")),
        node=_object(name=_alias("resource.attributes.service.instance.id")),
    ),
    "trace": _object(id=_alias("trace_id")),
}

TRACES: Final = _otel_template(
    "otel-asayer-traces",
    "traces-{dataset}.otel-{namespace}",
    "traces-*.otel-*",
    "OpenTelemetry spans, on servers without a template of their own for them",
    name=_KEYWORD,
    kind=_KEYWORD,
    duration={**_LONG, "meta": {"unit": "nanos"}},
    parent_span_id=_KEYWORD,
    trace_state=_KEYWORD,
    status=_object(code=_KEYWORD, message=_KEYWORD),
    dropped_events_count=_LONG,
    dropped_links_count=_LONG,
    # Kept as they came: nothing could repair a conflict among the attributes of links.
    links=_object(
        trace_id=_KEYWORD,
        span_id=_KEYWORD,
        trace_state=_KEYWORD,
        attributes={"type": "object", "enabled": False},
    ),
    span=_object(id=_alias("span_id"), name=_alias("name")),
    parent=_object(id=_alias("parent_span_id")),
)

LOGS: Final = _otel_template(
    "otel-asayer-logs",
    "logs-{dataset}.otel-{namespace}",
    "logs-*.otel-*",
    "OpenTelemetry log records and span events, on servers without a template of their own for "
    "them",
    observed_timestamp=_DATE_NANOS,
    severity_number=_BYTE,
    severity_text=_KEYWORD,
    event_name=_KEYWORD,
    attributes=_attributes(20, **_SPAN_ATTRIBUTES, **_EXCEPTION_ATTRIBUTES),
    body=_object(text=_TEXT, structured=_FLATTENED),
    message=_alias("body.text"),
    span=_object(id=_alias("span_id")),
    log=_object(level=_alias("severity_text")),
    error=_object(
        exception=_object(
            type=_alias("attributes.exception.type"), message=_alias("attributes.exception.message")
        ),
        stack_trace=_alias("attributes.exception.stacktrace"),
    ),
)
