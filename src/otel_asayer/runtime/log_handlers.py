"""OpenTelemetry's handlers of Python's `logging`: their place, and the records they take over.

The logging instrumentation puts a handler on the root logger, and that has side effects:

- Python and many libraries take any handler there for the application's own, and then print
  nothing: `logging.lastResort` stays silent, `logging.warning()` does not call `basicConfig()`, and
  Flask, Werkzeug and Tornado install no handler. Nobody sees a traceback, or "Running on http://…",
  on the console. So `keep_console` holds OpenTelemetry's handlers beside the root logger's list and
  not in it. They get each record that reaches the root logger, after all other handlers. Code that
  looks at the list finds only the application's own handlers, and behaves as without OpenTelemetry.
- Where `keep_console` is off, nothing prints this package's own warnings, and our exporter does not
  export what is logged about itself. `install_last_resort_handler` prints them where no other
  handler does.
- Celery takes all handlers off the root logger before it installs its own
  (`worker_hijack_root_logger`). With that switched off, it installs none where it finds any, and
  the console stays empty. `celery.task`, the parent of all loggers of `get_task_logger`, gets its
  own handler and passes nothing on to the root logger. So `keep_celery_handlers` takes
  OpenTelemetry's handlers off while Celery sets up its logging, and puts them back afterwards, also
  on `celery.task` if that no longer propagates.

The records that these handlers take over:

- Django logs "Not Found: …" and "Internal Server Error: …", aiohttp's server "Error handling
  request" and gRPC "Exception calling application" after the request's span has ended. Such a
  record is taken over in the context of its request, which is kept on the request or on the
  exception. Django's middleware of OpenTelemetry ends the span in `process_response`, so the
  context is kept before that; Django logs with `extra={"request": request}`.
- The SDK logs a warning about a value that is no attribute, such as that request. It does so from
  inside the handler, which refuses that record with another warning on stderr, "detected recursive
  logging". So such a value becomes text before, as the SDK itself would do it.
- The handler's `flush` starts a thread. Python 3.12 starts none once the interpreter ends, and
  prints a traceback at each exit. Nothing needs a flush by then: the provider's own exit handler
  has exported everything.
- This package logs about telemetry that waits or was lost while the provider is shut down. Taken
  over, that record would be counted as dropped, and the SDK would log so from inside the handler.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from copy import copy
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry.trace import NonRecordingSpan, get_current_span, set_span_in_context
from wrapt import register_post_import_hook

from otel_asayer.propagation.context import (
    attached,
    context_of_request,
    get_session_id,
    remember_context,
    session_of_exception,
    set_session_id,
    span_of_exception,
)
from otel_asayer.propagation.patching import patch
from otel_asayer.runtime import sdk

if TYPE_CHECKING:
    from types import ModuleType

    from opentelemetry.context import Context

__all__ = [
    "handlers_of",
    "improve_log_handover",
    "install_last_resort_handler",
    "is_telemetry",
    "keep_celery_handlers",
    "keep_console",
    "keep_django_context",
    "release_console",
]

_OURS: Final = "otel_asayer."
# What every record has; the rest is `extra`, and becomes attributes.
_KNOWN: Final = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime"})
_SCALARS: Final = (str, bool, int, float, bytes, type(None))
# OpenTelemetry's handlers, while the console is kept.
_beside_root: Final[list[logging.Handler]] = []
# `Logger.callHandlers`, while the console is kept.
_original: Final[list[Callable[[logging.Logger, logging.LogRecord], None]]] = []


def handlers_of(logger: logging.Logger) -> Iterator[logging.Handler]:
    """Yield the handlers that get a record of `logger`, those beside the root logger's last.

    The order is that of `Logger.callHandlers`.
    """
    current: logging.Logger | None = logger
    while current is not None:
        yield from current.handlers
        current = current.parent if current.propagate else None
    if _reaches_root(logger):
        yield from _beside_root


def _reaches_root(logger: logging.Logger) -> bool:
    while logger.propagate and logger.parent is not None:
        logger = logger.parent
    return logger.parent is None


def is_telemetry(handler: logging.Handler) -> bool:
    """Whether `handler`, of the instrumentation or the SDK, hands records to OpenTelemetry."""
    return any(base.__module__.startswith("opentelemetry.") for base in type(handler).__mro__)


class _LastResortHandler(logging.Handler):
    """Passes a record to `logging.lastResort` unless another handler shows it."""

    def emit(self, record: logging.LogRecord) -> None:
        is_shown = any(
            handler is not self
            and not isinstance(handler, logging.NullHandler)
            and not is_telemetry(handler)
            for handler in handlers_of(logging.getLogger(record.name))
        )
        if logging.lastResort is not None and not is_shown:
            logging.lastResort.handle(record)


def install_last_resort_handler() -> None:
    """Print this package's warnings where no other handler does; a second call has no effect."""
    logger = logging.getLogger("otel_asayer")
    if not any(isinstance(handler, _LastResortHandler) for handler in logger.handlers):
        logger.addHandler(_LastResortHandler(logging.WARNING))


def keep_console() -> None:
    """Hold OpenTelemetry's handlers, present and future, beside the root logger's list.

    A second call has no effect.
    """
    if _original:
        return
    logger_class: Any = logging.Logger
    root: Any = logging.root
    _original.append(logger_class.callHandlers)
    logger_class.callHandlers = wraps(logger_class.callHandlers)(_call_handlers)
    root.addHandler, root.removeHandler = _add_to_root, _remove_from_root
    for handler in list(logging.root.handlers):
        if is_telemetry(handler):
            logging.Logger.removeHandler(logging.root, handler)
            logging.root.addHandler(handler)


