"""What an application wrote, made harmless for whoever reads it on a terminal or a page."""

from __future__ import annotations

import re
from typing import Final

from otel_asayer.documents import one_line, text_of

__all__ = ["DIRECTIONS", "harmless_line", "harmless_text"]

DIRECTIONS: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""What turns the direction of writing, for the brackets of a pattern: a line that holds it can read as another."""

_STEERING: Final = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff{DIRECTIONS}]")
"""Control characters but tab and newline, and those that turn the direction of what follows."""
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def harmless_text(text: str) -> str:
    """Return `text`, its lines kept, without anything that steers a terminal or a reader's eye."""
    return text if text.isascii() and text.isprintable() else _STEERING.sub(_REPLACEMENT, text_of(text))


def harmless_line(text: str) -> str:
    """Return `text` as one line without anything that steers a terminal or a reader's eye."""
    return harmless_text(one_line(text))
