"""The session id in OpenTelemetry's Context: it travels as the baggage entry `session.id`.

Some instrumentations start a request's span in the context that they extracted, but make only the
span current (aiohttp's server). So where the baggage has no session, that of the current span
counts, if the span is one of this process: a remote parent says nothing about sessions. The span
knows its session from `SessionSpanProcessor`, or from an attribute `session.id` that the
application set.

Needs the OpenTelemetry API only. Anything may have set what is in baggage or on a span: it is
parsed again unless it is a `SessionId`, which only the parser makes.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from opentelemetry import baggage, context as otel_context
from opentelemetry.trace import INVALID_SPAN, Span, SpanContext, TraceFlags, get_current_span

from otel_asayer.attributes import BAGGAGE_SESSION_ID, NOTED_SESSION_ID, SESSION_ID
from otel_asayer.config import attribute_length_limit
from otel_asayer.propagation.session_id import (
    SessionId,
    own_session_id,
    parse_session_id,
    require_session_id,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.context import Context

__all__ = [
    "attached",
    "context_of_request",
    "get_session_id",
    "keep_inside",
    "remember_context",
    "remember_exception",
    "remember_span",
    "remembering",
    "remove_session_id",
    "session",
    "session_of_exception",
    "session_of_span",
    "set_session_id",
    "span_of_exception",
]

_EXCEPTION_ATTRIBUTE = "__otel_asayer_session__"
_SPAN_ATTRIBUTE = "__otel_asayer_span__"
_CONTEXT_ATTRIBUTE = "__otel_asayer_context__"


def get_session_id(context: Context | None = None) -> SessionId | None:
    """Return the session id of `context` (default: the current one), or None if it has none.

    The baggage goes first, then the span, if this process started it.
    """
    value = baggage.get_baggage(BAGGAGE_SESSION_ID, context)
    if type(value) is SessionId:
        return value
    if isinstance(value, str) and (session_id := own_session_id(value)):
        return session_id
    span = get_current_span(context)  # where a request begins, there is none
    return None if span is INVALID_SPAN else session_of_span(span)


def session_of_span(span: Span, *, opaque: bool | None = None) -> SessionId | None:
    """Return the session that a span of this process is in, or None.

    Args:
        span: any span; remote spans and those that are not recorded have no session.
        opaque: as for `own_session_id`, of the span's attribute.
    """
    noted = getattr(span, NOTED_SESSION_ID, None)
    if type(noted) is SessionId:
        return noted
    attributes = getattr(span, "attributes", None)
    value = None if attributes is None else attributes.get(SESSION_ID)
    # A value as long as OpenTelemetry's limit may have been cut, and read like another session's.
    if (
        not isinstance(value, str)
        or len(value) >= attribute_length_limit()
        or span.get_span_context().is_remote
    ):
        return None
    return own_session_id(value, opaque=opaque)


@cache
def keep_inside() -> None:
    """Guard the clients that would take a session to other hosts, from the first session on.

    Before that, a process loads nothing for it.
    """
    from otel_asayer.propagation.redirects import guard_redirects

    guard_redirects()


def set_session_id(session_id: SessionId, context: Context | None = None) -> Context:
    """Return `context` (default: the current one) with this session."""
    keep_inside()
    return baggage.set_baggage(BAGGAGE_SESSION_ID, session_id, context)


def remove_session_id(context: Context | None = None) -> Context:
    """Return `context` (default: the current one) without a session."""
    return baggage.remove_baggage(BAGGAGE_SESSION_ID, context)


@contextmanager
def attached(context: Context) -> Iterator[None]:
    """Run a block with `context` as the current one."""
    token = otel_context.attach(context)
    try:
        yield
    finally:
        otel_context.detach(token)


@contextmanager
def session(session_id: str | int) -> Iterator[SessionId]:
    """Run a block inside a session: for jobs, scripts, WebSockets, and other ways to get the id.

    Spans and log records of the block carry the id, and calls to other services pass it on. An
    exception that leaves the block is recorded with its session, even if nothing catches it.

    Args:
        session_id: the id as text or number, or an OpenReplay token, which is reduced to the id.

    Raises:
        InvalidSessionIdError: `session_id` is not a session id.
    """
    valid = require_session_id(session_id)
    with remembering(set_session_id(valid)):
        yield valid


@contextmanager
def remembering(context: Context) -> Iterator[None]:
    """Run a block in `context`; an exception that leaves it keeps the session of `context`."""
    with attached(context):
        try:
            yield
        except BaseException as error:
            if session_id := get_session_id(context):
                remember_exception(error, session_id)
            raise


def remember_exception(error: BaseException, session_id: SessionId) -> None:
    """Store on `error` the session that it was raised in, unless one is stored already.

    Hooks for uncaught exceptions run when the context is gone. An attribute of the exception lives
    exactly as long as the exception.
    """
    error.__dict__.setdefault(_EXCEPTION_ATTRIBUTE, session_id)


def session_of_exception(error: BaseException) -> SessionId | None:
    """Return the session that `remember_exception`, or else `remember_span`, stored on `error`."""
    noted = error.__dict__.get(_EXCEPTION_ATTRIBUTE)
    if type(noted) is SessionId:
        return noted
    *_, session_id = error.__dict__.get(_SPAN_ATTRIBUTE) or (None,)
    return None if session_id is None else parse_session_id(session_id, opaque=True)


def remember_span(
    error: BaseException, span: SpanContext, session_id: SessionId | None = None
) -> None:
    """Store on `error` the span that it left, and that span's session.

    The first span of a trace stays: the exception was raised there. An exception that is raised
    again in another trace belongs to that one, as some are created once and raised in every
    request. Stored as plain numbers and text: exceptions are pickled, and read where there is no
    OpenTelemetry.
    """
    noted = error.__dict__.get(_SPAN_ATTRIBUTE)
    if noted is not None and noted[0] == span.trace_id:
        return
    error.__dict__[_SPAN_ATTRIBUTE] = (
        span.trace_id,
        span.span_id,
        int(span.trace_flags),
        None if session_id is None else str(session_id),
    )


def span_of_exception(error: BaseException) -> SpanContext | None:
    """Return the span that `remember_span` stored on `error`."""
    noted = error.__dict__.get(_SPAN_ATTRIBUTE)
    if noted is None:
        return None
    trace_id, span_id, flags, _ = noted
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(flags))


def remember_context(request: object, context: Context) -> None:
    """Store on a framework's request object the context of the request.

    Some frameworks log about a request when its context is gone.
    """
    request.__dict__[_CONTEXT_ATTRIBUTE] = context


def context_of_request(request: object) -> Context | None:
    """Return the context that `remember_context` stored on `request`."""
    return getattr(request, "__dict__", {}).get(_CONTEXT_ATTRIBUTE)
