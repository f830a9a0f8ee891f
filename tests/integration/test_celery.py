"""A session goes through a queue: from a producer over a broker into a prefork worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from instrumented import BINARIES, clean_environment
from store import SESSION, sessions

if TYPE_CHECKING:
    from store import Store

pytestmark = pytest.mark.elasticsearch

APPLICATIONS = Path(__file__).parent / "applications"


def run_worker_until_both_tasks_ended(environment: dict[str, str]) -> None:
    """Run a worker until it says of both tasks how they ended, then stop it warmly."""
    command = ["celery", "-A", "celery_app", "worker", "--loglevel", "info", "--concurrency", "1", "--without-gossip", "--without-mingle"]
    worker = subprocess.Popen(
        [str(BINARIES / "opentelemetry-instrument"), *command],
        env=environment,
        cwd=APPLICATIONS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = threading.Timer(90, worker.kill)
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


def test_tasks_run_in_the_session_of_whoever_queued_them(store: Store, tmp_path: Path) -> None:
    (tmp_path / "control").mkdir()
    environment = {
        **clean_environment(),
        "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}",
        "BROKER_FOLDER": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        **store.environment(),
    }
    subprocess.run(
        [str(BINARIES / "opentelemetry-instrument"), sys.executable, "celery_app.py", SESSION], env=environment, cwd=APPLICATIONS, check=True
    )
    run_worker_until_both_tasks_ended(environment)
    assert sessions(store.spans()) == {SESSION}
    assert {span["kind"] for span in store.spans()} == {"Producer", "Consumer"}
    assert f"working for {SESSION}" in {record.get("body", {}).get("text") for record in store.logs()}
    assert any(record["attributes"]["exception.message"] == "the task failed" for record in store.exceptions())
    assert {record["level"] for record in store.replay_records() if "the task failed" in record["message"]} == {"error"}
