"""What an exception is called, read from attributes that two kinds of writers fill in two ways.

Span events and `emit(exception=…)` give a qualified type and the exception's text; handlers of the
standard library's logging leave the module out, and cut the text down to the exception's first
argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_asayer.documents.values import text_of
from otel_asayer.propagation.session_id import without_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "EXCEPTION_EVENT",
    "EXCEPTION_MESSAGE",
    "EXCEPTION_STACKTRACE",
    "EXCEPTION_TYPE",
    "attribute_text",
    "exception_message",
    "exception_text",
    "exception_type_name",
    "reduce_exception",
]

EXCEPTION_EVENT: Final = "exception"
"""Name of the event that is nothing but an exception."""
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"


def reduce_exception(attributes: dict[str, Any]) -> None:
    """Reduce each token in an exception's message and stack to the id of its session."""
    for name in (EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE):
        text = attributes.get(name)
        if isinstance(text, str):
            attributes[name] = without_tokens(text)


def exception_text(attributes: Mapping[str, Any]) -> str:
    """Return an exception's type and message, and on the lines after it its stack."""
    head = ": ".join(
        filter(None, (attribute_text(attributes, EXCEPTION_TYPE), exception_message(attributes)))
    )
    return f"{head or 'exception'}\n{attribute_text(attributes, EXCEPTION_STACKTRACE)}".rstrip()


def exception_type_name(attributes: Mapping[str, Any]) -> str:
    """Return the last part of the type's name: the only one that all writers give."""
    return attribute_text(attributes, EXCEPTION_TYPE).rpartition(".")[2]


def exception_message(attributes: Mapping[str, Any]) -> str:
    """Return the exception's text, the whole of it where the last line of the stack has more.

    `KeyError('x')` is `x` in a log record and `'x'` in a span event.
    """
    message = attribute_text(attributes, EXCEPTION_MESSAGE)
    last_line = attribute_text(attributes, EXCEPTION_STACKTRACE).rstrip().rpartition("\n")[2]
    kind, _, whole = last_line.partition(": ")
    return (
        whole
        if message in whole and kind.rpartition(".")[2] == exception_type_name(attributes)
        else message
    )


def attribute_text(attributes: Mapping[str, Any], name: str) -> str:
    """Return the text of an attribute, nothing where there is none."""
    value = attributes.get(name)
    return "" if value is None else text_of(value)
