"""The lower bounds of `pyproject.toml` as constraints."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from packaging.requirements import Requirement

_SPEC = importlib.util.spec_from_file_location(
    "bounds", Path(__file__).parents[2] / "requirements" / "bounds.py"
)
assert _SPEC
assert _SPEC.loader
bounds = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(bounds)


@pytest.mark.parametrize(
    ("requirement", "constraint"),
    [
        ("click >= 8.4", "click==8.4"),
        ("opentelemetry-sdk ~= 1.45, >= 1.45.1", "opentelemetry-sdk==1.45.1"),
        ("opentelemetry-distro >= 0.66b1, < 1", "opentelemetry-distro==0.66b1"),
    ],
)
def test_a_requirement_is_held_at_its_lower_bound(requirement: str, constraint: str) -> None:
    assert bounds.lowest(Requirement(requirement)) == constraint


def test_a_requirement_without_a_lower_bound_is_an_error() -> None:
    with pytest.raises(SystemExit, match="no lower bound"):
        bounds.lowest(Requirement("click < 9"))


def test_every_requirement_of_a_users_installation_has_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bounds.main()
    lines = capsys.readouterr().out.splitlines()
    assert {"orjson", "urllib3", "rich", "isal", "opentelemetry-distro"} <= {
        line.partition("==")[0] for line in lines
    }
