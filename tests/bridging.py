"""Documents as Collectors write them, and bridges as processes that make their replay records."""

from __future__ import annotations

import http.client
import json
import random
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from otel_asayer.setup.keys import BRIDGE

from instrumented import BINARIES, clean_environment
from patience import HANG_SECONDS, wait_for
from store import SESSION, pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from elasticsearch_server import Endpoint

MS = 1_000_000
ROLE = {"bridge": BRIDGE.descriptor}
_BATCH = 500


def exception_id(trace_id: str, kind: str, message: str, session: str = SESSION) -> str:
    """The `_id` of an exception's replay record."""
    parts = chr(0).join((session, kind.rpartition(".")[2], message))
    return f"{trace_id}-{blake2b(parts.encode(), digest_size=16).hexdigest()}r"


@dataclass
class Collector:
    """Writes documents as the Collector's exporter does in its OTel mapping, and knows which replay
    records are due.

    Attributes:
        server: Where to.
        namespace: Of the data streams.
        written: Documents so far.
        due: The `_id`s of the records that are due.
    """

    server: Endpoint
    namespace: str
    seed: int = 0
    written: int = 0
    due: set[str] = field(default_factory=set)

    @property
    def _records(self) -> str:
        return f"asayer-logs-{self.namespace}-*"

    def __post_init__(self) -> None:
        self.random = random.Random(f"{self.seed} {self.namespace}")

    def span(
        self, trace_id: str, span_id: str, *, session: str = SESSION, **fields: Any
    ) -> dict[str, Any]:
        """A server's span."""
        attributes = {"http.request.method": "GET", "http.route": "/cart"}
        return {
            **self._common(trace_id, span_id),
            "name": "GET /cart",
            "kind": "Server",
            "duration": 132 * MS,
            "attributes": {**attributes, **({"session.id": session} if session else {})},
            "links": [],
            "status": {},
            **fields,
        }

    def inner_span(self, trace_id: str, span_id: str, parent: str, **more: Any) -> dict[str, Any]:
        """A span inside of another one."""
        return self.span(trace_id, span_id, kind="Internal", parent_span_id=parent, **more)

    def log_record(self, trace_id: str, span_id: str, text: str = "hello") -> dict[str, Any]:
        """A log record."""
        common = self._common(trace_id, span_id)
        return {
            **common,
            "observed_timestamp": common["@timestamp"],
            "severity_number": 9,
            "severity_text": "INFO",
            "attributes": {"session.id": SESSION},
            "body": {"text": text},
        }

    def exception(
        self, trace_id: str, span_id: str, kind: str = "shop.Declined", message: str = "no money"
    ) -> dict[str, Any]:
        """An exception as the event of a span, which has no session."""
        return {
            **self._common(trace_id, span_id),
            "event_name": "exception",
            "attributes": {
                "event.name": "exception",
                "exception.type": kind,
                "exception.message": message,
                "exception.stacktrace": f"Traceback\n  File 'a.py'\n{kind}: {message}\n",
            },
        }

    def write(self, *documents: dict[str, Any]) -> list[str]:
        """Write documents in one request; return the `_id`s that Elasticsearch gave them."""
        lines = []
        for document in documents:
            kind = "traces" if "kind" in document else "logs"
            lines += [{"create": {"_index": f"{kind}-generic.otel-{self.namespace}"}}, document]
        body = "".join(f"{json.dumps(line)}\n" for line in lines)
        answer = self.server.request("POST", "/_bulk", body).json()
        assert not answer["errors"], answer
        self.written += len(documents)
        return [item["create"]["_id"] for item in answer["items"]]

    def write_traces(self, number: int) -> Iterator[int]:
        """Write about so many documents of traces; yield their number after each request.

        A tenth of the exceptions come before their span, and a tenth of all traces are of no
        session.
        """
        end = self.written + number
        later: list[dict[str, Any]] = []
        while self.written < end:
            batch, later = later, []
            logged = []
            while len(batch) < _BATCH:
                trace_id, entry, inner = self.ids()
                of_session = self.random.random() < 0.9
                session = SESSION if of_session else ""
                spans = [
                    self.span(trace_id, entry, session=session),
                    self.inner_span(trace_id, inner, entry, session=session),
                ]
                if self.random.random() < 0.3:
                    message = f"no money {trace_id}"
                    batch.append(self.exception(trace_id, inner, message=message))
                    if of_session:
                        self.due.add(exception_id(trace_id, "Declined", message))
                (later if self.random.random() < 0.1 else batch).extend(spans)
                if of_session:
                    self.due.add(f"{trace_id}{entry}r")
                    logged.append(len(batch))
                    batch.append(self.log_record(trace_id, entry))
            ids = self.write(*batch)
            self.due.update(f"{ids[position]}r" for position in logged)
            yield self.written
        if later:
            self.write(*later)
            yield self.written

    def ids(self) -> tuple[str, str, str]:
        """The ids of a new trace and of two spans."""
        trace_id, entry, inner = (self.random.getrandbits(bits) for bits in (128, 64, 64))
        return f"{trace_id:032x}", f"{entry:016x}", f"{inner:016x}"

    def _common(self, trace_id: str, span_id: str) -> dict[str, Any]:
        now = time.time_ns()
        return {
            "@timestamp": f"{now // MS}.{now % MS:06d}",
            "data_stream": {
                "dataset": "generic.otel",
                "namespace": self.namespace,
            },
            "trace_id": trace_id,
            "span_id": span_id,
            "resource": {"attributes": {"service.name": "shop"}},
            "scope": {"name": "shop.web"},
        }

    def has(self, *ids: str) -> bool:
        """Whether there are replay records with these `_id`s."""
        self.server.refresh(self._records)
        query = {"query": {"ids": {"values": ids}}, "size": 0}
        answer = self.server.request("POST", f"/{self._records}/_search", query)
        # An index that is just being created has no shard to search.
        return bool(answer.status == http.client.OK and _total(answer.json()) == len(ids))

    def count(self) -> int:
        """How many replay records there are; 0 while an index is just being created."""
        self.server.refresh(self._records)
        query = {"size": 0, "track_total_hits": True}
        answer = self.server.request("POST", f"/{self._records}/_search", query)
        return _total(answer.json()) if answer.status == http.client.OK else 0

    def records(self) -> list[str]:
        """The `_id`s of all replay records, sorted."""
        self.server.refresh(self._records)
        hits = pages(self.server, self._records, _source=False)
        return sorted(hit["_id"] for hit in hits)


