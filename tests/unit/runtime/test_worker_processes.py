"""Workers of pools of processes, which a request forks, live on without that request's session.

Each test forks in a process of its own, which has no other threads.
"""

from __future__ import annotations

import subprocess
import sys
from multiprocessing.pool import ThreadPool
from typing import TYPE_CHECKING

import pytest
from opentelemetry.instrumentation.threading import ThreadingInstrumentor

import otel_asayer
from otel_asayer.runtime.worker_processes import keep_workers_apart

from instrumented import clean_environment
from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SESSION = "2618307011354435587"
PROGRAM = f"""
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import otel_asayer
from otel_asayer.runtime.worker_processes import keep_workers_apart


def tell():
    print(otel_asayer.get_session_id(), flush=True)


if __name__ == "__main__":
    keep_workers_apart()
    context = multiprocessing.get_context("METHOD")
    with otel_asayer.session("{SESSION}"):
        WORK
"""
EXECUTOR = "ProcessPoolExecutor(1, context).submit(tell).result()"
POOL = "context.Pool(1).apply(tell)"
PROCESS = "process = context.Process(target=tell); process.start(); process.join()"


def told(tmp_path: Path, method: str, work: str) -> str:
    """What work says in another process, which is started by this method."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.replace("METHOD", method).replace("WORK", work), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, program],
        env=clean_environment(),
        check=True,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("work", [EXECUTOR, POOL], ids=["executor", "pool"])
def test_a_worker_of_a_pool_is_in_no_session(tmp_path: Path, method: str, work: str) -> None:
    assert told(tmp_path, method, work) == "None"


def test_a_process_that_is_forked_for_one_piece_of_work_keeps_the_session(tmp_path: Path) -> None:
    assert told(tmp_path, "fork", PROCESS) == SESSION


@pytest.fixture
def _threading_is_instrumented() -> Iterator[None]:
    keep_workers_apart()
    ThreadingInstrumentor().instrument()
    yield
    ThreadingInstrumentor().uninstrument()


@pytest.mark.usefixtures("_threading_is_instrumented")
def test_a_worker_of_a_pool_of_threads_is_in_no_session() -> None:
    with otel_asayer.session(SESSION), ThreadPool(1) as pool:
        assert pool.apply(otel_asayer.get_session_id) is None
