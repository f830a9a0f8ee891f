"""One process of an application: emits its documents, half spans and half log records, at a steady
pace, and writes down what happens to each.

Its exporters are the public ones, behind the SDK's batch processors. It ends in order, or kills
itself with SIGKILL after its last document, whatever its other threads are doing at that moment:
then it is known exactly what had been emitted.
"""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from unittest.mock import patch

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Counter, MeterProvider, NoOpCounter, NoOpMeter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from chaos.ledger import Ledger
from chaos.plan import Life, Trial
from otel_asayer.delivery.outcomes import NO_CAUSE, Counters, Outcome
from otel_asayer.exporter import ElasticsearchLogRecordExporter, ElasticsearchSpanExporter
from otel_asayer.spool import Lease, Spool, Written, directory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otel_asayer.documents import Operation
    from otel_asayer.elasticsearch.bulk import Cause

CHAOS_ID = "chaos.id"
"""The attribute with the number of a document, which is unique in a trial."""
BURST = 10
BURST_SECONDS = 0.08
"""A burst of documents each so many seconds: 125 documents a second."""
OVERSIZED_BYTES = 400_000

Kind = Literal["elasticsearch", "otlp"]


@dataclass(frozen=True)
class Orders:
    """All that a load process is told.

    Attributes:
        kind: Whose exporters it uses.
        url: Where the proxy is.
        namespace: Of the data streams.
        folder: Where its ledger is, and the spool that all processes share.
        trial: The seed's schedule.
        life: Which documents it emits, and how it ends.
    """

    kind: Kind
    url: str
    namespace: str
    folder: str
    trial: Trial
    life: Life

    def to_json(self) -> str:
        """Return the orders as the argument of the process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Orders:
        """Return the orders that a process was given."""
        fields = json.loads(text)
        return cls(**{**fields, "trial": Trial(**fields["trial"]), "life": Life(*fields["life"])})


class Recording:
    """An exporter of either signal that writes down what it is given, and what came of it."""

    def __init__(self, exporter: Any, ledger: Ledger) -> None:
        self._exporter = exporter
        self._ledger = ledger

    def export(self, batch: Sequence[Any]) -> Any:
        number = self._ledger.received([number_of(one) for one in batch])
        result = self._exporter.export(batch)
        self._ledger.returned(number, result.name)
        return result

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return bool(self._exporter.force_flush(timeout_millis))

    def shutdown(self) -> None:
        self._exporter.shutdown()


def number_of(one: Any) -> int:
    """Return the number of a span or a log record."""
    number: int = getattr(one, "log_record", one).attributes[CHAOS_ID]
    return number


class CountedByTheSdk(MeterProvider):
    """Writes down what the SDK's batch processors count as dropped; else nothing is measured."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def get_meter(self, name: str, *_: Any, **__: Any) -> NoOpMeter:
        return _Meter(self._ledger, name)


class _Meter(NoOpMeter):
    def __init__(self, ledger: Ledger, name: str) -> None:
        super().__init__(name)
        self._ledger = ledger

    def create_counter(self, name: str, *_: Any, **__: Any) -> Counter:
        return _Drops(self._ledger, name)


class _Drops(NoOpCounter):
    def __init__(self, ledger: Ledger, name: str) -> None:
        super().__init__(name)
        self._ledger = ledger

    def add(self, amount: float, attributes: Mapping[str, Any] | None = None, *_: Any) -> None:
        if cause := (attributes or {}).get("error.type"):
            self._ledger.counted("queue", str(cause), int(amount))


def record_counts(ledger: Ledger) -> None:
    """Write down each document that our exporter counts as lost, at that moment, and each body that
    is written ahead."""
    add, write_ahead = Counters.add, Spool.write_ahead

    def noted_add(
        self: Counters, outcome: Outcome, number: int, cause: Cause = NO_CAUSE, reason: str = ""
    ) -> None:
        add(self, outcome, number, cause, reason)
        if outcome in (Outcome.DROPPED, Outcome.EVICTED, Outcome.REJECTED):
            ledger.counted(outcome.value, cause.text, number)

    def noted_write_ahead(self: Spool, operations: Sequence[Operation]) -> tuple[Written, Lease]:
        result = write_ahead(self, operations)
        ledger.written_ahead()
        return result

    patch.object(Counters, "add", noted_add).start()
    patch.object(Spool, "write_ahead", noted_write_ahead).start()


