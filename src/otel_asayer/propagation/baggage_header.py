"""The header `baggage` of an incoming request, read as the W3C propagator reads it, but in a time
that grows with its length only.

Whoever sends a request chooses this header. The W3C propagator beneath ours logs what it refuses
word for word, a line for each entry, and takes 0.1 s for a header of spaces. Here nothing of it is
ever logged, and no pattern looks at a character twice.

The rules are those of W3C Baggage, section 3.3: at most 8,192 bytes, 180 entries, and 4,096 bytes
for each entry.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import quote_plus, unquote_plus

from otel_asayer.attributes import BAGGAGE_SESSION_ID

__all__ = ["MAX_BYTES", "Incoming", "is_too_large", "read_baggage", "without_session"]

MAX_BYTES: Final = 8192
_MAX_ENTRY_BYTES: Final = 4096
_MAX_ENTRIES: Final = 180
_SPACE: Final = " \t"
_KEY: Final = re.compile(r"[!#-'*+\-.0-9A-Z^-z|~]+")
"""A token of RFC 7230, section 3.2.6."""
_VALUE: Final = re.compile(r"[!#-+\--:<-\[\]-~]*")
"""W3C Baggage, section 3.3.1: visible ASCII but double quote, comma, semicolon and backslash."""
_OURS: Final = ("data_stream.", "elasticsearch.", "asayer.")
"""How names begin that choose where documents go and what they link to. No caller does:

where baggage becomes attributes, it could.
"""
_GROWTH: Final = 3
"""Bytes that a character may take when it is passed on, percent-encoded."""


class Incoming(NamedTuple):
    """What a header says."""

    sessions: list[str]
    """The values of the entry `session.id`, decoded; strangers' text as yet."""
    entries: list[tuple[str, str]]
    """Names and values of the others, decoded, without those that are ours to set."""
    refused: int
    """How many entries W3C Baggage does not admit."""


def is_too_large(header: str) -> bool:
    """Whether `header` has more bytes than W3C Baggage admits."""
    return len(header) > MAX_BYTES or not (
        header.isascii() or len(header.encode("utf-8", "surrogatepass")) <= MAX_BYTES
    )


def read_baggage(header: str) -> Incoming:
    """Return what `header` says, which must not be too large."""
    sessions: list[str] = []
    entries: list[tuple[str, str]] = []
    listed = refused = 0
    room = MAX_BYTES if len(header) * _GROWTH > _MAX_ENTRY_BYTES else 0
    for member in header.split(","):
        entry = member.strip(_SPACE)
        if not entry:
            continue
        key, is_pair, value = entry.partition("=")
        key = key.rstrip(_SPACE)
        if _is_session_key(key):
            sessions.append(_session_value(value))
            continue
        listed += 1
        if listed > _MAX_ENTRIES or not (
            is_pair and len(entry) <= _MAX_ENTRY_BYTES and _KEY.fullmatch(key) and _is_value(value)
        ):
            refused += 1
            continue
        name, text = unquote_plus(key).strip(), unquote_plus(value.strip(_SPACE)).strip()
        if name.lower().startswith(_OURS):
            continue
        # What cannot be passed on is refused here, for the W3C propagator would log its name at
        # each call
        if room:
            size = len(f"{quote_plus(name)}={quote_plus(text)}")
            if size > min(room, _MAX_ENTRY_BYTES):
                refused += 1
                continue
            room -= size + 1  # and the comma
        entries.append((name, text))
    return Incoming(sessions, entries, refused)


def without_session(header: str) -> str:
    """Return `header` without its entries `session.id`, and otherwise as it is."""
    return ",".join(
        entry for entry in header.split(",") if not _is_session_key(entry.partition("=")[0].strip())
    )


def _is_session_key(key: str) -> bool:
    """Whether this key, in any of its spellings, is that of the session."""
    return key == BAGGAGE_SESSION_ID or (
        ("%" in key or "+" in key) and unquote_plus(key).strip() == BAGGAGE_SESSION_ID
    )


def _session_value(value: str) -> str:
    """Return a value without its properties, decoded."""
    return unquote_plus(value.partition(";")[0]).strip()


def _is_value(value: str) -> bool:
    """Whether a value with its properties, and spaces around each of them, is a valid one."""
    first, *properties = value.split(";")
    return _VALUE.fullmatch(first.strip(_SPACE)) is not None and all(map(_is_property, properties))


def _is_property(text: str) -> bool:
    key, _, value = text.partition("=")
    return (
        _KEY.fullmatch(key.strip(_SPACE)) is not None
        and _VALUE.fullmatch(value.strip(_SPACE)) is not None
    )
