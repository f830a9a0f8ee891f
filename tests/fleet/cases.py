"""Where a session follows the work of a request, as data.

The fleet's tests are parametrized with it, and `docs/how-to/queues.md` is generated from it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

BY_ITSELF: Final = "by itself"
COPY: Final = "`contextvars.copy_context().run`"
RECEIVED: Final = "`with otel_asayer.received(message.headers):`"
APART: Final = "`contextvars.Context().run(thread.start)`"

NO_SESSION: Final = "no session"
STARTERS: Final = "the session of whoever started the consumer, or none"


class Case(NamedTuple):
    """One way that work goes.

    Attributes:
        where: what a reader knows it by, as Markdown.
        names: how the program calls it in its log; with a `+`, it is done with the line.
        line: the line that the session needs to follow, as Markdown; empty if it needs none.
        without: what the work is in without the line.
    """

    where: str
    names: tuple[str, ...]
    line: str = ""
    without: str = ""


class Section(NamedTuple):
    """Cases that one program tries.

    Attributes:
        title: the heading of the table.
        program: which one of `tests/fleet/programs`.
        runs: what stands before the names of cases in the log, for each run of the program.
        cases: the rows of the table.
        text: what stands above the table.
    """

    title: str
    program: str
    runs: tuple[str, ...]
    cases: tuple[Case, ...]
    text: str = ""


BARE: Final = "bare:"
THREADING: Final = "threading:"
"""Without `opentelemetry-instrumentation-threading`, and with it."""
BOTH: Final = (BARE, THREADING)
POOLS: Final = ("prefork:", "threads:")

GRPC: Final = Section(
    "gRPC",
    "rpc.py",
    BOTH,
    (
        Case("unary call", ("unary_unary", "aio-unary_unary")),
        Case("stream of answers, in the server", ("unary_stream", "aio-unary_stream")),
        Case("stream of answers, in the client", ("answers", "aio-answers")),
        Case("stream of requests, in the server", ("stream_unary", "aio-stream_unary")),
        Case("stream of requests, in the client's generator", ("requests", "aio-requests")),
        Case("both streams", ("stream_stream", "aio-stream_stream")),
    ),
    "With `opentelemetry-instrumentation-grpc`, for servers and clients of threads and of asyncio.",
)

KAFKA: Final = Section(
    "Kafka",
    "streams.py",
    ("",),
    (
        Case("kafka-python, `for message in consumer`", ("iterated",), RECEIVED, STARTERS),
        Case("kafka-python, `consumer.poll()`, a batch", ("polled",), RECEIVED, STARTERS),
        Case("kafka-python, one list of headers for all messages", ("shared",), RECEIVED, STARTERS),
        Case("confluent-kafka, `consumer.poll()`", ("confluent-polled",), RECEIVED, STARTERS),
        Case(
            "confluent-kafka, `consumer.consume()`, a batch",
            ("confluent-batch",),
            RECEIVED,
            STARTERS,
        ),
        Case(
            "confluent-kafka, one list of headers for all messages",
            ("confluent-shared",),
            RECEIVED,
            STARTERS,
        ),
    ),
    "With `opentelemetry-instrumentation-kafka-python` or `-confluent-kafka`. Producers need no "
    "line: each message gets the session of the request that sends it.",
)

CELERY: Final = Section(
    "Celery",
    "jobs.py",
    POOLS,
    (
        Case("`delay()`, `apply_async()`", ("delay", "countdown")),
        Case("`send_task()`", ("send_task",)),
        Case("`chain`, `group`, `chord`", ("chain", "group", "chord")),
        Case("`retry()`", ("retry",)),
        Case("a task that a task queues", ("from-task",)),
        Case("a task of a producer without OpenTelemetry: in no session", ("bare",)),
    ),
    "With `opentelemetry-instrumentation-celery`, in workers of processes and of threads.",
)

ASYNCIO: Final = Section(
    "asyncio",
    "local.py",
    BOTH,
    (
        Case("`await`, `create_task()`", ("await", "task")),
        Case("`asyncio.to_thread()`", ("to-thread",)),
        Case("`loop.call_soon()`", ("call-soon",)),
        Case(
            "`asyncio.Queue`: the consumer's task",
            ("asyncio-queue",),
            "`await context.run(asyncio.create_task, work(item))`",
            STARTERS,
        ),
        Case(
            "a task that lives on, such as a consumer",
            ("lasting-task",),
            "`contextvars.Context().run(asyncio.create_task, consume())`",
            "the session of the request that starts it",
        ),
    ),
)

_THREADS: Final = (
    ("`loop.run_in_executor()`", "executor"),
    ("`ThreadPoolExecutor.submit()`", "submit"),
    ("`Thread.start()`", "thread"),
)

THREADS: Final = Section(
    "Threads, with opentelemetry-instrumentation-threading",
    "local.py",
    (THREADING,),
    (
        *(Case(where, (name,)) for where, name in _THREADS),
        Case("`ThreadPoolExecutor.map()`", ("map",)),
        Case("`queue.Queue`: the consumer's thread", ("queue",), COPY, STARTERS),
        Case(
            "`Future.add_done_callback()`",
            ("callback",),
            COPY,
            "the session of what ends the future",
        ),
        Case("`multiprocessing.pool.ThreadPool`", ("thread-pool",), COPY, NO_SESSION),
        Case(
            "a thread that lives on, such as a consumer",
            ("lasting-thread",),
            APART,
            "the session of the request that starts it",
        ),
    ),
)
BARE_THREADS: Final = Section(
    "Threads, without it",
    "local.py",
    (BARE,),
    (
        *(Case(where, (name,), COPY, NO_SESSION) for where, name in _THREADS),
        Case("`queue.Queue`: the consumer's thread", ("queue",), COPY, NO_SESSION),
        Case("`multiprocessing.pool.ThreadPool`", ("thread-pool",), COPY, NO_SESSION),
        Case("a thread that lives on, such as a consumer: in no session", ("lasting-thread",)),
    ),
)
PROCESSES: Final = Section(
    "Processes",
    "local.py",
    BOTH,
    (
        Case(
            "`ProcessPoolExecutor`",
            ("process",),
            "`with otel_asayer.session(session_id):`",
            NO_SESSION,
        ),
        Case(
            "`multiprocessing.Pool`",
            ("pool",),
            "`with otel_asayer.session(session_id):`",
            NO_SESSION,
        ),
    ),
)
SECTIONS: Final = (GRPC, KAFKA, CELERY, ASYNCIO, THREADS, BARE_THREADS, PROCESSES)
