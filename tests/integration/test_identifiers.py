"""Ids of spans under `opentelemetry-instrument`, where the application seeds `random` and forks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from instrumented import BINARIES, clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

APPLICATION = Path(__file__).parent / "applications" / "seeded.py"
VARIABLES = {"OTEL_PROPAGATORS": "tracecontext,asayer"} | {
    f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "LOGS", "METRICS")
}
FILE = """
file_format: "1.0"
propagator: {composite: [{tracecontext: }, {asayer: }]}
tracer_provider: {processors: [{batch: {exporter: {elasticsearch: {}}}}]}
"""


def ids(environment: Mapping[str, str], tmp_path: Path) -> tuple[list[str], list[str]]:
    """The trace and span ids of five processes' work."""
    everything = {**clean_environment(), "XDG_STATE_HOME": str(tmp_path), **environment}
    ran = subprocess.run(
        [str(BINARIES / "opentelemetry-instrument"), sys.executable, str(APPLICATION)],
        env=everything,
        check=True,
        capture_output=True,
        text=True,
    )
    pairs = [line.split() for line in ran.stdout.splitlines()]
    return [trace_id for trace_id, _ in pairs], [span_id for _, span_id in pairs]


@pytest.mark.parametrize("with_file", [False, True], ids=["variables", "OTEL_CONFIG_FILE"])
def test_an_application_that_seeds_random_and_forks_repeats_no_id(
    tmp_path: Path,
    with_file: bool,  # noqa: FBT001
) -> None:
    file = tmp_path / "otel.yaml"
    file.write_text(FILE)
    trace_ids, span_ids = ids({"OTEL_CONFIG_FILE": str(file)} if with_file else VARIABLES, tmp_path)
    assert len(set(span_ids)) == len(span_ids) == 50
    assert len(set(trace_ids)) == 25


def test_the_generator_can_be_chosen_by_name(tmp_path: Path) -> None:
    _, span_ids = ids({**VARIABLES, "OTEL_PYTHON_ID_GENERATOR": "asayer"}, tmp_path)
    assert len(set(span_ids)) == 50
