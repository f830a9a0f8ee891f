"""Trace and span ids come from the system's randomness."""

from __future__ import annotations

import os
import random
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace.id_generator import IdGenerator

from otel_asayer import SystemRandomIdGenerator

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
    drawn = iter([bytes(size), bytes(size), bytes([1] * size)])
    monkeypatch.setattr(os, "urandom", lambda _: next(drawn))
    assert generate() == int.from_bytes([1] * size, "big")


def test_its_trace_ids_count_as_random() -> None:
    assert GENERATOR.is_trace_id_random()
