"""What the browser tests do with a page: open it, make its tracker, carry the session, start."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from browser.bundles import NEWEST

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

    from browser.bundles import Tracker
    from browser.network import Network


def address(tracker: Tracker = NEWEST) -> str:
    """The path of the page that has this tracker."""
    return f"/page?scripts=carry-session.js,{tracker.package}.js,axios.js,requests.js"


def opened(context: BrowserContext, web: Network, tracker: Tracker = NEWEST) -> Page:
    """A new tab with a tracker that nobody has made yet."""
    page = context.new_page()
    page.goto(web.own + address(tracker))
    return page


def make(page: Page, web: Network, options: str = "") -> None:
    """Make the page's tracker, and let it carry the session; `options` are JavaScript."""
    page.evaluate(
        f"""([ingest, listed]) => {{
          globalThis.tracker = makeTracker(ingest);
          globalThis.sessionId = carrySession(tracker, {{ origins: [listed], {options} }});
        }}""",
        [web.ingest_url, web.listed],
    )


def start(page: Page) -> str:
    """Start the page's tracker; gives the session's id."""
    return str(page.evaluate("begin(tracker, undefined, (tracker) => tracker.start())"))


def recording(
    context: BrowserContext, web: Network, options: str = "", tracker: Tracker = NEWEST
) -> tuple[Page, str]:
    """A new tab that is recorded, and the id of its session."""
    page = opened(context, web, tracker)
    make(page, web, options)
    return page, start(page)


def ask(page: Page, url: str, way: str = "fetch string") -> Any:
    """Send a request; gives the answer."""
    return page.evaluate("([way, url]) => ways[way](url)", [way, url])


def run(page: Page, script: str) -> Any:
    """Run a part of an asynchronous function; gives what it returns."""
    return page.evaluate(f"async () => {{ {script} }}")


def loaded_in(page: Page) -> str | None:
    """The session that the page itself was loaded in."""
    body = page.locator("body[data-session]")  # of a new tab, it may not be there yet
    return body.get_attribute("data-session") or None


def text(value: str) -> str:
    """A string as JavaScript spells it."""
    return json.dumps(value)
