"""Show the whole path: two services, five requests from a browser, and the stored session.

`make demo` runs this with the local store, which needs only Python. `make demo ELASTICSEARCH=1`
starts a real Elasticsearch on loopback, or uses the one in `OTEL_ASAYER_TEST_ELASTICSEARCH_URL`.
Both clean up after themselves. The exit status is 1 if something that it should show is missing.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from otel_asayer.cli.timeline_view import print_timeline
from otel_asayer.propagation.session_id import SessionId, id_of_session_from
from otel_asayer.timeline import EventKind, Timeline

from examples.demo import screen
from examples.demo.services import Request, send, service
from examples.demo.stores import Cluster, LocalStore
from instrumented import heed_ctrl_c

if TYPE_CHECKING:
    from collections.abc import Iterator

    from examples.demo.stores import Store

REPLAY_URL = "https://app.openreplay.com/1234/session/{session_id}?jumpto={time_ms}"
SPANS, REPLAY_RECORDS = 12, 16
"""What the four requests of the session create."""

SHOWN_LINES = 4
"""How many stamped console lines are shown; the rest is a traceback."""

SIGNATURE = "ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"


def as_token(session_id: SessionId, now_ms: int) -> str:
    """Return the bearer token that OpenReplay's tracker would send; it must never be stored."""
    return f"{base36(int(session_id))}.{base36(25)}.{base36(now_ms + 3_600_000)}.{SIGNATURE}"


def base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits or "0"


def browser_requests(session_id: SessionId, token: str) -> tuple[Request, ...]:
    by_id = {"X-Session-Id": session_id}
    return (
        Request("Asayer's header", "GET", "/products/lamp", by_id),
        Request("OpenReplay's token", "POST", "/cart/sofa", {"X-OpenReplay-Session-Token": token}),
        Request("prints to the console", "GET", "/receipt", by_id),
        Request("raises", "POST", "/checkout", by_id),
        Request("no session", "GET", "/health", {}),
    )


def service_environment(store: Store, name: str) -> dict[str, str]:
    """Return the variables of a service; it needs no other set-up."""
    return {
        "OTEL_SERVICE_NAME": name,
        "OTEL_PROPAGATORS": "tracecontext,asayer",
        "OTEL_TRACES_EXPORTER": "elasticsearch",
        "OTEL_LOGS_EXPORTER": "elasticsearch",
        "OTEL_METRICS_EXPORTER": "none",
        **store.environment(),
        "OTEL_ASAYER_REPLAY_URL": REPLAY_URL,
        "OTEL_ASAYER_STAMP_STDIO": "true",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
        "OTEL_BLRP_SCHEDULE_DELAY": "500",
        "PYTHONUNBUFFERED": "1",
    }


def run_shop(
    store: Store, requests: tuple[Request, ...], folder: Path
) -> Iterator[tuple[Request, int]]:
    """Run both services, send the requests, and stop the services so that they flush."""
    with service(
        "pricing.py", folder / "pricing.log", service_environment(store, "pricing")
    ) as pricing:
        environment = {
            **service_environment(store, "storefront"),
            "PRICING_URL": f"http://127.0.0.1:{pricing.port}",
        }
        with service("storefront.py", folder / "storefront.log", environment) as storefront:
            for request in requests:
                yield request, send(request, storefront)


def checks(
    store: Store, found: Timeline, records: list[dict[str, Any]], stamped: list[str]
) -> list[tuple[str, bool]]:
    spans = found.counts[EventKind.REQUEST] + found.counts[EventKind.SPAN]
    times = [record["@timestamp"] for record in records]
    # The query has no sort. Records of one service come oldest first. The batches of two services
    # that end one after the other may overlap.
    misplaced = sum(later < earlier for earlier, later in pairwise(times))
    return [
        (
            f"{spans} spans of {len(found.services)} services under one session.id",
            (spans, len(found.services)) == (SPANS, 2),
        ),
        (
            f"{found.counts[EventKind.LOG]} log records, and the exception with its stack",
            any(event.stack for event in found.errors),
        ),
        (
            f"{len(records)} replay records for OpenReplay's panel, {misplaced} out of place",
            len(records) == REPLAY_RECORDS,
        ),
        (f"{len(stamped)} console lines stamped with the session", len(stamped) >= 2),
        (
            "the request without a session has no session.id",
            store.spans_without_session("/health") > 0,
        ),
        ("no document contains the bearer token", not store.holds(SIGNATURE)),
    ]


def demo(console: Console, store: Store, folder: Path) -> bool:
    now_ms = time.time_ns() // 1_000_000
    session_id = id_of_session_from(now_ms - 10_000)
    console.print(
        screen.title(
            "Five requests",
            f"to two Flask services under opentelemetry-instrument, session {session_id}",
        )
    )
    sent = list(run_shop(store, browser_requests(session_id, as_token(session_id, now_ms)), folder))
    console.print(screen.requests_table(sent))

    found = Timeline.of(store.documents(session_id), replay_url=REPLAY_URL)
    records = store.replay_records(session_id)
    stamped = [
        line
        for line in (folder / "storefront.log").read_text().splitlines()
        if line.startswith("[asayer_session_id=")
    ]
    console.print(screen.title("The session", f"from {store.name}"))
    print_timeline(console, found, f"Session {session_id}")
    for exception in [event for event in found.errors if event.kind is EventKind.EXCEPTION][:1]:
        console.print()
        console.print(screen.stack(exception))
    console.print(
        screen.title("In OpenReplay, next to the replay", "replay records, found by its own query")
    )
    console.print(screen.replay_panel(records))
    console.print(screen.title("On the console", "stamped for Filebeat or Logstash"))
    for line in stamped[:SHOWN_LINES]:
        console.print(Text(line))
    console.print(Text(f"… and {len(stamped) - SHOWN_LINES} more lines", style="dim"))
    results = checks(store, found, records, stamped)
    console.print()
    console.print(screen.summary(results))
    good = all(good for _, good in results)
    if not good:
        for log in sorted(folder.glob("*.log")):
            console.print(screen.title(f"Output of {log.stem}", ""), Text(log.read_text()))
    return good


@contextmanager
def opened_store(console: Console, folder: Path, *, elasticsearch: bool) -> Iterator[Store]:
    if not elasticsearch:
        yield LocalStore(folder / "spool")
        return
    from elasticsearch_server import default_server

    console.print("[dim]Starting a real Elasticsearch on loopback (downloaded the first time) …[/]")
    with default_server() as server:
        yield Cluster(server, folder / "spool")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument(
        "--elasticsearch",
        action="store_true",
        help="store in a real Elasticsearch instead of the local store",
    )
    parser.add_argument(
        "--svg", type=Path, help="also save the output as an SVG image in this file"
    )
    arguments = parser.parse_args()
    heed_ctrl_c()
    console = Console(
        width=120 if arguments.svg else max(shutil.get_terminal_size().columns, 120),
        highlight=False,
        record=arguments.svg is not None,
    )
    with tempfile.TemporaryDirectory(prefix="otel-asayer-demo-") as name:
        folder = Path(name)
        with opened_store(console, folder, elasticsearch=arguments.elasticsearch) as store:
            good = demo(console, store, folder)
    if arguments.svg:
        console.save_svg(str(arguments.svg), title="make demo")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
