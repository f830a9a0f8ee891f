"""A real browser, and the page as the command serves it, with a session that the exporter's own
encoder wrote."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from browser import shop
from browser.network import Network, network

from patience import HANG_SECONDS
from store import WRITER, Store, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import BrowserContext

    from elasticsearch_server import Endpoint

CHROMIUM = "/usr/bin/chromium"
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP plain.example 127.0.0.1",  # a host that is not this machine's own
)
HOUR_MS = 3_600_000


def pytest_configure(config: pytest.Config) -> None:
    """The marker of the tests in this folder."""
    config.addinivalue_line("markers", "browser: needs /usr/bin/chromium; not part of `make test`")


@contextmanager
def serving(root: Path) -> Iterator[str]:
    """Run `otel-asayer serve` for a local store; gives its address."""
    command = [
        sys.executable,
        "-c",
        "from otel_asayer.cli import main; main()",
        "serve",
        "--port",
        "0",
        "--spool-directory",
        str(root),
    ]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("OTEL_")
    }
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+(?=/ )", process.stdout.readline())
        assert found is not None
        try:
            yield found[0]
        finally:
            process.send_signal(signal.SIGINT)


def _served(folder: Path, make: Callable[[int], shop.Recorded]) -> Iterator[tuple[str, str]]:
    recorded = make(time.time_ns() // 1_000_000 - HOUR_MS)
    shop.write(folder, recorded.operations)
    with serving(folder) as address:
        yield address, recorded.session_id


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The page's address, and the id of a session of ten minutes."""
    yield from _served(tmp_path_factory.mktemp("small"), shop.small)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The page's address, and the id of a session with thousands of moments."""
    yield from _served(tmp_path_factory.mktemp("large"), shop.large)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser."""
    expect.set_options(timeout=HANG_SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        yield browser
        browser.close()


class Seen:
    """What a browser complained of, and what it asked for."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A window without a past, with a clipboard; what it complains of fails the test, and so does a
    request to another origin."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    context.set_default_timeout(HANG_SECONDS * 1000)
    window = context.new_page()
    seen = Seen(window)
    yield window
    context.close()
    assert seen.complaints == []
    assert {
        re.match(r"http://127\.0\.0\.1:[0-9]+/|data:", url) is not None for url in seen.requests
    } == {True}


@pytest.fixture(scope="session")
def store(secured: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Where the shop's backends put everything."""
    prepare(secured)
    key = secured.create_api_key("writer", WRITER)
    return Store(secured, f"browser{secrets.token_hex(8)}", key, tmp_path_factory.mktemp("spool"))


@pytest.fixture(scope="session")
def web(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """The shop's backends, a stranger and the trackers' ingest."""
    with network(tmp_path_factory.mktemp("network"), store) as running:
        yield running


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser without a past."""
    with chromium.new_context() as context:
        context.set_default_timeout(HANG_SECONDS * 1000)
        yield context
