"""The templates: whatever an application logged, they show it as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from otel_asayer.sanitize import sanitize_text
from otel_asayer.timeline import ago, date, duration, iso, offset

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["environment", "harmless", "web_url"]

_WEB_URL: Final = re.compile(r"https?://[^\s\\]+", re.IGNORECASE)


def environment() -> Environment:
    """Return the environment of the templates, with their filters."""
    templates = Environment(
        loader=PackageLoader("otel_asayer.web"),
        autoescape=True,
        finalize=harmless,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    functions: dict[str, Callable[..., Any]] = {
        "ago": ago,
        "date": date,
        "duration": duration,
        "iso": iso,
        "offset": offset,
        "web_url": web_url,
    }
    templates.filters.update(
        functions, percent=_percent, link=quote, short=_short, breakable=_breakable
    )
    return templates


def harmless(value: Any) -> Any:
    """Return a value as sanitized text: the last step before it is escaped.

    Markup, which only templates make, stays as it is.
    """
    if isinstance(value, Markup):
        return value
    return sanitize_text(str(value))


def web_url(url: str | None) -> str | None:
    """Return a URL if it may be a link: only a web address, as an application may log any text."""
    return url if url and _WEB_URL.fullmatch(url) else None


def _breakable(text: str) -> Markup:
    """Return text whose dotted names break at their dots."""
    return escape(harmless(text)).replace(".", Markup(".<wbr>"))


def _short(text: str) -> str:
    """Return a duration in its largest unit only."""
    return " ".join(text.split()[:2])


def _percent(place: float) -> str:
    """Return a place on the axis as a length of SVG."""
    return f"{place:.3f}".rstrip("0").rstrip(".") + "%"
