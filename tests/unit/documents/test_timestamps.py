"""The two forms of a time."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from otel_asayer.documents.values import iso_timestamp, otel_timestamp

LAST = 2**63 - 1


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (1_795_536_236_662_271_530, "1795536236662.271530"),
        (1_795_536_236_662_000_005, "1795536236662.000005"),
        (1_795_536_236_000_000_000, "1795536236000.000000"),
        (1_000_000, "1.000000"),
        (999_999, "0.999999"),
        (5, "0.000005"),
        (0, "0.000000"),
        (LAST, "9223372036854.775807"),
    ],
)
def test_the_fraction_of_a_millisecond_has_six_digits(time_ns: int, text: str) -> None:
    assert otel_timestamp(time_ns) == text


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [(-1, "0.000000"), (LAST + 1, "9223372036854.775807"), (10**30, "9223372036854.775807")],
)
def test_a_time_that_elasticsearch_cannot_hold_is_the_nearest_that_it_can(
    time_ns: int, text: str
) -> None:
    assert otel_timestamp(time_ns) == text


def test_a_time_given_as_a_float_is_read() -> None:
    assert otel_timestamp(1.5e18) == "1500000000000.000000"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (1_795_536_236_662_999_999, "2026-11-24T16:03:56.662Z"),
        (1_795_536_236_000_000_000, "2026-11-24T16:03:56.000Z"),
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1970-01-01T00:00:00.000Z"),
        (10**30, "2262-04-11T23:47:16.854Z"),
    ],
)
def test_a_record_of_a_replay_has_an_iso_time_in_utc(time_ns: int, text: str) -> None:
    assert iso_timestamp(time_ns) == text


def test_an_iso_time_is_the_same_moment() -> None:
    moment = datetime.fromisoformat(iso_timestamp(1_795_536_236_662_000_000).replace("Z", "+00:00"))
    assert moment == datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(
        milliseconds=1_795_536_236_662
    )
