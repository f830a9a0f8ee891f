"""Fixtures of the end-to-end tests:

a secured Elasticsearch with our templates, keys of least rights, and applications as processes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from instrumented import BINARIES, application, clean_environment, free_port
from patience import HANG_SECONDS
from store import READER, SESSION, WRITER, Store, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from elasticsearch_server import Endpoint
    from instrumented import Application

APPLICATIONS = Path(__file__).parent / "applications"
_INSTRUMENT = str(BINARIES / "opentelemetry-instrument")
_WORKER = (
    "celery",
    "-A",
    "celery_app",
    "worker",
    "--loglevel",
    "info",
    "--concurrency",
    "1",
    "--without-gossip",
    "--without-mingle",
)


@pytest.fixture(scope="session")
def prepared(secured: Endpoint) -> Endpoint:
    """The secured Elasticsearch with our templates installed by somebody who may."""
    prepare(secured)
    return secured


@pytest.fixture(scope="session")
def writer_key(prepared: Endpoint) -> str:
    return prepared.create_api_key("writer", WRITER)


@pytest.fixture(scope="session")
def reader_key(prepared: Endpoint) -> str:
    return prepared.create_api_key("reader", READER)


@pytest.fixture
def store(prepared: Endpoint, namespace: str, writer_key: str, tmp_path: Path) -> Store:
    return Store(prepared, namespace, writer_key, tmp_path / "spool")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., AbstractContextManager[Application]]:
    """Run an application:

    `run(environment, "python", "app.py")`; `{port}` in a word of the command is its port.
    """
    port = free_port()

    def start(environment: dict[str, str], *command: str) -> AbstractContextManager[Application]:
        words = [word.format(port=port, applications=APPLICATIONS) for word in command]
        return application(
            words, port, tmp_path / "console.log", {"PORT": str(port), **environment}
        )

    return start


@pytest.fixture
def run_two_tasks(tmp_path: Path) -> Callable[..., None]:
    """Queue the two tasks of the Celery application, and run a worker with `options` until both
    have ended: it is stopped warmly then."""
    (tmp_path / "control").mkdir()

    def run(environment: dict[str, str], *options: str) -> None:
        everything = {
            **clean_environment(),
            "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}",
            "BROKER_FOLDER": str(tmp_path),
            "XDG_STATE_HOME": str(tmp_path / "state"),
            **environment,
        }
        subprocess.run(
            [_INSTRUMENT, sys.executable, "celery_app.py", SESSION],
            env=everything,
            cwd=APPLICATIONS,
            check=True,
        )
        _run_worker_until_both_tasks_ended([_INSTRUMENT, *_WORKER, *options], everything)

    return run


def _run_worker_until_both_tasks_ended(command: Sequence[str], environment: dict[str, str]) -> None:
    worker = subprocess.Popen(
        command,
        env=environment,
        cwd=APPLICATIONS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = threading.Timer(HANG_SECONDS, os.killpg, (worker.pid, signal.SIGKILL))
    deadline.start()
    ended = 0
    assert worker.stdout
    with worker.stdout:
        for line in worker.stdout:
            if line == "task ended\n":
                ended += 1
                if ended == 2:
                    worker.send_signal(signal.SIGTERM)
    assert worker.wait() == 0
    deadline.cancel()
