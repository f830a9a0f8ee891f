"""An entry span in one line, as the reader of a replay sees it: what was asked, what came of it,
how long it took.

Reads the semantic conventions of today and those before 1.23 (`http.method`, `http.status_code`,
`http.target`). Queries, fragments and user information of a target are never shown: they carry
secrets, and everybody who may watch the replay would see them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.attributes import HANDLED
from otel_asayer.documents.values import text_of
from otel_asayer.propagation.session_id import without_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import Status

__all__ = ["Entry", "blames_the_caller", "entry_of"]

_AUTHORITY: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*|[^/?#]*@")
_AFTER_PATH: Final = re.compile(r"[?#]")
_STATUS_CODE: Final = re.compile(r"[1-9][0-9]{2}")
_STATUS_CODES: Final = range(100, 600)
_NS_PER_MS: Final = 1_000_000
_CLIENT_ERROR: Final = 400
_SERVER_ERROR: Final = 500
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
"""Statuses of gRPC that blame the caller, by its semantic conventions.

The old ones of these have the number as attribute, the new ones the name.
"""


class Entry(NamedTuple):
    """What an entry span shows."""

    level: str
    """`error`, `warning` for answers that blame the caller, `info`."""
    text: str
    """`GET /cart/{id} 500 in 132 ms`, or, without HTTP, the span's name in the place of method and path."""


def entry_of(name: str, attributes: Mapping[str, Any], status: Status, duration_ns: int) -> Entry:
    """Return what the entry span of this name, of these attributes and this status shows."""
    get = attributes.get
    method = get("http.request.method") or get("http.method")
    code = _status_code(get("http.response.status_code") or get("http.status_code"))
    is_handled = get(HANDLED) is True
    is_error = not status.is_ok and not is_handled
    level = (
        "error"
        if is_error or code >= _SERVER_ERROR
        else "warning"
        if is_handled or code >= _CLIENT_ERROR
        else "info"
    )
    subject = f"{text_of(method)} {_path(attributes)}".rstrip() if method else text_of(name)
    outcome = (
        f" {code}"
        if code
        else f" ERROR {without_tokens(text_of(status.description or ''))}".rstrip()
        if is_error
        else ""
    )
    return Entry(level, f"{subject}{outcome} in {(duration_ns + _NS_PER_MS // 2) // _NS_PER_MS} ms")


def blames_the_caller(attributes: Mapping[str, Any]) -> bool:
    """Whether a server span of these attributes answered that the caller is wrong:

    with a status 4xx, or with such a one of gRPC.
    """
    get = attributes.get
    code = _status_code(get("http.response.status_code") or get("http.status_code"))
    if code:
        return _CLIENT_ERROR <= code < _SERVER_ERROR
    return (
        get("rpc.grpc.status_code") in _RPC_CODES_OF_CALLERS
        or get("rpc.response.status_code") in _RPC_CODES_OF_CALLERS.values()
    )


def _status_code(value: object) -> int:
    code = (
        int(value)
        if isinstance(value, int) or (isinstance(value, str) and _STATUS_CODE.fullmatch(value))
        else 0
    )
    return code if code in _STATUS_CODES else 0


def _path(attributes: Mapping[str, Any]) -> str:
    route = attributes.get(
        "http.route"
    )  # a pattern of the application's own, where `?` may be part of a regular expression
    if route:
        return text_of(route)
    target = text_of(attributes.get("url.path") or attributes.get("http.target") or "")
    authority = _AUTHORITY.match(target)
    return _AFTER_PATH.split(target[authority.end() if authority else 0 :], maxsplit=1)[0]
