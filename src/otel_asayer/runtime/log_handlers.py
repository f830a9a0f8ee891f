"""The handlers of the standard library's logging that a record meets, and which of them are OpenTelemetry's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

__all__ = ["BESIDE_ROOT", "handlers_of", "is_telemetry", "reaches_root"]

BESIDE_ROOT: Final[list[logging.Handler]] = []
"""OpenTelemetry's handlers that get what reaches the root logger and do not stand in its list:

`otel_asayer.runtime.console` put them here.
"""


def handlers_of(logger: logging.Logger) -> Iterator[logging.Handler]:
    """Yield the handlers that a record of `logger` meets, as `Logger.callHandlers` walks them, and those beside the root logger's last."""
    current: logging.Logger | None = logger
    while current is not None:
        yield from current.handlers
        current = current.parent if current.propagate else None
    if reaches_root(logger):
        yield from BESIDE_ROOT


def reaches_root(logger: logging.Logger) -> bool:
    """Whether the handlers of the root logger get what `logger` logs."""
    while logger.propagate and logger.parent is not None:
        logger = logger.parent
    return logger.parent is None


def is_telemetry(handler: logging.Handler) -> bool:
    """Whether `handler` hands records to OpenTelemetry:

    the logging instrumentation's, the SDK's, or a class below one of them.
    """
    return any(base.__module__.startswith("opentelemetry.") for base in type(handler).__mro__)
