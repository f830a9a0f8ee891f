"""The page on compatibility says what the package's metadata and the tests' own lists say."""

from __future__ import annotations

import re
from importlib.metadata import metadata, requires

import pytest
from packaging.requirements import Requirement

from otel_asayer.elasticsearch.api import OLDEST

from documentation import ROOT
from elasticsearch_server.config import VERSIONS

TEXT = (ROOT / "docs" / "reference" / "compatibility.md").read_text(encoding="utf-8")
ROWS = {
    cells[0]: cells[1:]
    for line in TEXT.splitlines()
    if line.startswith("| ")
    for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
}
PACKAGES = {
    requirement.name: requirement
    for requirement in map(Requirement, requires("otel-asayer") or ())
    if "extra" not in str(requirement.marker)
}


def bounds(requirement: Requirement) -> str:
    """What the page says of a requirement."""
    lower = max(
        (one.version for one in requirement.specifier if one.operator in (">=", "~=")), key=len
    )
    compatible = [one.version for one in requirement.specifier if one.operator == "~="]
    upper = [one.version for one in requirement.specifier if one.operator == "<"] or [
        str(int(version.split(".")[0]) + 1) for version in compatible
    ]
    return f"{lower} or newer" + "".join(f", below {version}" for version in upper)


@pytest.mark.parametrize("requirement", PACKAGES.values(), ids=PACKAGES)
def test_the_bounds_of_a_dependency_are_those_of_the_package(requirement: Requirement) -> None:
    (row,) = (cells for name, cells in ROWS.items() if name.startswith(f"`{requirement.name}`"))
    assert row[0] == bounds(requirement)


def test_the_pythons_are_those_of_the_package() -> None:
    named = [
        version[1]
        for classifier in metadata("otel-asayer").get_all("Classifier") or ()
        if (version := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", classifier))
    ]
    supported, tested = ROWS["Python"]
    assert f">={supported.removesuffix(' or newer')}" == metadata("otel-asayer")["Requires-Python"]
    assert re.findall(r"3\.\d+", tested) == named


def test_the_elasticsearchs_are_those_of_the_matrix() -> None:
    supported, tested = ROWS["Elasticsearch"]
    assert supported.startswith(f"{'.'.join(map(str, OLDEST))} or newer")
    assert tested.startswith(f"{' and '.join(VERSIONS)},")


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn", "uWSGI"])
def test_a_server_that_is_tested_is_one_of_the_tests(server: str) -> None:
    test = (ROOT / "tests" / "integration" / "test_processes.py").read_text(encoding="utf-8")
    (row,) = (cells for name, cells in ROWS.items() if name.startswith(server))
    assert row == ["yes: `make processes`"]
    assert f'"{server}' in test
