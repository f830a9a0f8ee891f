"""The release of OpenTelemetry that we publish constraints for.

`constraints.txt` beside this module has one exact version a line, for pip. This module needs the
standard library only: people use the file before they install anything else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["constraints", "published_versions"]

_FILE: Final = Path(__file__).with_name("constraints.txt")


def constraints() -> str:
    """Return the constraints, in the form of a file for `pip install -c`."""
    return _FILE.read_text(encoding="utf-8")


def published_versions() -> Mapping[str, str]:
    """Return the version of each package in the constraints, by normalised name."""
    lines = (line.partition("==") for line in constraints().splitlines() if line[:1] != "#")
    return {name: version for name, _, version in lines}
