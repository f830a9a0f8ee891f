"""The incoming header `baggage`:

what is admitted of it, what is not, and that none of it costs more than its length.
"""

from __future__ import annotations

import pytest

from otel_asayer.propagation.baggage_header import (
    MAX_BYTES,
    is_too_large,
    read_baggage,
    without_session,
)

MANY = 1_000_000
"""Of anything that takes a time in the square of its number, this test would never end."""


def entries(header: str) -> dict[str, str]:
    return dict(read_baggage(header).entries)


@pytest.mark.parametrize("header", ["x" * MAX_BYTES, "é" * (MAX_BYTES // 2)])
def test_8192_bytes_are_admitted(header: str) -> None:
    assert not is_too_large(header)


@pytest.mark.parametrize("header", ["x" * (MAX_BYTES + 1), "é" * (MAX_BYTES // 2) + "x"])
def test_more_bytes_than_8192_are_too_many_however_few_characters_they_are(header: str) -> None:
    assert is_too_large(header)


def test_a_header_that_has_no_bytes_is_measured_too() -> None:
    assert is_too_large("\ud800" * MAX_BYTES)


def test_names_and_values_are_decoded() -> None:
    assert entries(" a%20b = c+d%2Ce ,x=") == {"a b": "c d,e", "x": ""}


def test_properties_stay_with_their_value() -> None:
    assert entries("a=1 ; b ; c = 2") == {"a": "1 ; b ; c = 2"}


@pytest.mark.parametrize(
    "entry",
    [
        "a",
        "=1",
        "a b=1",
        "a=1 2",
        "ä=1",
        "a=ü",
        'a="1"',
        "a=1;",
        "a=1;b c",
        "a=1;b=c d",
        "a=1;=c",
        "a=\x01",
        "(a)=1",
        f"a={'1' * 4095}",
    ],
)
def test_an_entry_that_is_none_is_refused_and_counted(entry: str) -> None:
    assert read_baggage(f"{entry},x=7") == ([], [("x", "7")], 1)


def test_an_entry_of_4096_bytes_is_admitted() -> None:
    assert read_baggage(f"a={'1' * 4094}") == ([], [("a", "1" * 4094)], 0)


def test_empty_entries_are_passed_over() -> None:
    assert read_baggage(",, ,\t,a=1,") == ([], [("a", "1")], 0)


def test_no_more_than_180_entries_count() -> None:
    header = ",".join(f"k{number}=v" for number in range(200))
    assert (list(entries(header)), read_baggage(header).refused) == (
        [f"k{number}" for number in range(180)],
        20,
    )


def test_the_session_is_read_behind_any_number_of_entries() -> None:
    assert read_baggage("a=1," * 1000 + "session.id=17").sessions == ["17"]


@pytest.mark.parametrize(
    "key", ["session.id", " session.id\t", "session%2Eid", "+session.id", "%73ession.id"]
)
def test_any_spelling_of_the_sessions_key_is_the_session(key: str) -> None:
    assert read_baggage(f"{key}= 1%37 ;secret=1") == (["17"], [], 0)


@pytest.mark.parametrize(
    "key", ["session.id", " session.id\t", "session%2Eid", "+session.id", "%73ession.id"]
)
def test_any_spelling_of_the_session_is_taken_out_of_a_header(key: str) -> None:
    assert without_session(f"a=1,{key}=17, b=2") == "a=1, b=2"


def test_what_would_be_too_long_when_it_is_passed_on_is_refused() -> None:
    assert read_baggage("!" * 2000 + "=1,x=7") == ([], [("x", "7")], 1)


def test_what_would_be_too_long_together_when_it_is_passed_on_is_refused() -> None:
    header = ",".join(f"k{number}={'!' * 1000}" for number in range(5))
    assert list(entries(header)) == ["k0", "k1"]


@pytest.mark.parametrize(
    "header",
    [
        " " * MANY,
        "\t" * MANY + "x",
        "," * MANY,
        "a=" + " " * MANY,
        "a=1" + ";" * MANY,
        " ," * MANY,
        "a," * MANY,
    ],
)
def test_a_header_costs_no_more_than_its_length(header: str) -> None:
    assert read_baggage(header).entries == ([("a", "")] if header.startswith("a= ") else [])


@pytest.mark.parametrize("header", [" " * MANY, ",session.id=1" * MANY])
def test_taking_the_session_out_costs_no_more_than_the_headers_length(header: str) -> None:
    assert without_session(header) == header.replace("session.id=1", "").replace(",", "")


@pytest.mark.parametrize(
    "name",
    [
        "data_stream.namespace",
        "data_stream.dataset",
        "DATA_STREAM.type",
        "data_stream%2Enamespace",
        "elasticsearch.index",
        "asayer.replay.url",
    ],
)
def test_a_caller_chooses_no_data_stream_and_no_link(name: str) -> None:
    assert read_baggage(f"tenant=7,{name}=evil,session.id=17") == (["17"], [("tenant", "7")], 0)


@pytest.mark.parametrize(
    "name", ["data_stream", "elasticsearch", "asayer", "my.asayer.id", "asayer_id"]
)
def test_names_that_only_look_like_ours_stay(name: str) -> None:
    assert entries(f"{name}=1") == {name: "1"}
