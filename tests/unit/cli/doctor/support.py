"""What the tests of the doctor share: a server by script, and an environment by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from otel_asayer.cli.doctor.server import ExaminedServer
from otel_asayer.cli.doctor.settings import SIGNALS, Environment
from otel_asayer.cli.doctor.versions import InstalledPackage
from otel_asayer.config import Config
from otel_asayer.elasticsearch.api import Api
from otel_asayer.elasticsearch.client import Response, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from otel_asayer.cli.doctor.examination import CheckResult, Status

URL = "http://127.0.0.1:9"
GOOD = {
    "OTEL_PROPAGATORS": "tracecontext,asayer",
    "OTEL_TRACES_EXPORTER": "elasticsearch",
    "OTEL_LOGS_EXPORTER": "elasticsearch",
    "OTEL_METRICS_EXPORTER": "none",
}


class Script:
    """Answers by a table of method and path, `POST /logs/_search`; anything else is not found."""

    def __init__(self, answers: Mapping[str, tuple[int, Any]]) -> None:
        self.answers = dict(answers)
        self.bodies: dict[str, bytes | None] = {}

    def request(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        timeout: float,
    ) -> Response:
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


def examined(
    answers: Mapping[str, tuple[int, Any]], settings: Config | None = None
) -> ExaminedServer:
    script = Script(answers)
    api = Api(script, timeout=1)
    return ExaminedServer(settings or config(), script, api, api)


def environment(*packages: str, **variables: str) -> Environment:
    """These packages and variables, an exporter to Elasticsearch, and one to the console.

    A package is a name, or `name==version`.
    """
    exporters = frozenset({"elasticsearch", "console", "otlp_proto_http"})
    pinned = dict(text.split("==") for text in packages if "==" in text)
    return Environment(
        variables,
        frozenset(text.partition("==")[0] for text in packages),
        dict.fromkeys(SIGNALS, exporters),
        installed={name: InstalledPackage(version) for name, version in pinned.items()},
    )


def short(results: Iterable[CheckResult]) -> list[tuple[str, str]]:
    """Status and detail of each."""
    return [(result.status.value, result.detail) for result in results]


def statuses(results: Iterable[CheckResult]) -> list[Status]:
    return [result.status for result in results]
