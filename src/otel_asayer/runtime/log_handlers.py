"""OpenTelemetry's handlers of Python's `logging` beside those of the application.

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
"""

from __future__ import annotations

import logging
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from wrapt import register_post_import_hook

from otel_asayer.propagation.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

__all__ = [
    "handlers_of",
    "install_last_resort_handler",
    "is_telemetry",
    "keep_celery_handlers",
    "keep_console",
    "release_console",
]

_beside_root: Final[list[logging.Handler]] = []
"""OpenTelemetry's handlers, while the console is kept."""
_original: Final[list[Callable[[logging.Logger, logging.LogRecord], None]]] = []
"""`Logger.callHandlers`, while the console is kept."""


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
        if logging.lastResort is not None and not any(
            self._shows(handler) for handler in handlers_of(logging.getLogger(record.name))
        ):
            logging.lastResort.handle(record)

    def _shows(self, handler: logging.Handler) -> bool:
        return (
            handler is not self
            and not isinstance(handler, logging.NullHandler)
            and not is_telemetry(handler)
        )


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
    register_post_import_hook(_patch_celery, "celery.app.log")


def _patch_celery(module: ModuleType) -> None:
    patch(module.Logging, "setup_logging_subsystem", _set_up_celery_logging)


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
