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
"""How Flask exports: itself, through the Collector, or each span and log record both ways."""


class Visit(NamedTuple):
    """What a visit left.

    Attributes:
        session_id: its session.
        collected: the streams that the Collector wrote to.
        direct: those that Flask wrote to itself.
    """

    session_id: str
    collected: Store
    direct: Store


def visit(way: str, collected: Store, direct: Store, static: Path, folder: Path) -> Visit:
    """Order at Flask, which asks Node, which asks Go and Java; and ask Node from the page.

    All services fail, and have ended when it returns: what they exported is in Elasticsearch.
    """
    ingest, stranger, port = Ingest(), Stranger(), free_port()
    page = f"http://localhost:{port}"
    with ExitStack() as stack:
        ingest_port = stack.enter_context(served(ingest.application))
        server, key, namespace = collected.server, collected.writer_key, collected.namespace
        endpoint = stack.enter_context(collecting(server, key, namespace, folder))
        java = stack.enter_context(stock(folder, endpoint))
        go = stack.enter_context(billing(folder, endpoint))
        node = stack.enter_context(delivery(folder, endpoint, STOCK=java, BILLING=go, PAGE=page))
        exporters = {DIRECT: "elasticsearch", OTLP: "otlp", BOTH: "elasticsearch,otlp"}[way]
        environment = direct.environment(
            **otlp(endpoint), OTEL_TRACES_EXPORTER=exporters, OTEL_LOGS_EXPORTER=exporters
        )
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
    return Visit(session_id, collected, direct)
