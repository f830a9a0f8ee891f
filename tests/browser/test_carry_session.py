"""`carry-session.js` with the real trackers: which requests of a page are in which session."""

from __future__ import annotations

import gzip
import re
import subprocess
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from browser.bundles import PACKAGES, TRACKERS, Tracker
from browser.loopback import SIGNATURE
from browser.pages import address, ask, loaded_in, make, start

from patience import HANG_SECONDS, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from browser.network import Network

    from store import Store

pytestmark = [pytest.mark.browser, pytest.mark.elasticsearch]

WAYS: Final = ("fetch string", "fetch URL", "fetch Request", "fetch init", "XHR", "axios")
ORIGINS: Final = ("own", "listed", "foreign")
MOMENTS: Final = {
    "before the start on the first page": None,
    "after the start": 0,
    "after a new session's start": 1,
    "before the start on the second page": 1,
    "after the start on the second page": 1,
}
"""Moments of a visit, and the session that its requests are in: the first, the second, none."""
NAVIGATIONS: Final = ("link", "form", "new tab")
MAX_BYTES: Final = 2_000


class Cell(NamedTuple):
    """A request of the walk."""

    moment: str
    way: str
    origin: str


class Walk(NamedTuple):
    """What a walk through the shop with one tracker left.

    Attributes:
        sessions: the two that began, in their order.
        answers: what the shop's backends answered, the session among it.
        targets: the path of each request, which no other request has.
        navigations: the session of each page load.
    """

    sessions: list[str]
    answers: dict[Cell, Any]
    targets: dict[Cell, str]
    navigations: dict[str, str | None]


class Walker:
    """Walks through the shop with one tracker: two pages, two sessions, every kind of request at
    every moment."""

    def __init__(self, web: Network, tracker: Tracker, page: Page) -> None:
        self._web, self._tracker, self._page = web, tracker, page
        self._walk = Walk([], {}, {}, {})

    def walk(self) -> Walk:
        first, started, renewed, again, last = MOMENTS
        page = self._page
        page.goto(self._web.own + address(self._tracker))
        make(page, self._web)
        self._ask(first)
        self._walk.sessions.append(start(page))
        self._ask(started)
        self._walk.sessions.append(self._renew())
        self._ask(renewed)
        self._navigate("link", "text=Next")
        make(page, self._web)
        self._ask(again)
        start(page)
        self._ask(last)
        with page.context.expect_page() as tab:
            page.click("text=New tab")
        self._walk.navigations["new tab"] = loaded_in(tab.value)
        tab.value.close()
        self._navigate("form", "text=Order")
        return self._walk

    def _renew(self) -> str:
        self._web.ingest.end_session(self._walk.sessions[-1])
        return str(
            self._page.evaluate(
                f"begin(tracker, sessionOf(tracker), async () => {{ {self._tracker.renew} }})"
            )
        )

    def _navigate(self, kind: str, selector: str) -> None:
        with self._page.expect_navigation(wait_until="load"):
            self._page.click(selector)
        self._walk.navigations[kind] = loaded_in(self._page)

    def _ask(self, moment: str) -> None:
        for origin in ORIGINS:
            for way in WAYS:
                cell = Cell(moment, way, origin)
                words = "-".join([self._tracker.name, *cell])
                target = "/api/" + re.sub(r"[^a-z0-9-]+", "_", words.lower())
                origin_of = "" if origin == "own" else getattr(self._web, origin)
                self._walk.targets[cell] = target
                self._walk.answers[cell] = ask(self._page, origin_of + target, way)


@pytest.fixture(scope="session", params=TRACKERS, ids=lambda tracker: tracker.name)
def walk(request: pytest.FixtureRequest, web: Network, chromium: Browser) -> Iterator[Walk]:
    """The walk with one tracker."""
    with chromium.new_context() as context:
        context.set_default_timeout(HANG_SECONDS * 1000)
        yield Walker(web, request.param, context.new_page()).walk()


def expected(walk: Walk, moment: str) -> str | None:
    number = MOMENTS[moment]
    return None if number is None else walk.sessions[number]


class TestWalk:
    @pytest.mark.parametrize("moment", MOMENTS)
    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("origin", ["own", "listed"])
    def test_a_request_to_the_shop_is_in_the_session(
        self, walk: Walk, moment: str, way: str, origin: str
    ) -> None:
        answer = walk.answers[Cell(moment, way, origin)]
        assert answer["session"] == expected(walk, moment)
        assert answer["headers"].get("x-session-id") == expected(walk, moment)

    @pytest.mark.parametrize("moment", MOMENTS)
    @pytest.mark.parametrize("way", WAYS)
    def test_a_foreign_origin_gets_neither_id_nor_token_and_is_asked_for_no_header(
        self, walk: Walk, web: Network, moment: str, way: str
    ) -> None:
        sent = web.stranger.at(walk.targets[Cell(moment, way, "foreign")])
        text = repr(sent).lower()
        assert sent
        assert "x-session-id" not in text
        assert SIGNATURE.lower() not in text
        assert [one for one in walk.sessions if one in text] == []

    @pytest.mark.parametrize("kind", NAVIGATIONS)
    def test_a_page_load_is_in_the_session_that_began_last(self, walk: Walk, kind: str) -> None:
        assert walk.navigations[kind] == walk.sessions[1]

    def test_the_sessions_differ(self, walk: Walk) -> None:
        first, second = walk.sessions
        assert first != second

    def test_elasticsearch_has_each_request_in_its_session(self, walk: Walk, store: Store) -> None:
        wanted = {
            target: expected(walk, cell.moment)
            for cell, target in walk.targets.items()
            if cell.origin != "foreign"
        }

        def stored() -> dict[str, str | None]:
            return {
                target: attributes.get("session.id")
                for attributes in (span["attributes"] for span in store.spans())
                if (target := attributes.get("http.target")) in wanted
            }

        wait_for(lambda: stored().keys() == wanted.keys(), "Not every request has a span.")
        assert stored() == wanted

    def test_no_token_is_stored_or_logged(self, walk: Walk, store: Store, web: Network) -> None:
        stored = repr([*store.spans(), *store.logs(), *store.replay_records()])
        assert walk.sessions[1] in stored
        assert SIGNATURE not in stored
        assert [backend for backend in web.backends if SIGNATURE in backend.output()] == []


def test_the_script_has_at_most_2_kb_minified_and_compressed(web: Network) -> None:
    done = subprocess.run(
        [PACKAGES / "node_modules" / ".bin" / "esbuild", "--minify", "carry-session.js"],
        cwd=web.static,
        check=True,
        capture_output=True,
    )
    assert len(gzip.compress(done.stdout)) <= MAX_BYTES
