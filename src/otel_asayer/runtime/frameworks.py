"""Frameworks that take requests or jobs, by their packages, and what instruments them."""

from __future__ import annotations

import re
from importlib.metadata import distributions
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from importlib.metadata import Distribution
    from re import Pattern

__all__ = [
    "BY_HAND",
    "CLIENTS_TOO",
    "INSTRUMENTED",
    "SERVERS",
    "WORKERS",
    "Installed",
    "normalised",
]

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

_OURS: Final = "otel-asayer"
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
        ours = set(_names(by_name.get(_OURS), _IS_OF_EXTRA))
        if not ours <= by_name.keys():  # the extra is not installed
            return cls(frozenset(by_name), frozenset())
        asked_for = {name for name in ours if by_name[name].read_text("REQUESTED") is not None}
        others = {
            required
            for name, distribution in by_name.items()
            if name != _OURS
            for required in _names(distribution, _IS_OF_NO_EXTRA)
        }
        return cls(
            frozenset(by_name),
            frozenset(ours - others - (asked_for if asked_for < ours else set())),
        )


def _names(distribution: Distribution | None, condition: Pattern[str]) -> Iterator[str]:
    """Yield the names in the requirements of a package that match `condition`."""
    for requirement in (distribution.requires or ()) if distribution else ():
        if condition.search(requirement) and (found := _NAME.match(requirement)):
            yield normalised(found[0])
