"""A script that records one span, and ends in the way that its argument names, for the tests of
processes."""

from __future__ import annotations

import os
import signal
import sys
import threading

from opentelemetry import trace

import otel_asayer


def work(number: int) -> None:
    with (
        otel_asayer.session("2618307011354435587"),
        trace.get_tracer(__name__).start_as_current_span("work") as span,
    ):
        span.set_attributes({"work": number, "worker": os.getpid()})


def work_behind() -> None:
    """Work on a thread that goes on when the main one has ended."""
    main = threading.current_thread()

    def wait_and_work() -> None:
        main.join()
        work(2)

    threading.Thread(target=wait_and_work).start()


def fork(end: str) -> None:
    """Let a child work and end, and wait for it."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    else:
        work(2)
        ENDINGS[end]()


def flush_and_exit() -> None:
    trace.get_tracer_provider().force_flush()  # type: ignore[attr-defined] # the SDK's
    os._exit(0)


def handle_sigterm() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.raise_signal(signal.SIGTERM)


def fail() -> None:
    raise ValueError("the script failed")


ENDINGS = {
    "the end of the script": lambda: None,
    "a thread that goes on": work_behind,
    "sys.exit": lambda: sys.exit(3),
    "an uncaught exception": fail,
    "SIGINT": lambda: signal.raise_signal(signal.SIGINT),
    "SIGTERM that calls sys.exit": handle_sigterm,
    "os._exit": lambda: os._exit(0),
    "os._exit after force_flush": flush_and_exit,
    "SIGTERM": lambda: signal.raise_signal(signal.SIGTERM),
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "a fork that ends by sys.exit": lambda: fork("sys.exit"),
    "a fork that ends by os._exit": lambda: fork("os._exit"),
    "waiting": signal.pause,
}

if __name__ == "__main__":
    work(1)
    ENDINGS[sys.argv[1]]()
