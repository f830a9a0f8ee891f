"""Reports applications that a server loads and nothing instruments, so that nobody waits for spans.

Which framework is in use shows only when a server loads the application, long after the hook has
run. So the hook patches the most common servers: gunicorn, uvicorn, waitress, and Bottle's own. In
doubt, nothing is reported.
"""

from __future__ import annotations

import inspect
import logging
import sys
from typing import TYPE_CHECKING, Any, Final

from wrapt import register_post_import_hook

from otel_asayer.propagation.patching import call_after, patch
from otel_asayer.runtime import sdk
from otel_asayer.runtime.frameworks import BY_HAND, Installed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    Tell = Callable[[str, str, str], object]

__all__ = ["watch_servers"]

_logger = logging.getLogger(__name__)

_FRAMEWORKS: Final = {
    "aiohttp.web": "aiohttp_server",
    "django": "django",
    "falcon": "falcon",
    "fastapi": "fastapi",
    "flask": "flask",
    "pyramid": "pyramid",
    "starlette": "starlette",
    "tornado": "tornado",
}
"""The module of each framework, and the one that instruments it."""
_BY_HAND: Final = {name.replace("-", "_").removesuffix("_py") for name in BY_HAND}
_OURS: Final = "starlette"
"""The extra `cli` depends on it."""
_MIDDLEWARE: Final = "OpenTelemetryMiddleware"


class _State:
    """The state of this process."""

    tell: Tell | None = None
    wrapped = False
    """Whether one of contrib's middlewares wraps an application."""


def watch_servers(tell: Tell) -> None:
    """Call `tell` with each application that a server loads and nothing instruments.

    Its arguments are the application's name, its interface (`wsgi` or `asgi`), and the package that
    would instrument it, or an empty text.
    """
    watched, _State.tell = _State.tell is not None, tell
    if watched:
        return
    for interface in ("wsgi", "asgi"):
        register_post_import_hook(_note_middleware, f"opentelemetry.instrumentation.{interface}")
    for module, watch in _SERVERS.items():
        register_post_import_hook(watch, module)


def _note_middleware(module: ModuleType) -> None:
    if hasattr(module, _MIDDLEWARE):
        call_after(getattr(module, _MIDDLEWARE), "__init__", _note_wrapped)


def _note_wrapped(*_: Any, **__: Any) -> None:
    _State.wrapped = True


def _watch_gunicorn(module: ModuleType) -> None:
    def then(_result: object, worker: Any) -> None:
        _try(lambda: _look_at(worker.wsgi, "wsgi"))

    call_after(module.Worker, "load_wsgi", then)


def _watch_uvicorn(module: ModuleType) -> None:
    def then(_result: object, config: Any) -> None:
        _try(lambda: _look_at_uvicorn(config))

    call_after(module.Config, "load", then)


def _look_at_uvicorn(config: Any) -> None:
    application = config.loaded_app
    while type(application).__module__.startswith("uvicorn."):  # its own middlewares
        application = application.app
    _look_at(application, "wsgi" if config.interface == "wsgi" else "asgi")


def _watch_waitress(module: ModuleType) -> None:
    def then(_result: object, application: object, *_: Any, **__: Any) -> None:
        _try(lambda: _look_at(application, "wsgi"))

    call_after(module, "create_server", then)


def _watch_bottle(module: ModuleType) -> None:
    def run(original: Callable[..., object], *arguments: Any, **keywords: Any) -> object:
        _try(lambda: _look_at(module.default_app(), "wsgi"))
        return original(*arguments, **keywords)

    patch(module, "run", run)


_SERVERS: Final = {
    "gunicorn.workers.base": _watch_gunicorn,
    "uvicorn.config": _watch_uvicorn,
    "waitress.server": _watch_waitress,
    "bottle": _watch_bottle,
}


def _try(look: Callable[[], object]) -> None:
    try:
        look()
    except Exception:
        _logger.debug("The application could not be looked at.", exc_info=True)


def _look_at(application: object, interface: str) -> None:
    """Report an application for whose requests nothing creates spans."""
    if _State.wrapped or _State.tell is None:
        return
    roots = {base.__module__.partition(".")[0] for base in type(application).__mro__}
    by_hand = bool(roots & _BY_HAND)
    frameworks = [name for name in _FRAMEWORKS if name in sys.modules]
    at_work = {name for name in frameworks if sdk.is_instrumented(_FRAMEWORKS[name])}
    if at_work == {_OURS} and _OURS not in roots and _OURS in Installed.here().only_ours:
        # Only its instrumentation has imported it, and only our extra has installed it.
        frameworks.remove(_OURS)
        at_work.clear()
    if at_work and not by_hand:
        return
    if by_hand or not frameworks:
        _State.tell(_name_of(application), "asgi" if _is_asgi(application) else interface, "")
    else:
        _State.tell(frameworks[0], interface, _FRAMEWORKS[frameworks[0]].replace("_", "-"))


def _is_asgi(application: object) -> bool:
    """Whether an application is for one of uvicorn's workers under gunicorn."""
    return inspect.iscoroutinefunction(application) or inspect.iscoroutinefunction(
        getattr(application, "__call__", None)  # noqa: B004
    )


def _name_of(application: object) -> str:
    if isinstance(application, str):
        return application
    named = application if hasattr(application, "__qualname__") else type(application)
    return f"{named.__module__}.{getattr(named, '__qualname__', '')}"
