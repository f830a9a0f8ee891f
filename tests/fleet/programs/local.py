"""Queues, threads, tasks and processes of Python's own.

What lives long is started in the session `STARTER`. FLEET_PREFIX says whether
`opentelemetry-instrumentation-threading` is at work.
"""

from __future__ import annotations

import asyncio
import contextvars
import multiprocessing
import queue
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from threading import Thread
from typing import TYPE_CHECKING, Any

import otel_asayer
from fleet.programs.telling import SESSIONS, STARTER, tell, within

if TYPE_CHECKING:
    from collections.abc import Callable


def work_with_thread_pool() -> None:
    with otel_asayer.session(STARTER):
        pool = ThreadPoolExecutor(1)
        pool.submit(int).result()
    for session_id in SESSIONS:
        with within(session_id):
            pool.submit(tell, "submit", session_id).result()
            pool.submit(contextvars.copy_context().run, tell, "submit+", session_id).result()
            list(pool.map(tell, ["map"], [session_id]))
    pool.shutdown()


def work_with_threads() -> None:
    for session_id in SESSIONS:
        with within(session_id):
            run_thread(tell, "thread", session_id)
            run_thread(contextvars.copy_context().run, tell, "thread+", session_id)
    with otel_asayer.session(STARTER):
        thread = Thread(target=tell, args=("lasting-thread", None))
        thread.start()
        thread.join()
        thread = Thread(target=tell, args=("lasting-thread+", None))
        contextvars.Context().run(thread.start)
        thread.join()


def run_thread(function: Callable[..., object], *arguments: object) -> None:
    thread = Thread(target=function, args=arguments)
    thread.start()
    thread.join()


def work_with_queue() -> None:
    items: queue.Queue[tuple[contextvars.Context, str | None] | None] = queue.Queue()

    def consume() -> None:
        while item := items.get():
            context, session_id = item
            tell("queue", session_id)
            context.run(tell, "queue+", session_id)

    with otel_asayer.session(STARTER):
        thread = Thread(target=consume)
        thread.start()
    for session_id in SESSIONS:
        with within(session_id):
            items.put((contextvars.copy_context(), session_id))
    items.put(None)
    thread.join()


def work_with_process_pools() -> None:
    with otel_asayer.session(STARTER):
        executor = ProcessPoolExecutor(1)
        executor.submit(int).result()
        pool, threads = multiprocessing.Pool(1), ThreadPool(1)
    for session_id in SESSIONS:
        with within(session_id):
            executor.submit(tell, "process", session_id).result()
            executor.submit(tell_inside, "process+", otel_asayer.get_session_id()).result()
            pool.apply(tell, ("pool", session_id))
            pool.apply(tell_inside, ("pool+", otel_asayer.get_session_id()))
            threads.apply(tell, ("thread-pool", session_id))
            threads.apply(contextvars.copy_context().run, (tell, "thread-pool+", session_id))
    executor.shutdown()
    for each in (pool, threads):
        each.close()
        each.join()


def tell_inside(case: str, session_id: str | None) -> None:
    with within(session_id):
        tell(case, session_id)


async def work_with_asyncio() -> None:
    loop = asyncio.get_running_loop()
    pool = ThreadPoolExecutor(1)
    items: asyncio.Queue[tuple[contextvars.Context, str | None] | None] = asyncio.Queue()

    async def piece(case: str, session_id: str | None) -> None:
        tell(case, session_id)

    async def consume() -> None:
        while item := await items.get():
            context, session_id = item
            await piece("asyncio-queue", session_id)
            await context.run(asyncio.create_task, piece("asyncio-queue+", session_id))

    with otel_asayer.session(STARTER):
        await loop.run_in_executor(pool, int)
        consumer = asyncio.create_task(consume())
        await asyncio.create_task(piece("lasting-task", None))
        await contextvars.Context().run(asyncio.create_task, piece("lasting-task+", None))
    for session_id in SESSIONS:
        with within(session_id):
            await piece("await", session_id)
            await asyncio.create_task(piece("task", session_id))
            await asyncio.to_thread(tell, "to-thread", session_id)
            await loop.run_in_executor(pool, tell, "executor", session_id)
            run: Any = contextvars.copy_context().run
            await loop.run_in_executor(pool, run, tell, "executor+", session_id)
            called = asyncio.Event()
            loop.call_soon(tell, "call-soon", session_id)
            loop.call_soon(called.set)
            await called.wait()
            items.put_nowait((contextvars.copy_context(), session_id))
    items.put_nowait(None)
    await consumer
    pool.shutdown()


def work_with_callbacks() -> None:
    """A future calls back on the thread that ends it, which may be anybody's."""
    for session_id in SESSIONS:
        future: Future[None] = Future()
        with within(session_id):
            future.add_done_callback(lambda _: tell("callback", session_id))
            context = contextvars.copy_context()
            future.add_done_callback(lambda _: context.run(tell, "callback+", session_id))
        with otel_asayer.session(STARTER):
            future.set_result(None)


if __name__ == "__main__":
    work_with_process_pools()
    work_with_thread_pool()
    work_with_threads()
    work_with_queue()
    work_with_callbacks()
    asyncio.run(work_with_asyncio())
