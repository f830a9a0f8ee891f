"""Records exceptions that nothing catches, in the main thread, in threads and in asyncio, as log
records of their session.

When such an exception is reported its own context is gone, or another's is current. Where its
context comes from instead:

========  ==========================================
====================================================================== where     reported by
context ========  ==========================================
====================================================================== main      `sys.excepthook`
the current one thread    `threading.excepthook`                      the one it was started in,
which the threading instrumentation notes asyncio   the loop's `call_exception_handler`         the
task's or the callback's own; an empty one for a bare future ========
==========================================
======================================================================

Where that has no session, the one counts that `session()` noted on the exception, or on one that it
came from. The context is current while the previous hooks run, so that the traceback they print and
the line they log belong to the session too; they are always called.

Recorded once: while `opentelemetry-instrumentation-exceptions` is at work it records, and this
module only provides the context; asyncio's own log line about an exception that has been recorded
goes to the console and not to telemetry. What is no `Exception` (`KeyboardInterrupt`, `SystemExit`,
cancellation) is no error.

Not covered, since no hook is called there: exceptions kept in a `concurrent.futures.Future`, child
processes of `multiprocessing`, greenlets, and event loops that are neither asyncio's own nor
uvloop's.
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
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry._logs import SeverityNumber, get_logger
from opentelemetry.context import Context
from wrapt import register_post_import_hook

from otel_asayer.propagation.context import get_session_id, session_of_exception, set_session_id
from otel_asayer.runtime import sdk
from otel_asayer.runtime.log_handlers import handlers_of, is_telemetry
from otel_asayer.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType, TracebackType
    from typing import TypeAlias

    from opentelemetry._logs import LoggerProvider

    from otel_asayer.propagation.session_id import SessionId

    Report: TypeAlias = dict[str, Any]  # what asyncio passes to a loop's exception handler

__all__ = ["unwatch_exceptions", "watch_exceptions"]

_logger = logging.getLogger(__name__)
_SCOPE: Final = "otel-asayer"
"""The distribution's name and no module's:

what this package's own loggers say is never exported.
"""
_EVENT_NAME: Final = "exception"
_MAX_RELATED: Final = 32
_LOOPS: Final = (
    ("asyncio.selector_events", "BaseSelectorEventLoop"),
    ("asyncio.proactor_events", "BaseProactorEventLoop"),
    ("uvloop", "Loop"),
)
_hooked_loops: Final[set[type]] = set()
_watches: Final[list[_Watch]] = []  # the one that is on, or none


def watch_exceptions(logger_provider: LoggerProvider | None = None) -> None:
    """Record uncaught exceptions from now on, through `logger_provider` (default:

    the global one); a second call changes the provider alone.
    """
    if _watches:
        _watches[-1].logger_provider = logger_provider
        return
    _watches.append(_Watch(logger_provider))
    for module, name in _LOOPS:  # hooked when somebody imports them: asyncio is not for free
        register_post_import_hook(partial(_hook_loop, name), module)


def unwatch_exceptions() -> None:
    """Undo `watch_exceptions`.

    Hooks of ours that others have built upon stay in their place and only pass on.
    """
    while _watches:
        _watches.pop().end()


class _Watch:
    """The hooks of the process, and the ones that were there before."""

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
        """Emit a log record in the current context, unless the exceptions instrumentation does; never raise."""
        if self not in _watches or not _is_error(error) or _is_instrumented(loop):
            return
        try:
            get_logger(_SCOPE, __version__, self.logger_provider).emit(
                timestamp=time_ns(),
                severity_number=severity,
                severity_text=severity.name,
                body=text,
                event_name=_EVENT_NAME,
                exception=error,
            )
        except Exception:  # `str()` of somebody's exception may raise as well
            _logger.warning("An uncaught exception could not be recorded.", exc_info=True)


def _is_error(error: BaseException | None) -> bool:
    return isinstance(error, Exception)


def _is_instrumented(loop: object) -> bool:
    """Whether the exceptions instrumentation records this; of event loops it knows those that derive from asyncio's."""
    if loop is not None:
        from asyncio import BaseEventLoop

        if not isinstance(loop, BaseEventLoop):
            return False
    return sdk.exceptions_are_instrumented()


def _hook_loop(name: str, module: ModuleType) -> None:
    """Hook a class of event loops.

    The classes hooked are those below `BaseEventLoop`, to which the exceptions instrumentation puts
    its hook: so ours comes before it, whichever is installed first.
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
    """Make the context that `find` returns current, with the session of `error` where it has none; never raise."""
    try:
        context = find()
        if (
            _is_error(error)
            and get_session_id(context) is None
            and (session_id := _noted_session(error))
        ):
            context = set_session_id(session_id, context)
    except Exception:
        _logger.warning("The context of an uncaught exception could not be found.", exc_info=True)
        context = Context()
    token = otel_context.attach(context)
    try:
        yield
    finally:
        otel_context.detach(token)


def _noted_session(error: BaseException | None) -> SessionId | None:
    """Return the session noted on `error`, or on one that it was raised from, during, or as a group of."""
    related = [error]
    for candidate in related:  # grows on the way
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
    """Return the context of what a loop reports:

    tasks and futures are reported when they are collected, in anybody's context.
    """
    owner = next(
        (report[key] for key in ("task", "future", "handle") if report.get(key) is not None), None
    )
    if owner is None:
        return otel_context.get_current()
    variables = _variables_of(owner)
    return Context() if variables is None else variables.copy().run(otel_context.get_current)


def _variables_of(owner: object) -> Variables | None:
    """Return the context variables of a task or handle:

    `get_context()` has them from Python 3.12 on, the garbage collector sees them always.
    """
    if callable(get_context := getattr(owner, "get_context", None)):
        return get_context()  # type: ignore[no-any-return]
    return next(
        (referent for referent in gc.get_referents(owner) if isinstance(referent, Variables)), None
    )


@contextmanager
def _without_line_of_asyncio(error: BaseException | None) -> Iterator[None]:
    """Keep asyncio's own log line about `error` out of OpenTelemetry's handlers:

    it has been recorded.
    """

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
