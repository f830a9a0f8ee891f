"""Stamps the session id on spans and log records.

Both processors follow one policy: the session of the request overrides a `session.id` of the
application and the SDK's limits. Without a session, nothing changes.

A span belongs to the session of the context in which it is started: that of the baggage, else that
of the parent span, if it is one of this process (`context.get_session_id`). The session may become
known later, inside a span (a WebSocket's first message, a login: `with session(id):`). The spans
and log records of that block, and an exception that leaves it, carry the session; the enclosing
span does not.

The SDK does not guard its calls of `on_start` and `on_emit`: an exception would come out of the
application's own call. So they never raise.
"""

from __future__ import annotations

import logging
import sys
from threading import current_thread
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.trace import Event, Span, SpanProcessor

from otel_asayer.once import warn_once
from otel_asayer.propagation.context import (
    get_session_id,
    remember_span,
    session_of_exception,
    session_of_span,
    span_of_exception,
)
from otel_asayer.runtime import sdk

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from otel_asayer.propagation.session_id import SessionId

__all__ = ["SessionLogRecordProcessor", "SessionSpanProcessor"]

_logger = logging.getLogger(__name__)
_EXCEPTIONS_INSTRUMENTATION: Final = "opentelemetry.instrumentation.exceptions"


class SessionSpanProcessor(SpanProcessor):
    """Gives every span of a session its `session.id`.

    Its place among the processors does not matter.
    """

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Stamp a span with the session of its parent context (None: the current context)."""
        try:
            if session_id := get_session_id(parent_context):
                sdk.stamp_span(span, session_id)
        except Exception as error:
            _warn(error)

    def _on_ending(self, span: Span) -> None:
        """Stamp it again: a limit may have dropped or cut the id, or the application replaced it.

        An exception that leaves the span now, and that the span recorded, belongs to the span. It
        may be recorded or logged again after the span has ended, so the span is stored on it. If
        the span has no session, the one that `session()` stored inside it counts.
        """
        try:
            in_session = sdk.restore_session(span)
            leaving = sys.exc_info()[1]
            if leaving is None or not (events := _events_of(span, leaving)):
                return
            if not in_session and (noted := session_of_exception(leaving)):
                for event in events:
                    sdk.stamp_event(event, noted)
            remember_span(
                leaving, span.get_span_context(), session_of_span(span) if in_session else None
            )
        except Exception as error:
            _warn(error)


class SessionLogRecordProcessor(LogRecordProcessor):
    """Gives every log record of a session its `session.id`.

    It must come before the processors that export.
    """

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Stamp a log record with the session of its context.

        A record of an exception that has no trace gets the span that the exception left.
        """
        try:
            record = log_record.log_record
            if session_id := _session_of(log_record):
                sdk.stamp_log_record(record, session_id)
            error = getattr(record, "exception", None)
            # Two records of one trace are one in the replay.
            if error is not None and not record.trace_id and (span := span_of_exception(error)):
                record.trace_id, record.span_id = span.trace_id, span.span_id
                record.trace_flags = span.trace_flags
        except Exception as failure:
            _warn(failure)

    def enabled(self, **_: Any) -> bool:
        """Return False: it exports nothing, and others decide whether a logger is enabled."""
        return False

    def shutdown(self) -> None:
        """Nothing is held."""

    # The SDK's signature; milliseconds
    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002
        """Nothing is held."""
        return True


def _events_of(span: Span, error: BaseException) -> list[Event]:
    """Return the events of exceptions of this type that `span` recorded.

    An exception that is only being handled around the span left no event on it.
    """
    return [
        event
        for event in span.events
        if str((event.attributes or {}).get("exception.type")).rpartition(".")[2]
        == type(error).__name__
    ]


def _session_of(emitted: ReadWriteLogRecord) -> SessionId | None:
    """Return the session of a log record: that of its context, else that of its exception.

    An uncaught exception is recorded when its context is gone. Then the session counts that
    `session()` stored on it, or, in a thread, that of the context in which the thread was started.
    The latter is only used here: threads of a pool outlive the request that started them.
    """
    record = emitted.log_record
    session_id = get_session_id(record.context)
    error = getattr(record, "exception", None)
    if session_id is not None or error is None:
        return session_id
    session_id = session_of_exception(error)
    scope = emitted.instrumentation_scope
    if session_id is None and scope is not None and scope.name == _EXCEPTIONS_INSTRUMENTATION:
        started_in = sdk.thread_context(current_thread())
        session_id = None if started_in is None else get_session_id(started_in)
    return session_id


def _warn(error: Exception) -> None:
    """Log a failure: it may come with every span, and from inside of logging itself."""
    warn_once(
        _logger,
        "The session id could not be written on a span or log record; this is logged once.",
        error,
    )
