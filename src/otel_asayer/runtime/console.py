"""Keeps on the console what an application logs without having configured any logging.

The logging instrumentation puts a handler on the root logger. Python and many libraries take any
handler there for the application's own, and then print nothing: `logging.lastResort` stays silent,
`logging.warning()` calls no `basicConfig()`, Flask, Werkzeug and Tornado install no handler of
theirs. A traceback, or "Running on http://…", is seen by nobody who looks at the console.

So OpenTelemetry's handlers stand beside the root logger's list and not in it, and get each record
that reaches the root logger behind all others. Everybody who looks at the list finds what the
application itself has put there, and does what it does without OpenTelemetry: nothing here knows
what that is, and nothing is printed twice.
"""

from __future__ import annotations

import logging
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from otel_asayer.runtime.log_handlers import BESIDE_ROOT, is_telemetry, reaches_root

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["keep_console", "release_console"]

_original: Final[
    list[Callable[[logging.Logger, logging.LogRecord], None]]
] = []  # of `Logger.callHandlers`, while the console is kept


def keep_console() -> None:
    """Let OpenTelemetry's handlers on the root logger, those of now and of later, stand beside its list; a second call changes nothing."""
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
        while BESIDE_ROOT:
            logging.root.addHandler(BESIDE_ROOT.pop(0))


def _call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
    try:
        _original[-1](logger, record)
    finally:
        if BESIDE_ROOT and reaches_root(logger):
            for handler in list(BESIDE_ROOT):
                if record.levelno >= handler.level:
                    handler.handle(record)


def _add_to_root(handler: logging.Handler) -> None:
    if not is_telemetry(handler):
        logging.Logger.addHandler(logging.root, handler)
    elif handler not in BESIDE_ROOT:
        BESIDE_ROOT.append(handler)


def _remove_from_root(handler: logging.Handler) -> None:
    if handler in BESIDE_ROOT:
        BESIDE_ROOT.remove(handler)
    logging.Logger.removeHandler(logging.root, handler)
