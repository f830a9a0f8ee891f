"""Waiting for Elasticsearch: with pauses, and with one sentence for each outage."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from otel_asayer.bridge.patience import Patience, StoppedError
from otel_asayer.bridge.reader import AwayError
from otel_asayer.errors import ElasticsearchError

WAITS = "It is away. The bridge waits, and goes on by itself."
BACK = "Elasticsearch is back. The bridge goes on."


class World:
    """A patience whose clock its own waiting moves."""

    def __init__(self) -> None:
        self.time = 0.0
        self.said: list[str] = []
        self.stopping = threading.Event()
        self.patience = Patience(
            self.stopping, self.said.append, lambda: self.time, lambda: 1.0, self.wait
        )

    def wait(self, _: threading.Event, seconds: float) -> None:
        self.time += seconds

    def ask(self, *failures: Exception) -> Any:
        """Ask for what fails first."""
        left = list(failures)

        def request() -> str:
            if left:
                raise left.pop(0)
            return "answer"

        return self.patience.ask(request)


@pytest.fixture
def world() -> World:
    return World()


def away(number: int) -> list[Exception]:
    return [AwayError("It is away.")] * number


def test_what_succeeds_needs_no_word(world: World) -> None:
    assert world.ask() == "answer"
    assert world.said == []


def test_a_short_trouble_needs_no_word(world: World) -> None:
    assert world.ask(*away(2)) == "answer"
    assert world.said == []


def test_an_outage_is_told_once_and_its_end_once(world: World) -> None:
    for _ in range(2):
        world.ask(*away(20))
        assert world.said == [WAITS, BACK]
        world.said.clear()


def test_the_pauses_grow_and_begin_anew(world: World) -> None:
    world.ask(*away(2))
    assert world.time == pytest.approx(0.6)
    world.ask(*away(1))
    assert world.time == pytest.approx(0.8)


def test_elasticsearch_may_ask_for_a_longer_pause(world: World) -> None:
    world.patience.wait("It is away.", 60.0)
    assert world.time == 60.0


def test_it_is_back_when_no_thread_waits_any_more(world: World) -> None:
    for _ in range(9):
        world.patience.wait("It is away.")
    thread = threading.Thread(target=world.ask, args=away(1))
    thread.start()
    thread.join()
    assert world.said == [WAITS]
    world.ask()
    assert world.said == [WAITS, BACK]


def test_the_end_ends_all_waiting(world: World) -> None:
    world.stopping.set()
    with pytest.raises(StoppedError):
        world.patience.wait("It is away.")
    with pytest.raises(StoppedError):
        world.ask()


def test_a_refusal_is_no_outage(world: World) -> None:
    with pytest.raises(ElasticsearchError, match="no"):
        world.ask(ElasticsearchError("no"))