class Disk:
    """The disk of the spool, as this process finds it: full or not."""

    def __init__(self) -> None:
        self.full = False
        self._fill: Callable[[int, bytes], None] = directory._fill
        patch.object(directory, "_fill", self._write).start()

    def _write(self, descriptor: int, content: bytes) -> None:
        """Write a file of the spool, or half of it."""
        if not self.full:
            self._fill(descriptor, content)
            return
        os.write(descriptor, content[: len(content) // 2])
        os.close(descriptor)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Application:
    """Emits documents by the public API of OpenTelemetry."""

    def __init__(self, orders: Orders, ledger: Ledger) -> None:
        spans, log_records = exporters(orders)
        meters, resource = (
            CountedByTheSdk(ledger),
            Resource.create({"service.name": f"application-{orders.life.application}"}),
        )
        self._tracers = TracerProvider(resource=resource)
        self._tracers.add_span_processor(
            BatchSpanProcessor(Recording(spans, ledger), meter_provider=meters)  # type: ignore[arg-type]
        )
        self._loggers = LoggerProvider(resource=resource)
        self._loggers.add_log_record_processor(
            BatchLogRecordProcessor(Recording(log_records, ledger), meter_provider=meters)  # type: ignore[arg-type]
        )
        self._tracer, self._logger = (
            self._tracers.get_tracer("chaos"),
            self._loggers.get_logger("chaos"),
        )
        self._trial = orders.trial
        self._numbers = random.Random(orders.life.start)

    def emit(self, number: int) -> None:
        """End a span, or emit a log record."""
        size = OVERSIZED_BYTES if self._trial.is_oversized(number) else 80
        attributes: dict[str, Any] = {
            CHAOS_ID: number,
            "url.path": f"/carts/{number % 97}",
            "request.token": self._numbers.randbytes(size).hex(),
        }
        if number % 2:
            self._logger.emit(
                LogRecord(
                    timestamp=time.time_ns(),
                    severity_number=SeverityNumber.INFO,
                    body="cart saved",
                    attributes=attributes,
                )
            )
        else:
            self._tracer.start_span("GET /carts/{id}", attributes=attributes).end()


def exporters(orders: Orders) -> tuple[Any, Any]:
    """Return the exporters of spans and of log records."""
    if orders.kind == "otlp":
        gzip = Compression.Gzip
        return OTLPSpanExporter(f"{orders.url}/v1/traces", compression=gzip), OTLPLogExporter(
            f"{orders.url}/v1/logs", compression=gzip
        )
    options: dict[str, Any] = {
        "endpoint": orders.url,
        "namespace": orders.namespace,
        "spool": orders.trial.spool,
        "spool_max_bytes": orders.trial.spool_max_bytes,
        "spool_directory": f"{orders.folder}/spool",
    }
    return ElasticsearchSpanExporter(**options), ElasticsearchLogRecordExporter(**options)


def run(orders: Orders) -> None:
    """Emit all documents of a life."""
    ledger, disk, parent = Ledger(Path(orders.folder), orders.life.name), Disk(), os.getppid()
    record_counts(ledger)
    application, due = Application(orders, ledger), time.monotonic()
    for number in range(orders.life.start, orders.life.stop):
        disk.full = orders.trial.is_disk_full(number)
        ledger.emitted(number)
        application.emit(number)
        if number % BURST == 0:
            due += BURST_SECONDS
            time.sleep(max(0.0, due - time.monotonic()))
            if os.getppid() != parent:
                sys.exit("the suite has ended")
    if orders.life.killed:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    run(Orders.from_json(sys.argv[1]))
