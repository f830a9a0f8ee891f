"""The one filter for text from servers, applications and callers.

On a terminal, on a page or in a log, such text must not control the terminal (control characters,
including C1, which work like ESC), and must not mislead the reader (characters that change the
direction of writing, with which a line can look like another one).
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["DIRECTIONS", "encodable", "one_line", "sanitize_line", "sanitize_text"]

DIRECTIONS: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Characters that change the direction of writing, as part of a pattern's `[]`."""

_BREAKS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# Control characters but tab and newline, and those that change the direction of writing.
_STEERING: Final = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff{DIRECTIONS}]")
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def encodable(text: str) -> str:
    """Return `text` with pairs of surrogates joined, and lone ones replaced by U+FFFD."""
    return (
        text
        if text.isascii()
        else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    )


def one_line(text: str) -> str:
    """Return `text` without line breaks and other control characters."""
    return text if text.isprintable() else _BREAKS.sub(" ", text)


def sanitize_text(text: str) -> str:
    """Return `text`, with its lines, without characters that control a terminal or mislead."""
    return (
        text
        if text.isascii() and text.isprintable()
        else _STEERING.sub(_REPLACEMENT, encodable(text))
    )


def sanitize_line(text: str) -> str:
    """Return `text` as one line, without characters that control a terminal or mislead."""
    return sanitize_text(one_line(text))
