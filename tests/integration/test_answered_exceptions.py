"""Exceptions that a server answers as errors of the caller's:

Django's `Http404`, gRPC's `abort(NOT_FOUND)`. They are no errors of its own.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest

from otel_asayer.spool import LOCAL, Spool

from instrumented import BINARIES, application, clean_environment, free_port
from patience import HANG_SECONDS

APPLICATIONS = Path(__file__).parent / "applications"
SESSION = "2618307011354435587"


class Left:
    """What an application left in the local store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        operations = [
            operation.split(b"\n") for operation in Spool(folder, LOCAL, max_bytes=2**30).read()
        ]
        documents = {
            tuple(json.loads(header)["create"].values()): json.loads(source)
            for header, source, *_ in operations
        }  # by stream and id
        self.spans = [
            document for (stream, *_), document in documents.items() if stream.startswith("traces-")
        ]
        self.logs = [
            document for (stream, *_), document in documents.items() if stream.startswith("logs-")
        ]
        self.records = [
            document
            for (stream, *_), document in documents.items()
            if stream.startswith("asayer-logs-")
        ]

    def level_of(self, text: str) -> set[tuple[str, tuple[str, ...]]]:
        """The levels and tags of the replay records that hold `text`."""
        return {
            (record["level"], tuple(record.get("tags", ())))
            for record in self.records
            if text in record["message"]
        }

    def told(self, command: str, *arguments: str) -> Any:
        """What `otel-asayer` says about it, in JSON."""
        environ = {
            **clean_environment(),
            "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(self.folder),
        }
        line = [str(BINARIES / "otel-asayer"), command, "--json", *arguments]
        done = subprocess.run(
            line, env=environ, stdout=subprocess.PIPE, check=True, timeout=HANG_SECONDS
        )
        return json.loads(done.stdout)


def variables(folder: Path, **others: str) -> dict[str, str]:
    return {
        "PYTHONPATH": str(APPLICATIONS),
        "OTEL_PROPAGATORS": "tracecontext,asayer",
        "OTEL_TRACES_EXPORTER": "elasticsearch",
        "OTEL_LOGS_EXPORTER": "elasticsearch",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(folder / "spool"),
        **others,
    }


@pytest.fixture(scope="module")
def django(tmp_path_factory: pytest.TempPathFactory) -> Left:
    folder, port = tmp_path_factory.mktemp("django"), free_port()
    command = ["gunicorn", "--bind", f"127.0.0.1:{port}", "django.core.wsgi:get_wsgi_application()"]
    with application(
        command, port, folder / "console", variables(folder, DJANGO_SETTINGS_MODULE="django_shop")
    ) as site:
        for path in ("gone", "boom"):
            site.request("GET", f"/{path}/lamp", {"X-Session-Id": SESSION})
    return Left(folder / "spool")


@pytest.fixture(scope="module")
def rpc(tmp_path_factory: pytest.TempPathFactory) -> Left:
    folder, port = tmp_path_factory.mktemp("grpc"), free_port()
    server = application(
        ["python", str(APPLICATIONS / "grpc_app.py")],
        port,
        folder / "console",
        variables(folder, PORT=str(port)),
    )
    with server, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for method in ("missing", "lost", "fail"):
            with pytest.raises(grpc.RpcError):
                channel.unary_unary(f"/shop/{method}")(
                    b"lamp", metadata=(("x-session-id", SESSION),), timeout=HANG_SECONDS
                )
    return Left(folder / "spool")


def test_errors_lists_no_page_that_django_did_not_find(django: Left) -> None:
    assert [(error["type"], error["count"]) for error in django.told("errors")] == [
        ("ValueError", 1)
    ]


def test_in_the_replay_the_request_and_its_exception_are_warnings(django: Left) -> None:
    assert django.level_of("404 in") == django.level_of("Http404: no lamp") == {("warning", ())}


def test_in_the_replay_a_server_error_and_its_exception_are_errors(django: Left) -> None:
    assert (
        django.level_of("500 in")
        == django.level_of("ValueError: lamp is broken")
        == {("error", ("error",))}
    )


def test_errors_lists_no_call_that_grpc_aborted_for_the_caller(rpc: Left) -> None:
    assert sorted((error["type"], error["count"]) for error in rpc.told("errors")) == [
        ("Exception", 1),
        ("ValueError", 1),
    ]


def test_an_abort_that_blames_the_caller_is_marked_and_one_that_blames_the_server_is_not(
    rpc: Left,
) -> None:
    marks = {span["name"]: span["attributes"].get("asayer.exception.handled") for span in rpc.spans}
    assert marks == {"/shop/missing": True, "/shop/lost": None, "/shop/fail": None}


def test_in_the_replay_the_aborted_call_is_a_warning(rpc: Left) -> None:
    assert rpc.level_of("/shop/missing in") == {("warning", ())}


def test_what_grpc_logs_of_a_failed_call_belongs_to_its_span(rpc: Left) -> None:
    failed = next(span for span in rpc.spans if span["name"] == "/shop/fail")
    logged = [record for record in rpc.logs if record["scope"]["name"].startswith("grpc")]
    places = [
        (record["trace_id"], record["span_id"], record["attributes"]["session.id"])
        for record in logged
    ]
    assert places == [(failed["trace_id"], failed["span_id"], SESSION)]


def test_and_the_exception_is_in_the_replay_once(rpc: Left) -> None:
    assert (
        len([record for record in rpc.records if "ValueError: lamp is broken" in record["message"]])
        == 1
    )
