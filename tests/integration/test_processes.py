"""Kinds of processes, and the ways in which they end: which spans survive, with nothing but exit
handlers to bring them to the local store.

The batch processor exports every hour here. Whatever is in the store was brought there by the end
of a process, and not by chance before.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from otel_asayer.spool import LOCAL, Destination, Spool
from otel_asayer.testing import ElasticsearchDouble, status

from documentation import ROOT, blocks
from instrumented import BINARIES, clean_environment
from patience import HANG_SECONDS, wait_for
from store import SESSION, sessions
from workers import ask, ask_two_workers, stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from instrumented import Application
    from workers import Work

    Run = Callable[..., AbstractContextManager[Application]]

pytestmark = pytest.mark.processes

APPLICATIONS = Path(__file__).parent / "applications"

PATIENT = str(HANG_SECONDS)
GUNICORN = (
    "gunicorn",
    "--bind",
    "127.0.0.1:{port}",
    "--workers",
    "2",
    "--timeout",
    PATIENT,
    "--graceful-timeout",
    PATIENT,
)
UVICORN = ("uvicorn", "--port", "{port}", "--timeout-worker-healthcheck", PATIENT)
UWSGI = ("uwsgi", "--http-socket", "127.0.0.1:{port}", "--module", "workers_wsgi:app")

SERVERS = {
    "gunicorn, sync": (*GUNICORN, "workers_wsgi:app"),
    "gunicorn, sync, preload": (*GUNICORN, "--preload", "workers_wsgi:app"),
    "gunicorn, gthread": (
        *GUNICORN,
        "--worker-class",
        "gthread",
        "--threads",
        "2",
        "workers_wsgi:app",
    ),
    "gunicorn, gevent": (*GUNICORN, "--worker-class", "gevent", "workers_wsgi:app"),
    "gunicorn, gevent, preload": (
        *GUNICORN,
        "--worker-class",
        "gevent",
        "--preload",
        "workers_wsgi:app",
    ),
    "gunicorn, uvicorn": (
        *GUNICORN,
        "--worker-class",
        "uvicorn.workers.UvicornWorker",
        "workers_asgi:app",
    ),
    "uvicorn": (*UVICORN, "--workers", "2", "workers_asgi:app"),
    "uWSGI": (*UWSGI, "--processes", "2"),
    "uWSGI, lazy": (*UWSGI, "--processes", "2", "--lazy-apps"),
    "uWSGI, fork hooks": (*UWSGI, "--processes", "2", "--py-call-uwsgi-fork-hooks"),
}

ENDINGS = {
    "the end of the script": (0, [1]),
    "a thread that goes on": (0, [1, 2]),
    "sys.exit": (3, [1]),
    "an uncaught exception": (1, [1]),
    "SIGINT": (-signal.SIGINT, [1]),
    "SIGTERM that calls sys.exit": (0, [1]),
    "a fork that ends by sys.exit": (0, [1, 2]),
    "a fork that ends by os._exit": (0, [1]),
    "os._exit": (0, []),
    "os._exit after force_flush": (0, [1]),
    "SIGTERM": (-signal.SIGTERM, []),
    "SIGKILL": (-signal.SIGKILL, []),
}

CHILDREN = [
    ("processes", "fork"),
    ("processes", "spawn"),
    ("processes", "forkserver"),
    ("pool", "fork"),
    ("terminated_pool", "fork"),
]


class Survivors:
    """A spool, as what a process left."""

    def __init__(self, folder: Path, destination: Destination = LOCAL) -> None:
        self._spool = Spool(folder, destination, max_bytes=2**30)
        self.environment = {
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_PROPAGATORS": "tracecontext,asayer",
            "OTEL_TRACES_EXPORTER": "elasticsearch",
            "OTEL_LOGS_EXPORTER": "elasticsearch",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_BSP_SCHEDULE_DELAY": "3600000",
            "OTEL_BLRP_SCHEDULE_DELAY": "3600000",
            "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(folder),
            "PYTHONPATH": str(APPLICATIONS),
            "UWSGI_INI": str(_uwsgi_settings(folder.with_name("uwsgi.ini"))),
        }

    def spans(self) -> list[dict[str, Any]]:
        lines = (operation.split(b"\n") for operation in self._spool.read())
        return [
            json.loads(source) for header, source, *_ in lines if b'"_index":"traces-' in header
        ]

    def work(self) -> Work:
        """All work that is in the spool, in order; it belongs to the session."""
        spans = [span for span in self.spans() if "work" in span["attributes"]]
        assert sessions(spans) <= {SESSION}
        return sorted((span["attributes"]["work"], span["attributes"]["worker"]) for span in spans)


def _uwsgi_settings(file: Path) -> Path:
    """Write the settings for uWSGI that the documentation gives; uWSGI reads the file that
    `UWSGI_INI` names."""
    (settings,) = blocks((ROOT / "docs" / "reliability.md").read_text(encoding="utf-8"), "ini")
    file.write_text(settings, encoding="utf-8")
    return file


def sending(survivors: Survivors, elasticsearch: ElasticsearchDouble) -> dict[str, str]:
    return {
        **survivors.environment,
        "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": elasticsearch.url,
        "OTEL_EXPORTER_ELASTICSEARCH_SETUP": "off",
        "OTEL_EXPORTER_ELASTICSEARCH_SPOOL": "on_failure",
        "OTEL_LOGS_EXPORTER": "none",
    }


def done_in(elasticsearch: ElasticsearchDouble) -> Work:
    """All work that has arrived, in order."""
    attributes = [
        document["attributes"]
        for (stream, _), document in list(elasticsearch.stored.items())
        if stream.startswith("traces-")
    ]
    return sorted((one["work"], one["worker"]) for one in attributes if "work" in one)


@pytest.fixture
def survivors(tmp_path: Path) -> Survivors:
    return Survivors(tmp_path / "spool")


@pytest.fixture
def hesitant() -> Iterator[ElasticsearchDouble]:
    """An Elasticsearch that refuses the first two bulk requests, so that what they held goes to the
    disk, and takes all later ones."""
    with ElasticsearchDouble() as elasticsearch:
        elasticsearch.reply_with(status(503), status(503))
        yield elasticsearch


@pytest.fixture
def left(tmp_path: Path, hesitant: ElasticsearchDouble) -> Survivors:
    """What a process leaves on the disk for that Elasticsearch."""
    return Survivors(tmp_path / "spool", Destination.of((hesitant.url,)))


def execute(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    """Run `opentelemetry-instrument python <command>` to its end."""
    return subprocess.run(
        [str(BINARIES / "opentelemetry-instrument"), sys.executable, *command],
        env={**clean_environment(), **environment},
        cwd=APPLICATIONS,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("server", SERVERS)
def test_two_workers_that_a_server_ends_leave_every_span_once(
    server: str, survivors: Survivors, run: Run
) -> None:
    with run(survivors.environment, *SERVERS[server]) as app:
        asked = ask_two_workers(app)
        assert survivors.work() == []
        assert app.stop(signal.SIGTERM) == 0
    assert survivors.work() == asked


def test_a_single_uvicorn_that_gets_a_sigterm_leaves_every_span_once(
    survivors: Survivors, run: Run
) -> None:
    with run(survivors.environment, *UVICORN, "workers_asgi:app") as app:
        asked = ask(app, 1, 2, 3)
        assert app.stop(signal.SIGTERM) == -signal.SIGTERM
    assert survivors.work() == asked


def test_a_worker_that_is_killed_loses_what_it_held_and_no_other_does(
    survivors: Survivors, run: Run
) -> None:
    with run(survivors.environment, *SERVERS["gunicorn, sync"]) as app:
        asked = ask_two_workers(app)
        killed, other = asked[0][1], asked[1][1]
        os.kill(killed, signal.SIGKILL)
        with stopped(other):
            asked += ask(
                app, 11
            )  # the worker in its place is there: one that still starts would not hear of the end
        assert app.stop(signal.SIGTERM) == 0
    assert survivors.work() == [(number, worker) for number, worker in asked if worker != killed]


def test_uwsgi_ends_a_busy_worker_with_all_that_it_holds(
    survivors: Survivors, run: Run, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with (
        run({**survivors.environment, "PIPE": str(pipe)}, *UWSGI) as app,
        ThreadPoolExecutor(1) as pool,
    ):
        ask(app, 1)
        answer = pool.submit(ask, app, 2, path="wait")
        wait_for(lambda: pipe.with_suffix(".busy").exists(), "The worker does not become busy.")
        assert app.stop(signal.SIGTERM) == 0
        assert answer.exception()
    assert survivors.work() == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_of_a_script_survives_what_exit_handlers_save(ending: str, survivors: Survivors) -> None:
    assert execute(survivors.environment, "endings.py", ending).returncode == ENDINGS[ending][0]
    assert [number for number, _ in survivors.work()] == ENDINGS[ending][1]


@pytest.mark.parametrize(("kind", "method"), CHILDREN)
def test_children_of_multiprocessing_leave_every_span_once_unless_they_are_terminated(
    kind: str, method: str, survivors: Survivors
) -> None:
    told = execute(survivors.environment, "children.py", kind, method).stdout
    assert survivors.work() == sorted((number, worker) for number, worker in json.loads(told))


@pytest.mark.parametrize(("options", "workers"), [((), 1), (("--max-tasks-per-child", "1"), 2)])
def test_children_of_celery_leave_the_spans_of_all_their_tasks(
    options: tuple[str, ...], workers: int, survivors: Survivors, run_two_tasks: Callable[..., None]
) -> None:
    run_two_tasks(survivors.environment, *options)
    spans = survivors.spans()
    assert sorted(span["name"] for span in spans) == [
        f"{what}/celery_app.{task}" for what in ("apply_async", "run") for task in ("fail", "work")
    ]
    assert sessions(spans) == {SESSION}
    assert len({span["attributes"].get("worker") for span in spans} - {None}) == workers


@pytest.mark.parametrize("server", ["gunicorn, gevent", "gunicorn, gevent, preload"])
def test_what_workers_of_gevent_hold_at_their_end_is_sent(
    server: str, survivors: Survivors, run: Run
) -> None:
    with ElasticsearchDouble() as elasticsearch:
        with run(sending(survivors, elasticsearch), *SERVERS[server]) as app:
            asked = ask_two_workers(app)
            assert app.stop(signal.SIGTERM) == 0
        assert done_in(elasticsearch) == asked


def test_a_worker_of_gevent_drains_the_spool_while_it_runs(survivors: Survivors, run: Run) -> None:
    with ElasticsearchDouble() as elasticsearch:
        elasticsearch.reply_with(status(503))
        environment = {**sending(survivors, elasticsearch), "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with run(environment, *SERVERS["gunicorn, gevent"]) as app:
            asked = ask(app, 1)
            wait_for(lambda: done_in(elasticsearch) == asked, "the spool was not drained")


class TestWhatAProcessPutOnTheDisk:
    """It is sent by the end of that process:

    a container leaves no other process to do it, and no disk.
    """

    @pytest.mark.parametrize("server", ["gunicorn, sync", "gunicorn, gevent", "uvicorn", "uWSGI"])
    def test_is_sent_when_a_server_ends_its_workers(
        self, server: str, left: Survivors, hesitant: ElasticsearchDouble, run: Run
    ) -> None:
        with run(sending(left, hesitant), *SERVERS[server]) as app:
            asked = ask_two_workers(app)
            assert app.stop(signal.SIGTERM) == 0
        assert done_in(hesitant) == asked
        assert left.work() == []

    @pytest.mark.parametrize(
        ("ending", "work"),
        [("the end of the script", [1]), ("SIGINT", [1]), ("a fork that ends by sys.exit", [1, 2])],
    )
    def test_is_sent_at_the_end_of_a_script(
        self, ending: str, work: list[int], left: Survivors, hesitant: ElasticsearchDouble
    ) -> None:
        execute(sending(left, hesitant), "endings.py", ending)
        assert [number for number, _ in done_in(hesitant)] == work
        assert left.work() == []

    @pytest.mark.parametrize("method", ["fork", "spawn"])
    def test_is_sent_at_the_end_of_a_child_of_multiprocessing(
        self, method: str, left: Survivors, hesitant: ElasticsearchDouble
    ) -> None:
        told = execute(sending(left, hesitant), "children.py", "processes", method).stdout
        assert done_in(hesitant) == sorted((number, worker) for number, worker in json.loads(told))
        assert left.work() == []

    def test_is_sent_at_the_end_of_a_child_of_celery(
        self, left: Survivors, hesitant: ElasticsearchDouble, run_two_tasks: Callable[..., None]
    ) -> None:
        run_two_tasks(sending(left, hesitant))
        assert len([stream for stream, _ in hesitant.stored if stream.startswith("traces-")]) == 4
        assert left.spans() == []


@pytest.mark.parametrize(("spool", "left"), [("always", [1]), ("on_failure", [])])
def test_what_an_export_had_under_way_survives_a_kill_if_it_was_written_ahead(
    spool: str, left: list[int], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(HANG_SECONDS)
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        survivors = Survivors(tmp_path / "spool", Destination.of((endpoint,)))
        more = {
            "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": endpoint,
            "OTEL_EXPORTER_ELASTICSEARCH_SPOOL": spool,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        command = [
            str(BINARIES / "opentelemetry-instrument"),
            sys.executable,
            "endings.py",
            "waiting",
        ]
        script = subprocess.Popen(
            command, env={**clean_environment(), **survivors.environment, **more}, cwd=APPLICATIONS
        )
        try:
            connection, _ = silent.accept()
        finally:
            script.kill()
            script.wait()
        connection.close()
    assert [number for number, _ in survivors.work()] == left
