"""A person's text filter: any text, or an attribute and its value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from otel_asayer.documents import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_asayer.timeline.events import TimelineEvent

__all__ = ["parse_condition", "text_filter"]

_CONDITION: Final = re.compile(
    r"(?P<name>[A-Za-z_][\w-]*(?:\.[\w-]+)+)\s*:(?!//)\s*(?P<value>\S.*)", re.DOTALL
)
"""The name has a dot, so that `KeyError: 'lamp'` is text; `example.com://` is no name."""


def parse_condition(text: str) -> tuple[str, str] | None:
    """Return the attribute and the value that a text names; None if it names none.

    >>> parse_condition("http.route: /cart")
    ('http.route', '/cart')
    """
    found = _CONDITION.fullmatch(text.strip())
    return (found["name"], found["value"]) if found else None


def text_filter(text: str) -> Callable[[TimelineEvent], bool]:
    """Return whether an event has this text in its title, body or attributes, in any case.

    If the text is a condition, the event or its resource has to have such an attribute. Every event
    passes an empty text.
    """
    if condition := parse_condition(text):
        return lambda event: _has_attribute(event, *condition)
    needle = text.casefold()
    return lambda event: not needle or _has_text(event, needle)


def _has_text(event: TimelineEvent, needle: str) -> bool:
    values = (event.title, event.body, *map(text_of, event.attributes.values()))
    return any(needle in value.casefold() for value in values)


def _has_attribute(event: TimelineEvent, name: str, value: str) -> bool:
    found = [
        attributes[name] for attributes in (event.attributes, event.resource) if name in attributes
    ]
    # A list holds each of its items
    told = [item for one in found for item in (one if isinstance(one, list) else [one])]
    return value in map(text_of, [*found, *told])
