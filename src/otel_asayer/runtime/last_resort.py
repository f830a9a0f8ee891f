"""What this package says reaches a person, even where only OpenTelemetry listens.

Python prints warnings to stderr where no handler is installed. The handler of
`opentelemetry-instrumentation-logging` counts as one, and so an application without any logging of
its own would never show what we say; and our exporter does not export what is said about itself.
The handler here, on the package's own logger, is that last resort again: it prints exactly where
nobody else would.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from otel_asayer.runtime.log_handlers import handlers_of, is_telemetry

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["make_audible", "unsaid"]

_said: Final[set[str]] = set()


class _LastResort(logging.Handler):
    """Hands a record to `logging.lastResort` unless another handler shows it."""

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


def unsaid(findings: Iterable[str]) -> list[str]:
    """Return those of `findings` that this process has not said yet, and take them as said:

    whoever comes first says them, nobody twice.
    """
    new = [finding for finding in dict.fromkeys(findings) if finding not in _said]
    _said.update(new)
    return new


def make_audible() -> None:
    """Install the last resort on the package's logger; a second time changes nothing."""
    logger = logging.getLogger("otel_asayer")
    if not any(isinstance(handler, _LastResort) for handler in logger.handlers):
        logger.addHandler(_LastResort(logging.WARNING))
