"""A person's text filter: any text, or an attribute and its value."""

from __future__ import annotations

import pytest

from otel_asayer.timeline import event_of
from otel_asayer.timeline.matching import parse_condition, text_filter
from unit.timeline.support import log, span


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http.route:/cart", ("http.route", "/cart")),
        (" http.route : /cart/{id} ", ("http.route", "/cart/{id}")),
        ("http.response.status_code:500", ("http.response.status_code", "500")),
        ("KeyError: 'lamp'", None),
        ("shop.errors.OutOfStock", None),
        ("https://shop.example/cart", None),
        ("shop.example://x", None),
        ("http.route:", None),
        ("", None),
    ],
)
def test_an_attribute_has_a_dot_in_its_name(text: str, expected: tuple[str, str] | None) -> None:
    assert parse_condition(text) == expected


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("CART", True),
        ("basket", False),
        ("http.response.status_code:500", True),
        ("http.response.status_code:50", False),
        ("user.roles:admin", True),
        ("user.roles:adm", False),
        ("service.name:shop", True),
        ("absent.name:None", False),
    ],
)
def test_an_event_holds_text_or_has_an_attribute(text: str, *, held: bool) -> None:
    attributes = {"http.route": "/cart", "http.response.status_code": 500, "user.roles": ["admin"]}
    assert text_filter(text)(event_of(span("a", attributes=attributes))) is held


def test_the_body_of_a_log_record_is_looked_into() -> None:
    assert text_filter("SECOND")(event_of(log("first\nsecond")))
