"""Directs one trial:

both fleets at the same time, and the strokes on Elasticsearch and on the sink at the same moments.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chaos.accounts import Account, balance
from chaos.fleet import Fleet
from chaos.load import Kind, Orders
from chaos.plan import Fault, Stroke, Trial, turns
from chaos.proxy import Proxy
from chaos.readback import arrived, rejected
from chaos.sink import Sink

from instrumented import BINARIES, clean_environment

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

    from elasticsearch_server import Server

TRIAL_SECONDS = 600.0
"""After so long, applications still running are killed, which is a problem."""
DRAIN_SECONDS = 300.0
POLL_SECONDS = 0.05

Say = Callable[[str], None]


@dataclass
class Result:
    """What a trial gave.

    Attributes:
        trial: The schedule.
        ours: The account of the exporter to Elasticsearch.
        otlp: The account of the OTLP/HTTP exporter.
        ours_seconds: Processor time of all its applications.
        otlp_seconds: The same of the other.
        met: Faults that requests met, by exporter.
        rejected: Documents in the spool's `rejected/`.
        drained: Documents that `otel-asayer spool drain` delivered at the end.
        seconds: How long the trial took.
    """

    trial: Trial
    ours: Account
    otlp: Account
    ours_seconds: float
    otlp_seconds: float
    met: tuple[Counter[Fault], Counter[Fault]]
    rejected: int
    drained: int
    seconds: float


def conduct(trial: Trial, server: Server, folder: Path, say: Say) -> Result:
    """Run a trial on a node that is ready, and that is ready again afterwards."""
    began = time.monotonic()
    namespace = f"chaos{trial.seed}x{secrets.token_hex(4)}"
    with ExitStack() as stack:
        sink = stack.enter_context(Sink(_made(folder / "otlp")))
        proxies = [
            stack.enter_context(Proxy(port, turns(trial.seed)))
            for port in (urlsplit(server.url).port or 0, sink.port)
        ]
        ours, otlp = (
            stack.enter_context(_fleet(kind, trial, proxy.url, namespace, folder))
            for kind, proxy in zip(_KINDS, proxies, strict=True)
        )
        _strike(trial, (ours, otlp), (server, sink), say)
        met = proxies[0].met.copy(), proxies[1].met.copy()
        for proxy in proxies:
            proxy.heal()
        drained = drain(proxies[0].url, ours.folder / "spool", say)
    ours_account = balance(
        ours.records(), arrived(server, namespace), refused := rejected(ours.folder / "spool")
    )
    ours_account.problems += [*ours.problems, *_left(ours.folder / "spool")]
    otlp_account = balance(otlp.records(), sink.arrived(), counts=False)
    seconds = time.monotonic() - began
    return Result(
        trial,
        ours_account,
        otlp_account,
        ours.processor_seconds,
        otlp.processor_seconds,
        met,
        len(refused),
        drained,
        seconds,
    )


_KINDS: tuple[Kind, Kind] = ("elasticsearch", "otlp")


@contextmanager
def _fleet(kind: Kind, trial: Trial, url: str, namespace: str, folder: Path) -> Iterator[Fleet]:
    fleet = Fleet(Orders(kind, url, namespace, str(_made(folder / kind)), trial, trial.lives(0)[0]))
    fleet.start()
    try:
        yield fleet
    finally:
        fleet.end()


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _strike(trial: Trial, fleets: Sequence[Fleet], servers: tuple[Server, Sink], say: Say) -> None:
    """Do all strokes in order, each when as many documents as it waits for are emitted, and wait
    for the end of all applications."""
    deadline = time.monotonic() + TRIAL_SECONDS
    for at, stroke in trial.events():
        while sum(fleet.emitted for fleet in fleets) < at * len(fleets) and any(
            fleet.running for fleet in fleets
        ):
            time.sleep(POLL_SECONDS)
        say(
            f"seed {trial.seed}: {stroke} after "
            f"{sum(fleet.emitted for fleet in fleets) // len(fleets)} documents each"
        )
        for server in servers:
            _METHODS[stroke](server)
    while any(fleet.running for fleet in fleets):
        time.sleep(POLL_SECONDS)
        if time.monotonic() > deadline:
            for fleet in fleets:
                fleet.end()
    say(f"seed {trial.seed}: all applications have ended")


_METHODS: dict[Stroke, Callable[[Server | Sink], None]] = {
    "freeze": lambda server: server.pause(),
    "thaw": lambda server: server.resume(),
    "kill": lambda server: server.kill(),
    "restart": lambda server: server.restart(),
}


def drain(url: str, spool: Path, say: Say, *, api_key: str = "") -> int:
    """Run `otel-asayer spool drain`, and return how many documents it delivered."""
    command = [
        str(BINARIES / "otel-asayer"),
        "spool",
        "drain",
        "--json",
        "--endpoint",
        url,
        "--directory",
        str(spool),
    ]
    environment = {
        **clean_environment(),
        "OTEL_EXPORTER_ELASTICSEARCH_API_KEY": api_key,
        "OTEL_EXPORTER_ELASTICSEARCH_TIMEOUT": "60",  # the import takes long on a busy machine
    }
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=DRAIN_SECONDS, check=False
    )
    said = f"`otel-asayer spool drain` says: {(done.stdout + done.stderr).strip()}"
    if not done.stdout:
        raise RuntimeError(said)
    say(said)
    return int(json.loads(done.stdout)["drained"])


def _left(spool: Path) -> list[str]:
    """What should not be in a drained spool."""
    # A half-written file of a killed process may stay for ten minutes: nobody was told that it was
    # written.
    files = [file.name for file in spool.glob("*/*") if file.suffix in (".gz", ".lease")]
    damaged = [file.name for file in spool.glob("*/damaged/*")]
    sentences = ((files, "were left in the drained spool"), (damaged, "are damaged"))
    return [f"{len(names)} files {what}, like {names[0]}" for names, what in sentences if names]
