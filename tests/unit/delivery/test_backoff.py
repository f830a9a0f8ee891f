"""How long to wait, and how long to try, on a clock of the test's own."""

from collections.abc import Callable
from itertools import islice

import pytest

from otel_asayer.delivery.backoff import CircuitBreaker, RetryBudget, backoff_delays, retry_after


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(10.0, clock)


def first(count: int, random: float) -> list[float]:
    return [round(pause, 6) for pause in islice(backoff_delays(lambda: random), count)]


def test_the_longest_pauses_double_up_to_five_seconds() -> None:
    assert first(8, 1.0) == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


def test_the_pauses_are_halves_of_those_in_the_mean() -> None:
    assert first(6, 0.5) == [0.1, 0.2, 0.4, 0.8, 1.6, 2.5]


def test_a_pause_may_be_none_at_all() -> None:
    assert first(3, 0.0) == [0.0, 0.0, 0.0]


def test_each_pause_draws_anew() -> None:
    draws = iter([0.5, 1.0])
    assert list(islice(backoff_delays(lambda: next(draws)), 2)) == [0.1, 0.4]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "3601"}, 3600.0),
        ({"retry-after": "9" * 400}, 3600.0),
        ({}, 0.0),
        ({"retry-after": ""}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({"retry-after": "٣"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, 30.0),
        ({"retry-after": "Wednesday, 21-Oct-26 07:28:30 GMT"}, 30.0),
        ({"retry-after": "Wed Oct 21 07:28:30 2026"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:30 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2027 07:28:00 GMT"}, 3600.0),
        ({"retry-after": "Wed, 41 Oct 2026 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 99999999999999999999 07:28:00 GMT"}, 0.0),
        (
            {
                "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT",
                "date": "Wed, 21 Oct 2026 07:28:20 GMT",
            },
            10.0,
        ),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "yesterday"}, 30.0),
    ],
)
def test_the_server_asks_to_wait_in_seconds_or_until_a_date_for_an_hour_at_most(
    headers: dict[str, str], seconds: float
) -> None:
    assert retry_after(headers, lambda: 1_792_567_680.0) == seconds


def test_usually_the_whole_timeout_may_be_used_for_many_tries(breaker: CircuitBreaker) -> None:
    assert breaker.allow() == RetryBudget(10.0, repeat=True)


def test_after_a_failure_there_is_one_short_try(breaker: CircuitBreaker) -> None:
    breaker.failed()
    assert breaker.allow() == RetryBudget(2.0, repeat=False)


def test_a_short_try_is_no_longer_than_the_timeout(clock: Clock) -> None:
    breaker = CircuitBreaker(0.5, clock)
    breaker.failed()
    assert breaker.allow() == RetryBudget(0.5, repeat=False)


def test_while_the_spool_takes_nothing_a_prompt_one_has_the_whole_timeout(clock: Clock) -> None:
    breaker = CircuitBreaker(10.0, clock, prompt=True)
    breaker.succeeded()
    breaker.spool_takes(False)
    assert breaker.allow() == RetryBudget(10.0, repeat=True)
    breaker.spool_takes(True)
    assert breaker.allow() == RetryBudget(2.0, repeat=False)


def test_without_a_spool_nothing_that_it_takes_makes_one_prompt(clock: Clock) -> None:
    breaker = CircuitBreaker(10.0, clock)
    breaker.spool_takes(True)
    assert breaker.allow() == RetryBudget(10.0, repeat=True)


def test_where_nothing_waits_on_the_disk_a_prompt_one_tries_again(clock: Clock) -> None:
    breaker = CircuitBreaker(10.0, clock, prompt=True)
    breaker.failed()
    breaker.nothing_waits()
    assert breaker.allow() == RetryBudget(2.0, repeat=False)


def test_one_success_gives_the_whole_timeout_back(breaker: CircuitBreaker) -> None:
    breaker.failed()
    breaker.succeeded()
    assert breaker.allow() == RetryBudget(10.0, repeat=True)


