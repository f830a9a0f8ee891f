"""One application: its bare run, its instrumented run, and the account of both."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from applications.accounts import Account, Document, Lines, balance, compare_consoles
from applications.running import Run
from applications.traffic import send
from chaos.trial import drain

from store import Store, pages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from applications.plan import Application, Request

    from elasticsearch_server import Endpoint

_WAITS = "Telemetry waits for Elasticsearch in "
"""What a process says that ends before Elasticsearch has answered, as it may on a busy machine:

the documents are counted all the same.
"""


@dataclass
class Result:
    """What an application gave.

    Attributes:
        application: Which one.
        account: Of its documents.
        lines: Of its console.
        bare_stop_seconds: How long the slowest of its processes took to end.
        stop_seconds: The same of the instrumented run.
        seconds: How long both runs took.
        problems: Sentences; without any, all is as it should be.
    """

    application: Application
    account: Account
    lines: Lines
    bare_stop_seconds: float
    stop_seconds: float
    seconds: float
    problems: list[str] = field(default_factory=list)


def conduct(
    application: Application,
    environment: Path,
    server: Endpoint,
    *,
    writer_key: str,
    folder: Path,
    say: Callable[[str], None],
) -> Result:
    """Run an application both ways, and return what became of its requests.

    Args:
        application: What runs.
        environment: The folder of its packages.
        server: Where its telemetry goes.
        writer_key: What it writes there with.
        folder: Where both runs leave what they print.
        say: Hears how far it is.
    """
    began, requests = time.monotonic(), application.requests()
    store = Store(server, f"applications{secrets.token_hex(8)}", writer_key)
    spool = folder / "spool"
    variables = store.environment(
        OTEL_SERVICE_NAME=application.environment,
        OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY=str(spool),
    )
    bare = _meet(Run(application, environment, folder / "bare"), requests)
    instrumented = _meet(
        Run(application, environment, folder / "instrumented", variables), requests
    )
    drain(server.url, spool, say, api_key=writer_key)
    account = balance(requests, _documents(store))
    lines = compare_consoles(
        bare.console(),
        instrumented.console(),
        says=(_WAITS, *application.says),
        hides=application.hides,
    )
    problems = [
        *(f"bare: {problem}" for problem in bare.problems),
        *instrumented.problems,
        *account.problems,
        *lines.problems,
    ]
    return Result(
        application,
        account,
        lines,
        bare.stop_seconds,
        instrumented.stop_seconds,
        time.monotonic() - began,
        problems,
    )


def _meet(run: Run, requests: list[Request]) -> Run:
    with run:
        wrong = send(requests, run.port)
    run.problems += wrong
    return run


def _documents(store: Store) -> list[Document]:
    store.server.refresh()
    streams = f"traces-generic.otel-{store.namespace},logs-generic.otel-{store.namespace}"
    return [Document.of(hit["_source"]) for hit in pages(store.server, streams)]
