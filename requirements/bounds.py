"""Print constraints that hold a user's installation at its lower bounds in `pyproject.toml`.

A user's installation is the dependencies and the extras that are no tool of ours. `make bounds`
runs the unit tests on it, and on the newest set.
"""

from __future__ import annotations

import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXTRAS = ("distro", "cli")
_LOWER = (">=", "~=", "==")


def lowest(requirement: Requirement) -> str:
    """Return the requirement's lower bound as a constraint."""
    bounds = [
        Version(specifier.version)
        for specifier in requirement.specifier
        if specifier.operator in _LOWER
    ]
    if not bounds:
        raise SystemExit(f"{requirement} has no lower bound: give it one in pyproject.toml.")
    return f"{requirement.name}=={max(bounds)}"


def main() -> None:
    """Print one constraint a line."""
    project = tomllib.loads(
        Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8")
    )["project"]
    stated = [
        *project["dependencies"],
        *(text for extra in EXTRAS for text in project["optional-dependencies"][extra]),
    ]
    # What is asked for on several platforms is one package
    for constraint in dict.fromkeys(lowest(Requirement(text)) for text in stated):
        print(constraint)


if __name__ == "__main__":
    main()
