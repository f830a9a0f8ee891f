"""Keeps the session id from following a redirect to a host that may not learn it.

HTTP clients send the headers of a request on to where it is redirected. No propagator is asked
about the second host, or it is asked under a span that does not say where the call goes:
`requests`, `urllib.request` and aiohttp follow redirects inside one call, below their
instrumentations; httpx has no span for a host whose URLs are excluded, and no recorded one where
the trace is not sampled. Each makes the next request in one place:

- `requests` takes credentials out of it in `Session.rebuild_auth`, which applications override, and
  looks for its proxies in `rebuild_proxies`.
- `urllib.request` makes it in `HTTPRedirectHandler.redirect_request`. A handler of the
  application's own that does not call that is not guarded.
- aiohttp announces it to the session's `TraceConfig`s, with the headers that it sends again. A
  session gets ours with its next request, in `ClientSession._request`.
- httpx makes it in `BaseClient._build_redirect_request`, which `Response.next_request` uses, too.

Tests follow real redirects with each client, for two of these names are private. Where a client has
renamed one, a warning says so.

urllib3 starts each hop with the headers that the application gave. gRPC has no redirects, and its
spans name no hosts: see `grpc_calls`.

The guards are set when the first session comes into a context, or is injected, however this package
was set up.
"""

from __future__ import annotations

import logging
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from otel_asayer.propagation.patching import call_after, patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableMapping
    from types import ModuleType

    from opentelemetry.propagators.textmap import TextMapPropagator

__all__ = ["guard_redirects", "propagators_at_work"]

_logger = logging.getLogger(__name__)


@cache
def guard_redirects() -> None:
    """Guard the redirects of each client, now or when somebody imports it. Never raises.

    A second call has no effect.
    """
    try:
        # Importing it takes as long as the whole propagator, which every process loads.
        from wrapt import register_post_import_hook

        for name, guard in _CLIENTS.items():
            register_post_import_hook(partial(_set, guard), name)
    except Exception:
        _logger.warning(
            "Redirects are not guarded: a session id can follow them to any host.", exc_info=True
        )


def _set(guard: Callable[[ModuleType], None], module: ModuleType) -> None:
    """Guard a client; a failure must not break the import of that client."""
    try:
        guard(module)
    except Exception:
        _logger.warning(
            "%s cannot be guarded: a session id can follow its redirects to any host.",
            module.__name__,
            exc_info=True,
        )


def _guard_requests(module: ModuleType) -> None:
    def then(_result: Any, _session: Any, prepared_request: Any, *_: Any, **__: Any) -> None:
        _withdraw(prepared_request.headers, prepared_request.url)

    call_after(module.SessionRedirectMixin, "rebuild_auth", then)
    call_after(module.SessionRedirectMixin, "rebuild_proxies", then)


def _guard_urllib(module: ModuleType) -> None:
    def then(request: Any, *_: Any, **__: Any) -> None:
        if request is not None:
            _withdraw(request.headers, request.full_url)

    call_after(module.HTTPRedirectHandler, "redirect_request", then)


def _guard_httpx(module: ModuleType) -> None:
    call_after(
        module.BaseClient,
        "_build_redirect_request",
        lambda request, *_, **__: _withdraw(request.headers, str(request.url)),
    )


def _guard_aiohttp(module: ModuleType) -> None:
    ours = module.TraceConfig()
    ours.on_request_redirect.append(_on_request_redirect)
    ours.freeze()

    def request(
        original: Callable[..., Any], session: Any, *arguments: Any, **keywords: Any
    ) -> Any:
        configs = session._trace_configs  # noqa: SLF001 (the public name is read-only)
        if configs and ours not in configs:  # where nobody traces, nobody injects
            session._trace_configs = [*configs, ours]  # noqa: SLF001
        return original(session, *arguments, **keywords)

    patch(module.ClientSession, "_request", request)


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


_CLIENTS: Final[dict[str, Callable[[ModuleType], None]]] = {
    "requests.sessions": _guard_requests,
    "urllib.request": _guard_urllib,
    "httpx._client": _guard_httpx,
    "aiohttp.client": _guard_aiohttp,
    "grpc._channel": _guard_grpc,
    "grpc.aio._call": _guard_grpc,
}


def _withdraw(headers: MutableMapping[str, Any], url: str | None) -> None:
    for propagator in propagators_at_work():
        if withdraw := getattr(propagator, "withdraw", None):  # only ours has it
            withdraw(headers, url)


def propagators_at_work(textmap: TextMapPropagator | None = None) -> list[TextMapPropagator]:
    """Return a propagator (default: the global one), or the members of a composite, at any depth.

    The members of a composite have a private name in OpenTelemetry's API. Without it, a composite
    counts as one propagator.
    """
    from opentelemetry.propagate import get_global_textmap  # it may be what loads this module

    textmap = textmap or get_global_textmap()
    members: Iterable[TextMapPropagator] | None = getattr(textmap, "_propagators", None)
    return (
        [textmap]
        if members is None
        else [one for member in members for one in propagators_at_work(member)]
    )
