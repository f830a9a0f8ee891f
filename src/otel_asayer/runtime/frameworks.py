"""Frameworks that take requests or jobs, what instruments them, and applications without it.

An application that a server loads and nothing instruments is reported, so that nobody waits for
spans. Which framework is in use shows only when a server loads the application, long after the hook
has run. So the hook patches the most common servers: gunicorn, uvicorn, waitress, and Bottle's own.
In doubt, nothing is reported.
"""

from __future__ import annotations

import inspect
import logging
import re
import sys
from importlib.metadata import Distribution, distributions
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wrapt import register_post_import_hook

from otel_asayer.propagation.patching import call_after, patch
from otel_asayer.runtime import sdk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import ModuleType

    Tell = Callable[[str, str, str], object]

__all__ = [
    "BY_HAND",
    "CLIENTS_TOO",
    "INSTRUMENTED",
    "SERVERS",
    "WORKERS",
    "Installed",
    "normalised",
    "watch_servers",
]

_logger = logging.getLogger(__name__)

INSTRUMENTED: Final[Mapping[str, tuple[str, ...]]] = {
    "aio-pika": ("aio-pika",),
    "aiohttp": ("aiohttp-server",),
    "celery": ("celery",),
    "confluent-kafka": ("confluent-kafka",),
    "django": ("django",),
    "falcon": ("falcon",),
    "fastapi": ("fastapi",),
    "flask": ("flask",),
    "grpcio": ("grpc",),
    "kafka-python": ("kafka-python",),
    "pika": ("pika",),
    "pyramid": ("pyramid",),
    "starlette": ("starlette", "fastapi"),
    "tornado": ("tornado",),
}
"""What follows `opentelemetry-instrumentation-` in the names of the packages that instrument each.

One of them is enough.
"""

CLIENTS_TOO: Final = frozenset(
    {
        "aio-pika",
        "aiohttp",
        "confluent-kafka",
        "grpcio",
        "kafka-python",
        "pika",
        "tornado",
    }
)
"""The members of `INSTRUMENTED` that other packages bring along as clients or loops: that they are
there does not say that the application takes requests or messages with them."""

WORKERS: Final = frozenset({"aio-pika", "celery", "confluent-kafka", "kafka-python", "pika"})
"""The members of `INSTRUMENTED` that take jobs and messages, and no requests."""

BY_HAND: Final[Mapping[str, str]] = {
    "blacksheep": "asgi",
    "bottle": "wsgi",
    "cherrypy": "wsgi",
    "datasette": "asgi",
    "litestar": "asgi",
    "pypiserver": "wsgi",
    "quart": "asgi",
    "web-py": "wsgi",
    "wsgidav": "wsgi",
}
"""What no package instruments, and the middleware of contrib that does."""

SERVERS: Final[Mapping[str, str]] = {
    "cheroot": "wsgi",
    "daphne": "asgi",
    "granian": "asgi",
    "gunicorn": "wsgi",
    "hypercorn": "asgi",
    "mod-wsgi": "wsgi",
    "pyuwsgi": "wsgi",
    "uvicorn": "asgi",
    "uwsgi": "wsgi",
    "waitress": "wsgi",
}
"""Servers for any application of an interface, with or without a framework."""

# The module of each framework, and the one that instruments it.
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
_BY_HAND: Final = {name.replace("-", "_").removesuffix("_py") for name in BY_HAND}
# The extra `cli` depends on it.
_OURS: Final = "starlette"
_MIDDLEWARE: Final = "OpenTelemetryMiddleware"
_DISTRIBUTION: Final = "otel-asayer"
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_SEPARATORS: Final = re.compile(r"[-_.]+")
_IS_OF_EXTRA: Final = re.compile(r"extra == ['\"]cli['\"]")
_IS_OF_NO_EXTRA: Final = re.compile(r"^(?!.*\bextra ==)")


def normalised(name: str) -> str:
    """Return a package's name in lower case, with hyphens."""
    return _SEPARATORS.sub("-", name).lower()


class Installed(NamedTuple):
    """The packages of an environment.

    Attributes:
        packages: names of all, normalised.
        only_ours: names of those that only our extra `cli` requires: they say nothing about the
            application.
    """

    packages: frozenset[str]
    only_ours: frozenset[str]

    @classmethod
    def here(cls) -> Installed:
        """Return the packages in the environment of this process."""
        return cls.of(distributions())

    @classmethod
    def of(cls, found: Iterable[Distribution]) -> Installed:
        """Return the packages in `found`.

        Installers add a file REQUESTED to the packages that a person named. Some add it to all that
        the extra requires, others do for a file of pins, and it says nothing then: an application
        that uses Starlette without saying so in its metadata is overlooked.
        """
        by_name = {
            normalised(name): distribution
            for distribution in found
            if (name := distribution.metadata["Name"])
        }
        ours = set(_names(by_name.get(_DISTRIBUTION), _IS_OF_EXTRA))
        if not ours <= by_name.keys():  # the extra is not installed
            return cls(frozenset(by_name), frozenset())
        asked_for = {name for name in ours if by_name[name].read_text("REQUESTED") is not None}
        others = {
            required
            for name, distribution in by_name.items()
            if name != _DISTRIBUTION
            for required in _names(distribution, _IS_OF_NO_EXTRA)
        }
        return cls(
            frozenset(by_name),
            frozenset(ours - others - (asked_for if asked_for < ours else set())),
        )


def _names(distribution: Distribution | None, condition: re.Pattern[str]) -> Iterator[str]:
    """Yield the names in the requirements of a package that match `condition`."""
    for requirement in (distribution.requires or ()) if distribution else ():
        if condition.search(requirement) and (found := _NAME.match(requirement)):
            yield normalised(found[0])


class _State:
    """The state of this process."""

    tell: Tell | None = None
    wrapped = False  # whether one of contrib's middlewares wraps an application


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
    call_after(
        module.Worker,
        "load_wsgi",
        lambda _result, worker: _try(lambda: _look_at(worker.wsgi, "wsgi")),
    )


def _watch_uvicorn(module: ModuleType) -> None:
    call_after(
        module.Config, "load", lambda _result, config: _try(lambda: _look_at_uvicorn(config))
    )


def _look_at_uvicorn(config: Any) -> None:
    application = config.loaded_app
    while type(application).__module__.startswith("uvicorn."):  # its own middlewares
        application = application.app
    _look_at(application, "wsgi" if config.interface == "wsgi" else "asgi")


def _watch_waitress(module: ModuleType) -> None:
    call_after(
        module,
        "create_server",
        lambda _result, application, *_, **__: _try(lambda: _look_at(application, "wsgi")),
    )


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
