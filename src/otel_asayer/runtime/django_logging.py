"""Log records about a request whose span has ended: Django says "Not Found: /…" and "Internal
Server Error: /…" behind all of its middleware.

OpenTelemetry's middleware ends the request's span and takes its context away in `process_response`.
So the context is noted on the request before, and `otel_asayer.stdlib` hands over in it what is
logged with `extra={"request": request}`, as Django does.
"""

from __future__ import annotations

from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import get_current
from wrapt import register_post_import_hook

from otel_asayer.propagation.context import remember_context

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["keep_request_logs"]

_MIDDLEWARE: Final = "opentelemetry.instrumentation.django.middleware.otel_middleware"
_MARK: Final = "_otel_asayer_kept"


def keep_request_logs() -> None:
    """Let Django's log records about a request be of the request; a second call changes nothing."""
    register_post_import_hook(_watch_django, _MIDDLEWARE)


def _watch_django(module: ModuleType) -> None:
    middleware: Any = getattr(module, "_DjangoMiddleware", None)
    original = getattr(middleware, "process_response", None)
    if original is None or hasattr(original, _MARK):
        return

    @wraps(original)
    def process_response(self: object, request: object, response: object) -> Any:
        with suppress(AttributeError):  # a request object without a dictionary
            remember_context(request, get_current())
        return original(self, request, response)

    setattr(process_response, _MARK, True)
    middleware.process_response = process_response
