"""How long the data streams that exist already keep what they hold: those that a template of ours
made; of others, how to set it is said.

Replay records are in none: `policies`.
"""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, Any, Final

from otel_asayer.setup.steps import Request, Step
from otel_asayer.setup.template_bodies import LOGS, TRACES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_asayer.elasticsearch.api import Api

__all__ = ["plan_retention"]

_SUBJECT: Final = "retention of existing data streams"
_OURS: Final = frozenset(template.name for template in (TRACES, LOGS))
_PATTERNS: Final = ",".join(
    pattern for template in (TRACES, LOGS) for pattern in template.body["index_patterns"]
)
_FOREIGN: Final = "Data streams of other templates keep what those say, for others may write there too; who sets it all the same sends what is shown"


def plan_retention(api: Api, retention: str) -> tuple[Step, ...]:
    """Return the steps that set `retention`, in Elasticsearch's notation (`30d`), on the data
    streams that exist.

    Raises:
        ElasticsearchError: they cannot be listed; the message says why.
    """
    answer = api.ask("GET", f"/_data_stream/{_PATTERNS}")
    if answer.status in (http.HTTPStatus.BAD_REQUEST, http.HTTPStatus.METHOD_NOT_ALLOWED):
        note = "This Elasticsearch has no API for it. Data streams that exist already keep what they hold; new ones follow their index template."
        return (Step(_SUBJECT, "not possible", note),)
    streams = api.content_of(answer, "to list data streams").get("data_streams", [])
    differing = [
        stream
        for stream in streams
        if stream.get("lifecycle", {}).get("data_retention") != retention
    ]
    ours = [
        stream for stream in differing if stream.get("template") in _OURS and not _by_policy(stream)
    ]
    return tuple(
        filter(None, (_own(ours, retention), _foreign(differing, retention), _policies(streams)))
    )


def _own(streams: Sequence[Mapping[str, Any]], retention: str) -> Step | None:
    note = ", ".join(stream["name"] for stream in streams)
    return (
        Step(_SUBJECT, "changed", f"{note}.", (_request(streams, retention),)) if streams else None
    )


def _foreign(streams: Sequence[Mapping[str, Any]], retention: str) -> Step | None:
    others = [
        stream
        for stream in streams
        if stream.get("template") not in _OURS and not _by_policy(stream)
    ]
    return (
        Step(
            "retention of traces and logs",
            "left alone",
            f"{_FOREIGN}.",
            advised=(_request(others, retention),),
        )
        if others
        else None
    )


def _policies(streams: Sequence[Mapping[str, Any]]) -> Step | None:
    managed = [
        f"{stream['name']} ({stream['ilm_policy']})" for stream in streams if _by_policy(stream)
    ]
    note = f"An ILM policy decides for {', '.join(managed)}: set it there."
    return Step("retention by ILM policy", "left alone", note) if managed else None


def _by_policy(stream: Mapping[str, Any]) -> bool:
    return bool(stream.get("ilm_policy")) and stream.get("prefer_ilm", True)


def _request(streams: Sequence[Mapping[str, Any]], retention: str) -> Request:
    return Request(
        "PUT",
        f"/_data_stream/{','.join(stream['name'] for stream in streams)}/_lifecycle",
        {"data_retention": retention},
    )
