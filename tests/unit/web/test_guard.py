"""Who may ask, and what a browser may do with the answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from otel_asayer.web.guard import Guard, hosts_of
from unit.web.support import HOST, Page, Store, log

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


@pytest.fixture
def page() -> Page:
    return Page(Store([log("hello", 0)]))


async def nobody(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("an application that nobody may ask was asked")


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8321", "localhost:8321", "LOCALHOST:8321", "[::1]:8321"]
)
def test_loopback_names_with_our_port_are_answered(page: Page, host: str) -> None:
    assert page.get("/", host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "attacker.example:8321",
        "127.0.0.1",
        "localhost:80",
        "127.0.0.1.attacker.example:8321",
        "",
    ],
)
def test_another_host_is_refused(page: Page, host: str) -> None:
    answer = page.get("/", host=host)
    assert answer.status_code == 400
    assert (
        answer.text
        == "This page is served on loopback only, under the address that `otel-asayer serve` "
        "prints.\n"
    )


def test_two_hosts_are_none() -> None:
    """Which of them a proxy in between went by, nobody knows."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    scope = {
        "type": "http",
        "method": "GET",
        "headers": [(b"host", HOST.encode()), (b"host", b"attacker.example")],
    }
    asyncio.run(Guard(nobody, hosts_of(8321))(scope, receive, send))
    assert sent[0]["status"] == 400


def test_the_usual_port_needs_not_be_named() -> None:
    assert hosts_of(80) == {
        "localhost",
        "127.0.0.1",
        "[::1]",
        "localhost:80",
        "127.0.0.1:80",
        "[::1]:80",
    }


@pytest.mark.parametrize("path", ["/", "/static/page.css", "/nowhere", "/session/none"])
def test_every_answer_has_the_headers(page: Page, path: str) -> None:
    headers = page.get(path).headers
    assert {
        name: value
        for name, value in headers.items()
        if name not in ("content-type", "content-length", "etag", "last-modified")
    } == {
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        **{name: value for name, value in headers.items() if name == "accept-ranges"},
    }


def test_a_refusal_has_them_too(page: Page) -> None:
    assert page.get("/", host="attacker.example").headers["content-security-policy"] == POLICY


@pytest.mark.parametrize(
    "headers", [{"sec_fetch_site": "same-origin", "origin": "null"}, {"origin": f"http://{HOST}"}]
)
def test_our_own_form_is_answered(page: Page, headers: dict[str, str]) -> None:
    assert page.find("1", **headers).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site", "origin": "http://attacker.example"},
        {"sec_fetch_site": "same-site", "origin": "http://127.0.0.1:9999"},
        {"origin": "null"},
        {"origin": "http://attacker.example"},
        {"user_agent": "a browser that says nothing of where it comes from"},
    ],
)
def test_a_form_of_another_origin_is_refused(page: Page, headers: dict[str, str]) -> None:
    answer = page.find("1", **headers)
    assert answer.status_code == 403
    assert answer.text == "This request comes from a page of another origin.\n"


def test_a_link_from_anywhere_leads_here(page: Page) -> None:
    assert page.get("/", sec_fetch_site="cross-site", sec_fetch_mode="navigate").status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_origin_loads_nothing_from_here(page: Page, site: str) -> None:
    assert page.get("/", sec_fetch_site=site, sec_fetch_mode="no-cors").status_code == 403
