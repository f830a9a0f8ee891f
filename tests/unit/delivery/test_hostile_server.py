"""A server that steers whoever reads what it says:

nothing of that reaches a terminal or a log, whatever command or exporter asks it.
"""

from __future__ import annotations

import logging
import re
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from otel_asayer import ElasticsearchSpanExporter
from otel_asayer.cli.commands import otel_asayer
from otel_asayer.elasticsearch.bulk import parse_answer
from otel_asayer.elasticsearch.client import Response, UnreachableError
from otel_asayer.errors import ElasticsearchError
from otel_asayer.testing import ElasticsearchDouble, Exchange, status
from unit.elasticsearch.answering import EMPTY

STEERING = "evil\x1b[2J\x9b31m\u202etxt\u2066\x07\u2028end"
"""Clears a screen, colours it with C1's start of a sequence, and turns the writing direction."""
HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
COMMANDS = [
    ["doctor"],
    ["setup", "--yes"],
    ["setup", "--dry-run"],
    ["setup", "--uninstall", "--yes"],
    ["timeline", "17"],
    ["errors"],
    ["forget", "17", "--dry-run"],
]
TEMPLATE = {
    "index_patterns": ["*"],
    "priority": 100_000,
    "_meta": {"managed_by": STEERING, "version": STEERING},
    "template": {},
}
KEY = {
    "id": STEERING,
    "name": "otel-asayer-writer",
    "encoded": STEERING,
    "api_key": STEERING,
    "creation": 1,
}
KNOWN: dict[str, Any] = {
    **{line: content for line, (code, content) in EMPTY.items() if code == 200},
    "GET /": {"cluster_name": STEERING, "version": {"number": f"9.4.3{STEERING}"}},
    "GET /_security/_authenticate": {"username": STEERING, "authentication_type": "realm"},
    "GET /_security/user/_has_privileges": {"has_all_requested": True},
    "POST /_security/user/_has_privileges": {"has_all_requested": True},
    "GET /_security/api_key": {
        "api_keys": [{**KEY, "metadata": {"managed_by": "otel-asayer", "role": STEERING}}]
    },
    "POST /_security/api_key": KEY,
    "GET /_index_template": {"index_templates": [{"name": STEERING, "index_template": TEMPLATE}]},
    "GET /_data_stream/traces-*.otel-*,logs-*.otel-*,logs.otel*": {
        "data_streams": [
            {
                "name": STEERING,
                "failure_store": {"enabled": True, "indices": [{"index_name": STEERING}]},
            }
        ]
    },
    "GET /_resolve/index/logs": {"aliases": [{"name": "logs", "indices": [STEERING]}]},
}
UNHEARD: dict[str, Any] = {
    "index": {STEERING: {"read": False, STEERING: False}},
    "cluster": {STEERING: False},
}


class Hostile(ElasticsearchDouble):
    """Answers what it knows, and all else with an error of this status.

    A 404 says that nothing is installed, and all may be.
    """

    def __init__(self, code: int, known: dict[str, Any]) -> None:
        super().__init__()
        self.code = code
        self.known = known

    def answer(self, exchange: Exchange) -> Response:
        line = f"{exchange.method} {exchange.target.partition('?')[0]}"
        error = {
            "type": STEERING,
            "reason": STEERING,
            "caused_by": {"type": STEERING, "reason": f"privileges {STEERING}"},
        }
        if exchange.method == "PUT" and self.code == 404:
            return status(200, {"acknowledged": True})
        if exchange.target.startswith("/_bulk") and self.code != 500:
            return status(
                200,
                {
                    "errors": True,
                    "items": [{"create": {"status": self.code, "error": error}}]
                    * len(exchange.operations),
                },
            )
        return (
            status(200, self.known[line])
            if line in self.known
            else status(self.code, {"error": error})
        )


def said(server: Hostile, words: list[str], folder: Any) -> str:
    environment = {
        "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": server.url,
        "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(folder),
    }
    result = CliRunner().invoke(otel_asayer, words, env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("code", [400, 403, 404, 409, 500])
@pytest.mark.parametrize(
    "known",
    [
        KNOWN,
        {},
        {
            **KNOWN,
            **dict.fromkeys(
                ("GET /_security/user/_has_privileges", "POST /_security/user/_has_privileges"),
                UNHEARD,
            ),
        },
    ],
)
def test_no_command_repeats_what_steers_a_terminal(
    words: list[str], code: int, known: dict[str, Any], tmp_path: Any
) -> None:
    with Hostile(code, known) as server:
        assert HARMFUL.findall(said(server, words, tmp_path)) == []


@pytest.mark.parametrize("code", [400, 403, 404, 500])
def test_no_log_of_the_exporter_repeats_it(code: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "otel_asayer")
    with Hostile(code, KNOWN) as server:
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(
            SimpleSpanProcessor(ElasticsearchSpanExporter(endpoint=server.url, timeout=1))
        )
        provider.get_tracer("test").start_span("x").end()
        provider.shutdown()
    assert HARMFUL.findall(caplog.text) == []


def test_the_texts_are_said_at_all(tmp_path: Any) -> None:
    with Hostile(400, KNOWN) as server:
        assert "evil" in said(server, ["setup", "--dry-run"], tmp_path)


def test_no_error_of_ours_repeats_it_wherever_it_is_shown() -> None:
    assert str(ElasticsearchError(STEERING)) == "evil [2J 31m�txt� end"


def test_nothing_of_it_is_said_where_nobody_answers_as_elasticsearch_does() -> None:
    assert HARMFUL.findall(UnreachableError(f"what answers is no HTTP: {STEERING}").reason) == []


def test_a_line_that_does_not_end_is_cut() -> None:
    assert len(str(UnreachableError("x" * 65_536))) == 1000


def test_a_type_of_errors_that_does_not_end_is_cut() -> None:
    answer = {"items": [{"create": {"status": 400, "error": {"type": "x" * 1000, "reason": "y"}}}]}
    ((_, finding),) = parse_answer(orjson.dumps(answer), 1).others
    assert finding.cause.text == "x" * 100
