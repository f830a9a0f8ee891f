"""Names of the files."""

from __future__ import annotations

import os

import pytest

from otel_asayer.spool.names import (
    SpoolFile,
    current_process,
    leased_name,
    new_body,
    parse,
    reasons_name,
    temporary_name,
)

BODY = "01795536236662271530-4711-9f86d081884c7d65-512.ndjson.gz"


def entry(name: str) -> SpoolFile:
    parsed = parse(name)
    assert parsed is not None
    return parsed


def test_a_name_tells_age_and_documents() -> None:
    assert parse(BODY) == SpoolFile(BODY, BODY, 1795536236662271530, 512, None)


def test_a_lease_keeps_the_bodys_name_and_names_its_owner() -> None:
    name = leased_name(BODY)
    assert parse(name) == SpoolFile(BODY, name, 1795536236662271530, 512, current_process())


def test_two_leases_of_one_process_have_different_names() -> None:
    assert leased_name(BODY) != leased_name(BODY)


def test_a_new_body_is_named_by_time_pid_and_documents() -> None:
    body = new_body(7, 3)
    assert body[:20] == f"{7:020d}"
    assert body.split("-")[1] == str(os.getpid())
    assert entry(body).documents == 3


def test_bodies_of_the_same_moment_have_different_names() -> None:
    assert len({new_body(7, 1) for _ in range(100)}) == 100


def test_sorted_names_are_sorted_by_age() -> None:
    by_age = [
        new_body(time, 1)
        for time in (0, 1, 9, 10, 1795536236662271530, 9999999999999999999, 10**19)
    ]
    assert sorted(by_age) == by_age


def test_a_clock_before_1970_counts_as_1970() -> None:
    assert entry(new_body(-5, 1)).written_ns == 0


def test_a_temporary_file_tells_its_writer() -> None:
    name = temporary_name(BODY)
    assert (entry(name).is_temporary, entry(name).owner) == (True, current_process())


def test_a_temporary_file_is_no_body() -> None:
    assert entry(temporary_name(BODY)).is_body is False


def test_reasons_stand_next_to_their_body_and_are_none() -> None:
    name = reasons_name(BODY)
    assert name == "01795536236662271530-4711-9f86d081884c7d65-512.reasons.ndjson"
    assert entry(name).documents == 0
    assert entry(name).is_body is False


@pytest.mark.parametrize(
    "name",
    [
        "destination.txt",
        BODY + "\n",
        BODY + ".lease",
        BODY + ".tmp",
        BODY.removesuffix(".gz"),
        "copy of " + BODY,
        BODY.replace("4711", "٤٧١١"),
        BODY.replace("9f86", "9F86"),
        f"{BODY}.5f70bf18-0-1-d2c3b4a5.lease",
        f"{BODY}.5f70bf18--1-1-d2c3b4a5.lease",
        "1" + BODY,
        "",
    ],
)
def test_what_is_no_name_of_ours_is_left_alone(name: str) -> None:
    assert parse(name) is None


def test_the_longest_name_is_one_that_every_file_system_takes() -> None:
    owner = current_process()._replace(pid=2**31 - 1, started=2**63 - 1)
    longest = f"{10**19}-{2**31 - 1}-{'f' * 16}-{10**9 - 1}.ndjson.gz.{owner}-{'f' * 8}.lease"
    assert entry(longest).owner == owner
    assert len(longest) < 255
