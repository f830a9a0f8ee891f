"""What Django logs about a request behind its middleware, when the request's span has ended, under
WSGI and under ASGI."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from otel_asayer.spool import LOCAL, Spool

from instrumented import application, free_port
from patience import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

APPLICATIONS = Path(__file__).parent / "applications"
SESSIONS = ("2618307011354435587", "17", None)
SERVERS = {
    "runserver": (sys.executable, "-m", "django", "runserver", "127.0.0.1:{port}"),
    "gunicorn": (
        "gunicorn",
        "--bind",
        "127.0.0.1:{port}",
        "django.core.wsgi:get_wsgi_application()",
    ),
    "uvicorn": (
        "uvicorn",
        "--port",
        "{port}",
        "--factory",
        "django.core.asgi:get_asgi_application",
    ),
}
PATHS = ("gone/lamp", "boom/lamp", "nowhere")
LOGGED = {"Not Found: /gone/lamp", "Internal Server Error: /boom/lamp", "Not Found: /nowhere"}


@pytest.fixture(scope="module", params=SERVERS)
def left(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """What a site leaves of failed requests in three sessions."""
    folder, port = tmp_path_factory.mktemp("django"), free_port()
    variables = {
        "DJANGO_SETTINGS_MODULE": "django_shop",
        "PYTHONPATH": str(APPLICATIONS),
        "OTEL_PROPAGATORS": "tracecontext,asayer",
        "OTEL_TRACES_EXPORTER": "elasticsearch",
        "OTEL_LOGS_EXPORTER": "elasticsearch",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_BLRP_SCHEDULE_DELAY": "100",
        "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(folder / "spool"),
    }
    command = [word.format(port=port) for word in SERVERS[request.param]]
    with application(command, port, folder / "console", variables) as site:
        for session in SESSIONS:
            for path in PATHS:
                site.request("GET", f"/{path}", {"X-Session-Id": session} if session else {})
        # Not at the end: what ends runserver ends the process that its reloader started at once.
        wait_for(
            lambda: (
                len(list(documents_in(folder, "traces-")))
                == len(logged_in(folder))
                == len(SESSIONS) * len(PATHS)
            ),
            "Not all is there.",
        )
    return Left(folder, (folder / "console").read_text())


def documents_in(folder: Path, kind: str) -> Iterator[dict[str, Any]]:
    """The documents of a kind of stream that are in the local store."""
    for operation in Spool(folder / "spool", LOCAL, max_bytes=2**30).read():
        header, source, *_ = operation.split(b"\n")
        if json.loads(header)["create"]["_index"].startswith(kind):
            yield json.loads(source)


def logged_in(folder: Path) -> list[dict[str, Any]]:
    """What Django logged about requests."""
    return [
        record
        for record in documents_in(folder, "logs-")
        if record["scope"]["name"] == "django.request"
    ]


class Left(NamedTuple):
    """What a site left: its folder, and what it printed."""

    folder: Path
    console: str


def test_what_django_logs_about_a_request_is_in_its_session(left: Left) -> None:
    places = {
        (record["body"]["text"], record["attributes"].get("session.id"))
        for record in logged_in(left.folder)
    }
    assert places == {(text, session) for text in LOGGED for session in SESSIONS}


def test_and_in_its_trace(left: Left) -> None:
    assert {record["trace_id"] for record in logged_in(left.folder)} == {
        span["trace_id"] for span in documents_in(left.folder, "traces-")
    }


def test_no_recursive_logging_is_reported(left: Left) -> None:
    assert "recursive" not in left.console
