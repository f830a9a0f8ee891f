from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

from otel_asayer.config import parsers
from otel_asayer.config.parsers import BadValueError, FailClosed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("TRUE", True), (" true ", True), ("false", False), ("False", False)],
)
def test_a_boolean_is_true_or_false_in_any_case(text: str, value: Any) -> None:
    assert parsers.parse_boolean(text) is value


# The last ends in a Cyrillic letter
@pytest.mark.parametrize("text", ["", "1", "0", "yes", "no", "on", "t", "truе"])  # noqa: RUF001
def test_nothing_else_is_a_boolean(text: str) -> None:
    with pytest.raises(BadValueError, match=r"^expected 'true' or 'false'$"):
        parsers.parse_boolean(text)


@pytest.mark.parametrize(
    ("text", "value"), [("10", 10.0), ("0.5", 0.5), (" 2 ", 2.0), ("300", 300.0), ("1e2", 100.0)]
)
def test_seconds_may_have_a_fraction(text: str, value: Any) -> None:
    assert parsers.parse_seconds(text) == value


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "300.1", "30000", "nan", "inf", "-inf", "ten", "10s"]
)
def test_seconds_are_above_0_and_at_most_300(text: str) -> None:
    with pytest.raises(BadValueError, match=r"^expected seconds, above 0 and at most 300$"):
        parsers.parse_seconds(text)


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("9", 9), (" 5 ", 5)])
def test_a_whole_number_in_its_bounds_is_read(text: str, value: Any) -> None:
    assert parsers.parse_integer(1, 9)(text) == value


@pytest.mark.parametrize("text", ["", "0", "10", "-1", "5.0", "five", "5MiB", "9" * 5000])
def test_a_whole_number_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(BadValueError, match=r"^expected a whole number from 1 to 9$"):
        parsers.parse_integer(1, 9)(text)


@pytest.mark.parametrize("text", ["gzip", "GZIP", " gzip "])
def test_a_choice_is_read_in_any_case(text: str) -> None:
    assert parsers.parse_choice("gzip", "none")(text) == "gzip"


@pytest.mark.parametrize("text", ["", "deflate", "gzip,none"])
def test_another_word_than_the_choices_is_refused(text: str) -> None:
    with pytest.raises(BadValueError, match=r"^expected one of gzip, none$"):
        parsers.parse_choice("gzip", "none")(text)


def test_names_of_headers_are_folded_to_lower_case() -> None:
    assert parsers.parse_header_names("X-Session-Id, openReplaySession.id,") == (
        "x-session-id",
        "openreplaysession.id",
    )


@pytest.mark.parametrize("text", ["", ",", "x session", "x:y", "x\r\ny", "größe"])
def test_bad_names_of_headers_are_refused(text: str) -> None:
    with pytest.raises(BadValueError, match=r"^expected names of headers, divided by commas$"):
        parsers.parse_header_names(text)


@pytest.mark.parametrize(("text", "name"), [(" sid ", "sid"), ("", ""), (" ", "")])
def test_a_cookies_name_may_be_empty(text: str, name: str) -> None:
    assert parsers.parse_cookie_name(text) == name


@pytest.mark.parametrize("text", ["a=b", "a;b", "a b", "a,b"])
def test_a_bad_cookie_name_is_refused(text: str) -> None:
    with pytest.raises(BadValueError, match=r"^expected a cookie's name$"):
        parsers.parse_cookie_name(text)


def test_headers_are_pairs_with_percent_encoded_values() -> None:
    assert parsers.parse_headers("X-Team=shop, Authorization=Basic%20YQ%3D%3D,") == (
        ("x-team", "shop"),
        ("authorization", "Basic YQ=="),
    )


def test_no_headers_are_no_pairs() -> None:
    assert parsers.parse_headers("") == ()


def test_a_header_may_be_empty() -> None:
    assert parsers.parse_headers("x-team=") == (("x-team", ""),)


@pytest.mark.parametrize(
    "text",
    ["x-team", "=shop", "x team=shop", "x-team=a%0d%0aHost: evil", "x-team=%00", "x-team=%C3%A9"],
)
def test_bad_headers_are_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(
        BadValueError,
        match=r"^expected name=value pairs, divided by commas, values percent-encoded$",
    ):
        parsers.parse_headers(text)


