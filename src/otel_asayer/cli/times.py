"""Times as a person writes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import click

from otel_asayer.timeline import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["parse_offset", "parse_span"]

_OFFSET: Final = re.compile(
    r"(?:(?P<hours>[0-9]{1,6})h)?(?:(?P<minutes>[0-9]{1,6})m)?(?:(?P<seconds>[0-9]{1,9}(?:\.[0-9]{1,9})?)s?)?"
)
_CLOCK: Final = re.compile(
    r"(?:(?P<hours>[0-9]{1,6}):)?(?P<minutes>[0-9]{1,6}):(?P<seconds>[0-9]{2}(?:\.[0-9]{1,9})?)"
)
_SPAN: Final = re.compile(r"(?P<number>[0-9]{1,6})(?P<unit>[smhdw])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def parse_offset(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """A time from the session's start, `90`, `90s`, `1m30s`, `1:30`, in nanoseconds:

    the callback of an option.
    """
    return _parsed(value, "a time from the session's start: write 90s, 1m30s or 1:30", _offset_ns)


def parse_span(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """A time until now, `90m`, `24h`, `7d`, in nanoseconds: the callback of an option."""
    return _parsed(value, "a time span: write 90m, 24h or 7d", _span_ns)


def _parsed(value: str | None, expected: str, parse: Callable[[str], int | None]) -> int | None:
    if value is None:
        return None
    parsed = parse(value.strip())
    if parsed is None:
        raise click.BadParameter(f"{value!r} is not {expected}")
    return parsed


def _offset_ns(text: str) -> int | None:
    found = _CLOCK.fullmatch(text.removeprefix("+")) or _OFFSET.fullmatch(text.removeprefix("+"))
    if not text or found is None:
        return None
    seconds = (
        int(found["hours"] or 0) * 3600
        + int(found["minutes"] or 0) * 60
        + float(found["seconds"] or 0)
    )
    return round(seconds * NS_PER_S)


def _span_ns(text: str) -> int | None:
    found = _SPAN.fullmatch(text)
    return int(found["number"]) * _UNITS[found["unit"]] * NS_PER_S if found else None