def release_console() -> None:
    """Undo `keep_console`."""
    logger_class: Any = logging.Logger
    while _original:
        logger_class.callHandlers = _original.pop()
        del logging.root.addHandler, logging.root.removeHandler
        while _beside_root:
            logging.root.addHandler(_beside_root.pop(0))


def _call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
    try:
        _original[-1](logger, record)
    finally:
        if _beside_root and _reaches_root(logger):
            for handler in _beside_root.copy():
                if record.levelno >= handler.level:
                    handler.handle(record)


def _add_to_root(handler: logging.Handler) -> None:
    if not is_telemetry(handler):
        logging.Logger.addHandler(logging.root, handler)
    elif handler not in _beside_root:
        _beside_root.append(handler)


def _remove_from_root(handler: logging.Handler) -> None:
    if handler in _beside_root:
        _beside_root.remove(handler)
    logging.Logger.removeHandler(logging.root, handler)


def keep_celery_handlers() -> None:
    """Keep OpenTelemetry's handlers in Celery's workers; a second call has no effect."""
    register_post_import_hook(
        lambda module: patch(module.Logging, "setup_logging_subsystem", _set_up_celery_logging),
        "celery.app.log",
    )


def _set_up_celery_logging(original: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    tasks = logging.getLogger("celery.task")
    handlers = list(filter(is_telemetry, handlers_of(logging.root)))
    for handler in handlers:
        logging.root.removeHandler(handler)
    try:
        return original(*arguments, **keywords)
    finally:
        for handler in handlers:
            logging.root.addHandler(handler)
        if not any(map(is_telemetry, handlers_of(tasks))):
            for handler in handlers:
                tasks.addHandler(handler)


def improve_log_handover() -> None:
    """Patch the handler of the logging instrumentation; a second call has no effect."""
    register_post_import_hook(_patch_handler, "opentelemetry.instrumentation.logging.handler")


def keep_django_context() -> None:
    """Keep the context of each request in Django; a second call has no effect."""
    register_post_import_hook(
        _patch_django, "opentelemetry.instrumentation.django.middleware.otel_middleware"
    )


def _patch_handler(module: ModuleType) -> None:
    patch(module.LoggingHandler, "emit", _emit_in_its_context)
    patch(module.LoggingHandler, "flush", _flush_while_threads_start)


def _emit_in_its_context(
    emit: Callable[..., None], handler: logging.Handler, record: logging.LogRecord
) -> None:
    if record.name.startswith(_OURS) and sdk.is_shut_down(sdk.logger_provider_of(handler)):
        return
    context = None
    # Exceptions and requests of others may raise: the record must not be lost for that.
    with suppress(Exception):
        context = _context_of(record)
    with suppress(Exception):
        record = _admissible(record)
    with nullcontext() if context is None else attached(context):
        emit(handler, record)


def _flush_while_threads_start(flush: Callable[..., None], handler: logging.Handler) -> None:
    with suppress(RuntimeError):  # can't create new thread at interpreter shutdown
        flush(handler)


def _patch_django(module: ModuleType) -> None:
    with suppress(AttributeError):  # `diagnostics` says so
        patch(sdk.django_middleware(module), "process_response", _process_response)


def _process_response(
    original: Callable[..., Any], middleware: object, request: object, response: object
) -> Any:
    with suppress(AttributeError):  # a request object without a dictionary
        remember_context(request, otel_context.get_current())
    return original(middleware, request, response)


def _context_of(record: logging.LogRecord) -> Context | None:
    """Return the context that `record` belongs to, or None for the current one.

    A record that is logged in a span or a session stays there.
    """
    error = record.exc_info[1] if record.exc_info else None
    request = vars(record).get("request")
    if (
        (error is None and request is None)
        or get_current_span().get_span_context().is_valid
        or get_session_id() is not None
    ):
        return None
    if request is not None and (noted := context_of_request(request)) is not None:
        return noted
    if error is None:
        return None
    session_id, span = session_of_exception(error), span_of_exception(error)
    if session_id is None and span is None:
        return None
    context = otel_context.get_current()
    if session_id is not None:
        context = set_session_id(session_id, context)
    return context if span is None else set_span_in_context(NonRecordingSpan(span), context)


def _admissible(record: logging.LogRecord) -> logging.LogRecord:
    """Return `record`, or a copy whose extra values are all possible as attributes.

    Other handlers get the record as it is.
    """
    extra = {name: vars(record)[name] for name in vars(record).keys() - _KNOWN}
    if all(map(_is_admissible, extra.values())):
        return record
    record = copy(record)
    vars(record).update({name: _cleaned(value) for name, value in extra.items()})
    return record


def _is_admissible(value: Any) -> bool:
    if isinstance(value, _SCALARS):
        return True
    if isinstance(value, Mapping):
        return all(
            isinstance(key, str) and key and _is_admissible(item) for key, item in value.items()
        )
    return isinstance(value, Sequence) and all(map(_is_admissible, value))


def _cleaned(value: Any) -> Any:
    if isinstance(value, _SCALARS):
        return value
    if isinstance(value, Mapping):
        return {str(key): _cleaned(item) for key, item in value.items() if str(key)}
    return [_cleaned(item) for item in value] if isinstance(value, Sequence) else _text(value)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # raised by the application's own method
        return f"<{type(value).__name__}>"
