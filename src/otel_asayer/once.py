"""Warnings that a process logs once, however often their cause comes up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable

__all__ = ["new_sentences", "warn_once"]

_said: Final[set[str]] = set()


def new_sentences(sentences: Iterable[str]) -> list[str]:
    """Return the sentences that this process has not said before, and count them as said."""
    new = [sentence for sentence in dict.fromkeys(sentences) if sentence not in _said]
    _said.update(new)
    return new


def warn_once(logger: logging.Logger, sentence: str, error: Exception | None = None) -> None:
    """Log `sentence`, once; with an error, once for each of its types, and with its traceback."""
    if new_sentences([sentence if error is None else f"{sentence} {type(error)}"]):
        logger.warning(sentence, exc_info=error)
