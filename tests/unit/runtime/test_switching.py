"""The switch interval of the interpreter: short while it has to be, else what it was."""

from __future__ import annotations

import _thread
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from otel_asayer.runtime import switching
from otel_asayer.runtime.switching import Turns, short_switches

from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

USUAL = 0.004

FORK = """
import os, sys
from otel_asayer.runtime.switching import Turns, short_switches

turns = Turns()
turns.hurry()
with short_switches():
    child = os.fork()
    if not child:
        usual = sys.getswitchinterval()
        turns.relax()
        turns.hurry()
        os._exit(not (usual == 0.005 > sys.getswitchinterval()))
assert sys.getswitchinterval() < 0.005
turns.relax()
print(os.waitpid(child, 0)[1], sys.getswitchinterval())
"""


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(USUAL)
    yield
    sys.setswitchinterval(before)


def is_short() -> bool:
    return sys.getswitchinterval() < USUAL / 2


def is_usual() -> bool:
    return sys.getswitchinterval() == pytest.approx(USUAL)


def wait_until_usual() -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while not is_usual():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_switches_are_short_in_a_block() -> None:
    with short_switches():
        assert is_short()
    assert is_usual()


def test_an_interval_that_is_shorter_already_stays() -> None:
    sys.setswitchinterval(1e-5)
    with short_switches():
        assert sys.getswitchinterval() == pytest.approx(1e-5)
    assert sys.getswitchinterval() == pytest.approx(1e-5)


def test_they_are_short_until_the_last_of_several_blocks_ends() -> None:
    entered, end = threading.Event(), threading.Event()

    def other() -> None:
        with short_switches():
            entered.set()
            end.wait(HANG_SECONDS)

    thread = threading.Thread(target=other)
    with short_switches():
        thread.start()
        entered.wait(HANG_SECONDS)
    assert is_short()
    end.set()
    thread.join()
    assert is_usual()


def test_a_fork_has_the_usual_ones_and_may_shorten_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", FORK], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["0", "0.005"]


class TestTurns:
    @pytest.fixture
    def turns(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Turns]:
        monkeypatch.setattr(switching, "_LONGEST", HANG_SECONDS)
        turns = Turns()
        yield turns
        turns.relax()

    def test_a_backlog_shortens_switches_until_it_is_gone(self, turns: Turns) -> None:
        turns.hurry()
        turns.hurry()
        assert is_short()
        turns.relax()
        turns.relax()
        assert is_usual()

    def test_they_are_not_short_for_long(
        self, turns: Turns, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(switching, "_LONGEST", 0.0)
        turns.hurry()
        wait_until_usual()

    def test_they_rest_after_a_stretch_in_which_nothing_was_done(
        self, turns: Turns, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(switching, "_LONGEST", 0.0)
        monkeypatch.setattr(switching, "_REST", HANG_SECONDS)
        turns.hurry()
        wait_until_usual()
        monkeypatch.setattr(switching, "_LONGEST", HANG_SECONDS)
        turns.hurry()
        assert is_usual()
        with turns.work():
            """It goes on."""
        turns.hurry()
        assert is_short()

    def test_a_stretch_does_not_end_the_next_one(self, turns: Turns) -> None:
        turns.hurry()
        turns.relax()
        turns.hurry()
        late = _thread.allocate_lock()
        late.acquire()
        turns._end(late, 0.0, 0)
        assert is_short()

    def test_where_no_thread_can_be_started_they_stay_usual(
        self, turns: Turns, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(switching, "start_new_thread", fail)
        turns.hurry()
        assert is_usual()

    def test_a_pause_survives_a_hub_that_cannot_wait(
        self, turns: Turns, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: float) -> None:
            raise RuntimeError("the hub cannot wait")

        monkeypatch.setattr("time.sleep", fail)
        with turns.work() as pause:
            pause()

    def test_pauses_end_when_they_have_taken_long_enough(
        self, turns: Turns, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paused: list[float] = []
        clock = iter(range(1000))
        monkeypatch.setattr("time.sleep", paused.append)
        monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
        with turns.work() as pause:
            for _ in range(5):
                pause()
        assert len(paused) == 1
