"""Improves how OpenTelemetry's handlers take over the records of Python's `logging`.

- Django logs "Not Found: …" and "Internal Server Error: …", aiohttp's server "Error handling
  request" and gRPC "Exception calling application" after the request's span has ended. Such a
  record is taken over in the context of its request, which is kept on the request or on the
  exception. Django's middleware of OpenTelemetry ends the span in `process_response`, so the
  context is kept before that; Django logs with `extra={"request": request}`.
- The SDK logs a warning about a value that is no attribute, such as that request. It does so from
  inside the handler, which refuses that record with another warning on stderr, "detected recursive
  logging". So such a value becomes text before, as the SDK itself would do it.
- The handler's `flush` starts a thread. Python 3.12 starts none once the interpreter ends, and
  prints a traceback at each exit. Nothing needs a flush by then: the provider's own exit handler
  has exported everything.
- This package logs about telemetry that waits or was lost while the provider is shut down. Taken
  over, that record would be counted as dropped, and the SDK would log so from inside the handler.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from copy import copy
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry.trace import NonRecordingSpan, get_current_span, set_span_in_context
from wrapt import register_post_import_hook

from otel_asayer.propagation.context import (
    attached,
    context_of_request,
    get_session_id,
    remember_context,
    session_of_exception,
    set_session_id,
    span_of_exception,
)
from otel_asayer.propagation.patching import patch
from otel_asayer.runtime import sdk

if TYPE_CHECKING:
    from types import ModuleType

    from opentelemetry.context import Context

__all__ = ["improve_log_handover", "keep_django_context"]

_HANDLER: Final = "opentelemetry.instrumentation.logging.handler"
_DJANGO: Final = "opentelemetry.instrumentation.django.middleware.otel_middleware"
_OURS: Final = "otel_asayer."
_KNOWN: Final = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime"})
"""What every record has; the rest is `extra`, and becomes attributes."""
_SCALARS: Final = (str, bool, int, float, bytes, type(None))


def improve_log_handover() -> None:
    """Patch the handler of the logging instrumentation; a second call has no effect."""
    register_post_import_hook(_patch_handler, _HANDLER)


def keep_django_context() -> None:
    """Keep the context of each request in Django; a second call has no effect."""
    register_post_import_hook(_patch_django, _DJANGO)


def _patch_handler(module: ModuleType) -> None:
    patch(module.LoggingHandler, "emit", _emit_in_its_context)
    patch(module.LoggingHandler, "flush", _flush_while_threads_start)


def _emit_in_its_context(
    emit: Callable[..., None], handler: logging.Handler, record: logging.LogRecord
) -> None:
    if record.name.startswith(_OURS) and sdk.is_shut_down(sdk.logger_provider_of(handler)):
        return
    context = None
    # Exceptions and requests of others may raise: the record must not be lost for that.
    with suppress(Exception):
        context = _context_of(record)
    with suppress(Exception):
        record = _admissible(record)
    with nullcontext() if context is None else attached(context):
        emit(handler, record)


def _flush_while_threads_start(flush: Callable[..., None], handler: logging.Handler) -> None:
    with suppress(RuntimeError):  # can't create new thread at interpreter shutdown
        flush(handler)


def _patch_django(module: ModuleType) -> None:
    with suppress(AttributeError):  # `private_names.missing` says so
        patch(sdk.django_middleware(module), "process_response", _process_response)


def _process_response(
    original: Callable[..., Any], middleware: object, request: object, response: object
) -> Any:
    with suppress(AttributeError):  # a request object without a dictionary
        remember_context(request, otel_context.get_current())
    return original(middleware, request, response)


def _context_of(record: logging.LogRecord) -> Context | None:
    """Return the context that `record` belongs to, or None for the current one.

    A record that is logged in a span or a session stays there.
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
    """Return `record`, or a copy whose extra values are all possible as attributes.

    Other handlers get the record as it is.
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
    except Exception:  # raised by the application's own method
        return f"<{type(value).__name__}>"
