"""What the tests of the doctor share: a server by script, and surroundings by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from otel_asayer.cli.doctor.subject import Subject
from otel_asayer.cli.doctor.surroundings import SIGNALS, Surroundings
from otel_asayer.config import Config
from otel_asayer.elasticsearch.api import Api
from otel_asayer.elasticsearch.client import Response, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from otel_asayer.cli.doctor.findings import Status, Verdict

URL = "http://127.0.0.1:9"
GOOD = {
    "OTEL_PROPAGATORS": "tracecontext,asayer",
    "OTEL_TRACES_EXPORTER": "elasticsearch",
    "OTEL_LOGS_EXPORTER": "elasticsearch",
    "OTEL_METRICS_EXPORTER": "none",
}


class Script:
    """Answers by a table of method and path, `POST /logs/_search`; what is not in it is not found."""

    def __init__(self, answers: Mapping[str, tuple[int, Any]]) -> None:
        self.answers = dict(answers)
        self.bodies: dict[str, bytes | None] = {}

    def request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float,
    ) -> Response:
        assert headers is None
        assert timeout > 0
        line = f"{method} {target.partition('?')[0]}"
        self.bodies[line] = body
        status, content = self.answers.get(line, (404, {}))
        if isinstance(content, UnreachableError):
            raise content
        return Response(
            status, {}, content if isinstance(content, bytes) else json.dumps(content).encode()
        )

    def close(self) -> None:
        """There is nothing to close."""


def config(**settings: Any) -> Config:
    return Config.from_environment({}, **{"endpoint": URL, **settings})


def subject(answers: Mapping[str, tuple[int, Any]], settings: Config | None = None) -> Subject:
    script = Script(answers)
    api = Api(script, timeout=1)
    return Subject(settings or config(), script, api, api)


def around(*packages: str, **variables: str) -> Surroundings:
    """Surroundings with these packages and variables, an exporter to Elasticsearch, and one to the console."""
    exporters = frozenset({"elasticsearch", "console", "otlp_proto_http"})
    return Surroundings(variables, frozenset(packages), dict.fromkeys(SIGNALS, exporters))


def short(verdicts: Iterable[Verdict]) -> list[tuple[str, str]]:
    """Status and detail of each."""
    return [(verdict.status.value, verdict.detail) for verdict in verdicts]


def statuses(verdicts: Iterable[Verdict]) -> list[Status]:
    return [verdict.status for verdict in verdicts]
