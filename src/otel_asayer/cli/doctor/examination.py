"""Checks are made, those that do not need each other at the same time, each under a deadline of its
own: none can hang, none can raise.

The threads are daemons: one that never ends does not keep the command from ending.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING

from otel_asayer.cli.doctor.findings import Check, Finding, Status, Verdict, problem, skipped
from otel_asayer.errors import AsayerError, NotAllowedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    _Found = dict[str, list[Verdict]]

__all__ = ["examine"]


def examine(checks: Sequence[Check], *, seconds: float) -> list[Finding]:
    """Make all checks, and return what they found, in their order.

    Args:
        checks: what to look at. Those that one needs stand before it.
        seconds: that one check may take.
    """
    found: _Found = {}
    while wave := [
        check
        for check in checks
        if check.name not in found and found.keys() >= {*check.needs, *check.after}
    ]:
        found.update(_examine_together(wave, found, seconds))
    return [
        Finding(check.area, check.name, *verdict)
        for check in checks
        for verdict in found[check.name]
    ]


def _examine_together(wave: Sequence[Check], found: _Found, seconds: float) -> _Found:
    under_way = {check.name: _start(check) for check in wave if not _hindrance(check, found)}
    deadline = time.monotonic() + seconds
    return {
        check.name: _result(under_way[check.name], deadline - time.monotonic(), seconds)
        if check.name in under_way
        else [skipped(_hindrance(check, found))]
        for check in wave
    }


def _hindrance(check: Check, found: _Found) -> str:
    """Why there is nothing to look at, or nothing."""
    for need in check.needs:
        for verdict in found[need]:
            if verdict.status is Status.SKIPPED:
                return verdict.detail  # the first of a chain says why
            if verdict.status is Status.PROBLEM:
                return f"{need} has a problem"
    return ""


def _start(check: Check) -> Future[list[Verdict]]:
    future: Future[list[Verdict]] = Future()

    def look() -> None:
        try:
            future.set_result(list(check.look()))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=look, name=f"otel-asayer-doctor-{check.name}", daemon=True).start()
    return future


def _result(future: Future[list[Verdict]], left: float, seconds: float) -> list[Verdict]:
    try:
        return future.result(max(left, 0))
    except FutureTimeoutError:
        return [
            problem(f"This was not over after {seconds:.3g} s, and is not waited for any longer")
        ]
    except NotAllowedError as error:
        return [skipped(str(error))]
    except AsayerError as error:
        return [problem(str(error))]
    except KeyboardInterrupt:  # of whoever waits here: on a thread of its own, no check meets one
        raise
    except BaseException as error:
        # Its message may hold anything, a credential included.
        return [
            problem(
                f"The check itself failed with {type(error).__name__}",
                "Please report that as a defect of otel-asayer",
            )
        ]
