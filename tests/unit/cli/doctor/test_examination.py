"""No check hangs, no check raises, and none looks where an earlier one found nothing to look at."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

import pytest

from otel_asayer.cli.doctor.examination import (
    AT_ONCE,
    Check,
    CheckResult,
    ReportEntry,
    Status,
    examine,
    ok,
    problem,
    skipped,
    warning,
)
from otel_asayer.errors import ElasticsearchError, NotAllowedError

from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FINE = ok("fine")


def looked(*checks: Check, seconds: float = 30) -> list[tuple[str, str, str]]:
    return [
        (finding.name, finding.status.value, finding.detail)
        for finding in examine(checks, seconds=seconds)
    ]


def check(
    name: str, *results: CheckResult, needs: tuple[str, ...] = (), after: tuple[str, ...] = ()
) -> Check:
    return Check("area", name, lambda: results, needs, after)


def raising(error: BaseException) -> Callable[..., list[CheckResult]]:
    def look(*_: object) -> list[CheckResult]:
        raise error

    return look


def test_a_finding_says_what_of_which_check() -> None:
    assert examine([check("a", warning("hm", "mend it"))], seconds=30) == [
        ReportEntry("area", "a", Status.WARNING, "hm", "mend it")
    ]


def test_no_more_checks_run_at_once_than_one_client_has_requests_for() -> None:
    together = threading.Barrier(AT_ONCE, timeout=HANG_SECONDS)
    running: set[str] = set()
    most: list[int] = []

    def look(name: str) -> list[CheckResult]:
        running.add(name)
        together.wait()
        most.append(len(running))
        together.wait()
        running.discard(name)
        return [FINE]

    names = [str(number) for number in range(3 * AT_ONCE)]
    checks = [Check("area", name, partial(look, name)) for name in names]
    assert looked(*checks, seconds=HANG_SECONDS) == [(name, "ok", "fine") for name in names]
    assert set(most) == {AT_ONCE}


def test_a_check_may_find_several_things() -> None:
    assert looked(check("a", FINE, problem("bad"))) == [
        ("a", "ok", "fine"),
        ("a", "problem", "bad"),
    ]


def test_findings_come_in_the_order_of_the_checks() -> None:
    first, second = check("first", FINE, after=("second",)), check("second", FINE)
    assert [name for name, *_ in looked(first, second)] == ["first", "second"]


def test_a_check_is_skipped_when_what_it_needs_has_a_problem() -> None:
    assert looked(check("a", problem("bad")), check("b", FINE, needs=("a",)))[1] == (
        "b",
        "skipped",
        "a has a problem",
    )


def test_a_check_is_skipped_for_the_first_reason_of_a_chain() -> None:
    chain = (
        check("a", problem("bad")),
        check("b", FINE, needs=("a",)),
        check("c", FINE, needs=("b",)),
    )
    assert looked(*chain)[2] == ("c", "skipped", "a has a problem")


def test_a_check_that_was_skipped_by_itself_says_why_for_all_that_need_it() -> None:
    assert looked(check("a", skipped("not wanted")), check("b", FINE, needs=("a",)))[1] == (
        "b",
        "skipped",
        "not wanted",
    )


def test_a_warning_stops_nothing() -> None:
    assert looked(check("a", warning("hm")), check("b", FINE, needs=("a",)))[1] == (
        "b",
        "ok",
        "fine",
    )


def test_what_only_comes_after_another_goes_on_whatever_that_finds() -> None:
    assert looked(check("a", problem("bad")), check("b", FINE, after=("a",)))[1] == (
        "b",
        "ok",
        "fine",
    )


def test_whoever_ends_the_command_is_not_a_check_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Future, "result", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        looked(check("a", FINE))


def test_a_check_that_hangs_is_a_problem() -> None:
    release = threading.Event()
    try:
        hanging = Check("area", "a", lambda: [ok(str(release.wait()))])
        assert looked(hanging, seconds=0.01) == [
            ("a", "problem", "It did not finish within 0.01 s")
        ]
    finally:
        release.set()


def test_a_check_that_fails_names_the_error_and_not_its_message() -> None:
    failing = Check("area", "a", raising(KeyError("secret")))
    assert looked(failing) == [("a", "problem", "The check itself failed with KeyError")]


def test_a_generator_that_fails_half_way_is_a_problem() -> None:
    def look() -> Iterator[CheckResult]:
        yield FINE
        raise RuntimeError

    assert looked(Check("area", "a", look)) == [
        ("a", "problem", "The check itself failed with RuntimeError")
    ]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ElasticsearchError("It does not answer."), "problem"),
        (NotAllowedError("It does not answer."), "skipped"),
    ],
)
def test_an_error_of_ours_is_a_sentence_already(error: Exception, status: str) -> None:
    assert looked(Check("area", "a", raising(error))) == [("a", status, "It does not answer.")]


def test_checks_that_do_not_need_each_other_run_at_the_same_time() -> None:
    barrier = threading.Barrier(2, timeout=HANG_SECONDS)
    both = [Check("area", name, lambda: [ok(str(barrier.wait() in (0, 1)))]) for name in "ab"]
    assert looked(*both) == [("a", "ok", "True"), ("b", "ok", "True")]
