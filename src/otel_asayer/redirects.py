"""Redirects: the session id stays behind when a call is sent on to a host that may not know it.

`requests`, `urllib.request` and aiohttp follow redirects inside one call, below their instrumentations: no propagator is asked about the second
host, which gets the headers that were made for the first. Each has a place where the next request is made:

- `requests` takes credentials out of it in `Session.rebuild_auth`.
- `urllib.request` makes it in `HTTPRedirectHandler.redirect_request`. A handler of the application's own that does not call that is not guarded.
- aiohttp announces it to the `TraceConfig` of its instrumentation, with the headers that it sends again.

httpx and urllib3 ask at each hop.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.propagate import get_global_textmap
from wrapt import register_post_import_hook

from otel_asayer import _sdk
from otel_asayer.propagator import AsayerPropagator

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from types import ModuleType

__all__ = ["guard_redirects"]

_MARK: Final = "_otel_asayer_guarded"


def guard_redirects() -> None:
    """Guard the redirects of each client from when it is imported, or from now on; a second call changes nothing."""
    register_post_import_hook(_guard_requests, "requests.sessions")
    register_post_import_hook(_guard_urllib, "urllib.request")
    register_post_import_hook(_guard_aiohttp, "opentelemetry.instrumentation.aiohttp_client")


def _guard_requests(module: ModuleType) -> None:
    def then(_result: Any, _session: Any, prepared_request: Any, response: Any) -> None:  # noqa: ARG001 (named as callers may name them)
        _withdraw(prepared_request.headers, prepared_request.url)

    _do_after(module.SessionRedirectMixin, "rebuild_auth", then)


def _guard_urllib(module: ModuleType) -> None:
    _do_after(module.HTTPRedirectHandler, "redirect_request", lambda request, *_, **__: _withdraw(request.headers, request.full_url))


def _guard_aiohttp(module: ModuleType) -> None:
    _do_after(module, "create_trace_config", lambda config, *_, **__: config.on_request_redirect.append(_on_request_redirect))


async def _on_request_redirect(_session: Any, _context: Any, redirect: Any) -> None:
    try:
        location = redirect.response.headers.get("location") or redirect.response.headers.get("uri")
        url = str(redirect.url.join(type(redirect.url)(location)))
    except (TypeError, ValueError):  # no location, or none that can be read: aiohttp goes nowhere
        return
    _withdraw(redirect.headers, url)


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


def _withdraw(headers: MutableMapping[str, Any], url: str) -> None:
    for propagator in _sdk.propagators(get_global_textmap()):
        if isinstance(propagator, AsayerPropagator):
            propagator.withdraw(headers, url)