@pytest.mark.parametrize(
    ("text", "endpoints"),
    [
        ("http://es:9200", ("http://es:9200",)),
        ("https://es", ("https://es:443",)),
        ("http://es/", ("http://es:80",)),
        ("https://proxy/es/", ("https://proxy:443/es",)),
        ("HTTPS://ES:9200", ("https://es:9200",)),
        ("http://[::1]:9200", ("http://[::1]:9200",)),
        ("http://a:9200, http://b:9200,", ("http://a:9200", "http://b:9200")),
        ("", ()),
    ],
)
def test_endpoints_come_back_with_their_ports(text: str, endpoints: tuple[str, ...]) -> None:
    assert parsers.parse_endpoints(text) == endpoints


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("es:9200", "that begin with http:// or https://"),
        ("ftp://es", "that begin with http:// or https://"),
        ("http://", "that begin with http:// or https://"),
        ("http://:9200", "that begin with http:// or https://"),
        ("http://es:port", "a port is a number up to 65535"),
        ("http://es:65536", "a port is a number up to 65535"),
        ("http://[::1", "a port is a number up to 65535"),
        ("https://user:secret@es", "without user and password"),
        ("https://es?a=b", "without a query"),
        ("https://es#a", "without a query"),
    ],
)
def test_a_bad_endpoint_is_refused(text: str, expected: str) -> None:
    with pytest.raises(BadValueError, match=expected):
        parsers.parse_endpoints(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://es:9200/a b",
        "http://es:9200/\u00e9",
        "http://e s:9200",
        "http://es\\evil:9200",
        "http://es:9200/\x00",
    ],
)
def test_an_endpoint_has_visible_ascii_characters_only(text: str) -> None:
    with pytest.raises(BadValueError):
        parsers.parse_endpoints(text)


@pytest.mark.parametrize("text", ["https://user:secret@es", "https://es?key=secret", "secret"])
def test_no_message_about_an_endpoint_repeats_it(text: str) -> None:
    with pytest.raises(BadValueError) as raised:
        parsers.parse_endpoints(text)
    assert "secret" not in str(raised.value)


def test_a_cloud_id_is_kept() -> None:
    assert (
        parsers.parse_cloud_id(" shop:ZXUtd2VzdC0xLmF3cyQxMjM= ") == "shop:ZXUtd2VzdC0xLmF3cyQxMjM="
    )


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("eu.example$abc$def", "https://abc.eu.example:443"),
        ("eu.example:9243$abc$def", "https://abc.eu.example:9243"),
        ("eu.example$abc", "https://abc.eu.example:443"),
    ],
)
def test_a_cloud_id_stands_for_an_endpoint(text: str, endpoint: str) -> None:
    cloud_id = f"shop:{b64encode(text.encode()).decode()}"
    assert parsers.cloud_endpoint(cloud_id) == endpoint


@pytest.mark.parametrize(
    "text", ["eu.example", "eu.example$", "$abc", "eu.example:x$abc", "\xff$abc"]
)
def test_a_cloud_id_without_elasticsearch_stands_for_none(text: str) -> None:
    cloud_id = f"shop:{b64encode(text.encode('latin-1')).decode()}"
    with pytest.raises(ValueError, match="names no Elasticsearch"):
        parsers.cloud_endpoint(cloud_id)


def test_a_cloud_id_that_is_no_base64_stands_for_none() -> None:
    with pytest.raises(ValueError, match="names no Elasticsearch"):
        parsers.cloud_endpoint("shop:a")


@pytest.mark.parametrize("text", ["", "shop", "shop: x", "shöp:x"])
def test_a_bad_cloud_id_is_refused(text: str) -> None:
    with pytest.raises(BadValueError, match=r"^expected a Cloud ID"):
        parsers.parse_cloud_id(text)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("s3cret", "s3cret"),
        ("two words", "two words"),
        ("s3cret\n", "s3cret"),
        ("s3cret\r\n", "s3cret"),
    ],
)
def test_a_secret_loses_the_line_end_of_the_file_it_came_from(text: str, secret: str) -> None:
    assert parsers.parse_secret(text) == secret


@pytest.mark.parametrize("text", ["", "\n", "a\nb", "a\x00b", "pässword"])
def test_a_secret_that_cannot_stand_in_a_header_is_refused(text: str) -> None:
    with pytest.raises(BadValueError, match=r"^expected visible ASCII characters$"):
        parsers.parse_secret(text)


@pytest.mark.parametrize("text", ["s3cret", "pässword", " with blanks "])
def test_a_password_is_kept_as_it_is(text: str) -> None:
    assert parsers.parse_password(text) == text


@pytest.mark.parametrize("text", ["", "a\nb", "a\x00b"])
def test_a_password_with_control_characters_is_refused(text: str) -> None:
    with pytest.raises(BadValueError, match=r"^expected printable characters$"):
        parsers.parse_password(text)


def test_an_encoded_api_key_is_kept() -> None:
    assert parsers.parse_api_key(" VnVhQ2ZHY0JDZGJrU==\n") == "VnVhQ2ZHY0JDZGJrU=="


def test_an_api_key_of_id_and_key_is_encoded() -> None:
    assert parsers.parse_api_key("id:key") == b64encode(b"id:key").decode()


@pytest.mark.parametrize("text", ["", "a b", "id:key:more", "a\nb", "kéy", "ApiKey abc"])
def test_a_bad_api_key_is_refused(text: str) -> None:
    with pytest.raises(
        BadValueError,
        match=r"^expected an API key, the field 'encoded' of the answer that created it$",
    ):
        parsers.parse_api_key(text)


def test_a_file_that_can_be_read_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.touch()
    assert parsers.parse_file(f" {path} ") == str(path)


