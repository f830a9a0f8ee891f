"""Workers of pools of processes, which a request forks, live on without that request's session."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import TYPE_CHECKING

import pytest
from opentelemetry.instrumentation.threading import ThreadingInstrumentor

import otel_asayer
from otel_asayer.runtime.worker_processes import keep_workers_apart

if TYPE_CHECKING:
    from collections.abc import Iterator

SESSION = "2618307011354435587"


@pytest.fixture(autouse=True)
def _apart() -> None:
    keep_workers_apart()


@pytest.fixture
def _threading_is_instrumented() -> Iterator[None]:
    ThreadingInstrumentor().instrument()
    yield
    ThreadingInstrumentor().uninstrument()


def test_a_worker_of_an_executor_is_in_no_session() -> None:
    context = multiprocessing.get_context("fork")
    with otel_asayer.session(SESSION), ProcessPoolExecutor(1, context) as executor:
        assert executor.submit(otel_asayer.get_session_id).result() is None


def test_a_worker_of_a_pool_is_in_no_session() -> None:
    with otel_asayer.session(SESSION), multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(otel_asayer.get_session_id) is None


@pytest.mark.usefixtures("_threading_is_instrumented")
def test_a_worker_of_a_pool_of_threads_is_in_no_session() -> None:
    with otel_asayer.session(SESSION), ThreadPool(1) as pool:
        assert pool.apply(otel_asayer.get_session_id) is None


def test_a_process_that_is_started_for_one_piece_of_work_keeps_the_session() -> None:
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=lambda: answers.put(str(otel_asayer.get_session_id())))
    with otel_asayer.session(SESSION):
        process.start()
    assert answers.get() == SESSION
    process.join()


def test_a_worker_is_started_by_name_too() -> None:
    """A process that is not forked looks the worker's function up: it must be the module's own."""
    context = multiprocessing.get_context("spawn")
    with otel_asayer.session(SESSION), ProcessPoolExecutor(1, context) as executor:
        assert executor.submit(int).result() == 0
