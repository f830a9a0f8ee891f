"""What stands before every page: who may ask, and what a browser may do with the answer.

- The page is on loopback, and any web page that its user opens can send requests there. A name that
  an attacker's DNS lets point to 127.0.0.1 makes such a page even of our origin: so the `Host` must
  be a loopback name with our port.
- A form of another origin must not be taken for ours: a POST must say that it comes from here
  (`Sec-Fetch-Site`, or `Origin` where a browser does not send that). Other origins may lead a
  person here, but not load anything.
- The answer loads nothing from elsewhere, runs nothing but our script, is in no frame, and stays in
  no cache.
"""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEADERS", "Guard", "hosts_of"]

HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action "
        "'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_HTTP_PORT: Final = 80
_READING: Final = ("GET", "HEAD")


def hosts_of(port: int) -> frozenset[str]:
    """Return the values of `Host` under which a server on this port of loopback is meant."""
    names = ("localhost", "127.0.0.1", "[::1]")
    with_port = frozenset(f"{name}:{port}" for name in names)
    return with_port | frozenset(names) if port == _HTTP_PORT else with_port


class Guard:
    """Lets pass what a person's own browser asks of us, and gives every answer its headers.

    Args:
        app: what answers.
        hosts: admitted values of `Host`.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = (
            self._refusal(scope["method"], Headers(scope=scope))
            if scope["type"] == "http"
            else None
        )
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, method: str, headers: Headers) -> PlainTextResponse | None:
        given = headers.getlist("host")
        if len(given) != 1 or given[0].lower() not in self._hosts:
            return _refuse(
                http.HTTPStatus.BAD_REQUEST,
                "This page is served on loopback only, under the address that `otel-asayer serve` "
                "prints.",
            )
        if not _is_from_here(method, headers):
            return _refuse(
                http.HTTPStatus.FORBIDDEN, "This request comes from a page of another origin."
            )
        return None


def _is_from_here(method: str, headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if method in _READING:
        # Without the header it is no browser, or an old one; and a link may lead here from
        # anywhere.
        return site in (None, "none", "same-origin") or headers.get("sec-fetch-mode") == "navigate"
    # With `no-referrer`, a browser sends `Origin: null` with our own form.
    return (
        site == "same-origin"
        if site is not None
        else headers.get("origin") == f"http://{headers['host']}"
    )


def _refuse(status: http.HTTPStatus, sentence: str) -> PlainTextResponse:
    return PlainTextResponse(f"{sentence}\n", status)
