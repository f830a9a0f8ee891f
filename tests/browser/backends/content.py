"""What the backends of the browser tests answer, whatever framework they are built with."""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import Any

from opentelemetry import trace

import otel_asayer

STATIC = os.environ["STATIC"]
"""The folder with the scripts of the pages."""


def page(scripts: str) -> str:
    """A page that tells the session it was loaded in, with a link, a form, and the scripts named,
    which are divided by commas."""
    address = html.escape(f"page?scripts={scripts}")
    tags = "".join(
        f'<script src="/scripts/{html.escape(name)}"></script>'
        for name in scripts.split(",")
        if name
    )
    session_id = otel_asayer.get_session_id() or ""
    return f"""<!doctype html><link rel="icon" href="data:,"><title>Shop</title>
<body data-session="{session_id}">
<a href="/{address}">Next</a> <a href="/{address}" target="_blank">New tab</a>
<form method="post" action="/{address}"><button>Order</button></form>
{tags}"""


def answer(headers: Any) -> dict[str, Any]:
    """The session and the trace that a request is in, and its headers as they came."""
    return {
        "session": otel_asayer.get_session_id(),
        "trace": f"{trace.get_current_span().get_span_context().trace_id:032x}",
        "headers": {name.lower(): value for name, value in headers.items()},
    }


def of_snippet() -> dict[str, Any]:
    """The names that the documentation's snippet defines, where a test gives one."""
    names: dict[str, Any] = {"__name__": "shop"}
    if snippet := os.environ.get("SNIPPET"):
        exec(Path(snippet).read_text(encoding="utf-8"), names)  # noqa: S102 (it is what a reader pastes)
    return {name: value for name, value in names.items() if not name.startswith("__")}
