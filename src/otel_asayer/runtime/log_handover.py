"""Mends how OpenTelemetry's handlers hand over what Python's `logging` logs.

- Django logs "Not Found: …", aiohttp's server "Error handling request" and gRPC "Exception calling
  application" when the request's span has ended. Such a record is handed over in the context of its
  request, which is noted on the request or on the exception.
- What no attribute can hold (`extra={"request": request}`, as Django has it) makes the SDK log a
  warning from inside of the handler, which the handler then refuses with another one on stderr,
  "detected recursive logging". It becomes text before; the SDK would make text of it as well.
- The handler's `flush` starts a thread, and Python 3.12 starts none once the interpreter ends: it
  prints a traceback at each exit. Nothing is to be flushed by then: the provider's own exit handler
  has exported everything.
- What this package says at the end of a process, of telemetry that waits or was lost, comes when
  the provider is shut down. Handed over, it would be counted as a record that was dropped, and the
  SDK would log that from inside of the handler.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import copy
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry.trace import NonRecordingSpan, get_current_span, set_span_in_context
from wrapt import register_post_import_hook

from otel_asayer.propagation.context import (
    context_of_request,
    get_session_id,
    session_of_exception,
    set_session_id,
    span_of_exception,
)
from otel_asayer.runtime import sdk

if TYPE_CHECKING:
    from types import ModuleType

    from opentelemetry.context import Context

__all__ = ["mend_handing_over"]

_HANDLER: Final = "opentelemetry.instrumentation.logging.handler"
_MARK: Final = "_otel_asayer_mended"
_OURS: Final = "otel_asayer."
_KNOWN: Final = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime"})
"""What every record has; the rest is `extra`, and becomes attributes."""
_SCALARS: Final = (str, bool, int, float, bytes, type(None))


def mend_handing_over() -> None:
    """Mend the handler of the logging instrumentation; a second call changes nothing."""
    register_post_import_hook(_mend, _HANDLER)


def _mend(module: ModuleType) -> None:
    handler = module.LoggingHandler
    if hasattr(handler, _MARK):
        return
    setattr(handler, _MARK, True)
    emit, flush = handler.emit, handler.flush

    @wraps(emit)
    def emit_in_its_context(self: logging.Handler, record: logging.LogRecord) -> None:
        if record.name.startswith(_OURS) and sdk.is_shut_down(
            getattr(self, "_logger_provider", None)
        ):
            return
        context = None
        with suppress(
            Exception
        ):  # what others keep on their exceptions and requests must not cost the record
            context = _context_of(record)
        with suppress(Exception):
            record = _admissible(record)
        if context is None:
            emit(self, record)
            return
        token = otel_context.attach(context)
        try:
            emit(self, record)
        finally:
            otel_context.detach(token)

    @wraps(flush)
    def flush_while_threads_start(self: logging.Handler) -> None:
        with suppress(RuntimeError):  # can't create new thread at interpreter shutdown
            flush(self)

    handler.emit, handler.flush = emit_in_its_context, flush_while_threads_start


def _context_of(record: logging.LogRecord) -> Context | None:
    """Return the context that `record` belongs to, where it is not the current one:

    a record that is logged in a span or a session stays there.
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
    """Return `record`, or a copy of it with texts in the place of what no attribute can hold:

    other handlers may want that as it is.
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
    except Exception:  # the application's own; the record counts more than one of its attributes
        return f"<{type(value).__name__}>"
