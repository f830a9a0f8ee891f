import copy
import pickle

import pytest

from otel_asayer.errors import InvalidSessionIdError
from otel_asayer.propagation.session_id import (
    SessionId,
    id_of_session_from,
    parse_session_id,
    require_session_id,
)

SESSION_ID = "2618307011354435587"
TOKEN = "jw4wdfpgqhoj.3az.lrraavgc.ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"
TOKEN_UNTIL_1_8 = "jw4wdfpgqhoj.lrraavgc.ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
SIGNATURE = "ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"


def test_a_decimal_id_is_an_id() -> None:
    assert parse_session_id(SESSION_ID) == SESSION_ID


def test_what_the_parser_returns_is_of_the_type_that_only_it_makes() -> None:
    assert type(parse_session_id(SESSION_ID)) is SessionId


def test_the_canonical_token_is_reduced_to_its_id() -> None:
    assert parse_session_id(TOKEN) == SESSION_ID


def test_the_canonical_session_started_when_the_reader_says_so() -> None:
    assert require_session_id(TOKEN).started_at_ms == 1706063259324  # 2024-01-24T02:27:39.324Z


def test_a_token_of_three_parts_is_reduced_to_its_id() -> None:
    assert parse_session_id(TOKEN_UNTIL_1_8) == SESSION_ID


def test_a_token_with_a_negative_delay_is_reduced_to_its_id() -> None:
    assert parse_session_id(f"jw4wdfpgqhoj.-3az.lrraavgc.{SIGNATURE}") == SESSION_ID


def test_the_largest_uint64_is_an_id() -> None:
    assert parse_session_id("18446744073709551615") == "18446744073709551615"


def test_the_smallest_id_is_one() -> None:
    assert parse_session_id("1") == "1"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0",
        "0123",
        "-1",
        "+1",
        "1.0",
        "1e5",
        "1_000",
        "18446744073709551616",
        "99999999999999999999",
        "123456789012345678901",
        "12 34",
        "0x12",
        "abc",
        "null",
        "undefined",
    ],
)
def test_what_is_no_decimal_uint64_is_no_id(value: str) -> None:
    assert parse_session_id(value) is None


# Look-alikes are the point
@pytest.mark.parametrize("value", ["٣٤٥", "1٣", "１２３", "²"])  # noqa: RUF001
def test_digits_outside_of_ascii_are_no_id(value: str) -> None:
    assert parse_session_id(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "123\n",
        "123\r\nSet-Cookie: a=b",
        "\x00123",
        "123\x00",
        "1\x0b",
        "\u2028123",
        "123\x85",
        "\n123",
    ],
)
def test_a_control_character_makes_it_no_id(value: str) -> None:
    assert parse_session_id(value) is None


@pytest.mark.parametrize("value", [f" {SESSION_ID}", f"{SESSION_ID} ", f"\t{SESSION_ID}\t"])
def test_blanks_around_an_id_are_a_proxys_and_dropped(value: str) -> None:
    assert parse_session_id(value) == SESSION_ID


@pytest.mark.parametrize(
    "value", [f"{SESSION_ID}, {SESSION_ID}", f"{SESSION_ID},17", f"{TOKEN}, {TOKEN}"]
)
def test_of_joined_values_the_first_counts(value: str) -> None:
    assert parse_session_id(value) == SESSION_ID


@pytest.mark.parametrize("value", [",17", "x,17"])
def test_a_value_behind_a_bad_first_one_does_not_count(value: str) -> None:
    assert parse_session_id(value) is None


def test_a_value_of_more_than_512_characters_is_refused() -> None:
    assert parse_session_id("1" + "," * 512) is None


def test_a_value_of_512_characters_is_read() -> None:
    assert parse_session_id("1" + "," * 511) == "1"


@pytest.mark.parametrize(
    "value",
    [
        JWT,
        TOKEN.upper(),
        TOKEN + "0",  # not in base 58
        f"{TOKEN}.x",
        f"a.b.{SIGNATURE}.c.d",
        "a.b.c",
        f"0.3az.lrraavgc.{SIGNATURE}",
        f"3w5e11264sgsg.3az.lrraavgc.{SIGNATURE}",  # 2**64
        f"zzzzzzzzzzzzz.3az.lrraavgc.{SIGNATURE}",
        f"jw4wdfpgqhoj.3az.-lrraavgc.{SIGNATURE}",
        f".3az.lrraavgc.{SIGNATURE}",
        TOKEN.replace(".", ". "),
    ],
)
def test_what_only_resembles_a_token_is_refused(value: str) -> None:
    assert parse_session_id(value) is None


