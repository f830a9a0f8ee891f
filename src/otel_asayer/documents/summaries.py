"""What a document says in a line: a request, an exception, a severity.

Replay records and timelines show it. Requests follow today's semantic conventions or those before
1.23 (`http.method`, `http.status_code`, `http.target`). The query, fragment and user information
of a target are never shown: they carry secrets, and everybody who watches the replay would see
them.

Exceptions come from two kinds of writers. Span events and `emit(exception=…)` give a qualified type
and the exception's text; handlers of the standard library's logging leave the module out, and cut
the text down to the exception's first argument.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import StatusCode

from otel_asayer.attributes import HANDLED
from otel_asayer.documents.values import NS_PER_MS, text_of
from otel_asayer.propagation.session_id import without_tokens

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from opentelemetry.trace import Status

__all__ = [
    "EXCEPTION_EVENT",
    "EXCEPTION_MESSAGE",
    "EXCEPTION_STACKTRACE",
    "EXCEPTION_TYPE",
    "attribute_text",
    "blames_the_caller",
    "entry_summary",
    "exception_message",
    "exception_text",
    "exception_type_name",
    "is_answer",
    "level_of",
    "outgoing_summary",
    "reduce_exception",
]

EXCEPTION_EVENT: Final = "exception"
"""Name of the span event that is an exception."""
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"

# Least severity number and level, by the ranges of the log data model: ERROR and FATAL, WARN, INFO,
# DEBUG and TRACE.
_LEVELS: Final = ((17, "error"), (13, "warning"), (9, "info"), (1, "debug"))
_AUTHORITY: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*|[^/?#]*@")
_HOST: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#@]+)")
_AFTER_PATH: Final = re.compile(r"[?#]")
_STATUS_CODE: Final = re.compile(r"[1-9][0-9]{2}")
_STATUS_CODES: Final = range(100, 600)
_CLIENT_ERROR: Final = 400
_SERVER_ERROR: Final = 500
_HALF_MS: Final = NS_PER_MS // 2
# Statuses of gRPC that blame the caller, by its semantic conventions. Old conventions have the
# number as attribute, new ones the name.
_RPC_CODES_OF_CALLERS: Final = {
    1: "CANCELLED",
    3: "INVALID_ARGUMENT",
    5: "NOT_FOUND",
    6: "ALREADY_EXISTS",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    10: "ABORTED",
    11: "OUT_OF_RANGE",
    16: "UNAUTHENTICATED",
}
_RPC_NUMBERS_OF_CALLERS: Final = tuple(_RPC_CODES_OF_CALLERS)


def level_of(severity: int) -> str:
    """Return the level of a severity number: `error`, `warning`, `info` or `debug`."""
    return next((level for least, level in _LEVELS if severity >= least), "info")


def entry_summary(
    name: str, attributes: Mapping[str, Any], status: Status, duration_ns: int | None
) -> tuple[str, str]:
    """Return level and text of an entry span: what was asked, what came of it, how long it took.

    The level is `error`, `warning` for an answer that blames the caller, or `info`. The text is
    `GET /cart/{id} 500 in 132 ms`; without HTTP it begins with the span's name, and without a
    duration it ends before ` in`.
    """
    get = attributes.get
    code = _http_status(attributes)
    if method := get("http.request.method") or get("http.method"):
        path = text_of(route) if (route := get("http.route")) else _path(attributes)
        text = f"{text_of(method)} {path}".rstrip()
    else:
        text = text_of(name)
    if code:
        text = f"{text} {code}"
    level = "info"
    if get(HANDLED) is True:
        level = "error" if code >= _SERVER_ERROR else "warning"
    elif status.status_code is StatusCode.ERROR:
        level = "error"
        if not code:
            text += f" ERROR {without_tokens(text_of(status.description or ''))}".rstrip()
    elif code >= _CLIENT_ERROR:
        level = "error" if code >= _SERVER_ERROR else "warning"
    if duration_ns is not None:
        text = f"{text} in {(duration_ns + _HALF_MS) // NS_PER_MS} ms"
    return level, text


def outgoing_summary(name: str, attributes: Mapping[str, Any]) -> str:
    """Return the text of a call: `GET pricing:8080/price 200`, or without HTTP the span's name."""
    get = attributes.get
    code = _http_status(attributes)
    method = get("http.request.method") or get("http.method")
    url = text_of(get("url.full") or get("http.url") or "")
    host = _HOST.match(url)
    if method and host:
        name = f"{text_of(method)} {host[1]}{_path(attributes) or _path_of(url)}"
    elif method and (address := get("server.address") or get("net.peer.name")):
        name = f"{text_of(method)} {text_of(address)}{_path(attributes)}"
    return f"{name} {code}" if code else name


def blames_the_caller(attributes: Mapping[str, Any]) -> bool:
    """Whether a server span answered that the caller is wrong: with 4xx, or gRPC's like."""
    if code := _http_status(attributes):
        return _CLIENT_ERROR <= code < _SERVER_ERROR
    return (
        # Compared, and not looked up: an application may set any value, and not all have a hash.
        attributes.get("rpc.grpc.status_code") in _RPC_NUMBERS_OF_CALLERS
        or attributes.get("rpc.response.status_code") in _RPC_CODES_OF_CALLERS.values()
    )


def is_answer(status: Status, types: Collection[str]) -> bool:
    """Whether exceptions of these types are what a server span that blames the caller answered.

    Args:
        status: Of the span.
        types: Of its exceptions, as `exception_type_name` gives them.
    """
    return bool(types) and (status.is_ok or (status.description or "").partition(":")[0] in types)


def _http_status(attributes: Mapping[str, Any]) -> int:
    value: Any = attributes.get("http.response.status_code") or attributes.get("http.status_code")
    if type(value) is not int:
        is_number = isinstance(value, str) and _STATUS_CODE.fullmatch(value)
        value = int(value) if is_number or isinstance(value, int) else 0
    return value if value in _STATUS_CODES else 0


def _path(attributes: Mapping[str, Any]) -> str:
    # A route is the application's own pattern: a `?` may be part of a regular expression.
    if route := attributes.get("http.route"):
        return text_of(route)
    return _path_of(text_of(attributes.get("url.path") or attributes.get("http.target") or ""))


def _path_of(target: str) -> str:
    """Return the path of a URL or of a request's target."""
    authority = _AUTHORITY.match(target)
    return _AFTER_PATH.split(target[authority.end() if authority else 0 :], maxsplit=1)[0]


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
    """Return the exception's text, from the last line of the stack where that has more.

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
    """Return an attribute's text, empty where there is none."""
    value = attributes.get(name)
    return "" if value is None else text_of(value)
