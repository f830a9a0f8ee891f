"""Tasks of Celery, and the pages that queue them and wait for their results."""

import logging
import os

from celery import Celery
from celery.utils.log import get_task_logger
from flask import Flask

REDIS = f"redis://127.0.0.1:{os.environ['REDIS_PORT']}/0"
RESULT_SECONDS = 60

celery = Celery("jobs", broker=REDIS, backend=REDIS)
celery.conf.broker_connection_retry_on_startup = True
app = Flask(__name__)
log = get_task_logger(__name__)


@celery.task
def add(one: int, two: int) -> int:
    return one + two


@celery.task
def warn() -> None:
    log.warning("Told by the logger of a task")
    logging.getLogger("shop").error("Told by another one")


@celery.task
def fail() -> None:
    raise ValueError("no job")


@app.get("/add")
def queue_add() -> str:
    return str(add.delay(1, 2).get(timeout=RESULT_SECONDS))


@app.get("/warn")
def queue_warn() -> str:
    return str(warn.delay().get(timeout=RESULT_SECONDS))


@app.get("/fail")
def queue_fail() -> tuple[str, int]:
    try:
        fail.delay().get(timeout=RESULT_SECONDS)
    except ValueError:
        return "failed", 502
    return "did not fail", 200
