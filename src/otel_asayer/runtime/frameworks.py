"""Frameworks that take requests or jobs in, by the names of their packages, and what makes spans of what they take in."""

from __future__ import annotations

import re
from importlib.metadata import distributions
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from importlib.metadata import Distribution
    from re import Pattern

__all__ = ["BY_HAND", "INSTRUMENTED", "SERVERS", "WORKERS", "Installed", "normalised"]

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
"""The ends of the names of the packages that instrument each; the first that is installed will do."""

WORKERS: Final = frozenset({"aio-pika", "celery", "confluent-kafka", "kafka-python", "pika"})
"""Those of `INSTRUMENTED` that take in jobs and messages, and no requests."""

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
"""What no package instruments, and the middleware of contrib's that makes spans of its requests."""

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
"""What serves any application of an interface, also one of no framework at all."""

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
        packages: Names of all, normalised.
        only_ours: Those that nobody but our extra `cli` asked for: they say nothing about the
            application.
    """

    packages: frozenset[str]
    only_ours: frozenset[str]

    @classmethod
    def here(cls) -> Installed:
        """Look at the environment of this process."""
        return cls.of(distributions())

    @classmethod
    def of(cls, found: Iterable[Distribution]) -> Installed:
        """Sort out what is installed.

        Installers mark what a person named with a file REQUESTED. Where they mark all that the
        extra brings, as some always do and others for a file of pins, the mark tells nothing: an
        application that uses Starlette without saying so in its metadata is overlooked then.
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
    """Yield the names in those requirements of a package that fit."""
    for requirement in (distribution.requires or ()) if distribution else ():
        if condition.search(requirement) and (found := _NAME.match(requirement)):
            yield normalised(found[0])
