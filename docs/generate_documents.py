"""Write the page on documents from the golden files; `make docs` runs this.

The page shows the documents that the tests compare byte by byte. Its texts are the docstrings in
`tests/golden/cases.py`. A test checks that the committed page is up to date.
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

Generated from `tests/golden` by `make docs`. The tests compare these documents byte by byte.

## Format

Spans, span events and log records have the format of the OpenTelemetry Collector's
elasticsearchexporter in its OTel mapping. You can put a Collector in between later and keep your
dashboards. Two things differ on purpose: the fraction of a time always has six digits, and a span
event has the session id of its span. Links keep their trace state, which the OTLP exporter for Python
loses on the way to a Collector.

Replay records (`asayer-logs-*`) have a format that every supported version of Asayer and OpenReplay
can read.

## Handled exceptions

An exception is not an error if the server answers it as an error of the caller: HTTP 4xx, or a gRPC
status such as `NOT_FOUND`. Examples are Django's `Http404` and gRPC's `abort(NOT_FOUND)`. The span
and the exception get the attribute `asayer.exception.handled: true`, and their replay records are
warnings. `otel-asayer errors` and Kibana's panels leave them out.

These stay errors: an error that the application itself sets as the status of the span, the exception
on a span inside the request, and the exception in a log record.
"""


def documents() -> str:
    """Return the whole page."""
    return _HEAD + "".join(_section(name, text) for name, text in _cases())


def _cases() -> Iterator[tuple[str, str]]:
    """Return name and description of each recording, in order."""
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
