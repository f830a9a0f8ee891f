"""The page on troubleshooting quotes our messages as the source has them."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from documentation import HOW_TO, ROOT, blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PAGE = HOW_TO / "troubleshooting.md"
OTHERS = "## Messages of other packages"
ELLIPSIS = "…"
"""What stands on the page for a part that differs from case to case."""


def quoted(text: str) -> list[str]:
    """The messages of the blocks, each on a line of its own."""
    return [line for block in blocks(text, "text") for line in block.splitlines()]


def ours() -> list[str]:
    """The page's quotes of otel-asayer's own messages."""
    return quoted(PAGE.read_text(encoding="utf-8").partition(OTHERS)[0])


def constants(trees: Iterable[ast.Module]) -> dict[str, str]:
    """The texts that modules give a name."""
    return {
        node.target.id: node.value.value
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }


def text_of(part: ast.expr, named: Mapping[str, str]) -> str:
    """The text of a part of an f-string; what differs from case to case is an ellipsis."""
    if isinstance(part, ast.Constant):
        return str(part.value)
    assert isinstance(part, ast.FormattedValue)
    value = named.get(part.value.id) if isinstance(part.value, ast.Name) else None
    if value is None:
        return ELLIPSIS
    return repr(value) if part.conversion == ord("r") else value


def texts(tree: ast.Module, named: Mapping[str, str]) -> Iterator[str]:
    """All texts of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield re.sub("%s", ELLIPSIS, "".join(text_of(part, named) for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"%s|\{\w*\}", ELLIPSIS, node.value)


@pytest.fixture(scope="module")
def messages() -> list[str]:
    """All texts of the package."""
    modules = (ROOT / "src" / "otel_asayer").rglob("*.py")
    trees = [ast.parse(module.read_text(encoding="utf-8")) for module in modules]
    named = constants(trees)
    return [text for tree in trees for text in texts(tree, named)]


@pytest.mark.parametrize("message", ours())
def test_a_message_of_ours_is_quoted_as_it_is_printed(message: str, messages: list[str]) -> None:
    assert any(message in text for text in messages), (
        f"No text in src/ contains {message!r}: quote it in {PAGE.name} as it is now"
    )


def test_every_message_has_an_answer() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^```\n\n(?=#|```|\Z)", text, re.MULTILINE) == []