class Bridges:
    """Starts bridges to one Elasticsearch.

    Args:
        server: The Elasticsearch.
        key: The key that they use; empty where security is off.
        folder: Where their checkpoints and consoles lie.
    """

    def __init__(self, server: Endpoint, key: str, folder: Path) -> None:
        self._server = server
        self._key = key
        self._folder = folder

    def start(self, name: str, *options: str) -> subprocess.Popen[bytes]:
        """Start a bridge, which has the checkpoint of its name."""
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        certificate = self._server.ca_certificate
        with (folder / "console").open("ab") as console, (folder / "answer").open("wb") as answer:
            return subprocess.Popen(
                [str(BINARIES / "otel-asayer"), "bridge", *options],
                env={
                    **clean_environment(),
                    "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": self._server.url,
                    "OTEL_EXPORTER_ELASTICSEARCH_API_KEY": self._key,
                    "OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE": str(certificate or ""),
                    "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(folder / "spool"),
                },
                stdin=subprocess.DEVNULL,
                stdout=answer,
                stderr=console,
            )

    def console(self, name: str) -> str:
        """What the bridges of this name said."""
        return (self._folder / name / "console").read_text(encoding="utf-8")

    def once(self, name: str, *options: str) -> dict[str, int]:
        """Run a bridge to its end, and return its counts."""
        process = self.start(name, "--once", "--json", *options)
        assert process.wait(HANG_SECONDS) == 0, self.console(name)
        counts: dict[str, int] = json.loads((self._folder / name / "answer").read_bytes())
        return counts

    @contextmanager
    def running(self, name: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a bridge, and end it as an operator would."""
        process = self.start(name, *options)
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(HANG_SECONDS) == 0, self.console(name)
        finally:
            process.kill()
            process.wait()


class Trial(NamedTuple):
    """What came of documents while bridges were killed.

    Attributes:
        documents: How many were written.
        records: How many records were due.
        kills: How many bridges were killed.
        missing: The `_id`s of records that are not there.
        unexpected: The `_id`s of records that should not be there: doubled ones.
    """

    documents: int
    records: int
    kills: int
    missing: set[str]
    unexpected: list[str]


def trial(bridges: Bridges, collector: Collector, documents: int, kills: int = 10) -> Trial:
    """Write documents while two bridges run, and one of them is killed (kill -9) now and then.

    Each kill comes after a random number of documents. Returns when all records are there, or
    nothing comes any more.
    """
    chance = random.Random(collector.seed)
    moments = sorted(chance.randrange(documents) for _ in range(kills))
    with ExitStack() as stack:
        running = {name: bridges.start(name) for name in ("one", "two")}
        for name in tuple(running):
            stack.callback(_kill, running, name)
        for written in collector.write_traces(documents):
            while moments and moments[0] <= written:
                moments.pop(0)
                name = chance.choice(sorted(running))
                _kill(running, name)
                running[name] = bridges.start(name)
        wait_for(
            lambda: collector.count() >= len(collector.due),
            "records are missing, and the bridges write no more",
        )
        for name, process in running.items():
            process.send_signal(signal.SIGTERM)
            assert process.wait(HANG_SECONDS) == 0, bridges.console(name)
    there = collector.records()
    return Trial(
        collector.written,
        len(collector.due),
        kills,
        collector.due - set(there),
        sorted(set(there) - collector.due) + [one for one in set(there) if there.count(one) > 1],
    )


def _kill(running: dict[str, subprocess.Popen[bytes]], name: str) -> None:
    running[name].kill()
    running[name].wait()


def _total(answer: dict[str, Any]) -> int:
    total: int = answer["hits"]["total"]["value"]
    return total
