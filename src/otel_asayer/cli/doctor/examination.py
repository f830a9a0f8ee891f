"""What a check is, and how checks run.

Checks that do not depend on each other run at the same time, each on its own thread and with its
own deadline: none can hang, and none can raise. The threads are daemons, so a check that never
returns does not keep the command from ending.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_asayer.errors import AsayerError, NotAllowedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = [
    "AT_ONCE",
    "Check",
    "CheckResult",
    "ReportEntry",
    "Status",
    "examine",
    "ok",
    "problem",
    "skipped",
    "warning",
]


AT_ONCE: Final = 6
"""Checks that run at the same time: fewer than the requests that one client allows, which is 8."""


class Status(Enum):
    """How something is.

    - warning: It works, but may hurt later, or could be better.
    - problem: Something is lost, leaks, or is not seen. The command's exit status is 1.
    - skipped: The doctor did not look at it; the detail says why.
    """

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


class CheckResult(NamedTuple):
    """What a check found.

    Attributes:
        status: How it is.
        detail: A sentence without its full stop.
        remedy: What to do; empty where nothing is to be done, or the detail says it.
    """

    status: Status
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class ReportEntry:
    """A result with the area and name of its check. A check may have several results."""

    area: str
    name: str
    status: Status
    detail: str
    remedy: str


class Check(NamedTuple):
    """A check.

    Attributes:
        area: Heading in the report.
        name: Name in the report, and in `needs` and `after` of other checks.
        look: Returns the results. What it raises becomes a result, too.
        needs: Names of checks that have to succeed first.
        after: Names of checks that run first, whatever they find.
    """

    area: str
    name: str
    look: Callable[[], Iterable[CheckResult]]
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def ok(detail: str) -> CheckResult:
    """Return that all is well."""
    return CheckResult(Status.OK, detail)


def warning(detail: str, remedy: str = "") -> CheckResult:
    """Return that it works, but."""
    return CheckResult(Status.WARNING, detail, remedy)


def problem(detail: str, remedy: str = "") -> CheckResult:
    """Return that it does not work."""
    return CheckResult(Status.PROBLEM, detail, remedy)


def skipped(detail: str, remedy: str = "") -> CheckResult:
    """Return that the doctor did not look, and why."""
    return CheckResult(Status.SKIPPED, detail, remedy)


def examine(checks: Sequence[Check], *, seconds: float) -> list[ReportEntry]:
    """Run all checks, and return their results in order.

    Args:
        checks: The checks; each comes after those that it needs.
        seconds: Deadline of one check.
    """
    found: dict[str, list[CheckResult]] = {}
    while wave := [
        check
        for check in checks
        if check.name not in found and found.keys() >= {*check.needs, *check.after}
    ][:AT_ONCE]:
        found.update(_examine_together(wave, found, seconds))
    return [
        ReportEntry(check.area, check.name, *result)
        for check in checks
        for result in found[check.name]
    ]


def _examine_together(
    wave: Sequence[Check], found: dict[str, list[CheckResult]], seconds: float
) -> dict[str, list[CheckResult]]:
    under_way = {check.name: _start(check) for check in wave if not _reason_to_skip(check, found)}
    deadline = time.monotonic() + seconds
    return {
        check.name: _result(under_way[check.name], deadline - time.monotonic(), seconds)
        if check.name in under_way
        else [skipped(_reason_to_skip(check, found))]
        for check in wave
    }


def _reason_to_skip(check: Check, found: dict[str, list[CheckResult]]) -> str:
    """Return why a check is skipped; nothing where it is not."""
    for need in check.needs:
        for result in found[need]:
            if result.status is Status.SKIPPED:
                return result.detail  # of a chain, the first one has the reason
            if result.status is Status.PROBLEM:
                return f"{need} has a problem"
    return ""


def _start(check: Check) -> Future[list[CheckResult]]:
    future: Future[list[CheckResult]] = Future()

    def look() -> None:
        try:
            future.set_result(list(check.look()))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=look, name=f"otel-asayer-doctor-{check.name}", daemon=True).start()
    return future


def _result(future: Future[list[CheckResult]], left: float, seconds: float) -> list[CheckResult]:
    try:
        return future.result(max(left, 0))
    except FutureTimeoutError:
        return [problem(f"It did not finish within {seconds:.3g} s")]
    except NotAllowedError as error:
        return [skipped(str(error))]
    except AsayerError as error:
        return [problem(str(error))]
    except KeyboardInterrupt:  # meant for this thread, which waits: checks run on threads of theirs
        raise
    except BaseException as error:
        # Its message may contain anything, even a credential.
        return [
            problem(
                f"The check itself failed with {type(error).__name__}",
                "Please report this as a bug of otel-asayer",
            )
        ]
