"""From Python values to one line of JSON that Elasticsearch reads.

The fast path is one call of orjson, which writes NaN and infinities as `null` by itself. It refuses
lone surrogates, integers beyond 64 bits, keys that are no strings, and deep nesting; only then the
value is copied into one that it takes (`_Cleaner`), so that nothing of it is lost but what is
nested beyond all reason.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence, Set as AbstractSet
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson
from orjson import Fragment

from otel_asayer.sanitize import encodable, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["json_fragment", "json_line", "one_line", "text_of"]

_T = TypeVar("_T")

_MAX_DEPTH: Final = 64
_MAX_VALUES: Final = 100_000
_CUT: Final = "…"
_LEAST_INTEGER: Final = -(1 << 63)
_GREATEST_INTEGER: Final = (1 << 64) - 1
# Values of other types become text, as the SDK does it with attributes: a log record's body reaches
# us as the application gave it.
_FRAGMENT: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
_LINE: Final = _FRAGMENT | orjson.OPT_APPEND_NEWLINE


def json_line(value: Any, options: int = _LINE) -> bytes:
    """Return `value` as one line of JSON, with the newline at its end."""
    try:
        return orjson.dumps(value, _plain, options)
    except TypeError:  # what orjson raises for everything that it refuses
        return orjson.dumps(_Cleaner().clean(value), None, options)


def json_fragment(value: Any) -> Fragment:
    """Return `value` as JSON to be embedded in documents without being encoded again."""
    return Fragment(json_line(value, _FRAGMENT))


def text_of(value: Any) -> str:
    """Return `value` as text that has a UTF-8 form:

    strings as they are, bytes as hex, numbers and structures as JSON.
    """
    if type(value) is str:
        return encodable(value)
    cleaned = _Cleaner().clean(value)
    return cleaned if isinstance(cleaned, str) else json_line(cleaned, _FRAGMENT).decode()


def _plain(value: Any) -> Any:
    """Return a value that orjson knows for one that it does not know: its `default` hook.

    Raises:
        TypeError: it holds others, and only a copy that counts them is sure to end: a mapping of an
            application's own class may be endless, or hold itself a hundred times at each level.
    """
    if isinstance(value, (MappingProxyType, deque, set, frozenset)):
        return dict(value) if isinstance(value, MappingProxyType) else list(value)
    if _is_container(value):
        raise TypeError
    return _simple(value)


def _is_container(value: Any) -> bool:
    return isinstance(value, (Mapping, Sequence, AbstractSet)) and not isinstance(
        value, (str, bytes, bytearray, memoryview)
    )


def _simple(value: Any) -> Any:
    """Return a number or a text for a value of any other class."""
    try:
        if isinstance(value, (bytes, bytearray, memoryview)):
            return value.hex()
        if isinstance(value, float):
            return float(value)
        return encodable(str(value))
    except Exception:  # raised by the value's own methods: its type is all that can be said of it
        return f"<{type(value).__name__}>"


def _integer(value: int) -> int | str:
    if _LEAST_INTEGER <= value <= _GREATEST_INTEGER:
        return int(value)
    try:
        return str(int(value))
    except ValueError:  # Python writes no more than 4300 decimal digits
        return hex(value)


class _Cleaner:
    """Copies a value into one that orjson takes; bounded in depth and size, for a value may contain itself, or have no end."""

    def __init__(self) -> None:
        self._left = _MAX_VALUES + 1  # and what holds them

    def clean(self, value: Any, depth: int = 0) -> Any:
        self._left -= 1
        if isinstance(value, Enum):
            value = value.value
        if isinstance(value, str):
            return encodable(value)
        if value is None or isinstance(value, (bool, Fragment)):
            return value
        if isinstance(value, int):
            return _integer(value)
        return self._clean_container(value, depth) if _is_container(value) else _simple(value)

    def _clean_container(self, value: Any, depth: int) -> Any:
        if depth >= _MAX_DEPTH or self._left <= 0:
            return _CUT
        try:
            if isinstance(value, Mapping):
                pairs = dict.items(value) if isinstance(value, dict) else self._first(value.items())
                return {self._key(key): self.clean(item, depth + 1) for key, item in pairs}
            return [
                self.clean(item, depth + 1)
                for item in (value if type(value) in (list, tuple) else self._first(value))
            ]
        except (
            Exception
        ):  # raised by the value's own methods: its type is all that can be said of it
            return f"<{type(value).__name__}>"

    def _first(self, items: Iterable[_T]) -> Iterator[_T]:
        """Yield `items` as long as there is room for them:

        they may have no end, as those of the built-in classes have.
        """
        for item in items:
            if self._left <= 0:
                return
            yield item

    def _key(self, key: Any) -> str:
        cleaned = self.clean(key, _MAX_DEPTH - 1)
        return str.__str__(
            cleaned if isinstance(cleaned, str) else text_of(cleaned)
        )  # orjson wants no subclass here
