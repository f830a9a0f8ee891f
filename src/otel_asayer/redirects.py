"""Redirects of `requests`: the session id stays behind when a call is sent on to a host that may not know it.

`requests` follows redirects inside one call, below its instrumentation: no propagator is asked about the second host, which gets the headers that
were made for the first. `Session.rebuild_auth` is where it takes credentials out for the same reason, and so is this.

httpx and urllib3 ask at each hop. aiohttp does not, and has no such place: pass `allow_redirects=False` where an internal service may redirect
to a foreign one.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.propagate import get_global_textmap
from wrapt import register_post_import_hook

from otel_asayer import _sdk
from otel_asayer.propagator import AsayerPropagator

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["guard_redirects"]

_MARK: Final = "_otel_asayer_guarded"


def guard_redirects() -> None:
    """Guard the redirects of `requests` from when it is imported, or from now on; a second call changes nothing."""
    register_post_import_hook(_guard, "requests.sessions")


def _guard(module: ModuleType) -> None:
    original = module.SessionRedirectMixin.rebuild_auth
    if hasattr(original, _MARK):
        return

    @wraps(original)
    def rebuild_auth(self: Any, prepared_request: Any, response: Any) -> Any:
        result = original(self, prepared_request, response)
        for propagator in _sdk.propagators(get_global_textmap()):
            if isinstance(propagator, AsayerPropagator):
                propagator.withdraw(prepared_request.headers, prepared_request.url)
        return result

    setattr(rebuild_auth, _MARK, True)
    module.SessionRedirectMixin.rebuild_auth = rebuild_auth
