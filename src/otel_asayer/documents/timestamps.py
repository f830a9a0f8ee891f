"""The two forms of a time in documents.

Elasticsearch's `date_nanos` does not read nanoseconds since 1970, but it reads milliseconds with a
fraction, as a string. The fraction has six digits always: unpadded, five nanoseconds would be
stored as half a millisecond.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

__all__ = ["iso_timestamp", "otel_timestamp"]

# The zone is written by hand: `Z`, which isoformat() spells otherwise
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001
_NS_PER_MS: Final = 1_000_000
_LAST_NS: Final = (1 << 63) - 1
"""The last moment that `date_nanos` holds, in the year 2262; the first is 1970.

A time outside would cost the whole document.
"""


def otel_timestamp(time_ns: int) -> str:
    """Return nanoseconds since 1970 as milliseconds with six digits after the point.

    >>> otel_timestamp(1_795_536_236_662_000_005)
    '1795536236662.000005'
    """
    time_ns = _within_range(time_ns)
    if time_ns < _NS_PER_MS:
        return f"0.{time_ns:06d}"
    digits = str(time_ns)
    return f"{digits[:-6]}.{digits[-6:]}"


def iso_timestamp(time_ns: int) -> str:
    """Return nanoseconds since 1970 in RFC 3339, with milliseconds.

    >>> iso_timestamp(1_795_536_236_662_000_005)
    '2026-11-24T16:03:56.662Z'
    """
    seconds, milliseconds = divmod(_within_range(time_ns) // _NS_PER_MS, 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


# Records of one batch are of the same few seconds.
@lru_cache(maxsize=128)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()


def _within_range(time_ns: int) -> int:
    return (
        time_ns
        if type(time_ns) is int and 0 <= time_ns <= _LAST_NS
        else min(max(int(time_ns), 0), _LAST_NS)
    )
