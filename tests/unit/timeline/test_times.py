"""Times as a person reads them."""

from __future__ import annotations

import pytest

from otel_asayer.timeline import offset


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
