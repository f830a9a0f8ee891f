"""The scripts of the page about the browser, in a real one: what they put into its requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import otel_asayer
from otel_asayer.elasticsearch.client import Response
from otel_asayer.testing import ElasticsearchDouble

from documentation import HOW_TO, blocks
from store import SESSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

OWN_REQUESTS, TRACKERS_OPTION, COOKIE = blocks(
    (HOW_TO / "browser.md").read_text(encoding="utf-8"), "js"
)
TOKEN = "jw4wdfpgqhoj.0.t8d4pz.3mQ7Zt9sGbkPjWxH"
"""A token of that session."""
TRACKER = f"""
let sessionId;
const tracker = {{start: async () => {{ sessionId = "{SESSION}"; }}, getSessionID: () => sessionId}};
"""
"""A tracker that knows the session's id once it has started."""
TRACKER_CLASS = f"""
class Tracker {{
  constructor({{network}}) {{
    const plain = window.fetch;
    const headers = {{[network.sessionTokenHeader]: "{TOKEN}"}};
    window.fetch = (url) => plain(url, network.tokenUrlMatcher(url) ? {{headers}} : {{}});
  }}
}}
"""
"""A tracker that adds the header as OpenReplay's does:

its option says which, and its matcher to what.
"""
PAGE = Response(
    200,
    {"content-type": "text/html"},
    b'<!doctype html><link rel="icon" href="data:,"><title>Shop</title><a href="/cart">Cart</a>',
)
ANSWER = Response(200, {"content-type": "application/json"}, b"{}")


@pytest.fixture
def shop() -> Iterator[ElasticsearchDouble]:
    """A server of pages: it keeps what the browser asks it for."""
    with ElasticsearchDouble() as server:
        server.reply_with(PAGE, ANSWER, ANSWER)
        yield server


@pytest.fixture
def opened(page: Page, shop: ElasticsearchDouble) -> Page:
    """The shop's first page."""
    page.goto(shop.url)
    return page


def run(page: Page, *script: str) -> None:
    """Run a script as a part of the page, to its end."""
    lines = "\n".join(script)
    page.evaluate(f"async () => {{ {lines} }}")


def headers(shop: ElasticsearchDouble, target: str) -> Mapping[str, str]:
    """What the browser sent with its request for this."""
    (found,) = (exchange.headers for exchange in shop.exchanges if exchange.target == target)
    return found


def session(shop: ElasticsearchDouble, target: str) -> str | None:
    """The session that the backend takes from that request."""
    return otel_asayer.get_session_id(
        otel_asayer.AsayerPropagator().extract(dict(headers(shop, target)))
    )


def test_an_applications_own_request_carries_the_session_beside_its_own_headers(
    opened: Page, shop: ElasticsearchDouble
) -> None:
    run(
        opened,
        TRACKER,
        "await tracker.start();",
        OWN_REQUESTS,
        'await api("/api/cart", {headers: {"X-Shop": "lamps"}});',
    )
    sent = headers(shop, "/api/cart")
    assert sent["x-session-id"] == SESSION
    assert sent["x-shop"] == "lamps"
    assert session(shop, "/api/cart") == SESSION


def test_before_the_tracker_has_started_a_request_goes_without_the_header(
    opened: Page, shop: ElasticsearchDouble
) -> None:
    run(opened, TRACKER, OWN_REQUESTS, 'await api("/api/cart");')
    assert "x-session-id" not in headers(shop, "/api/cart")


def test_the_trackers_option_sends_the_token_to_the_backends_that_it_names_alone(
    opened: Page, shop: ElasticsearchDouble
) -> None:
    run(opened, TRACKER_CLASS, TRACKERS_OPTION, 'await fetch("/api/cart"); await fetch("/fonts");')
    token = [
        headers(shop, target).get("x-openreplay-session-token")
        for target in ("/api/cart", "/fonts")
    ]
    assert token == [TOKEN, None]
    assert session(shop, "/api/cart") == SESSION
    assert session(shop, "/fonts") is None


def test_a_navigation_carries_the_session_in_the_cookie(
    opened: Page, shop: ElasticsearchDouble
) -> None:
    run(opened, TRACKER, COOKIE)
    opened.get_by_role("link", name="Cart").click()
    opened.wait_for_url("**/cart")
    assert headers(shop, "/cart")["cookie"] == f"asayer_session_id={SESSION}"
    assert session(shop, "/cart") == SESSION


def test_a_request_of_a_script_is_not_put_into_the_session_of_the_cookie(
    opened: Page, shop: ElasticsearchDouble
) -> None:
    run(opened, TRACKER, COOKIE, 'await fetch("/api/cart");')
    assert headers(shop, "/api/cart")["cookie"] == f"asayer_session_id={SESSION}"
    assert session(shop, "/api/cart") is None
