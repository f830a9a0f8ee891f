"""The handlers of the standard library's logging that a record meets, and which of them are OpenTelemetry's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

__all__ = ["handlers_of", "is_telemetry"]


def handlers_of(logger: logging.Logger) -> Iterator[logging.Handler]:
    """Yield the handlers that a record of `logger` meets, as `Logger.callHandlers` walks them."""
    current: logging.Logger | None = logger
    while current is not None:
        yield from current.handlers
        current = current.parent if current.propagate else None


def is_telemetry(handler: logging.Handler) -> bool:
    """Whether `handler` hands records to OpenTelemetry: the logging instrumentation's, the SDK's, or a class below one of them."""
    return any(base.__module__.startswith("opentelemetry.") for base in type(handler).__mro__)
