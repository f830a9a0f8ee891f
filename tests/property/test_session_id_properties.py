import re
from typing import Any

from hypothesis import given, strategies as st

from otel_asayer.propagation.session_id import SessionId, parse_session_id, require_session_id
from property.strategies import base36, numbers, session_ids, signatures, texts, tokens

DECIMAL = re.compile(r"[1-9][0-9]{0,19}")
OPAQUE = re.compile(r"[A-Za-z0-9._~-]{1,128}")


@given(session_ids)
def test_every_uint64_but_zero_is_an_id(text: str) -> None:
    assert parse_session_id(text) == text


@given(numbers.flatmap(lambda number: st.tuples(st.just(number), tokens(st.just(number)))))
def test_every_token_gives_the_number_it_was_made_of(pair: tuple[int, str]) -> None:
    number, token = pair
    assert parse_session_id(token) == str(number)


@given(texts)
def test_whatever_arrives_becomes_a_decimal_uint64_or_nothing(text: str) -> None:
    session_id = parse_session_id(text)
    assert session_id is None or (
        DECIMAL.fullmatch(session_id) is not None and int(session_id) < 2**64
    )


@given(texts)
def test_whatever_arrives_becomes_an_opaque_id_of_two_parts_at_most_or_nothing(text: str) -> None:
    session_id = parse_session_id(text, opaque=True)
    assert session_id is None or (
        OPAQUE.fullmatch(session_id) is not None and session_id.count(".") < 2
    )


@given(tokens(), st.booleans())
def test_no_id_holds_a_part_of_its_tokens_signature(token: str, opaque: Any) -> None:
    assert token.rpartition(".")[2] not in (parse_session_id(token, opaque=opaque) or "")


@given(st.integers(2**64, 36**13), signatures)
def test_a_token_of_a_larger_number_is_none(number: int, signature: str) -> None:
    assert parse_session_id(f"{base36(number)}.3az.lrraavgc.{signature}", opaque=True) is None


@given(texts, st.booleans())
def test_parsing_what_was_parsed_changes_nothing(text: str, opaque: Any) -> None:
    session_id = parse_session_id(text, opaque=opaque)
    assert session_id is None or parse_session_id(session_id, opaque=opaque) == session_id


@given(texts, texts)
def test_what_follows_a_comma_does_not_count(first: str, second: str) -> None:
    assert parse_session_id(f"{first},{second}") == parse_session_id(f"{first},")


@given(numbers)
def test_the_start_is_what_the_server_put_into_the_id(number: int) -> None:
    assert require_session_id(number).started_at_ms == (number >> 24) + 1_550_000_000_000


@given(session_ids)
def test_the_type_gives_what_the_parser_gives(text: str) -> None:
    assert SessionId(text) == parse_session_id(text)
