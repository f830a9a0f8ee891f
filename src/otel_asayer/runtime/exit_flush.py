"""Ends of processes at which Python runs no exit handlers, or runs them into a wall: what the batch
processors hold is exported there, too.

- A child that `multiprocessing` forked ends by `os._exit`. It runs finalizers of
  `multiprocessing`'s own before, and the last of them is ours.
- A child of Celery's prefork pool ends by `os._exit` as well, and sends `worker_process_shutdown`
  before.
- uvicorn shuts down in good order at a SIGTERM, and then sends itself another one, which nobody
  handles any more.
- uWSGI calls `uwsgi.atexit`, and then ends Python from a signal's handler, where it may die before
  it comes to exit handlers. And it forks behind Python's back: the SDK's processors notice it when
  they get their first span or record, and start anew the thread that stayed in the parent; one that
  never gets any would wait for that thread at the exit, for 30 seconds, until the worker is killed
  with what others hold.
"""

from __future__ import annotations

import atexit
import logging
import sys
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakSet

from wrapt import register_post_import_hook

from otel_asayer.runtime import sdk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

__all__ = ["export_at_ends"]

_logger = logging.getLogger(__name__)

_LAST: Final = -1_000_000
"""Priority of our finalizer: those of the application, which may still end spans, come before."""


class _Provider(Protocol):
    def force_flush(self) -> object:
        """Export what is held."""


class _Delivery(Protocol):
    def has_stopped(self) -> bool:
        """Whether the process ends already."""

    def stop(self) -> None:
        """Learn that the process ends."""

    def finish(self) -> None:
        """Send what this process put on the disk."""

    def resume(self) -> None:
        """Learn that the process goes on after all."""


_providers: Final[WeakSet[_Provider]] = WeakSet()
_find_deliveries: Final[list[Callable[[], Sequence[_Delivery]]]] = []


def export_at_ends(
    provider: _Provider, find_deliveries: Callable[[], Sequence[_Delivery]] | None = None
) -> None:
    """Export what `provider` holds when this process or a child of it ends in one of these ways.

    Calling it again changes nothing.

    Args:
        provider: a tracer or logger provider.
        find_deliveries: returns this process's deliveries, which are told that the process ends.
    """
    _providers.add(provider)
    if find_deliveries is not None and find_deliveries not in _find_deliveries:
        _find_deliveries.append(find_deliveries)
    _watch()
    # Behind the exit handlers of all providers, and so run before them.
    atexit.unregister(_dismiss_strangers)
    atexit.register(_dismiss_strangers)


@cache
def _watch() -> None:
    register_post_import_hook(_watch_multiprocessing, "multiprocessing.util")
    register_post_import_hook(_watch_celery, "celery.signals")
    register_post_import_hook(_watch_uvicorn, "uvicorn.server")
    sys.meta_path.insert(0, _UWSGI)


def _watch_multiprocessing(module: ModuleType) -> None:
    # A process starts without the finalizers of its parent, so each registers ours anew. The first
    # argument is only looked at while it lives.
    module.register_after_fork(
        _watch_multiprocessing, lambda _: module.Finalize(None, _export, exitpriority=_LAST)
    )


def _watch_celery(module: ModuleType) -> None:
    ending = module.worker_process_shutdown
    # Not connected to it: receivers are called in the order in which they were, and the
    # application's come after ours and may still end spans.
    ending.send = _exporting_after(ending.send)


def _exporting_after(original: Callable[..., object]) -> Callable[..., object]:
    @wraps(original)
    def call(*arguments: Any, **keywords: Any) -> object:
        try:
            return original(*arguments, **keywords)
        finally:
            _export()

    return call


def _watch_uvicorn(module: ModuleType) -> None:
    original = module.Server.shutdown

    @wraps(original)
    async def shutdown(*arguments: Any, **keywords: Any) -> None:
        try:
            await original(*arguments, **keywords)
        finally:
            _export()

    module.Server.shutdown = shutdown


class _AwaitUwsgi:
    """Finds no module, but uWSGI:

    that puts its own among the imported ones, behind all import hooks, before it imports the
    application.
    """

    def find_spec(self, *_: object) -> None:
        if module := sys.modules.get("uwsgi"):
            # Another list, as the import that asks here goes through this one.
            sys.meta_path = [finder for finder in sys.meta_path if finder is not self]
            _watch_uwsgi(module)


_UWSGI: Final[Any] = _AwaitUwsgi()


def _watch_uwsgi(module: ModuleType) -> None:
    theirs = getattr(module, "atexit", None)

    def at_exit() -> None:
        # First, as what a processor has from before the fork is its parent's to export.
        _dismiss_strangers()
        _export()
        if theirs is not None:
            theirs()

    module.atexit = at_exit  # type: ignore[attr-defined] # it is there for this


def _export() -> None:
    """Export what the providers hold, and send what this process put on the disk; the process may go on all the same, as behind uvicorn."""
    deliveries = [
        delivery for find in _find_deliveries for delivery in find() if not delivery.has_stopped()
    ]
    steps: list[Callable[[], object]] = [delivery.stop for delivery in deliveries]
    steps += [provider.force_flush for provider in list(_providers)]
    for delivery in deliveries:
        steps += [delivery.finish, delivery.resume]
    for step in steps:
        _do(step)


def _do(step: Callable[[], object]) -> None:
    try:
        step()
    except Exception:
        _logger.exception("What this process held at its end could not be exported")


def _dismiss_strangers() -> None:
    for provider in list(_providers):
        sdk.discard_inherited_processors(provider)
