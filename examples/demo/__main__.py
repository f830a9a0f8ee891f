"""The whole path, shown: two services, five requests as a browser sends them, and what Elasticsearch holds afterwards.

`make demo` runs it. It starts a real Elasticsearch on loopback, or uses the one that `OTEL_ASAYER_TEST_ELASTICSEARCH_URL` names, and cleans up
after itself. The exit status is 1 when something of what it shows is missing.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from otel_asayer.config import Config
from otel_asayer.elasticsearch import Client, ensure
from otel_asayer.session_id import EPOCH_MS, SessionId, require_session_id

from elasticsearch_server import default_server
from examples.demo import screen
from examples.demo.reading import Found, spans_without_session, wait_for_session
from examples.demo.services import Request, send, service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elasticsearch_server import Endpoint

REPLAY_URL = "https://app.openreplay.com/1234/session/{session_id}?jumpto={time_ms}"
WRITER = {"writer": {"index": [{"names": ["logs-*", "traces-*", "asayer-logs-*"], "privileges": ["create_doc", "auto_configure"]}]}}
SIGNATURE = "ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"


def new_session(now_ms: int) -> SessionId:
    """An id as the tracker's server gives it, for a session that began ten seconds ago."""
    return require_session_id((now_ms - 10_000 - EPOCH_MS) << 24 | 1 << 8 | now_ms % 256)


def as_token(session_id: SessionId, now_ms: int) -> str:
    """The form in which OpenReplay's tracker sends the same id: a bearer token, which must never be stored."""
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
        Request("nobody's session", "GET", "/health", {}),
    )


def service_environment(server: Endpoint, name: str) -> dict[str, str]:
    """All that a service needs: variables."""
    return {
        "OTEL_SERVICE_NAME": name,
        "OTEL_PROPAGATORS": "tracecontext,asayer",
        "OTEL_TRACES_EXPORTER": "elasticsearch",
        "OTEL_LOGS_EXPORTER": "elasticsearch",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": server.url,
        **credentials(server),
        "OTEL_ASAYER_REPLAY_URL": REPLAY_URL,
        "OTEL_ASAYER_STAMP_STDIO": "true",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
        "OTEL_BLRP_SCHEDULE_DELAY": "500",
        "PYTHONUNBUFFERED": "1",
    }


def credentials(server: Endpoint) -> dict[str, str]:
    """A key with the least rights of a writer; none where security is off."""
    certificate = {"OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE": str(server.ca_certificate)} if server.ca_certificate else {}
    if not server.username:
        return certificate
    return {"OTEL_EXPORTER_ELASTICSEARCH_API_KEY": server.create_api_key("otel-asayer-demo", WRITER), **certificate}


def install_templates(server: Endpoint) -> None:
    """Once per cluster, by somebody who may: the application's key cannot."""
    config = Config.from_environment(
        {}, endpoint=server.url, username=server.username or None, password=server.password or None, certificate=server.ca_certificate
    )
    client = Client(config)
    try:
        for problem in ensure(client, config, timeout=30).problems:
            raise SystemExit(problem)
    finally:
        client.close()


def run_shop(server: Endpoint, requests: tuple[Request, ...], folder: Path) -> Iterator[tuple[Request, int]]:
    """Run both services, send the requests, and stop the services, which flushes what they hold."""
    with service("pricing.py", folder / "pricing.log", service_environment(server, "pricing")) as pricing:
        environment = {**service_environment(server, "storefront"), "PRICING_URL": f"http://127.0.0.1:{pricing.port}"}
        with service("storefront.py", folder / "storefront.log", environment) as storefront:
            for request in requests:
                yield request, send(request, storefront)


def checks(found: Found, stamped: list[str], without: int, *, token_signature_seen: bool) -> list[tuple[str, bool]]:
    services = {span["resource"]["attributes"]["service.name"] for span in found.spans}
    times = [record["@timestamp"] for record in found.replay_records]
    # The query has no sort, and Elasticsearch orders by time within a segment only: what came in several batches may show a seam.
    misplaced = sum(later < earlier for earlier, later in pairwise(times))
    return [
        (f"{len(found.spans)} spans of {len(services)} services under one session.id", len(services) == 2),
        (f"{len(found.logs)} log records, the exception with its stack among them", bool(found.exceptions)),
        (f"{len(found.replay_records)} replay records, as OpenReplay's own query returns them, {misplaced} out of place", bool(found.replay_records)),
        (f"{len(stamped)} console lines stamped with the session", len(stamped) >= 2),
        ("the request without a session carries no session.id", without > 0),
        ("the bearer token is in no document", not token_signature_seen),
    ]


def token_seen(server: Endpoint) -> bool:
    query = {"size": 0, "track_total_hits": True, "query": {"query_string": {"query": f'"{SIGNATURE}"'}}}
    answer = server.search("traces-*,logs-*,asayer-logs-*", query)
    return bool(answer["hits"]["total"]["value"])


def demo(console: Console, server: Endpoint, folder: Path) -> bool:
    now_ms = time.time_ns() // 1_000_000
    session_id = new_session(now_ms)
    install_templates(server)
    console.print(screen.title("Five requests", f"to two Flask services under opentelemetry-instrument, session {session_id}"))
    sent = list(run_shop(server, browser_requests(session_id, as_token(session_id, now_ms)), folder))
    console.print(screen.requests_table(sent))

    found = wait_for_session(server, session_id, spans=10, replay_records=8)
    stamped = [line for line in (folder / "storefront.log").read_text().splitlines() if line.startswith("[asayer_session_id=")]
    console.print(screen.title("Traces", "traces-generic.otel-default, as Kibana reads them"))
    for tree in screen.trace_trees(found.spans):
        console.print(tree)
    console.print(screen.title("Logs and exceptions", "logs-generic.otel-default"))
    console.print(screen.logs_table(found.logs))
    for exception in found.exceptions[:1]:
        console.print(screen.stack(exception))
    console.print(screen.title("In OpenReplay, beside the replay", "the alias logs, in the order of the answer"))
    console.print(screen.replay_panel(found.replay_records))
    console.print(screen.title("On the console", "stamped for Filebeat or Logstash"))
    for line in stamped:
        console.print(Text(line))
    for exception in found.exceptions[:1]:
        console.print(screen.title("That moment in the replay", ""))
        console.print(Text(exception["attributes"]["asayer.replay.url"], style="underline blue"))
    results = checks(found, stamped, len(spans_without_session(server, "/health")), token_signature_seen=token_seen(server))
    console.print()
    console.print(screen.summary(results))
    good = all(good for _, good in results)
    if not good:
        for log in sorted(folder.glob("*.log")):
            console.print(screen.title(f"What {log.stem} said", ""), Text(log.read_text()))
    return good


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--svg", type=Path, help="also write what is shown to this file, as a picture")
    picture = parser.parse_args().svg
    console = Console(width=120 if picture else max(shutil.get_terminal_size().columns, 120), highlight=False, record=picture is not None)
    with tempfile.TemporaryDirectory(prefix="otel-asayer-demo-") as folder:
        console.print("[dim]Starting a real Elasticsearch on loopback (the first time, it is downloaded) …[/]")
        with default_server() as server:
            console.print(f"[dim]Elasticsearch {server.version} at {server.url}[/]")
            good = demo(console, server, Path(folder))
    if picture:
        console.save_svg(str(picture), title="make demo")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
