"""Replaces functions of other packages, each once, when somebody imports their module."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["call_after", "patch"]

_MARK: Final = "_otel_asayer_patched"


def patch(owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Let the function `name` of `owner` call `around(original, …)`, unless it does so already.

    The other arguments are those of the call.

    Raises:
        AttributeError: `owner` has no such function.
    """
    original = getattr(owner, name)
    if not hasattr(original, _MARK):

        @wraps(original)
        def replacement(*arguments: Any, **keywords: Any) -> Any:
            return around(original, *arguments, **keywords)

        setattr(replacement, _MARK, True)
        setattr(owner, name, replacement)


def call_after(owner: Any, name: str, then: Callable[..., object]) -> None:
    """Call `then` with the result and the arguments of each call of the function `name`."""

    def around(original: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        result = original(*arguments, **keywords)
        then(result, *arguments, **keywords)
        return result

    patch(owner, name, around)
