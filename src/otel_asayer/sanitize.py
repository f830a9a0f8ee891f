"""The one filter for text of strangers: what servers answer, what applications and those who call
them write.

Whoever reads it on a terminal, on a page or in a log is neither steered by it (control characters,
those of C1 included, which a terminal obeys as it obeys ESC) nor misled (characters that turn the
direction of writing, with which a line can read as another one).
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["DIRECTIONS", "encodable", "one_line", "sanitize_line", "sanitize_text"]

DIRECTIONS: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""What turns the direction of writing, for the brackets of a pattern."""

_BREAKS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_STEERING: Final = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff{DIRECTIONS}]")
"""Control characters but tab and newline, and those that turn the direction of what follows."""
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def encodable(text: str) -> str:
    """Return `text` with each lone surrogate replaced by U+FFFD, and each pair of them by its character."""
    return (
        text
        if text.isascii()
        else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    )


def one_line(text: str) -> str:
    """Return `text` without line breaks and other control characters."""
    return text if text.isprintable() else _BREAKS.sub(" ", text)


def sanitize_text(text: str) -> str:
    """Return `text`, its lines kept, without anything that steers a terminal or a reader's eye."""
    return (
        text
        if text.isascii() and text.isprintable()
        else _STEERING.sub(_REPLACEMENT, encodable(text))
    )


def sanitize_line(text: str) -> str:
    """Return `text` as one line without anything that steers a terminal or a reader's eye."""
    return sanitize_text(one_line(text))
