"""Log records of Celery's workers: two of Celery's habits would keep them from OpenTelemetry's
handlers on the root logger.

- It takes all handlers off the root logger before it installs its own
  (`worker_hijack_root_logger`), or, with that switched off, installs none where it finds any: then
  the console stays empty.
- `celery.task`, the parent of all loggers of `get_task_logger`, gets a handler of its own and hands
  nothing on to the root logger.

So OpenTelemetry's handlers are taken off while Celery sets up its logging, and put back behind it,
on `celery.task` as well, if that has become an end. What else Celery or the application installs is
left alone.
"""

from __future__ import annotations

import logging
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from wrapt import register_post_import_hook

from otel_asayer.runtime.log_handlers import handlers_of, is_telemetry

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["keep_task_logs"]

_MARK: Final = "_otel_asayer_kept"
_TASKS: Final = "celery.task"


def keep_task_logs() -> None:
    """Let the log records of Celery's workers reach OpenTelemetry's handlers; a second call changes nothing."""
    register_post_import_hook(_watch_celery, "celery.app.log")


def _watch_celery(module: ModuleType) -> None:
    original = module.Logging.setup_logging_subsystem
    if hasattr(original, _MARK):
        return

    @wraps(original)
    def setup_logging_subsystem(*arguments: Any, **keywords: Any) -> Any:
        handlers = [handler for handler in handlers_of(logging.root) if is_telemetry(handler)]
        for handler in handlers:
            logging.root.removeHandler(handler)
        try:
            return original(*arguments, **keywords)
        finally:
            for handler in handlers:
                logging.root.addHandler(handler)
            if not any(is_telemetry(handler) for handler in handlers_of(logging.getLogger(_TASKS))):
                for handler in handlers:
                    logging.getLogger(_TASKS).addHandler(handler)

    setattr(setup_logging_subsystem, _MARK, True)
    module.Logging.setup_logging_subsystem = setup_logging_subsystem
