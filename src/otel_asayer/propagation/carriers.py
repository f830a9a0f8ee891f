"""Reads the wanted headers of an incoming carrier in one pass, with whatever getter comes with it.

WSGI, ASGI and aiohttp define their carriers, and their getters are slow or wrong for this. WSGI's
rewrites the whole environment to list names. ASGI's walks all headers at each `get`, and raises at
some bytes. That of aiohttp's server lists no headers, but what the application stores on the
request. So those carriers are read directly, and their getters known by the names of their classes:
contrib's modules must not be imported here. A getter under any other name lists the names as the
carrier spells them; those of queues list nothing, or raise, and are asked for each wanted name.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from opentelemetry.propagators.textmap import Getter

__all__ = ["HeaderReader", "marked_entries", "report_failure", "spelling_of"]

_ASGI_GETTER: Final = "opentelemetry.instrumentation.asgi.ASGIGetter"
_WSGI_GETTER: Final = "opentelemetry.instrumentation.wsgi.WSGIGetter"
_AIOHTTP_GETTER: Final = "opentelemetry.instrumentation.aiohttp_server.AiohttpGetter"

_logger = logging.getLogger(__name__)


class HeaderReader:
    """Reads headers of certain names, which are in lower case."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {name: name for name in names}
        self._asgi_names = {name.encode(): name for name in self._names}
        self._wsgi_keys = {f"HTTP_{name.upper().replace('-', '_')}": name for name in self._names}

    def read(self, carrier: Any, getter: Getter[Any]) -> Mapping[str, Sequence[str]]:
        """Return the wanted headers that `carrier` has, each with its values."""
        kind = _class_name(type(getter))
        if kind == _WSGI_GETTER:
            keys = self._wsgi_keys
            return {name: (carrier[key],) for key, name in keys.items() if key in carrier}
        if kind == _ASGI_GETTER:
            return self._read_scope(carrier)
        if kind == _AIOHTTP_GETTER:
            headers = carrier.headers
            return {name: headers.getall(name) for name in self._names if name in headers}
        return {
            name: _texts(getter.get(carrier, spelling))
            for name, spelling in self._spellings(carrier, getter).items()
        }

    def _read_scope(
        self, scope: Mapping[str, Iterable[tuple[bytes, bytes]]]
    ) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for name, value in scope.get("headers") or ():
            if (wanted := self._asgi_names.get(name.lower())) is not None:
                found.setdefault(wanted, []).append(value.decode("latin-1"))
        return found

    def _spellings(self, carrier: Any, getter: Getter[Any]) -> Mapping[str, str]:
        """Return the wanted names that `carrier` holds, each with its spelling there.

        All of them, if the names cannot be listed.
        """
        try:
            names = list(getter.keys(carrier))
            return (
                {lower: name for name in names if (lower := str.lower(name)) in self._names}
                if names
                else self._names
            )
        except Exception as error:
            report_failure("list the names of", error)
            return self._names


@lru_cache(maxsize=64)
def _class_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _texts(values: Any) -> Sequence[str]:
    """Return the values from a getter as texts.

    As a rule they are a list of one, but Kafka's are bytes, and some getters return a bare string.
    """
    if values is None:
        return ()
    if type(values) is list and len(values) == 1 and type(values[0]) is str:
        return values
    if isinstance(values, (str, bytes)):
        values = (values,)
    return [
        value.decode("latin-1") if isinstance(value, bytes) else value
        for value in values
        if isinstance(value, (str, bytes))
    ]


class _Entry(tuple):  # type: ignore[type-arg]
    """A header that was injected into a list, to be told from the application's own."""

    __slots__ = ()


@contextmanager
def marked_entries(carrier: list[Any]) -> Iterator[None]:
    """Remove what an earlier block has added to a list of headers, and mark what this one adds.

    The instrumentations of Kafka inject into the list that the application gives. If it gives the
    same list with each message, the first session would go along with all of them: the first header
    counts. The headers of a received message that is passed on are not marked, and stay.
    """
    carrier[:] = [entry for entry in carrier if type(entry) is not _Entry]
    length = len(carrier)
    yield
    carrier[length:] = map(_Entry, carrier[length:])


def spelling_of(carrier: Mapping[Any, Any], name: str) -> str | None:
    """Return the key under which `carrier` holds a header; `name` is in lower case."""
    length = len(name)
    for key in carrier:
        # aiohttp's keys are of a subclass of `str`.
        if isinstance(key, str) and len(key) == length and key.lower() == name:
            return key
    return None


def report_failure(action: str, error: Exception) -> None:
    """Log a failure without the error's text, which may repeat what the carrier holds."""
    _logger.debug("Could not %s a carrier: %s", action, type(error).__name__)
