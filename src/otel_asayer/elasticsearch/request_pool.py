"""Runs requests on daemon threads of their own, for two reasons.

- *They can be aborted.* Name look-up, connecting, the TLS handshake and a server that sends one
  byte a second cannot be interrupted in Python. Callers wait here instead, for a number of seconds
  that holds, and less when the process ends.
- *They are invisible to telemetry.* The client logs each request, and an instrumented urllib3 makes
  a span of it; exported, each of those would cause the next request, for ever. On these threads
  instrumentation is suppressed and the loggers below them are silent, while the application's own
  use of the same libraries is recorded as ever.

The threads are kept: a new one for each request would double the cost of a request.

gevent makes greenlets of the threads that start once it has patched this process, and a greenlet
stands still while the thread it belongs to does. Where it patches after this module was imported,
as in a worker of gunicorn's, the SDK's own threads are real and mostly stand still. So threads that
start here are real then, too, and are waited for by real locks.
"""

from __future__ import annotations

import _thread
import logging
import threading
import time
from _thread import allocate_lock, start_new_thread
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from otel_asayer.runtime.fork_safety import unforked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    _Jobs = SimpleQueue[Callable[[], None] | None]

__all__ = [
    "SILENCED",
    "CallAbortedError",
    "RequestPool",
    "patched_late",
    "silence_loggers",
    "start_thread",
]

SILENCED: Final = (
    "py.warnings",
    "urllib3",
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
)
"""Every logger that is used on the way of a request.

A filter works on the very logger it is put on, never on those below it.
"""

_MOST: Final = 8
"""Calls under way at a time, so that a server that hangs costs no more threads than that; fewer
than the ten connections that the client keeps."""

_Result = TypeVar("_Result")
_here: Final = threading.local()


class CallAbortedError(Exception):
    """A call was not over in time; the message says in which."""


# The place counts, not the record
def _is_loud(record: logging.LogRecord) -> bool:  # noqa: ARG001
    """Filter what is logged on a thread that carries a request of ours."""
    return not getattr(_here, "quiet", False)


def silence_loggers() -> None:
    """Put the filter on all loggers of `SILENCED`; a second time changes nothing."""
    for name in SILENCED:
        logging.getLogger(name).addFilter(_is_loud)


def patched_late() -> bool:
    """Whether gevent, or its like, has patched this process since this module was imported."""
    return _thread.start_new_thread is not start_new_thread


def start_thread(function: Callable[[], None], name: str) -> None:
    """Run `function` on a daemon thread, which gevent makes no greenlet of.

    Raises:
        RuntimeError: no thread can be started: the process has too many, or the interpreter ends.
    """
    if patched_late():
        start_new_thread(function, ())
    else:
        threading.Thread(target=function, name=name, daemon=True).start()


class _Call(Generic[_Result]):
    """What a call led to, once it is over.

    Its locks are those that threads had before gevent patched: a future of `concurrent.futures`
    would have gevent's then, and a real thread that waits for one which another real thread holds
    may hang, or fail with gevent's `LoopExit`.
    """

    def __init__(self) -> None:
        self._value: _Result | None = None
        self._error: BaseException | None = None
        self._finished = allocate_lock()
        self._open = allocate_lock()
        self._open.acquire()

    def finish(self, value: _Result | None = None, error: BaseException | None = None) -> None:
        """Let those that wait have a value, or an error; a second time changes nothing."""
        if self._finished.acquire(blocking=False):
            self._value, self._error = value, error
            self._open.release()

    def wait(self, seconds: float) -> bool:
        """Wait until it is settled, for some seconds; return whether it is."""
        is_open = self._open.acquire(timeout=max(0.0, seconds))
        if is_open:
            self._open.release()
        return is_open

    def result(self) -> _Result:
        """Return the value, or raise the error."""
        try:
            if self._error is not None:
                raise self._error
            return cast("_Result", self._value)
        finally:
            del self  # it holds the error, whose traceback holds this frame


class RequestPool:
    """Calls under way, and the threads that wait for the next."""

    def __init__(self) -> None:
        self._under_way: set[_Call[Any]] = set()
        self._idle: list[_Jobs] = []

    def run(self, function: Callable[[], _Result], timeout: float) -> _Result:
        """Return what `function` returns, or raise what it raises.

        Raises:
            CallAbortedError: it was not over after `timeout` seconds, or was aborted before, or too
                many others hang.
        """
        if len(self._under_way) >= _MOST:
            raise CallAbortedError(f"{_MOST} earlier requests still hang")
        call: _Call[_Result] = _Call()
        self._under_way.add(call)
        self._start(partial(self._perform, call, function))
        try:
            if not call.wait(timeout):
                raise CallAbortedError(f"no answer within {timeout:.3g} s")
            return call.result()
        finally:
            del call  # which holds the error, whose traceback holds this frame

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return bool(self._under_way)

    def abort(self, within: float) -> None:
        """Wait until what is under way is over, but no longer than `within` seconds.

        Then each caller that still waits gets a `CallAbortedError`.
        """
        deadline = time.monotonic() + within
        for call in tuple(self._under_way):
            if not call.wait(deadline - time.monotonic()):
                call.finish(error=CallAbortedError("given up, as the process ends"))

    def close(self) -> None:
        """End the threads that wait; those with a call under way wait for another one after it."""
        while self._idle:
            self._idle.pop().put(None)

    def _start(self, job: Callable[[], None]) -> None:
        """Run `job` on a thread that waits, on a new one, or on this one.

        From 3.12 on, an interpreter that ends starts no thread any more.
        """
        try:
            jobs = self._idle.pop()
        except IndexError:
            jobs = SimpleQueue()
            try:
                start_thread(partial(_serve, jobs, self._idle), "otel-asayer-request")
            except RuntimeError:
                with _quiet():
                    job()
                return
        jobs.put(job)

    def _perform(self, call: _Call[_Result], function: Callable[[], _Result]) -> None:
        try:
            call.finish(function())
        except BaseException as error:
            call.finish(error=error)
        finally:
            self._under_way.discard(call)
            del call, function  # as in `run`


def _serve(jobs: _Jobs, idle: list[_Jobs]) -> None:
    with _quiet():
        while job := jobs.get():
            job()
            idle.append(jobs)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what this thread does from telemetry."""
    before, _here.quiet = getattr(_here, "quiet", False), True
    try:
        with _suppressed():
            yield
    finally:
        _here.quiet = before


def _suppressed() -> AbstractContextManager[None]:
    try:
        with unforked():
            from opentelemetry.instrumentation.utils import suppress_instrumentation
    except Exception:
        # It imports the propagators that OTEL_PROPAGATORS names. Where one of them cannot be
        # loaded, nothing in this process is instrumented.
        return nullcontext()
    return suppress_instrumentation()
