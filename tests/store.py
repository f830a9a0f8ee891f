"""A prepared Elasticsearch as the end-to-end tests see it:

what arrived there, and with which keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from otel_asayer.config import Config
from otel_asayer.delivery.delivery import Delivery
from otel_asayer.elasticsearch.client import Client
from otel_asayer.setup.first_contact import ensure

from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from elasticsearch_server import Endpoint

SESSION = "2618307011354435587"
WRITER = {
    "writer": {
        "index": [
            {
                "names": ["logs-*.otel-*", "traces-*.otel-*", "asayer-logs-*"],
                "privileges": ["create_doc", "auto_configure"],
            }
        ]
    }
}
READER = {"reader": {"index": [{"names": ["logs", "asayer-logs-*"], "privileges": ["read"]}]}}
NOTHING = {"nobody": {"index": [{"names": ["somewhere-else"], "privileges": ["read"]}]}}


def prepare(server: Endpoint) -> None:
    """Install our templates on a server, as somebody with the right to do so."""
    config = Config.from_environment(
        {},
        endpoint=server.url,
        username=server.username,
        password=server.password,
        certificate=server.ca_certificate and str(server.ca_certificate),
    )
    client = Client(config)
    report = ensure(client, config, timeout=HANG_SECONDS)
    client.close()
    assert not report.problems


@dataclass(frozen=True)
class Store:
    """A prepared Elasticsearch, seen through one namespace of data streams.

    Attributes:
        server: Where documents arrive.
        namespace: That of the streams.
        writer_key: What applications write with.
        spool: Where they keep what does not arrive in time; what waits there is sent before
            anything is read.
    """

    server: Endpoint
    namespace: str
    writer_key: str
    spool: Path | None = None

    def environment(self, **more: str) -> dict[str, str]:
        """The variables that the README lists, and `more`."""
        return {
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_PROPAGATORS": "tracecontext,asayer",
            "OTEL_TRACES_EXPORTER": "elasticsearch",
            "OTEL_LOGS_EXPORTER": "elasticsearch",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": self.server.url,
            "OTEL_EXPORTER_ELASTICSEARCH_API_KEY": self.writer_key,
            "OTEL_EXPORTER_ELASTICSEARCH_NAMESPACE": self.namespace,
            "OTEL_ASAYER_REPLAY_URL": "https://replay.example/7/session/{session_id}?jumpto={time_ms}",
            **(
                {"OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(self.spool)}
                if self.spool
                else {}
            ),
            **more,
        }

    def spans(self) -> list[dict[str, Any]]:
        return self._documents(f"traces-generic.otel-{self.namespace}")

    def logs(self) -> list[dict[str, Any]]:
        return self._documents(f"logs-generic.otel-{self.namespace}")

    def replay_records(self) -> list[dict[str, Any]]:
        return self._documents(f"asayer-logs-{self.namespace}-*")

    def exceptions(self) -> list[dict[str, Any]]:
        return [
            record
            for record in self.logs()
            if "exception.stacktrace" in record.get("attributes", {})
        ]

    def _documents(self, stream: str) -> list[dict[str, Any]]:
        if self.spool:
            drain(Config.from_environment(self.environment(), timeout=HANG_SECONDS))
        self.server.refresh()
        answer = self.server.request(
            "POST",
            f"/{stream}/_search?ignore_unavailable=true",
            {"size": 1000, "sort": [{"@timestamp": "asc"}]},
        )
        return [hit["_source"] for hit in answer.json()["hits"]["hits"]]


PAGE = 10_000


def pages(server: Endpoint, streams: str, **query: Any) -> Iterator[dict[str, Any]]:
    """Every hit of a search over data streams, however many there are: by a point in time.

    `query` goes into the body of the search.
    """
    point = {
        "id": _expect(
            server, "POST", f"/{streams}/_pit?keep_alive=2m&ignore_unavailable=true", None
        )["id"],
        "keep_alive": "2m",
    }
    search: dict[str, Any] = {
        "size": PAGE,
        "pit": point,
        "sort": ["_shard_doc"],
        "track_total_hits": False,
        **query,
    }
    while page := _expect(server, "POST", "/_search", search)["hits"]["hits"]:
        yield from page
        search["search_after"] = page[-1]["sort"]
    _expect(server, "DELETE", "/_pit", {"id": point["id"]})


def _expect(server: Endpoint, method: str, path: str, body: object) -> dict[str, Any]:
    answer = server.request(method, path, body)
    if answer.status != 200:
        raise RuntimeError(
            f"{method} {path}: Elasticsearch answers {answer.status} "
            f"{answer.body.decode(errors='replace')}"
        )
    content: dict[str, Any] = answer.json()
    return content


def replay_index(namespace: str, day: str = "2026.11.24") -> str:
    """The index of replay records of a day."""
    return f"asayer-logs-{namespace}-{day}"


def action(index: str) -> dict[str, Any]:
    """What creates a document there as the exporter does:

    replay records want their pipeline, everything else a data stream.
    """
    wanted = (
        {"pipeline": "asayer-replay", "require_data_stream": False}
        if index.startswith("asayer-logs-")
        else {"require_data_stream": True}
    )
    return {"create": {"_index": index, **wanted}}


def drain(config: Config) -> None:
    """Send what waits in the spool of applications with these settings, as `otel-asayer spool
    drain` does.

    On a busy machine an answer may take longer than a process waits for it at its end.
    """
    delivery = Delivery.from_config(config)
    if delivery.spool:
        delivery.drainer_of(delivery.spool).drain()
    delivery.close()


LEFT_OVER = "left-over"


def wipe(server: Endpoint) -> None:
    """Leave a server without index templates, pipeline, plain indices and API keys, and with
    nothing that bears the name `logs`."""
    server.request("DELETE", "/_ingest/pipeline/asayer-replay")
    resolved = server.request("GET", "/_resolve/index/*").json()
    for index in resolved["indices"]:
        if "data_stream" not in index:
            server.request("DELETE", f"/{index['name']}")
    streams = [stream["name"] for stream in resolved["data_streams"]]
    # They stay, and a template that a stream needs cannot be deleted: another one takes its place
    if streams:
        put_template(server, LEFT_OVER, *streams)
        server.request(
            "POST",
            "/_aliases",
            {"actions": [{"remove": {"index": "*", "alias": "logs", "must_exist": False}}]},
        )
    for name in templates(server):
        if name != LEFT_OVER:
            server.request("DELETE", f"/_index_template/{name}")
    server.request(
        "DELETE", "/_security/api_key", {"owner": True}
    )  # without security there are none, and no such request


def templates(server: Endpoint) -> dict[str, Any]:
    """The index templates of a server, by their names."""
    return {
        entry["name"]: entry["index_template"]
        for entry in server.request("GET", "/_index_template").json()["index_templates"]
    }


def put_template(
    server: Endpoint,
    name: str,
    *patterns: str,
    priority: int = 0,
    streams: bool = True,
    **template: Any,
) -> None:
    """Install an index template, for data streams or for plain indices."""
    body = {
        "index_patterns": patterns,
        "priority": priority,
        "template": template,
        **({"data_stream": {}} if streams else {}),
    }
    assert server.request("PUT", f"/_index_template/{name}", body).status == 200


def sessions(documents: list[dict[str, Any]]) -> set[str | None]:
    """The session ids that documents carry, None for those that carry none."""
    return {document.get("attributes", {}).get("session.id") for document in documents}
