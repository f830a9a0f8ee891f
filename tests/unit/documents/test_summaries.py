"""An entry span in one line."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.trace import Status, StatusCode

from otel_asayer.documents.summaries import blames_the_caller, entry_summary, outgoing_summary

MS = 1_000_000
UNSET = Status()
FAILED = Status(StatusCode.ERROR, "CardDeclined: no funds")
NEW = {
    "http.request.method": "GET",
    "url.path": "/cart/42",
    "url.query": "a=1",
    "http.response.status_code": 200,
}
OLD = {"http.method": "GET", "http.target": "/cart/42?a=1#top", "http.status_code": 200}


def text(attributes: dict[str, Any], status: Status = UNSET, duration_ns: int = 132 * MS) -> str:
    return entry_summary("the name", attributes, status, duration_ns)[1]


def level(attributes: dict[str, Any], status: Status = UNSET) -> str:
    return entry_summary("the name", attributes, status, 0)[0]


@pytest.mark.parametrize("attributes", [NEW, OLD], ids=["new", "old"])
def test_a_request_is_method_path_and_status(attributes: dict[str, Any]) -> None:
    assert text(attributes) == "GET /cart/42 200 in 132 ms"


@pytest.mark.parametrize("attributes", [NEW, OLD], ids=["new", "old"])
def test_the_route_goes_before_the_path(attributes: dict[str, Any]) -> None:
    assert text({**attributes, "http.route": "/cart/{id}"}) == "GET /cart/{id} 200 in 132 ms"


def test_new_names_go_before_old_ones() -> None:
    assert (
        text(
            {
                **OLD,
                "http.request.method": "PUT",
                "url.path": "/new",
                "http.response.status_code": 201,
            }
        )
        == "PUT /new 201 in 132 ms"
    )


def test_a_route_may_be_a_regular_expression() -> None:
    assert (
        text({**NEW, "http.route": "^cart/(?P<id>[0-9]+)/$"})
        == "GET ^cart/(?P<id>[0-9]+)/$ 200 in 132 ms"
    )


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/cart?token=secret", "/cart"),
        ("/cart#secret", "/cart"),
        ("/cart?a=b?c#d", "/cart"),
        ("/?secret", "/"),
        ("http://user:secret@shop.example/cart?token=secret", "/cart"),
        ("//user:secret@shop.example/cart", "/cart"),
        ("http://shop.example?secret", ""),
        ("user:secret@shop.example:443", "shop.example:443"),
        ("shop.example:443", "shop.example:443"),
        ("/users/@me", "/users/@me"),
        ("/a//b", "/a//b"),
        ("*", "*"),
    ],
)
@pytest.mark.parametrize("name", ["url.path", "http.target"])
def test_neither_query_nor_fragment_nor_user_is_shown(name: str, target: str, path: str) -> None:
    assert text({"http.method": "GET", name: target, "http.status_code": 200}) == " ".join(
        filter(None, ["GET", path, "200 in 132 ms"])
    )


def test_a_request_that_got_no_answer_says_why() -> None:
    assert (
        text({"http.method": "GET", "http.target": "/cart"}, FAILED)
        == "GET /cart ERROR CardDeclined: no funds in 132 ms"
    )


def test_a_request_that_got_an_answer_shows_its_status_only() -> None:
    assert text({**NEW, "http.response.status_code": 500}, FAILED) == "GET /cart/42 500 in 132 ms"


def test_without_http_the_name_says_what_was_done() -> None:
    assert text({}) == "the name in 132 ms"


def test_without_http_an_error_is_described() -> None:
    assert text({}, FAILED) == "the name ERROR CardDeclined: no funds in 132 ms"


def test_an_error_may_have_no_description() -> None:
    assert text({}, Status(StatusCode.ERROR)) == "the name ERROR in 132 ms"


@pytest.mark.parametrize(
    ("duration_ns", "shown"),
    [(0, "0 ms"), (400_000, "0 ms"), (600_000, "1 ms"), (90_500 * MS, "90500 ms")],
)
def test_the_duration_is_in_milliseconds(duration_ns: int, shown: str) -> None:
    assert text({}, duration_ns=duration_ns) == f"the name in {shown}"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (200, "info"),
        (302, "info"),
        (399, "info"),
        (400, "warning"),
        (404, "warning"),
        (499, "warning"),
        (500, "error"),
        (503, "error"),
        ("503", "error"),
    ],
)
@pytest.mark.parametrize("name", ["http.response.status_code", "http.status_code"])
def test_the_status_code_is_the_level(name: str, code: object, expected: str) -> None:
    assert level({name: code}) == expected


@pytest.mark.parametrize(
    "code",
    [None, 0, -1, True, 10**5000, "9" * 5000, "²00", "abc", 20.5, (500,)],
    ids=lambda code: repr(code)[:10] if code != 10**5000 else "huge",
)
def test_what_is_no_status_code_is_ignored(code: object) -> None:
    assert entry_summary(
        "the name", {"http.method": "GET", "http.status_code": code}, UNSET, 0
    ) == (
        "info",
        "GET in 0 ms",
    )


def test_an_error_is_an_error_whatever_the_code() -> None:
    assert level({"http.status_code": 200}, FAILED) == "error"


def test_an_ok_span_is_no_error() -> None:
    assert level({}, Status(StatusCode.OK)) == "info"


@pytest.mark.parametrize("value", [b"\xff", 17, ("a",), {"a": 1}, "\ud800"], ids=repr)
def test_attributes_of_other_types_do_no_harm(value: object) -> None:
    attributes = dict.fromkeys(
        ("http.request.method", "http.route", "url.path", "http.target"), value
    )
    assert text(attributes).encode().endswith(b" in 132 ms")


ANSWERED = {"http.method": "GET", "http.status_code": 404, "asayer.exception.handled": True}


def test_an_exception_that_was_answered_for_the_caller_makes_no_error_of_a_request() -> None:
    assert level(ANSWERED, FAILED) == "warning"


def test_nor_of_a_call() -> None:
    assert level({"rpc.system": "grpc", "asayer.exception.handled": True}) == "warning"


def test_nor_does_its_text_say_so() -> None:
    assert text({"asayer.exception.handled": True}, FAILED) == "the name in 132 ms"


def test_a_server_error_is_one_whatever_is_marked() -> None:
    assert level({**ANSWERED, "http.status_code": 500}) == "error"


@pytest.mark.parametrize("mark", [False, "true", 1])
def test_another_mark_is_none(mark: object) -> None:
    assert level({**ANSWERED, "asayer.exception.handled": mark}, FAILED) == "error"


@pytest.mark.parametrize(
    ("attributes", "blames"),
    [
        ({"http.status_code": 404}, True),
        ({"http.response.status_code": 499}, True),
        ({"http.status_code": 399}, False),
        ({"http.status_code": 500}, False),
        ({"rpc.grpc.status_code": 5}, True),
        ({"rpc.grpc.status_code": 16}, True),
        ({"rpc.grpc.status_code": 0}, False),
        ({"rpc.grpc.status_code": 2}, False),
        ({"rpc.grpc.status_code": 13}, False),
        ({"rpc.response.status_code": "NOT_FOUND"}, True),
        ({"rpc.response.status_code": "INTERNAL"}, False),
        ({}, False),
    ],
    ids=repr,
)
def test_it_blames_the_caller_with_a_status_that_does(
    attributes: dict[str, Any], blames: object
) -> None:
    assert blames_the_caller(attributes) is blames


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, "the name"),
        ({"db.system": "redis"}, "the name"),
        ({"http.request.method": "GET"}, "the name"),
        (
            {"http.request.method": "GET", "url.full": "https://pricing:8080/price/7?key=secret#x"},
            "GET pricing:8080/price/7",
        ),
        (
            {
                "http.method": "POST",
                "http.url": "http://jane:secret@pay/charge",
                "http.status_code": 402,
            },
            "POST pay/charge 402",
        ),
        (
            {"http.request.method": "GET", "url.full": "https://pricing", "url.template": "/x"},
            "GET pricing",
        ),
        (
            {
                "http.request.method": "GET",
                "url.full": "https://pricing/price/7",
                "http.route": "/price/{id}",
                "http.response.status_code": 200,
            },
            "GET pricing/price/{id} 200",
        ),
        ({"http.request.method": "GET", "server.address": "pricing"}, "GET pricing"),
        ({"http.method": "GET", "net.peer.name": "p", "http.target": "/a?b=c"}, "GET p/a"),
        ({"http.request.method": "GET", "url.full": "no url"}, "the name"),
    ],
)
def test_a_call_says_where_it_went_and_no_secret(attributes: dict[str, Any], expected: str) -> None:
    assert outgoing_summary("the name", attributes) == expected
