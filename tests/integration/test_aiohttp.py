"""An aiohttp server under `opentelemetry-instrument`:

its instrumentation makes the request's span current, and not the context it extracted.
"""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from otel_asayer.spool import LOCAL, Spool

from instrumented import application, free_port

APPLICATION = Path(__file__).parent / "applications" / "aiohttp_app.py"
SESSIONS = ("2618307011354435587", "17", None, "18446744073709551615")
REQUESTS = 40


def session_of(number: int) -> str | None:
    return SESSIONS[number % len(SESSIONS)]


class Left:
    """What the application left in the local store."""

    def __init__(self, folder: Path) -> None:
        operations = [
            operation.split(b"\n") for operation in Spool(folder, LOCAL, max_bytes=2**30).read()
        ]
        documents = [
            (json.loads(header)["create"]["_index"], json.loads(source))
            for header, source, *_ in operations
        ]
        self.spans = [document for stream, document in documents if stream.startswith("traces-")]
        self.logs = [document for stream, document in documents if stream.startswith("logs-")]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    folder, port = tmp_path_factory.mktemp("aiohttp"), free_port()
    variables = {
        "PORT": str(port),
        "OTEL_PROPAGATORS": "tracecontext,asayer",
        "OTEL_TRACES_EXPORTER": "elasticsearch",
        "OTEL_LOGS_EXPORTER": "elasticsearch",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(folder / "spool"),
    }
    with (
        application(["python", str(APPLICATION)], port, folder / "console", variables) as app,
        ThreadPoolExecutor(8) as pool,
    ):

        def request(number: int) -> None:
            path = "boom" if number >= REQUESTS else "jobs"
            session = session_of(number)
            app.request("GET", f"/{path}/{number}", {"X-Session-Id": session} if session else {})

        list(pool.map(request, range(REQUESTS + len(SESSIONS))))
    return Left(folder / "spool")


def sessions_by_number(pairs: list[tuple[str, dict[str, Any]]]) -> Counter[tuple[int, str | None]]:
    """How many documents there are of each request's number and each session; each is given with a
    text that holds the number."""
    return Counter(
        (int("".join(filter(str.isdigit, text))), document.get("attributes", {}).get("session.id"))
        for text, document in pairs
    )


def test_every_log_record_is_in_the_session_of_its_request(left: Left) -> None:
    records = [
        (record["body"]["text"], record)
        for record in left.logs
        if record["scope"]["name"] == "application"
    ]
    assert sessions_by_number(records) == {
        (number, session_of(number)): 4 for number in range(REQUESTS)
    }


@pytest.mark.parametrize(
    ("kind", "attribute", "count"), [("Server", "http.target", 2), ("Client", "http.url", 1)]
)
def test_every_span_is_in_the_session_of_its_request(
    left: Left, kind: str, attribute: str, count: int
) -> None:
    spans = [
        (span["attributes"][attribute].rpartition("/")[2], span)
        for span in left.spans
        if span["kind"] == kind
    ]
    expected = {(number, session_of(number)): count for number in range(REQUESTS)}
    failed = {
        (number, session_of(number)): 1
        for number in range(REQUESTS, REQUESTS + len(SESSIONS))
        if kind == "Server"
    }
    assert sessions_by_number(spans) == expected | failed


def test_what_the_server_says_of_a_failed_request_is_in_its_session(left: Left) -> None:
    failed = [record for record in left.logs if record["scope"]["name"] == "aiohttp.server"]
    assert {record["body"]["text"] for record in failed} == {
        "Error handling request from 127.0.0.1"
    }
    records = [(record["attributes"]["exception.message"], record) for record in failed]
    assert sessions_by_number(records) == {
        (number, session_of(number)): 1 for number in range(REQUESTS, REQUESTS + len(SESSIONS))
    }
