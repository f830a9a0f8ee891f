"""Records uncaught exceptions, with their session, as log records.

When such an exception is reported, its own context is gone, or another one is current. So the
context comes from elsewhere:

- main thread, `sys.excepthook`: the current context;
- other threads, `threading.excepthook`: the context in which the thread was started, which the
  threading instrumentation stores;
- asyncio, the loop's `call_exception_handler`: the context of the task or callback, an empty one
  for a bare future.

If that has no session, the session counts that `session()` stored on the exception, or on one that
it came from. The context is current while the previous hooks run, so that the traceback they print
and the line they log belong to the session, too. They are always called.

An exception is recorded once. While `opentelemetry-instrumentation-exceptions` is active, it
records, and this module only provides the context. asyncio's own log line about a recorded
exception goes to the console and not to telemetry. Only an `Exception` counts, not
`KeyboardInterrupt`, `SystemExit` or cancellation.

No hook is called for exceptions kept in a `concurrent.futures.Future`, in child processes of
`multiprocessing`, in greenlets, and in event loops that are neither asyncio's own nor uvloop's.
"""

from __future__ import annotations

import gc
import logging
import sys
import threading
from contextlib import contextmanager
from contextvars import Context as Variables
from functools import partial
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from opentelemetry import context as otel_context
from opentelemetry._logs import LoggerProvider, SeverityNumber, get_logger
from opentelemetry.context import Context
from wrapt import register_post_import_hook

from otel_asayer.propagation.context import (
    attached,
    get_session_id,
    session_of_exception,
    set_session_id,
)
from otel_asayer.runtime import sdk
from otel_asayer.runtime.log_handlers import handlers_of, is_telemetry
from otel_asayer.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType, TracebackType

    from otel_asayer.propagation.session_id import SessionId

    Report: TypeAlias = dict[str, Any]  # what asyncio passes to a loop's exception handler

__all__ = ["unwatch_exceptions", "watch_exceptions"]

_logger = logging.getLogger(__name__)
# The name of the distribution: records of this package's own loggers are never exported.
_SCOPE: Final = "otel-asayer"
_MAX_RELATED: Final = 32
_LOOPS: Final = (
    ("asyncio.selector_events", "BaseSelectorEventLoop"),
    ("asyncio.proactor_events", "BaseProactorEventLoop"),
    ("uvloop", "Loop"),
)
_hooked_loops: Final[set[type]] = set()
_watches: Final[list[_Watch]] = []  # the active one, or none


def watch_exceptions(logger_provider: LoggerProvider | None = None) -> None:
    """Record uncaught exceptions through `logger_provider` (default: the global one).

    A second call only changes the provider.
    """
    if _watches:
        _watches[-1].logger_provider = logger_provider
        return
    _watches.append(_Watch(logger_provider))
    for module, name in _LOOPS:  # hooked when somebody imports them: importing asyncio takes time
        register_post_import_hook(partial(_hook_loop, name), module)


def unwatch_exceptions() -> None:
    """Undo `watch_exceptions`.

    Where another hook was installed over ours, ours stays and only calls the previous one.
    """
    while _watches:
        _watches.pop().end()


