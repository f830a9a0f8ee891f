"""What a type checker says about code that uses the public names."""

from __future__ import annotations

from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parents[2]

GOOD = """
from pathlib import Path
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.trace import TracerProvider
from otel_asayer import (
    AsayerPropagator,
    ElasticsearchLogRecordExporter,
    ElasticsearchSpanExporter,
    ParentBasedSessionSampler,
    SessionId,
    SessionSampler,
    configure,
    get_session_id,
    session,
)
configure()
configure(TracerProvider(sampler=SessionSampler(0.1)), LoggerProvider(), endpoint="https://es")
configure(endpoint=["https://a", "https://b"], certificate=Path("ca.pem"), timeout=3, api_key=None)
configure(headers={"x-tenant": "shop"}, stamp_stdio=True, spool_max_bytes="1048576")
ElasticsearchSpanExporter(endpoint="https://es", spool="off")
ElasticsearchLogRecordExporter(endpoint="https://es", propagation_targets=["internal", "*.shop"])
AsayerPropagator(opaque_session_ids=True)
ParentBasedSessionSampler("0.5")
with session(17) as session_id:
    same: SessionId | None = get_session_id()
    started: int | None = session_id.started_at_ms
"""

BAD = {
    'configure(endpont="https://es")': 'Unexpected keyword argument "endpont" for "configure"',
    "configure(timeout=[3])": 'Argument "timeout" to "configure" has incompatible type',
    'configure("tracer")': 'Argument 1 to "configure" has incompatible type "str"',
    "configure(ProxyTracerProvider())": 'incompatible type "ProxyTracerProvider"',
    'ElasticsearchSpanExporter(url="https://es")': 'Unexpected keyword argument "url"',
    "ElasticsearchLogRecordExporter(api_key=7)": 'Argument "api_key" to',
    'AsayerPropagator(enable="true")': 'Unexpected keyword argument "enable"',
    "SessionSampler([1])": 'Argument 1 to "SessionSampler" has incompatible type "list[int]"',
    "Config(timeout_s=3.0)": 'Unexpected keyword argument "timeout_s" for "Config"',
    'Config(timeout="3")': 'Argument "timeout" to "Config" has incompatible type "str"',
}
IMPORTS = (
    "from opentelemetry.trace import ProxyTracerProvider\n"
    "from otel_asayer import *\n"
    "from otel_asayer.config import Config\n"
)


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], str]:
    """What mypy reports, by module and line."""
    folder = tmp_path_factory.mktemp("snippets")
    (folder / "good.py").write_text(GOOD)
    (folder / "bad.py").write_text(IMPORTS + "\n".join(BAD))
    report, failure, _ = api.run(
        [
            "--config-file",
            str(ROOT / "pyproject.toml"),
            "--no-error-summary",
            "--hide-error-context",
            str(folder / "good.py"),
            str(folder / "bad.py"),
        ]
    )
    assert failure == ""
    found = {}
    for line in report.splitlines():
        place, severity, text = line.split(": ", 2)
        if severity == "error":
            path, number = place.rsplit(":", 1)
            found[Path(path).stem, int(number)] = text
    return found


def test_code_that_is_right_has_no_errors(errors: dict[tuple[str, int], str]) -> None:
    assert [text for (module, _), text in errors.items() if module == "good"] == []


@pytest.mark.parametrize("snippet", BAD)
def test_a_mistake_is_a_type_error(snippet: str, errors: dict[tuple[str, int], str]) -> None:
    line = IMPORTS.count("\n") + 1 + list(BAD).index(snippet)
    assert BAD[snippet] in errors["bad", line]
