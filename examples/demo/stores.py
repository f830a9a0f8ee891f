"""The stores of the demo: the local one, which needs only Python, and a real Elasticsearch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import orjson

from otel_asayer.config import Config
from otel_asayer.elasticsearch.client import Client
from otel_asayer.setup.first_contact import ensure
from otel_asayer.setup.keys import WRITER
from otel_asayer.spool import LOCAL, Spool
from otel_asayer.timeline import Selection, Stored, stores

from store import drain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from elasticsearch_server import Endpoint

_PATIENT_SECONDS = 60


class Store(Protocol):
    """What the demo needs from a store."""

    name: str

    def environment(self) -> dict[str, str]:
        """Return the variables that connect a service to the store."""

    def documents(self, session_id: str) -> list[Stored]:
        """Return the documents of a session, after the services have ended."""

    def replay_records(self, session_id: str) -> list[dict[str, Any]]:
        """Return what OpenReplay's own query finds, in the order of the response."""

    def spans_without_session(self, path: str) -> int:
        """Count the spans of requests to `path` without a session."""

    def holds(self, secret: str) -> bool:
        """Return whether any document contains `secret`."""


class LocalStore:
    """The spool of services that have no Elasticsearch."""

    def __init__(self, root: Path) -> None:
        self.name = "the local store (make demo ELASTICSEARCH=1 uses a real Elasticsearch)"
        self._root = root

    def environment(self) -> dict[str, str]:
        """Return the variable that names the folder."""
        return {"OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(self._root)}

    def documents(self, session_id: str) -> list[Stored]:
        """Return the documents of a session."""
        config = Config.from_environment({}, spool_directory=str(self._root))
        return list(stores.LocalStore(config).documents(Selection(session_id=session_id)))

    def replay_records(self, session_id: str) -> list[dict[str, Any]]:
        """Return the records with the session's tag, ordered by time."""
        phrase = f"[openReplaySession.id={session_id}]"
        found = (
            source
            for index, source in self._all()
            if index.startswith("asayer-logs-") and phrase in source["message"]
        )
        return sorted(found, key=lambda record: str(record["@timestamp"]))

    def spans_without_session(self, path: str) -> int:
        """Count the spans of requests to `path` without a session."""
        spans = (
            source["attributes"] for index, source in self._all() if index.startswith("traces-")
        )
        return sum(span.get("http.target") == path and "session.id" not in span for span in spans)

    def holds(self, secret: str) -> bool:
        """Return whether any document contains `secret`."""
        return any(secret.encode() in operation for operation in self._operations())

    def _all(self) -> Iterable[tuple[str, dict[str, Any]]]:
        """Index and source of each document; a repeated `_id` counts once."""
        found = {}
        for operation in self._operations():
            header, source, *_ = operation.split(b"\n")
            action = orjson.loads(header)["create"]
            found[action["_index"], action["_id"]] = action["_index"], orjson.loads(source)
        return found.values()

    def _operations(self) -> Iterator[bytes]:
        return Spool(self._root, LOCAL, max_bytes=2**30).read()


class Cluster:
    """A real Elasticsearch with our templates, which the services' key could not install.

    Args:
        server: Where it is.
        spool: Where the services keep what it does not take in time.
    """

    def __init__(self, server: Endpoint, spool: Path) -> None:
        self.name = f"Elasticsearch {server.version} at {server.url}"
        self._server = server
        self._spool = spool
        self._administrator = Config.from_environment(
            {},
            endpoint=server.url,
            certificate=server.ca_certificate,
            username=server.username or None,
            password=server.password or None,
            spool_directory=str(spool),
            timeout=_PATIENT_SECONDS,
        )
        self._install_templates()

    def environment(self) -> dict[str, str]:
        """Return the address, and a writer's key unless security is off."""
        server = self._server
        variables = {
            "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": server.url,
            "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(self._spool),
        }
        if server.ca_certificate:
            variables["OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE"] = str(server.ca_certificate)
        if server.username:
            variables["OTEL_EXPORTER_ELASTICSEARCH_API_KEY"] = server.create_api_key(
                "otel-asayer-demo", {WRITER.name: WRITER.descriptor}
            )
        return variables

    def documents(self, session_id: str) -> list[Stored]:
        """Send what the services had no time to send, and return the documents of a session."""
        with stores.open_store(self._administrator) as store:
            drain(self._administrator)
            self._server.refresh()
            return list(store.documents(Selection(session_id=session_id)))

    def replay_records(self, session_id: str) -> list[dict[str, Any]]:
        """Send the request that OpenReplay itself sends.

        It has no sort, one phrase, and the index name `logs`.
        """
        return self._search(
            "logs", {"match_phrase": {"message": f"openReplaySession.id={session_id}"}}
        )

    def spans_without_session(self, path: str) -> int:
        """Count the spans of requests to `path` without a session."""
        query = {
            "bool": {
                "must_not": {"exists": {"field": "session.id"}},
                "must": {"match": {"http.target": path}},
            }
        }
        return len(self._search("traces-*.otel-*", query))

    def holds(self, secret: str) -> bool:
        """Return whether any document contains `secret`."""
        return bool(
            self._search(
                "traces-*,logs-*,asayer-logs-*", {"query_string": {"query": f'"{secret}"'}}
            )
        )

    def _search(self, index: str, query: dict[str, Any]) -> list[dict[str, Any]]:
        answer = self._server.request(
            "POST", f"/{index}/_search?ignore_unavailable=true", {"size": 1000, "query": query}
        ).json()
        return [hit["_source"] for hit in answer.get("hits", {}).get("hits", [])]

    def _install_templates(self) -> None:
        client = Client(self._administrator)
        try:
            for problem in ensure(client, self._administrator, timeout=_PATIENT_SECONDS).problems:
                raise SystemExit(problem)
        finally:
            client.close()
