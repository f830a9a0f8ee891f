"""A Celery application whose broker is a folder, for the end-to-end tests:

producer and worker share it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from celery import Celery
from celery.signals import task_postrun, task_prerun
from celery.utils.log import get_task_logger
from opentelemetry import trace

import otel_asayer

FOLDER = Path(os.environ["BROKER_FOLDER"])
log = get_task_logger("application")

app = Celery("celery_app", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": str(FOLDER),
    "data_folder_out": str(FOLDER),
    "control_folder": str(FOLDER / "control"),
}
app.conf.worker_redirect_stdouts = False
app.conf.broker_connection_retry_on_startup = True


@app.task
def work() -> None:
    log.warning("working for %s", otel_asayer.get_session_id())


@app.task
def fail() -> None:
    raise ValueError("the task failed")


@task_prerun.connect
def say_where_it_runs(**_: object) -> None:
    trace.get_current_span().set_attribute("worker", os.getpid())


@task_postrun.connect
def say_that_it_ended(**_: object) -> None:
    print("task ended", flush=True)


if __name__ == "__main__":
    with otel_asayer.session(sys.argv[1]):
        work.delay()
        fail.delay()
