"""Keeps the context of whoever starts a pool of processes out of its workers.

A forked process goes on in the context of its parent. The workers of a pool are forked when the
first work is submitted, as a rule by a request, and live on: all that they do later would be in
the session and in the trace of that request.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context
from wrapt import register_post_import_hook

from otel_asayer.propagation.context import attached
from otel_asayer.propagation.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["keep_workers_apart"]

_WORKERS: Final = {
    "concurrent.futures.process": "_process_worker",
    "multiprocessing.pool": "worker",
}
"""The functions that worker processes run, looked up in their modules when one is started."""

_logger = logging.getLogger(__name__)


def keep_workers_apart() -> None:
    """Let the workers of `ProcessPoolExecutor` and `multiprocessing.Pool` start in no context."""
    for module in _WORKERS:
        register_post_import_hook(_keep_apart, module)


def _keep_apart(module: ModuleType) -> None:
    try:
        patch(module, _WORKERS[module.__name__], _run_apart)
    except AttributeError:
        _logger.debug("%s has no workers as it had.", module.__name__)


def _run_apart(original: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    with attached(Context()):
        return original(*arguments, **keywords)