def test_once_a_minute_the_one_try_may_last_the_whole_timeout(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    breaker.failed()
    clock.now += 60
    assert [breaker.allow(), breaker.allow()] == [
        RetryBudget(10.0, repeat=False),
        RetryBudget(2.0, repeat=False),
    ]


def test_further_failures_do_not_put_off_the_long_try(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    breaker.failed()
    clock.now += 59
    breaker.failed()
    clock.now += 1
    assert breaker.allow() == RetryBudget(10.0, repeat=False)


def test_a_process_that_ends_waits_a_moment_for_a_sign_of_life(breaker: CircuitBreaker) -> None:
    breaker.stop()
    assert breaker.begin_liveness_check() == 1.25


def test_it_waits_for_one_once(breaker: CircuitBreaker) -> None:
    breaker.stop()
    breaker.begin_liveness_check()
    assert breaker.begin_liveness_check() == 0.0


def test_a_process_that_goes_on_waits_for_none(breaker: CircuitBreaker) -> None:
    assert breaker.begin_liveness_check() == 0.0


def test_without_a_sign_of_life_there_is_one_try_of_what_is_left_of_that_time(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    breaker.stop()
    breaker.begin_liveness_check()
    clock.now += 0.75
    breaker.end_liveness_check(False)
    assert breaker.allow() == RetryBudget(0.5, repeat=False)


def test_without_a_sign_of_life_a_prompt_one_tries_nothing(clock: Clock) -> None:
    breaker = CircuitBreaker(10.0, clock, prompt=True)
    breaker.stop()
    breaker.begin_liveness_check()
    breaker.end_liveness_check(False)
    assert breaker.allow() == RetryBudget(0.0, repeat=False)


def test_after_a_sign_of_life_the_rest_of_the_time_for_the_end_may_be_used(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    breaker.stop()
    breaker.begin_liveness_check()
    clock.now += 0.5
    breaker.end_liveness_check(True)
    assert breaker.allow() == RetryBudget(4.5, repeat=False)


def test_the_time_for_the_end_begins_with_the_first_export_behind_it(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    breaker.stop()
    clock.now += 3
    assert breaker.ends_in == 5.0


def test_the_time_for_the_end_begins_once(breaker: CircuitBreaker, clock: Clock) -> None:
    breaker.stop()
    breaker.allow()
    clock.now += 3
    breaker.stop()
    assert breaker.ends_in == 2.0


def test_an_answer_is_a_sign_of_life(breaker: CircuitBreaker, clock: Clock) -> None:
    breaker.stop()
    breaker.allow()
    clock.now += 0.75
    breaker.succeeded()
    assert breaker.allow() == RetryBudget(4.25, repeat=False)


def test_when_the_time_for_the_end_is_over_nothing_is_tried(breaker: CircuitBreaker) -> None:
    breaker.stop()
    breaker.succeeded()
    breaker.end()
    assert breaker.allow() == RetryBudget(0.0, repeat=False)


def test_after_the_last_failure_nothing_is_tried(breaker: CircuitBreaker) -> None:
    breaker.stop()
    breaker.failed()
    assert breaker.allow() == RetryBudget(0.0, repeat=False)


def test_the_last_try_is_no_longer_than_the_timeout(clock: Clock) -> None:
    breaker = CircuitBreaker(0.5, clock)
    breaker.stop()
    assert breaker.allow() == RetryBudget(0.5, repeat=False)


def test_a_process_that_goes_on_after_all_tries_as_ever(breaker: CircuitBreaker) -> None:
    breaker.stop()
    breaker.end()
    breaker.resume()
    assert breaker.allow() == RetryBudget(10.0, repeat=True)


def test_the_first_try_of_a_prompt_one_is_longer(clock: Clock) -> None:
    assert CircuitBreaker(10.0, clock, prompt=True).allow() == RetryBudget(5.0, repeat=False)


@pytest.mark.parametrize(
    "learn", [CircuitBreaker.succeeded, lambda breaker: (breaker.failed(), breaker.nothing_waits())]
)
def test_every_later_try_of_a_prompt_one_is_short(
    clock: Clock, learn: Callable[[CircuitBreaker], object]
) -> None:
    breaker = CircuitBreaker(10.0, clock, prompt=True)
    learn(breaker)
    assert breaker.allow() == RetryBudget(2.0, repeat=False)
