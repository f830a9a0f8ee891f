"""A session is read once for many clicks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otel_asayer.config import Config
from otel_asayer.errors import NotAllowedError
from otel_asayer.timeline import Selection, SessionFilter
from otel_asayer.web.reader import Reader
from unit.web.support import SESSION, START_MS, Store, error, log

S = 1_000_000_000
SELECTION = Selection(session_id=SESSION)


class Clock:
    """A time that a test sets."""

    now_ns = START_MS * 1_000_000

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Store:
    return Store(
        [
            log("hello", 0),
            *(
                log("hello", 0, named=f"other-{number}", having={"session.id": str(number)})
                for number in range(1, 9)
            ),
        ]
    )


@pytest.fixture
def reader(store: Store, clock: Clock) -> Reader:
    return Reader(Config.from_environment({}), opened=store.open, now_ns=clock)


def test_a_young_timeline_is_not_read_again(reader: Reader, store: Store, clock: Clock) -> None:
    first = reader.story(SELECTION)
    clock.now_ns += 29 * S
    assert reader.story(SELECTION) == first
    assert store.opened == 1


@pytest.mark.parametrize(("megabytes", "complete"), [(10, True), (40, False)])
def test_no_more_is_read_than_the_memory_can_hold(
    reader: Reader, store: Store, megabytes: int, *, complete: bool
) -> None:
    store.held = [replace(log(text, 0), size=megabytes * 1024 * 1024) for text in "ab"]
    assert reader.story(SELECTION).complete == complete


def test_an_old_one_is(reader: Reader, store: Store, clock: Clock) -> None:
    reader.story(SELECTION)
    clock.now_ns += 30 * S
    reader.story(SELECTION)
    assert store.opened == 2


def test_a_clock_that_goes_back_makes_none_young_for_ever(
    reader: Reader, store: Store, clock: Clock
) -> None:
    reader.story(SELECTION)
    clock.now_ns -= 3600 * S
    reader.story(SELECTION)
    assert store.opened == 2


def test_a_reload_reads_anew(reader: Reader, store: Store) -> None:
    reader.story(SELECTION)
    store.held.append(log("more", 5))
    assert [event.title for event in reader.story(SELECTION, anew=True).timeline.events] == [
        "hello",
        "more",
    ]


def test_nothing_is_not_kept_for_who_waits_for_it(reader: Reader, store: Store) -> None:
    reader.story(Selection(session_id="99"))
    reader.story(Selection(session_id="99"))
    assert store.opened == 2


def test_a_handful_is_kept_those_used_last(reader: Reader, store: Store) -> None:
    for session in ("1", "2", "3", "4", "1", "5"):
        reader.story(Selection(session_id=session))
    reader.story(Selection(session_id="1"))
    assert store.opened == 5
    reader.story(Selection(session_id="2"))
    assert store.opened == 6


def test_a_failure_is_not_kept(reader: Reader, store: Store) -> None:
    store.error = NotAllowedError("Not allowed to read.")
    with pytest.raises(NotAllowedError):
        reader.story(SELECTION)
    store.error = None
    assert len(reader.story(SELECTION).timeline.events) == 1


def test_errors_come_in_groups(reader: Reader, store: Store) -> None:
    store.held.extend([error("none left", 10), error("none left", 20, having={"session.id": "7"})])
    found = reader.overview(SessionFilter())
    assert [(group.type, group.count) for group in found.groups] == [("OutOfStockError", 1)]
    assert found.source == "the test's store"
    assert found.unseen == 0
