"""Applications that a server has loaded and that nothing instruments: a person hears of them at the
start, and not by an empty timeline.

Which framework is in use shows only when the application is loaded, long after the hook has run. So
the hook leaves word with the servers that are met most: gunicorn, uvicorn, waitress, and Bottle's
own. Where there is a doubt, nothing is said.
"""

from __future__ import annotations

import inspect
import logging
import sys
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from wrapt import register_post_import_hook

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
"""Modules of frameworks, and the modules of what instruments them."""
_BY_HAND: Final = {name.replace("-", "_").removesuffix("_py") for name in BY_HAND}
_OURS: Final = "starlette"
"""What our extra `cli` brings."""
_MIDDLEWARE: Final = "OpenTelemetryMiddleware"


class _State:
    """What is known of this process."""

    tell: Tell | None = None
    wrapped = False
    """Whether an application was put into one of contrib's middlewares."""


def watch_servers(tell: Tell) -> None:
    """Call `tell` with an application's name, its interface, and the package that should instrument it, if there is one; once for each server."""
    watched, _State.tell = _State.tell is not None, tell
    if watched:
        return
    for interface in ("wsgi", "asgi"):
        register_post_import_hook(_note_middleware, f"opentelemetry.instrumentation.{interface}")
    for module, watch in _SERVERS.items():
        register_post_import_hook(watch, module)


def _note_middleware(module: ModuleType) -> None:
    middleware = getattr(module, _MIDDLEWARE, None)
    if middleware is not None:
        middleware.__init__ = _after(middleware.__init__, _wrapped)


def _wrapped(*_: Any, **__: Any) -> None:
    _State.wrapped = True


def _watch_gunicorn(module: ModuleType) -> None:
    module.Worker.load_wsgi = _after(
        module.Worker.load_wsgi, lambda worker: _look_at(worker.wsgi, "wsgi")
    )


def _watch_uvicorn(module: ModuleType) -> None:
    module.Config.load = _after(module.Config.load, _look_at_uvicorn)


def _look_at_uvicorn(config: Any) -> None:
    application = config.loaded_app
    while type(application).__module__.startswith("uvicorn."):  # its own middlewares
        application = application.app
    _look_at(application, "wsgi" if config.interface == "wsgi" else "asgi")


def _watch_waitress(module: ModuleType) -> None:
    module.create_server = _after(  # type: ignore[attr-defined]
        module.create_server, lambda application, *_, **__: _look_at(application, "wsgi")
    )


def _watch_bottle(module: ModuleType) -> None:
    original = module.run

    @wraps(original)
    def run(*arguments: Any, **keywords: Any) -> object:
        _try(lambda: _look_at(module.default_app(), "wsgi"))
        return original(*arguments, **keywords)

    module.run = run  # type: ignore[attr-defined] # it is there


_SERVERS: Final = {
    "gunicorn.workers.base": _watch_gunicorn,
    "uvicorn.config": _watch_uvicorn,
    "waitress.server": _watch_waitress,
    "bottle": _watch_bottle,
}


def _after(original: Callable[..., object], look: Callable[..., object]) -> Callable[..., object]:
    @wraps(original)
    def call(*arguments: Any, **keywords: Any) -> object:
        result = original(*arguments, **keywords)
        _try(lambda: look(*arguments, **keywords))
        return result

    return call


def _try(look: Callable[[], object]) -> None:
    try:
        look()
    except Exception:
        _logger.debug("The application could not be looked at.", exc_info=True)


def _look_at(application: object, interface: str) -> None:
    """Tell of an application that nothing makes spans of."""
    if _State.wrapped or _State.tell is None:
        return
    roots = {base.__module__.partition(".")[0] for base in type(application).__mro__}
    by_hand = bool(roots & _BY_HAND)
    frameworks = [name for name in _FRAMEWORKS if name in sys.modules]
    at_work = {name for name in frameworks if sdk.is_instrumented(_FRAMEWORKS[name])}
    if at_work == {_OURS} and _OURS not in roots and _OURS in Installed.here().only_ours:
        # Its instrumentation has imported it, and is there because our extra has brought it.
        frameworks.remove(_OURS)
        at_work.clear()
    if at_work and not by_hand:
        return
    if by_hand or not frameworks:
        _State.tell(_name_of(application), "asgi" if _is_asgi(application) else interface, "")
    else:
        _State.tell(frameworks[0], interface, _FRAMEWORKS[frameworks[0]].replace("_", "-"))


def _is_asgi(application: object) -> bool:
    """Whether gunicorn has loaded it for a worker of uvicorn's."""
    return inspect.iscoroutinefunction(application) or inspect.iscoroutinefunction(
        getattr(application, "__call__", None)  # noqa: B004
    )


def _name_of(application: object) -> str:
    if isinstance(application, str):
        return application
    named = application if hasattr(application, "__qualname__") else type(application)
    return f"{named.__module__}.{getattr(named, '__qualname__', '')}"
