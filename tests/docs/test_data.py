"""What the documentation shows as data, and that every block of it is executed by something."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from otel_asayer.setup.keys import BRIDGE, FORGETTER, READER, ROLES, VIEWER, WRITER, Role

from documentation import EXECUTED, HOW_TO, PAGES, ROOT, SHOWN_ONLY, blocks, fences, page_name

if TYPE_CHECKING:
    from pathlib import Path

JSON = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page.read_text(encoding="utf-8"), "json"))
]
TESTS = sorted(
    {(page, test) for pages in EXECUTED.values() for page, test in pages.items() if page != "*"}
)


def descriptors(page: str) -> list[object]:
    """The role descriptors of a page; what they leave out is empty."""
    return [
        {"cluster": [], **json.loads(block)}
        for block in blocks((HOW_TO / page).read_text(encoding="utf-8"), "json")
    ]


def shown(page: Path) -> set[str]:
    """The languages of a page's blocks that somebody could execute."""
    return {fence.language for fence in fences(page.read_text(encoding="utf-8"))} - {
        *SHOWN_ONLY,
        "",
    }


@pytest.mark.parametrize(
    ("page", "roles"),
    [("elasticsearch.md", (WRITER, READER, VIEWER, FORGETTER, BRIDGE)), ("doctor.md", (VIEWER,))],
)
def test_the_role_descriptors_of_a_page_are_those_of_the_keys(
    page: str, roles: tuple[Role, ...]
) -> None:
    assert descriptors(page) == [role.descriptor for role in roles]


def test_every_role_is_shown() -> None:
    assert {WRITER, READER, VIEWER} == set(
        ROLES
    )  # what is made unasked; the page's other two are made on request


@pytest.mark.parametrize("block", JSON)
def test_what_is_called_json_is_an_object_or_a_list(block: str) -> None:
    assert isinstance(json.loads(block), dict | list)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_block_says_what_it_is(page: Path) -> None:
    assert [
        fence.text for fence in fences(page.read_text(encoding="utf-8")) if not fence.language
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_fence_is_closed(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert sum(line.lstrip().startswith("```") for line in text.splitlines()) == 2 * len(
        fences(text)
    )


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_block_is_executed_by_a_test(page: Path) -> None:
    assert {
        language
        for language in shown(page)
        if not {"*", page_name(page)} & EXECUTED.get(language, {}).keys()
    } == set()


def test_no_test_is_named_for_a_block_that_is_not_there() -> None:
    named = {
        (language, page) for language, pages in EXECUTED.items() for page in pages if page != "*"
    }
    assert (
        named - {(language, page_name(page)) for page in PAGES for language in shown(page)} == set()
    )


@pytest.mark.parametrize(("page", "test"), TESTS)
def test_the_test_that_is_named_for_a_page_reads_it(page: str, test: str) -> None:
    assert (ROOT / page).stem in (ROOT / "tests" / test).read_text(encoding="utf-8")
