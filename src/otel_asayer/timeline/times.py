"""Times as a person reads them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Final

__all__ = ["NS_PER_S", "ago", "date", "duration", "iso", "offset"]

NS_PER_S: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000
_LAST_S: Final = 253_402_300_799
"""The end of the year 9999, in seconds since 1970: a document may claim any time."""


def offset(offset_ns: int) -> str:
    """Return a time from the session's start, `+1:02:03.004`.

    >>> offset(63_004_000_000)
    '+1:03.004'
    """
    whole_ms = abs(offset_ns) // _NS_PER_MS
    seconds, milliseconds = divmod(whole_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02d}" if hours else str(minutes)
    return f"{'-' if offset_ns < 0 and whole_ms else '+'}{head}:{seconds:02d}.{milliseconds:03d}"


def duration(duration_ns: int) -> str:
    """Return a duration in the unit that keeps it short; what is beyond its digits is cut, never
    rounded up to the next unit.

    >>> duration(1_234_000), duration(65_000_000_000)
    ('1.2 ms', '1 min 5 s')
    """
    if duration_ns < _NS_PER_MS:
        return f"{duration_ns // 1000} µs"
    if duration_ns < NS_PER_S:
        milliseconds, rest = divmod(duration_ns, _NS_PER_MS)
        return (
            f"{milliseconds}.{rest * 10 // _NS_PER_MS} ms"
            if milliseconds < 10  # noqa: PLR2004
            else f"{milliseconds} ms"
        )
    seconds, rest = divmod(duration_ns, NS_PER_S)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds}.{rest * 10 // NS_PER_S} s"


def ago(age_ns: int) -> str:
    """Return an age in its largest unit, `3 h ago`."""
    seconds = max(age_ns, 0) // NS_PER_S
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def date(time_ns: int) -> str:
    """Return a time in UTC, to the second."""
    return _moment(time_ns).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(time_ns: int) -> str:
    """Return a time in RFC 3339, to the nanosecond."""
    return _moment(time_ns).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time_ns % NS_PER_S:09d}Z"


def _moment(time_ns: int) -> datetime:
    return datetime.fromtimestamp(min(max(time_ns // NS_PER_S, 0), _LAST_S), tz=timezone.utc)
