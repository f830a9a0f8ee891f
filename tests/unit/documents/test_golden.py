"""Whole documents, compared byte by byte with the golden files."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from golden.cases import CASES, file_name, golden
from golden.recording import REPLAY_URL, Recording, encode, encoder
from otel_asayer.runtime.sdk import compact_log_record, compact_span

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_documents_are_those_of_the_golden_file(case: Callable[[], Recording]) -> None:
    assert golden(case).decode() == (GOLDEN / file_name(case)).read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_documents_of_what_a_queue_keeps_are_the_same(case: Callable[[], Recording]) -> None:
    recording = case()
    one = encoder(replay_url=REPLAY_URL)
    kept = (
        one.spans([compact_span(span) for span in recording.spans]),
        one.log_records([compact_log_record(record) for record in recording.log_records]),
    )
    assert b"".join(operation for part in kept for operation in part.operations) == golden(case)


def test_each_golden_file_is_compared() -> None:
    assert sorted(path.name for path in GOLDEN.glob("*.ndjson")) == sorted(map(file_name, CASES))


def test_a_golden_file_cannot_pass_when_encoding_fails() -> None:
    class Broken(Recording):
        @property
        def spans(self) -> list[ReadableSpan]:
            return [ReadableSpan("without a context")]

    with pytest.raises(AssertionError):
        encode(Broken())


def test_the_documentation_shows_the_golden_files() -> None:
    generator = runpy.run_path(str(ROOT / "docs" / "generate_documents.py"))
    assert generator["DOCUMENTS"].read_text(encoding="utf-8") == generator["documents"]()
