"""Redirects: the session id stays behind when a call is sent on to a host that may not know it.

HTTP clients send the headers of a request on to where it is redirected. No propagator is asked
about the second host, or it is asked under a span that does not say where the call goes:
`requests`, `urllib.request` and aiohttp follow redirects inside one call, below their
instrumentations, and httpx has no span for a host whose URLs are excluded, nor a recorded one where
the trace is not sampled. Each makes the next request in one place:

- `requests` takes credentials out of it in `Session.rebuild_auth`, which applications override, and
  looks for its proxies in `rebuild_proxies`.
- `urllib.request` makes it in `HTTPRedirectHandler.redirect_request`. A handler of the
  application's own that does not call that is not guarded.
- aiohttp announces it to the session's `TraceConfig`s, with the headers that it sends again. A
  session gets ours with its next request.
- httpx makes it in `BaseClient._build_redirect_request`, also what `Response.next_request` holds. A
  private name; a test follows real redirects.

urllib3 starts each hop with the headers that the application gave. gRPC knows no redirects, and no
hosts: `grpc_calls`.

Guards are set when the first session comes into a context, or is injected, by whatever way this
package was set up.
"""

from __future__ import annotations

import logging
from functools import cache, partial, wraps
from typing import TYPE_CHECKING, Any, Final

from otel_asayer.propagation.composites import propagators

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from types import ModuleType

__all__ = ["guard_redirects"]

_MARK: Final = "_otel_asayer_guarded"
_logger = logging.getLogger(__name__)


@cache
def guard_redirects() -> None:
    """Guard the redirects of each client from when it is imported, or from now on; a second call changes nothing. Never raises."""
    try:
        from wrapt import (
            register_post_import_hook,
        )  # it takes as long as all of the propagator, which every process loads

        for name, guard in _CLIENTS.items():
            register_post_import_hook(partial(_set, guard), name)
    except Exception:
        _logger.warning(
            "Redirects are not guarded: a session id may follow them to any host.", exc_info=True
        )


def _set(guard: Callable[[ModuleType], None], module: ModuleType) -> None:
    """Guard a client; without the names that it takes, which would otherwise break the import of that client, it is left alone."""
    try:
        guard(module)
    except Exception:
        _logger.warning(
            "%s cannot be guarded: a session id may follow its redirects to any host.",
            module.__name__,
            exc_info=True,
        )


def _guard_requests(module: ModuleType) -> None:
    def then(_result: Any, _session: Any, prepared_request: Any, *_: Any, **__: Any) -> None:
        _withdraw(prepared_request.headers, prepared_request.url)

    _do_after(module.SessionRedirectMixin, "rebuild_auth", then)
    _do_after(module.SessionRedirectMixin, "rebuild_proxies", then)


def _guard_urllib(module: ModuleType) -> None:
    def then(request: Any, *_: Any, **__: Any) -> None:
        if request is not None:
            _withdraw(request.headers, request.full_url)

    _do_after(module.HTTPRedirectHandler, "redirect_request", then)


def _guard_httpx(module: ModuleType) -> None:
    _do_after(
        module.BaseClient,
        "_build_redirect_request",
        lambda request, *_, **__: _withdraw(request.headers, str(request.url)),
    )


def _guard_aiohttp(module: ModuleType) -> None:
    ours = module.TraceConfig()
    ours.on_request_redirect.append(_on_request_redirect)
    ours.freeze()
    # Every request of a session's goes through it
    request = module.ClientSession._request  # noqa: SLF001
    if hasattr(request, _MARK):
        return

    @wraps(request)
    def replacement(session: Any, *arguments: Any, **keywords: Any) -> Any:
        configs = session._trace_configs  # noqa: SLF001 (the public name is read-only)
        if configs and ours not in configs:  # where nobody traces, nobody injects
            session._trace_configs = [*configs, ours]  # noqa: SLF001
        return request(session, *arguments, **keywords)

    setattr(replacement, _MARK, True)
    module.ClientSession._request = replacement  # noqa: SLF001


async def _on_request_redirect(_session: Any, _context: Any, redirect: Any) -> None:
    try:
        location = redirect.response.headers.get("location") or redirect.response.headers.get("uri")
        url = str(redirect.url.join(type(redirect.url)(location)))
    except (TypeError, ValueError):  # no location, or none that can be read: aiohttp goes nowhere
        return
    _withdraw(redirect.headers, url)


def _guard_grpc(module: ModuleType) -> None:
    from otel_asayer.propagation.grpc_calls import guard_calls

    guard_calls(module, _withdraw)


def _guard_grpc_of_asyncio(module: ModuleType) -> None:
    from otel_asayer.propagation.grpc_calls import guard_calls_of_asyncio

    guard_calls_of_asyncio(module, _withdraw)


_CLIENTS: Final[dict[str, Callable[[ModuleType], None]]] = {
    "requests.sessions": _guard_requests,
    "urllib.request": _guard_urllib,
    "httpx._client": _guard_httpx,
    "aiohttp.client": _guard_aiohttp,
    "grpc._channel": _guard_grpc,
    "grpc.aio._call": _guard_grpc_of_asyncio,
}


def _do_after(owner: Any, name: str, then: Callable[..., object]) -> None:
    """Let a function, once it has returned, be followed by `then`, which gets the result and the arguments; a second call changes nothing."""
    original = getattr(owner, name)
    if hasattr(original, _MARK):
        return

    @wraps(original)
    def replacement(*arguments: Any, **keywords: Any) -> Any:
        result = original(*arguments, **keywords)
        then(result, *arguments, **keywords)
        return result

    setattr(replacement, _MARK, True)
    setattr(owner, name, replacement)


def _withdraw(headers: MutableMapping[str, Any], url: str | None) -> None:
    from opentelemetry.propagate import get_global_textmap  # which may be what loads this module

    for propagator in propagators(get_global_textmap()):
        if withdraw := getattr(propagator, "withdraw", None):  # ours has it, and no other
            withdraw(headers, url)
