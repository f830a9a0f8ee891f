"""Times: parsed as documents have them, and written as a person reads them."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Final

__all__ = [
    "NS_PER_S",
    "ago",
    "date",
    "duration",
    "iso",
    "nanoseconds",
    "offset",
    "offset_ns",
]

NS_PER_S: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000
_LAST_S: Final = 253_402_300_799
"""The end of the year 9999, in seconds since 1970: a document may claim any time."""
_OFFSET: Final = re.compile(
    r"(?:(?P<hours>[0-9]{1,6})h)?(?:(?P<minutes>[0-9]{1,6})m)?(?:(?P<seconds>[0-9]{1,9}(?:\.[0-9]{1,9})?)s?)?"
)
_CLOCK: Final = re.compile(
    r"(?:(?P<hours>[0-9]{1,6}):)?(?P<minutes>[0-9]{1,6}):(?P<seconds>[0-9]{2}(?:\.[0-9]{1,9})?)"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_DIGITS: Final = 9
_MS_DIGITS: Final = 6
_LAST_NS: Final = (1 << 63) - 1
"""The last time that Elasticsearch's `date_nanos` holds, in the year 2262."""


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


def offset_ns(text: str) -> int | None:
    """Return the nanoseconds that `90`, `90s`, `1m30s`, `1:30` or `+1:30.5` stand for, or None.

    >>> offset_ns("+1:02:03.5")
    3723500000000
    """
    plain = text.strip().removeprefix("+")
    found = _CLOCK.fullmatch(plain) or _OFFSET.fullmatch(plain)
    if not plain or found is None:
        return None
    hours, minutes = (int(found[name] or 0) for name in ("hours", "minutes"))
    return (hours * 60 + minutes) * 60 * NS_PER_S + round(float(found["seconds"] or 0) * NS_PER_S)


def duration(duration_ns: int) -> str:
    """Return a duration in the unit that keeps it short; digits beyond are cut, not rounded.

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
    """Return a time in UTC, to the millisecond."""
    milliseconds = time_ns // _NS_PER_MS % 1000
    return f"{_datetime(time_ns):%Y-%m-%d %H:%M:%S}.{milliseconds:03d} UTC"


def iso(time_ns: int) -> str:
    """Return a time in RFC 3339, to the nanosecond."""
    return _datetime(time_ns).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time_ns % NS_PER_S:09d}Z"


def _datetime(time_ns: int) -> datetime:
    return datetime.fromtimestamp(min(max(time_ns // NS_PER_S, 0), _LAST_S), tz=timezone.utc)


def nanoseconds(timestamp: object) -> int:
    """Return a document's `@timestamp` in nanoseconds since 1970; 0 for anything but a time.

    It is milliseconds with a fraction (`1795536236662.000005`) or RFC 3339, as it was sent, or what
    a synthetic `_source` makes of that. Times before 1970 become 1970. Those after 2262 become its
    end, as Elasticsearch's nanoseconds do.

    >>> nanoseconds("1795536236662.000005")
    1795536236662000005
    >>> nanoseconds("2026-11-24T16:03:56.662000005Z")
    1795536236662000005
    """
    if isinstance(timestamp, bool) or not isinstance(timestamp, (str, int, float)):
        return 0
    try:
        text = str(timestamp)
        return min(
            max(
                _of_milliseconds(text) if text.partition(".")[0].isdecimal() else _of_rfc3339(text),
                0,
            ),
            _LAST_NS,
        )
    except (ValueError, OverflowError):
        return 0


def _of_milliseconds(text: str) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole) * 10**_MS_DIGITS + int(fraction[:_MS_DIGITS].ljust(_MS_DIGITS, "0"))


def _of_rfc3339(text: str) -> int:
    whole, point, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))] if point else ""
    zone = rest[len(digits) :] if point else ""
    event = datetime.fromisoformat((whole + zone).replace("Z", "+00:00").replace("z", "+00:00"))
    if event.tzinfo is None:
        event = event.replace(tzinfo=timezone.utc)
    since = event - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS_PER_S + int(
        digits[:_DIGITS].ljust(_DIGITS, "0") or 0
    )