class _Watch:
    """The hooks of the process, and the previous ones."""

    def __init__(self, logger_provider: LoggerProvider | None) -> None:
        self.logger_provider = logger_provider
        self._previous_in_main, sys.excepthook = sys.excepthook, self.in_main
        self._previous_in_thread, threading.excepthook = threading.excepthook, self.in_thread

    def end(self) -> None:
        if sys.excepthook == self.in_main:
            sys.excepthook = self._previous_in_main
        if threading.excepthook == self.in_thread:
            threading.excepthook = self._previous_in_thread

    def in_main(
        self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        with _context_of_failure(error, otel_context.get_current):
            self.record(error, SeverityNumber.FATAL, "Uncaught exception")
            self._previous_in_main(kind, error, traceback)

    def in_thread(self, arguments: threading.ExceptHookArgs) -> None:
        error, thread = arguments.exc_value, arguments.thread
        with _context_of_failure(error, partial(_context_of_thread, thread)):
            self.record(
                error,
                SeverityNumber.ERROR,
                f"Uncaught exception in thread {thread and thread.name}",
            )
            self._previous_in_thread(arguments)

    def in_loop(self, loop: object, report: Report, handle: Callable[[Report], None]) -> None:
        error = report.get("exception")
        with (
            _context_of_failure(error, partial(_context_of_report, report)),
            _without_line_of_asyncio(error),
        ):
            self.record(error, SeverityNumber.ERROR, str(report.get("message")), loop)
            handle(report)

    def record(
        self, error: BaseException | None, severity: SeverityNumber, text: str, loop: object = None
    ) -> None:
        """Emit a log record in the current context, unless the instrumentation does."""
        if self not in _watches or not _is_error(error) or _is_instrumented(loop):
            return
        try:
            get_logger(_SCOPE, __version__, self.logger_provider).emit(
                timestamp=time_ns(),
                severity_number=severity,
                severity_text=severity.name,
                body=text,
                event_name="exception",
                exception=error,
            )
        except Exception:  # `str()` of an application's exception may raise, too
            _logger.warning("An uncaught exception could not be recorded.", exc_info=True)


def _is_error(error: BaseException | None) -> bool:
    return isinstance(error, Exception)


def _is_instrumented(loop: object) -> bool:
    """Whether the exceptions instrumentation records this exception.

    It knows only event loops that derive from asyncio's.
    """
    if loop is not None:
        from asyncio import BaseEventLoop

        if not isinstance(loop, BaseEventLoop):
            return False
    return sdk.is_instrumented("exceptions")


def _hook_loop(name: str, module: ModuleType) -> None:
    """Hook a class of event loops.

    The exceptions instrumentation hooks `BaseEventLoop`. Ours is on its subclasses, and so always
    runs first.
    """
    loop_class: Any = getattr(module, name, None)
    if loop_class is None or loop_class in _hooked_loops:
        return
    _hooked_loops.add(loop_class)

    def call_exception_handler(self: Any, context: Report) -> None:
        handle = super(loop_class, self).call_exception_handler
        if _watches:
            _watches[-1].in_loop(self, context, handle)
        else:
            handle(context)

    loop_class.call_exception_handler = call_exception_handler


@contextmanager
def _context_of_failure(error: BaseException | None, find: Callable[[], Context]) -> Iterator[None]:
    """Make the context from `find` current, with the session of `error` if it has none."""
    try:
        context = find()
        if (
            _is_error(error)
            and get_session_id(context) is None
            and (session_id := _stored_session(error))
        ):
            context = set_session_id(session_id, context)
    except Exception:
        _logger.warning("The context of an uncaught exception could not be found.", exc_info=True)
        context = Context()
    with attached(context):
        yield


def _stored_session(error: BaseException | None) -> SessionId | None:
    """Return the session stored on `error`, its cause or context, or a member of its group."""
    related = [error]
    for candidate in related:  # grows while it is walked
        if candidate is None or len(related) > _MAX_RELATED:
            continue
        session_id = session_of_exception(candidate)
        if session_id is not None:
            return session_id
        members = getattr(candidate, "exceptions", ())
        related += (
            candidate.__cause__,
            candidate.__context__,
            *(members if isinstance(members, tuple) else ()),
        )
    return None


def _context_of_thread(thread: threading.Thread | None) -> Context:
    started_in = sdk.thread_context(thread)
    return otel_context.get_current() if started_in is None else started_in


def _context_of_report(report: Report) -> Context:
    """Return the context of a loop's report.

    Tasks and futures are reported when they are collected, in any context.
    """
    owner = next(
        (report[key] for key in ("task", "future", "handle") if report.get(key) is not None), None
    )
    if owner is None:
        return otel_context.get_current()
    variables = _variables_of(owner)
    return Context() if variables is None else variables.copy().run(otel_context.get_current)


def _variables_of(owner: object) -> Variables | None:
    """Return the context variables of a task or handle.

    `get_context()` returns them from Python 3.12 on, and the garbage collector always does.
    """
    if callable(get_context := getattr(owner, "get_context", None)):
        return get_context()  # type: ignore[no-any-return]
    return next(
        (referent for referent in gc.get_referents(owner) if isinstance(referent, Variables)), None
    )


@contextmanager
def _without_line_of_asyncio(error: BaseException | None) -> Iterator[None]:
    """Keep asyncio's own log line about `error`, which is recorded, out of OpenTelemetry."""

    def is_other(record: logging.LogRecord) -> bool:
        return record.name != "asyncio" or not record.exc_info or record.exc_info[1] is not error

    handlers = (
        [handler for handler in handlers_of(logging.getLogger("asyncio")) if is_telemetry(handler)]
        if _is_error(error)
        else []
    )
    for handler in handlers:
        handler.addFilter(is_other)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(is_other)
