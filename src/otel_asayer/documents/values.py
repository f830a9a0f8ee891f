"""From Python values to JSON that Elasticsearch reads: values, times and ids.

One call of orjson suffices for nearly all values; it writes NaN and infinities as `null`. It
refuses lone surrogates, integers beyond 64 bits, keys that are not strings, and deep nesting. Only
then is the value copied into one that it takes (`_Cleaner`), and all is kept but what is nested
too deep.

`date_nanos` of Elasticsearch reads no nanoseconds since 1970, but it reads milliseconds with a
fraction, as a string. The fraction always has six digits: without the zeros, five nanoseconds
would be stored as half a millisecond.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set as AbstractSet
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, TypeVar

import orjson
from orjson import Fragment

from otel_asayer.sanitize import encodable, one_line

__all__ = [
    "NS_PER_MS",
    "hex_span_id",
    "hex_trace_id",
    "iso_timestamp",
    "json_fragment",
    "json_line",
    "json_object",
    "one_line",
    "otel_timestamp",
    "text_of",
]

_T = TypeVar("_T")

# Bound methods of strings take half the time of the API's format_trace_id() and format_span_id().
hex_trace_id: Final = "%032x".__mod__
hex_span_id: Final = "%016x".__mod__

_MAX_DEPTH: Final = 64
_MAX_VALUES: Final = 100_000
# Values of other types become text, as the SDK does it with attributes: the SDK does not convert
# the body of a log record.
_FRAGMENT: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
_LINE: Final = _FRAGMENT | orjson.OPT_APPEND_NEWLINE
# `Z` is appended below: isoformat() writes UTC as `+00:00`.
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001
NS_PER_MS: Final = 1_000_000
# The last time that `date_nanos` holds, in 2262; its first is 1970. Elasticsearch refuses a
# document with a time outside.
_LAST_NS: Final = (1 << 63) - 1


def json_line(value: Any, options: int = _LINE) -> bytes:
    """Return `value` as one line of JSON, with the newline at its end."""
    try:
        return orjson.dumps(value, _plain, options)
    except TypeError:  # orjson raises it for everything that it refuses
        return orjson.dumps(_Cleaner().clean(value), None, options)


def json_fragment(value: Any) -> Fragment:
    """Return `value` as JSON that orjson puts into documents as it is."""
    return Fragment(json_line(value, _FRAGMENT))


def json_object(text: bytes | str) -> dict[str, Any]:
    """Return the JSON object in `text`, or an empty one."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def text_of(value: Any) -> str:
    """Return `value` as text that UTF-8 can encode.

    Strings stay as they are, bytes become hex, numbers and structures JSON.
    """
    if type(value) is str:
        return value if value.isascii() else encodable(value)
    cleaned = _Cleaner().clean(value)
    return cleaned if isinstance(cleaned, str) else json_line(cleaned, _FRAGMENT).decode()


def otel_timestamp(time_ns: int) -> str:
    """Return nanoseconds since 1970 as milliseconds with six digits after the point.

    >>> otel_timestamp(1_795_536_236_662_000_005)
    '1795536236662.000005'
    """
    if type(time_ns) is not int or not 0 <= time_ns <= _LAST_NS:
        time_ns = _within_range(time_ns)
    if time_ns < NS_PER_MS:
        return f"0.{time_ns:06d}"
    digits = str(time_ns)
    return f"{digits[:-6]}.{digits[-6:]}"


def iso_timestamp(time_ns: int) -> str:
    """Return nanoseconds since 1970 in RFC 3339, with milliseconds.

    >>> iso_timestamp(1_795_536_236_662_000_005)
    '2026-11-24T16:03:56.662Z'
    """
    if type(time_ns) is not int or not 0 <= time_ns <= _LAST_NS:
        time_ns = _within_range(time_ns)
    digits = str(time_ns).zfill(10)
    return f"{_second(digits[:-9])}.{digits[-9:-6]}Z"


# The records of one batch are from the same few seconds.
@lru_cache(maxsize=128)
def _second(seconds: str) -> str:
    return (_EPOCH + timedelta(seconds=int(seconds))).isoformat()


def _within_range(time_ns: int) -> int:
    return min(max(int(time_ns), 0), _LAST_NS)


def _plain(value: Any) -> Any:
    """Return a value that orjson knows for one that it does not know: its `default` hook.

    Raises:
        TypeError: it is a container of another class. Only `_Cleaner`, which counts values, is
            sure to end: such a container may be endless, or hold itself many times over.
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
    except Exception:  # raised by the value's own methods
        return f"<{type(value).__name__}>"


def _integer(value: int) -> int | str:
    if -(1 << 63) <= value < 1 << 64:
        return int(value)
    try:
        return str(int(value))
    except ValueError:  # Python writes no more than 4300 decimal digits
        return hex(value)


class _Cleaner:
    """Copies a value into one that orjson takes.

    Depth and size are bounded: a value may contain itself, or have no end.
    """

    def __init__(self) -> None:
        self._left = _MAX_VALUES + 1  # the container counts, too

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
            return "…"
        try:
            if isinstance(value, Mapping):
                pairs = dict.items(value) if isinstance(value, dict) else self._first(value.items())
                return {self._key(key): self.clean(item, depth + 1) for key, item in pairs}
            return [
                self.clean(item, depth + 1)
                for item in (value if type(value) in (list, tuple) else self._first(value))
            ]
        except Exception:  # raised by the value's own methods
            return f"<{type(value).__name__}>"

    def _first(self, items: Iterable[_T]) -> Iterator[_T]:
        """Yield `items` while there is room: a container of the application may be endless."""
        for item in items:
            if self._left <= 0:
                return
            yield item

    def _key(self, key: Any) -> str:
        cleaned = self.clean(key, _MAX_DEPTH - 1)
        # orjson takes no subclass of `str` as a key.
        return str.__str__(cleaned if isinstance(cleaned, str) else text_of(cleaned))
