"""Celery on Redis: `jobs.py work prefork` runs a worker, `jobs.py queue` queues tasks of several
sessions and waits until all have run, `jobs.py queue-bare` queues one, as one that has no
OpenTelemetry does.

The worker is started in the session `STARTER`. REDIS_PORT is where Redis listens.
"""

from __future__ import annotations

import os
import sys

from celery import Celery, Task, chain, chord, group

import otel_asayer
from fleet.programs.telling import SESSIONS, STARTER, tell, within

SECONDS = 120
REDIS = f"redis://127.0.0.1:{os.environ['REDIS_PORT']}/0"

app = Celery("jobs", broker=REDIS, backend=REDIS)
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_hijack_root_logger = False


@app.task
def piece(case: str, session_id: str | None) -> None:
    tell(case, session_id)


@app.task
def together(_: object, case: str, session_id: str | None) -> None:
    tell(case, session_id)


@app.task(bind=True, max_retries=1, default_retry_delay=0)
def retried(self: Task, session_id: str | None) -> None:
    tell("retry", session_id)
    if not self.request.retries:
        raise self.retry()


@app.task
def parent(session_id: str | None) -> str:
    return str(piece.delay("from-task", session_id).id)


def queue() -> None:
    for session_id in SESSIONS:
        with within(session_id):
            results = [
                piece.delay("delay", session_id),
                app.send_task("jobs.piece", ("send_task", session_id)),
                piece.apply_async(("countdown", session_id), countdown=0.1),
                chain(piece.si("chain", session_id), piece.si("chain", session_id))(),
                group(piece.si("group", session_id) for _ in range(2))(),
                chord([piece.si("chord", session_id)] * 2)(together.s("chord", session_id)),
                retried.delay(session_id),
            ]
            child = parent.delay(session_id).get(timeout=SECONDS)
        for result in [*results, app.AsyncResult(child)]:
            result.get(timeout=SECONDS)


def queue_bare() -> None:
    piece.delay("bare", None).get(timeout=SECONDS)


def work(pool: str) -> None:
    with otel_asayer.session(STARTER):
        quiet = ["--loglevel", "warning", "--without-gossip", "--without-mingle"]
        app.worker_main(["worker", "--concurrency", "2", "--pool", pool, *quiet])


if __name__ == "__main__":
    command, *words = sys.argv[1:]
    if command == "work":
        work(*words)
    elif command == "queue":
        queue()
    else:
        queue_bare()
