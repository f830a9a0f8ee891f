"""Trace and span ids cannot be seeded."""

from __future__ import annotations

import os
import random
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace.id_generator import IdGenerator

from otel_asayer import SystemRandomIdGenerator, randomness

if TYPE_CHECKING:
    from collections.abc import Callable

GENERATOR = SystemRandomIdGenerator()
BOTH = pytest.mark.parametrize(
    ("generate", "size"),
    [(GENERATOR.generate_span_id, 8), (GENERATOR.generate_trace_id, 16)],
    ids=["span", "trace"],
)


def test_the_sdk_finds_it_by_name() -> None:
    (entry_point,) = entry_points(group="opentelemetry_id_generator", name="asayer")
    assert entry_point.load() is SystemRandomIdGenerator
    assert issubclass(SystemRandomIdGenerator, IdGenerator)


@BOTH
def test_seeding_random_repeats_no_id(generate: Callable[[], int], size: int) -> None:
    ids = set()
    for _ in range(100):
        random.seed(3)
        ids.add(generate())
    assert len(ids) == 100


@BOTH
def test_an_id_uses_all_of_its_bits(generate: Callable[[], int], size: int) -> None:
    seen = 0
    for _ in range(200):
        seen |= generate()
    assert seen == (1 << 8 * size) - 1


@BOTH
def test_an_id_of_zeros_is_drawn_again(
    monkeypatch: pytest.MonkeyPatch, generate: Callable[[], int], size: int
) -> None:
    drawn = iter([0, 0, 7])
    monkeypatch.setattr("otel_asayer.id_generator.random_bits", lambda _: next(drawn))
    assert generate() == 7


@BOTH
def test_an_id_asks_the_system_for_nothing(
    monkeypatch: pytest.MonkeyPatch, generate: Callable[[], int], size: int
) -> None:
    """`os.urandom` gives the interpreter away, and starves threads that wait for it."""
    generate()

    def refuse(_: int) -> bytes:
        raise AssertionError

    monkeypatch.setattr(os, "urandom", refuse)
    assert generate() != generate()


def test_a_forked_process_does_not_repeat_its_parents_ids(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without Python's at-fork hooks, as in uWSGI."""
    monkeypatch.setattr(randomness, "time_ns", lambda: 0)
    GENERATOR.generate_span_id()
    state = randomness._Source.getrandbits.__self__.getstate()  # type: ignore[attr-defined]
    parents = {GENERATOR.generate_span_id() for _ in range(100)}
    randomness._Source.getrandbits.__self__.setstate(state)  # type: ignore[attr-defined]
    monkeypatch.setattr(randomness, "getpid", lambda: -2)
    assert parents.isdisjoint(GENERATOR.generate_span_id() for _ in range(100))


def test_a_restored_machine_does_not_repeat_the_ids_of_another() -> None:
    GENERATOR.generate_span_id()
    generator = randomness._Source.getrandbits.__self__  # type: ignore[attr-defined]
    state = generator.getstate()
    here = {GENERATOR.generate_span_id() for _ in range(100)}
    generator.setstate(state)
    assert here.isdisjoint(GENERATOR.generate_span_id() for _ in range(100))


def test_its_trace_ids_count_as_random() -> None:
    assert GENERATOR.is_trace_id_random()
