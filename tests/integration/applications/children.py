"""A script whose children work, for the tests of processes:

it prints how often, and in which processes.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from typing import TYPE_CHECKING

from opentelemetry import trace

import otel_asayer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from multiprocessing.context import ForkContext, ForkServerContext, SpawnContext
    from multiprocessing.queues import SimpleQueue

    Context = ForkContext | ForkServerContext | SpawnContext


def work(number: int) -> tuple[int, int]:
    with (
        otel_asayer.session("2618307011354435587"),
        trace.get_tracer(__name__).start_as_current_span("work") as span,
    ):
        span.set_attributes({"work": number, "worker": os.getpid()})
    return number, os.getpid()


def work_and_tell(number: int, done: SimpleQueue[tuple[int, int]]) -> None:
    done.put(work(number))


def processes(context: Context) -> Iterable[tuple[int, int]]:
    done = context.SimpleQueue()
    children = [context.Process(target=work_and_tell, args=(number, done)) for number in (1, 2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    return [done.get() for _ in children]


def pool(context: Context) -> Iterable[tuple[int, int]]:
    pool = context.Pool(2)
    results = pool.map(work, (1, 2, 3, 4))
    pool.close()
    pool.join()
    return results


def terminated_pool(context: Context) -> Iterable[tuple[int, int]]:
    with context.Pool(2) as pool:
        pool.map(work, (1, 2, 3, 4))
    return []


CONTEXTS: dict[str, Context] = {
    "fork": multiprocessing.get_context("fork"),
    "forkserver": multiprocessing.get_context("forkserver"),
    "spawn": multiprocessing.get_context("spawn"),
}
KINDS = {function.__name__: function for function in (processes, pool, terminated_pool)}

if __name__ == "__main__":
    print(json.dumps([work(0), *KINDS[sys.argv[1]](CONTEXTS[sys.argv[2]])]))
