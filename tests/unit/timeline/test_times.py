"""Times as a person reads them."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from otel_asayer.timeline import offset, offset_ns


@pytest.mark.parametrize(
    ("offset_ns", "text"),
    [
        (-1_000_000, "-0:00.001"),
        (-999_999, "+0:00.000"),
        (0, "+0:00.000"),
        (3_723_004_000_000, "+1:02:03.004"),
    ],
)
def test_only_what_can_be_seen_to_be_before_the_start_has_a_minus(
    offset_ns: int, text: str
) -> None:
    assert offset(offset_ns) == text


@given(st.integers(0, 10**12))
def test_a_time_from_the_start_is_read_as_it_is_shown(milliseconds: int) -> None:
    time_ns = milliseconds * 1_000_000
    assert offset_ns(offset(time_ns)) == time_ns
