"""What the doctor says, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Check", "Finding", "Status", "Verdict", "ok", "problem", "skipped", "warning"]


class Status(Enum):
    """How something is."""

    OK = "ok"
    WARNING = "warning"
    """It works, and could hurt later, or is less than it could be."""
    PROBLEM = "problem"
    """Something is lost, leaks, or is not seen: the command's exit status is 1."""
    SKIPPED = "skipped"
    """It was not looked at; the detail says why."""


class Verdict(NamedTuple):
    """What a look at one thing found."""

    status: Status
    detail: str
    remedy: str = ""
    """What to do, as a sentence; empty where nothing is to be done, or where the detail says it."""


@dataclass(frozen=True)
class Finding:
    """A verdict, and the check that it is of. A check may have several."""

    area: str
    name: str
    status: Status
    detail: str
    remedy: str


class Check(NamedTuple):
    """A thing to look at.

    Attributes:
        area: heading under which it is shown.
        name: of the check; findings and other checks name it so.
        look: returns the verdicts. What it raises becomes a finding as well.
        needs: names of checks without whose success there is nothing to look at.
        after: names of checks that come first, whatever they find.
    """

    area: str
    name: str
    look: Callable[[], Iterable[Verdict]]
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def ok(detail: str) -> Verdict:
    """All is well."""
    return Verdict(Status.OK, detail)


def warning(detail: str, remedy: str = "") -> Verdict:
    """It works, but."""
    return Verdict(Status.WARNING, detail, remedy)


def problem(detail: str, remedy: str = "") -> Verdict:
    """It does not work."""
    return Verdict(Status.PROBLEM, detail, remedy)


def skipped(detail: str, remedy: str = "") -> Verdict:
    """It was not looked at, and `detail` says why."""
    return Verdict(Status.SKIPPED, detail, remedy)
