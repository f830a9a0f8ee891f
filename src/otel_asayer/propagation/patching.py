"""Replaces functions of other packages, each once, when somebody imports their module."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["call_after", "patch"]

_MARK: Final = "_otel_asayer_patched"


def patch(owner: Any, name: str, replace: Callable[[Any], Callable[..., Any]]) -> None:
    """Put `replace(original)` in the place of the function `name` of `owner`, unless it is there.

    Raises:
        AttributeError: `owner` has no such function.
    """
    original = getattr(owner, name)
    if not hasattr(original, _MARK):
        replacement = wraps(original)(replace(original))
        setattr(replacement, _MARK, True)
        setattr(owner, name, replacement)


def call_after(owner: Any, name: str, then: Callable[..., object]) -> None:
    """Call `then` with the result and the arguments of each call of the function `name`."""

    def replace(original: Callable[..., Any]) -> Callable[..., Any]:
        def replacement(*arguments: Any, **keywords: Any) -> Any:
            result = original(*arguments, **keywords)
            then(result, *arguments, **keywords)
            return result

        return replacement

    patch(owner, name, replace)