def test_a_file_that_is_not_there_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(
        BadValueError,
        match=r"^expected a file that can be read, and .*ca\.pem gives: No such file or directory$",
    ):
        parsers.parse_file(str(tmp_path / "ca.pem"))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(BadValueError, match=r"Is a directory$"):
        parsers.parse_file(str(tmp_path))


def test_a_path_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(BadValueError, match=r"^expected a file that can be read"):
        parsers.parse_file("ca\x00.pem")


@pytest.mark.parametrize("text", ["ab" * 32, "AB" * 32, ":".join(["ab"] * 32), f" {'ab' * 32} "])
def test_a_fingerprint_comes_back_plain(text: str) -> None:
    assert parsers.parse_fingerprint(text) == "ab" * 32


@pytest.mark.parametrize("text", ["", "ab" * 20, "zz" * 32, "ab" * 33])
def test_a_bad_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(
        BadValueError,
        match=r"^expected the certificate's SHA-256 fingerprint, 64 hexadecimal digits$",
    ):
        parsers.parse_fingerprint(text)


@pytest.mark.parametrize("text", ["generic", "shop.cart", "shop_cart", "a" * 100])
def test_a_dataset_is_kept(text: str) -> None:
    assert parsers.parse_dataset(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Shop",
        "shop-cart",
        "shop cart",
        "a/b",
        "a*",
        "a?",
        'a"',
        "a<",
        "a|",
        "a,b",
        "a#",
        "a:b",
        "_a",
        "+a",
        ".a",
        "a" * 101,
    ],
)
def test_a_bad_dataset_is_refused(text: str) -> None:
    with pytest.raises(BadValueError, match=r"^expected a"):
        parsers.parse_dataset(text)


def test_a_namespace_may_have_a_hyphen() -> None:
    assert parsers.parse_namespace(" eu-west ") == "eu-west"


@pytest.mark.parametrize("text", ["", "-west", "EU", "eu west", "eu/west", "eu\x00", "eu\nwest"])
def test_a_bad_namespace_is_refused(text: str) -> None:
    with pytest.raises(BadValueError, match=r"^expected a part of a data stream's name"):
        parsers.parse_namespace(text)


def test_the_name_of_a_pipeline_is_kept() -> None:
    assert parsers.parse_pipeline(" geo-ip ") == "geo-ip"


@pytest.mark.parametrize("text", ["", "two words", "é"])
def test_a_bad_name_of_a_pipeline_is_refused(text: str) -> None:
    with pytest.raises(BadValueError, match=r"^expected the name of an ingest pipeline$"):
        parsers.parse_pipeline(text)


@pytest.mark.parametrize(
    "template",
    [
        "https://app.openreplay.com/17/session/{session_id}",
        "https://app.openreplay.com/17/session/{session_id}?jumpto={time_ms}",
        "http://replay/{session_id}?at={offset_ms}&again={session_id}",
        "https://replay/{session_id}/{{x}}",
    ],
)
def test_a_template_of_a_replay_url_is_kept(template: str) -> None:
    assert parsers.parse_replay_url(f" {template} ") == template


@pytest.mark.parametrize(
    "template",
    [
        "https://replay/",
        "https://replay/{}",
        "https://replay/{0}",
        "https://replay/{session_id",
        "https://replay/{session_id}}",
        "https://replay/{session_id}/{user}",
        "https://replay/{session_id.__class__}",
        "https://replay/{session_id[0]}",
        "https://replay/{session_id!r}",
        "https://replay/{session_id:>99999}",
        "https://replay/{session_id}{time_ms:{session_id}}",
    ],
)
def test_a_template_may_have_the_known_placeholders_only(template: str) -> None:
    with pytest.raises(
        BadValueError,
        match=r"^expected a URL with \{session_id\} in it, and besides it only \{time_ms\} or "
        r"\{offset_ms\}$",
    ):
        parsers.parse_replay_url(template)


@pytest.mark.parametrize(
    "template",
    [
        "javascript:{session_id}",
        "replay/{session_id}",
        "https://replay/ {session_id}",
        "https://rëplay/{session_id}",
    ],
)
def test_a_template_is_a_web_address(template: str) -> None:
    with pytest.raises(
        BadValueError, match=r"^expected a URL that begins with http:// or https://$"
    ):
        parsers.parse_replay_url(template)


def test_what_closes_is_said_in_words() -> None:
    assert [closes.value for closes in FailClosed] == [
        "its default is used",
        "it has no effect",
        "no session id leaves the process",
        "nothing is sent to Elasticsearch",
    ]


def test_a_folder_need_not_exist_yet() -> None:
    assert parsers.parse_directory(" /var/spool/otel ") == "/var/spool/otel"


@pytest.mark.parametrize("text", ["spool", "~/spool", "", "/var/\x00"])
def test_a_folder_is_an_absolute_path(text: str) -> None:
    with pytest.raises(BadValueError, match="expected the absolute path of a folder"):
        parsers.parse_directory(text)
