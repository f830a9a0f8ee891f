"""A server that answers by a table, for what is planned and carried out by requests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from otel_asayer.elasticsearch.api import Api
from otel_asayer.elasticsearch.client import Response, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping

EMPTY: dict[str, tuple[int, Any]] = {
    "GET /": (200, {"cluster_name": "shop", "version": {"number": "9.4.3"}}),
    "GET /_security/_authenticate": (200, {"username": "jane", "authentication_type": "realm"}),
    "GET /_security/user/_has_privileges": (200, {"has_all_requested": True}),
    "GET /_security/api_key": (200, {"api_keys": []}),
    "GET /_index_template": (200, {}),
    **{
        f"GET /_index_template/otel-asayer-{name}": (404, {"error": "not found"})
        for name in ("traces", "logs", "replay")
    },
    "GET /_resolve/index/logs": (404, {}),
    "GET /_resolve/index/asayer-logs-*": (200, {"data_streams": []}),
    "GET /_resolve/index/traces-*.otel-*": (200, {"data_streams": []}),
    "GET /_resolve/index/logs-*.otel-*": (200, {"data_streams": []}),
    "GET /asayer-logs-*/_alias/logs": (404, {"error": "alias [logs] missing"}),
    "GET /_data_stream/traces-*.otel-*,logs-*.otel-*": (200, {"data_streams": []}),
    "POST /_index_template/_simulate": (200, {}),
    "GET /_ingest/pipeline/asayer-replay": (404, {}),
    "GET /_ilm/policy/otel-asayer-replay": (
        404,
        {"error": {"reason": "Lifecycle policy not found: otel-asayer-replay"}},
    ),
    "GET /asayer-logs-*/_settings": (200, {}),
}
"""A secured Elasticsearch with nothing in it; its user may do everything."""
NO_HANDLER: tuple[int, Any] = (400, {"error": "no handler found for uri"})


class Answering:
    """In place of a client: answers by `EMPTY` and what is added, and keeps what it was asked for.

    Of a target, the query does not count.
    """

    def __init__(self, answers: Mapping[str, tuple[int, Any]] | None = None) -> None:
        self.answers = {**EMPTY, **(answers or {})}
        self.asked: list[str] = []
        self.bodies: dict[str, Any] = {}

    @property
    def api(self) -> Api:
        return Api(self)

    def request(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        timeout: float,
    ) -> Response:
        line = f"{method} {target.partition('?')[0]}"
        self.asked.append(f"{method} {target}")
        self.bodies[line] = body
        if line not in self.answers:
            raise UnreachableError(f"nobody answers to {line}, {timeout}")
        status, content = self.answers[line]
        return Response(status, {}, json.dumps(content).encode())

    def close(self) -> None:
        self.asked.append("closed")
