"""Whole documents, compared byte by byte with the golden files."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from golden.cases import CASES, file_name, golden
from golden.recording import Recording, encode

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_documents_are_those_of_the_golden_file(case: Callable[[], Recording]) -> None:
    assert golden(case).decode() == (GOLDEN / file_name(case)).read_text(encoding="utf-8")


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