def test_an_opaque_id_is_refused_unless_asked_for() -> None:
    assert parse_session_id("0f8fad5b-d9cb-469f-a165-70867728950e") is None


@pytest.mark.parametrize(
    "value",
    [
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "a",
        "a" * 128,
        "user.7",
        "~_-",
        "0123",
        "18446744073709551616",
    ],
)
def test_an_opaque_id_is_admitted_on_request(value: str) -> None:
    assert parse_session_id(value, opaque=True) == value


@pytest.mark.parametrize(
    "value", ["a" * 129, "a b", "a/b", "a=b", "é", "a;b", "a\n", "a%20b", "." + "a" * 128, "."]
)
def test_an_opaque_id_has_128_unreserved_characters_at_most(value: str) -> None:
    assert parse_session_id(value, opaque=True) is None


@pytest.mark.parametrize("value", [JWT, "a.b.c", "..", TOKEN + "0"])
def test_three_parts_are_never_an_opaque_id(value: str) -> None:
    assert parse_session_id(value, opaque=True) is None


@pytest.mark.parametrize("value", ["undefined", "null", " undefined", "undefined, undefined"])
def test_what_a_page_sends_for_a_missing_id_is_never_an_opaque_id(value: str) -> None:
    assert parse_session_id(value, opaque=True) is None


def test_a_token_is_reduced_where_opaque_ids_are_admitted_too() -> None:
    assert parse_session_id(TOKEN, opaque=True) == SESSION_ID


def test_an_opaque_id_says_so() -> None:
    assert require_session_id("user-7", opaque=True).is_opaque


def test_a_decimal_id_is_not_opaque() -> None:
    assert not require_session_id(SESSION_ID).is_opaque


def test_an_opaque_id_does_not_tell_its_start() -> None:
    assert require_session_id("user-7", opaque=True).started_at_ms is None


def test_a_number_is_accepted_from_code() -> None:
    assert require_session_id(int(SESSION_ID)) == SESSION_ID


def test_code_that_gives_no_id_is_told() -> None:
    with pytest.raises(
        InvalidSessionIdError, match=r"expected a decimal number from 1 to 2\*\*64 - 1"
    ):
        require_session_id("secret")


def test_the_error_does_not_repeat_the_value() -> None:
    with pytest.raises(InvalidSessionIdError) as raised:
        require_session_id("s3cr3t")
    assert "s3cr3t" not in str(raised.value)


def test_the_type_itself_parses() -> None:
    assert SessionId(TOKEN) == SESSION_ID


@pytest.mark.parametrize("value", ["123\r\n", JWT, "", "a" * 129])
def test_the_type_cannot_hold_what_is_no_id(value: str) -> None:
    with pytest.raises(InvalidSessionIdError):
        SessionId(value)


def test_a_session_id_survives_pickling() -> None:
    # Our own bytes
    assert type(pickle.loads(pickle.dumps(SessionId(SESSION_ID)))) is SessionId  # noqa: S301


def test_an_opaque_id_survives_pickling_where_code_may_not_make_one() -> None:
    opaque = require_session_id("user-7", opaque=True)
    assert type(pickle.loads(pickle.dumps(opaque))) is SessionId  # noqa: S301


def test_a_session_id_survives_copying() -> None:
    assert copy.deepcopy(SessionId(SESSION_ID)) == SessionId(SESSION_ID)


def test_a_session_id_takes_no_further_attributes() -> None:
    with pytest.raises(AttributeError):
        SessionId(SESSION_ID).note = "x"  # type: ignore[attr-defined]


def test_an_id_that_is_made_tells_when_its_session_started() -> None:
    assert id_of_session_from(1_795_536_236_662).started_at_ms == 1_795_536_236_662


def test_ids_of_one_millisecond_differ_by_their_numbers() -> None:
    assert id_of_session_from(1_795_536_236_662, 2) != id_of_session_from(1_795_536_236_662, 3)
