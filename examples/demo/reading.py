"""Reading back from Elasticsearch: what Kibana's users would see of the session, and what OpenReplay's panel asks for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from otel_asayer import SessionId

    from elasticsearch_server import Endpoint

TRACES = "traces-*.otel-*"
LOGS = "logs-*.otel-*"
ARRIVAL_SECONDS = 30


@dataclass(frozen=True)
class Found:
    """What Elasticsearch holds of a session: documents in the order of their time, replay records in the order of the answer."""

    spans: list[dict[str, Any]]
    logs: list[dict[str, Any]]
    replay_records: list[dict[str, Any]]

    @property
    def exceptions(self) -> list[dict[str, Any]]:
        return [record for record in self.logs if "exception.stacktrace" in record["attributes"]]


def search(server: Endpoint, index: str, query: dict[str, Any], **body: Any) -> list[dict[str, Any]]:
    answer = server.request("POST", f"/{index}/_search?ignore_unavailable=true", {"size": 1000, "query": query, **body}).json()
    return [hit["_source"] for hit in answer.get("hits", {}).get("hits", [])]


def read_session(server: Endpoint, session_id: SessionId) -> Found:
    server.refresh()
    of_session = {"term": {"session.id": session_id}}
    in_order = {"sort": [{"@timestamp": "asc"}]}
    return Found(
        spans=search(server, TRACES, of_session, **in_order),
        logs=search(server, LOGS, of_session, **in_order),
        # The request that OpenReplay itself sends: no sort, one phrase, the index named `logs`.
        replay_records=search(server, "logs", {"match_phrase": {"message": f"openReplaySession.id={session_id}"}}),
    )


def wait_for_session(server: Endpoint, session_id: SessionId, *, spans: int, replay_records: int) -> Found:
    """Read until as much has arrived as the requests must have caused, or the time is over; what is there comes back either way."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    found = read_session(server, session_id)
    while time.monotonic() < deadline and (len(found.spans) < spans or len(found.replay_records) < replay_records):
        time.sleep(0.3)
        found = read_session(server, session_id)
    return found


def spans_without_session(server: Endpoint, path: str) -> list[dict[str, Any]]:
    return search(server, TRACES, {"bool": {"must_not": {"exists": {"field": "session.id"}}, "must": {"match": {"http.target": path}}}})
