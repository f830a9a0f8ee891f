"""Exports what the batch processors hold when a process ends without Python's exit handlers.

- A child that `multiprocessing` forked ends with `os._exit`. Before, it runs `multiprocessing`'s
  own finalizers, and the last of them is ours.
- A child of Celery's prefork pool ends with `os._exit`, too. Before, it sends
  `worker_process_shutdown`.
- uvicorn shuts down properly on SIGTERM, and then sends itself another SIGTERM, which nothing
  handles.
- uWSGI calls `uwsgi.atexit`, and then ends Python from a signal handler, where it may die before
  the exit handlers run. It also forks without Python's at-fork hooks. The SDK's processors notice
  that at their first span or record, and start the thread again that stayed in the parent. A
  processor that never gets one would wait for that thread at exit, for 30 seconds, until the worker
  is killed with everything that the others hold.
"""

from __future__ import annotations

import atexit
import logging
import sys
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakSet

from wrapt import register_post_import_hook

from otel_asayer.propagation.patching import patch
from otel_asayer.runtime import sdk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

__all__ = ["flush_at_exits"]

_logger = logging.getLogger(__name__)

# Priority of our finalizer: those of the application run before it, and may still end spans.
_LAST: Final = -1_000_000


class _Delivery(Protocol):
    def has_stopped(self) -> bool:
        """Whether the process is ending already."""

    def stop(self) -> None:
        """Learn that the process is ending."""

    def finish(self) -> None:
        """Send what this process wrote to the spool."""

    def resume(self) -> None:
        """Learn that the process continues after all."""


_providers: Final[WeakSet[Any]] = WeakSet()
_find_deliveries: Final[list[Callable[[], Sequence[_Delivery]]]] = []


def flush_at_exits(
    provider: Any, find_deliveries: Callable[[], Sequence[_Delivery]] | None = None
) -> None:
    """Export what `provider` holds when this process or its child ends in one of these ways.

    A second call has no effect.

    Args:
        provider: a tracer or logger provider.
        find_deliveries: returns this process's deliveries, which learn that the process is ending.
    """
    _providers.add(provider)
    if find_deliveries is not None and find_deliveries not in _find_deliveries:
        _find_deliveries.append(find_deliveries)
    _watch()
    # Registered after the exit handlers of all providers, and so run before them.
    atexit.unregister(_discard_inherited)
    atexit.register(_discard_inherited)


@cache
def _watch() -> None:
    for watch, module in (
        (_watch_multiprocessing, "multiprocessing.util"),
        (_watch_celery, "celery.signals"),
        (_watch_uvicorn, "uvicorn.server"),
    ):
        register_post_import_hook(watch, module)
    sys.meta_path.insert(0, _UWSGI)


def _watch_multiprocessing(module: ModuleType) -> None:
    # A child does not inherit finalizers, so each registers ours. The first argument is held by a
    # weak reference only.
    module.register_after_fork(
        _watch_multiprocessing, lambda _: module.Finalize(None, _export, exitpriority=_LAST)
    )


def _watch_celery(module: ModuleType) -> None:
    def send(original: Callable[..., object], *arguments: Any, **keywords: Any) -> object:
        try:
            return original(*arguments, **keywords)
        finally:
            _export()

    # Not a receiver of the signal: those of the application would run after it, and may still end
    # spans.
    patch(module.worker_process_shutdown, "send", send)


def _watch_uvicorn(module: ModuleType) -> None:
    async def shutdown(original: Callable[..., Any], *arguments: Any, **keywords: Any) -> None:
        try:
            await original(*arguments, **keywords)
        finally:
            _export()

    patch(module.Server, "shutdown", shutdown)


class _AwaitUwsgi:
    """Finds no modules, but notices uWSGI.

    uWSGI adds its module to `sys.modules` without an import, before it imports the application.
    """

    def find_spec(self, *_: object) -> None:
        if module := sys.modules.get("uwsgi"):
            # A new list: the current import iterates over the old one.
            sys.meta_path = [finder for finder in sys.meta_path if finder is not self]
            _watch_uwsgi(module)


_UWSGI: Final[Any] = _AwaitUwsgi()


def _watch_uwsgi(module: ModuleType) -> None:
    theirs = getattr(module, "atexit", None)

    def at_exit() -> None:
        # First: the parent exports what a processor got before the fork.
        _discard_inherited()
        _export()
        if theirs is not None:
            theirs()

    module.atexit = at_exit  # type: ignore[attr-defined] # it is there for this


def _export() -> None:
    """Export what the providers hold, and send what this process wrote to the spool.

    The process may continue all the same, as with uvicorn.
    """
    deliveries = [
        delivery for find in _find_deliveries for delivery in find() if not delivery.has_stopped()
    ]
    steps: list[Callable[[], object]] = [delivery.stop for delivery in deliveries]
    steps += [provider.force_flush for provider in list(_providers)]
    for delivery in deliveries:
        steps += [delivery.finish, delivery.resume]
    for step in steps:
        try:
            step()
        except Exception:  # noqa: PERF203 (one that fails must not cost the others)
            _logger.exception(
                "Telemetry that this process held when it ended could not be exported"
            )


def _discard_inherited() -> None:
    for provider in list(_providers):
        sdk.discard_inherited_processors(provider)
