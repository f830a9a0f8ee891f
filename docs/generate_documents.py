"""Write `docs/reference/documents.md` out of the golden files: `python docs/generate_documents.py`.

A test asserts that it is current.

What is shown there is what the tests compare byte by byte; what is said about it stands at the
recordings that they are made of.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS: Final = Path(__file__).parent
GOLDEN: Final = DOCS.parent / "tests" / "golden"
DOCUMENTS: Final = DOCS / "reference" / "documents.md"

_HEAD: Final = """# Documents

Generated from `tests/golden` by `python docs/generate_documents.py`: these are the documents that the tests compare byte by byte.

Spans, span events and log records have the form that the OpenTelemetry Collector's elasticsearchexporter gives them in its OTel mapping, so a
Collector can be put in between later and no dashboard changes. On purpose two things differ: a time's fraction always has six digits, and a span
event carries the session id of its span. Links keep their trace state, which the OTLP exporter for Python loses on the way to a Collector.

An exception that a server answers as an error of the caller's (HTTP 4xx, or a status of gRPC such as `NOT_FOUND`) is no error: Django's `Http404`,
gRPC's `abort(NOT_FOUND)`. The span and the exception get the attribute `asayer.exception.handled: true`, their replay records are warnings, and
`otel-asayer errors` and Kibana's panels leave them out. An error that the application itself sets as the span's status stays one, and so does the
exception on a span inside the request, or in a log record.

Replay records (`asayer-logs-*`) have the form that every generation of Asayer's and OpenReplay's readers understands.
"""


def documents() -> str:
    """The whole page."""
    return _HEAD + "".join(_section(name, text) for name, text in _cases())


def _cases() -> Iterator[tuple[str, str]]:
    """Each recording's name and description, in their order."""
    for statement in ast.parse((GOLDEN / "cases.py").read_text(encoding="utf-8")).body:
        if (
            isinstance(statement, ast.FunctionDef)
            and isinstance(statement.returns, ast.Name)
            and statement.returns.id == "Recording"
        ):
            yield statement.name, ast.get_docstring(statement) or ""


def _section(name: str, text: str) -> str:
    lines = (GOLDEN / f"{name.replace('_', '-')}.ndjson").read_text(encoding="utf-8").splitlines()
    shown = "\n".join(
        _document(head, source) for head, source in zip(lines[::2], lines[1::2], strict=True)
    )
    return f"\n## {name.replace('_', ' ').capitalize()}\n\n{text}\n\n{shown}"


def _document(head: str, source: str) -> str:
    action = json.loads(head)["create"]
    content = json.dumps(json.loads(source), ensure_ascii=False, indent=2)
    return f"`{action['_index']}`, `_id` `{action['_id']}`:\n\n```json\n{content}\n```\n"


if __name__ == "__main__":
    DOCUMENTS.write_text(documents(), encoding="utf-8")
