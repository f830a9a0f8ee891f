"""A visit to the fleet's shop in a real browser: from the page through Flask, Node, Go and Java."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, NamedTuple

from playwright.sync_api import sync_playwright

from browser.conftest import CHROMIUM, SWITCHES
from browser.loopback import Ingest, Stranger, served
from browser.network import Network
from browser.pages import recording
from fleet.collector import collecting
from fleet.services import billing, delivery, otlp, shop, stock

from bridging import ROLE, Bridges
from instrumented import free_port
from patience import HANG_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store

SERVICES: Final = ("shop", "delivery", "billing", "stock")
"""Flask, Node, Go, Java, in the order of a call."""
DIRECT: Final = "direct"
OTLP: Final = "otlp"
BOTH: Final = "both"
"""How Flask exports: itself, through the Collector, or each span and log record through the
Collector and itself, into the local store."""


class Visit(NamedTuple):
    """What a visit left.

    Attributes:
        session_id: its session.
        store: the streams that it went to.
    """

    session_id: str
    store: Store


def visit(way: str, store: Store, static: Path, folder: Path) -> Visit:
    """Order at Flask, which asks Node, which asks Go and Java; and ask Node from the page.

    All services fail, and have ended when it returns: what they exported is in Elasticsearch.
    """
    ingest, stranger, port = Ingest(), Stranger(), free_port()
    page = f"http://localhost:{port}"
    with ExitStack() as stack:
        ingest_port = stack.enter_context(served(ingest.application))
        server, key, namespace = store.server, store.writer_key, store.namespace
        endpoint = stack.enter_context(collecting(server, key, namespace, folder))
        java = stack.enter_context(stock(folder, endpoint))
        go = stack.enter_context(billing(folder, endpoint))
        node = stack.enter_context(delivery(folder, endpoint, STOCK=java, BILLING=go, PAGE=page))
        exporters = {DIRECT: "elasticsearch", OTLP: "otlp", BOTH: "elasticsearch,otlp"}[way]
        environment = store.environment(
            **otlp(endpoint), OTEL_TRACES_EXPORTER=exporters, OTEL_LOGS_EXPORTER=exporters
        )
        if way == BOTH:
            environment["OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT"] = ""
        stack.enter_context(shop(folder, port, environment, node, static))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        stack.callback(browser.close)
        context = stack.enter_context(browser.new_context())
        context.set_default_timeout(HANG_SECONDS * 1000)
        origins = (page, node, f"http://localhost:{ingest_port}")
        web = Network(*origins[:2], "", origins[2], ingest, stranger, static, ())
        window, session_id = recording(context, web, "baggage: true")
        for url in ("/order/7", f"{node}/order/8"):
            window.evaluate("(url) => fetch(url).then((answer) => answer.status)", url)
    return Visit(session_id, store)


def bridge(store: Store, folder: Path) -> None:
    """Make replay records of all that is there."""
    store.server.refresh()
    Bridges(store.server, store.server.create_api_key("bridge", ROLE), folder).once("bridge")
    store.server.refresh()
