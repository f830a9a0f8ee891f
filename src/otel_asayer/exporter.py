"""The exporters: they encode and deliver what the SDK hands over.

Nothing raises, and what is lost is counted. What this package logs about delivery is not exported
itself, because a failing delivery would cause ever more of it. It reaches every other handler and
exporter.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from abc import ABC, abstractmethod
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, TypeAlias, TypeVar
from weakref import WeakSet

from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

import otel_asayer.delivery
from otel_asayer import elasticsearch, setup, spool
from otel_asayer.config import Config, declared_config
from otel_asayer.delivery import delivery
from otel_asayer.delivery.metrics import ExporterMetrics, ExportObservation, meter_of, observe
from otel_asayer.delivery.outcomes import Outcome
from otel_asayer.documents import DataStreams, Encoded, Encoder, metadata_of
from otel_asayer.elasticsearch.bulk import Cause
from otel_asayer.once import warn_once
from otel_asayer.runtime import sdk
from otel_asayer.runtime.log_handlers import install_last_resort_handler
from otel_asayer.runtime.switching import Turns

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan
    from typing_extensions import Unpack

    from otel_asayer.config.options import Options
    from otel_asayer.runtime.sdk import CompactLogRecord, CompactSpan

__all__ = [
    "DeclaredLogRecordExporter",
    "DeclaredSpanExporter",
    "ElasticsearchLogRecordExporter",
    "ElasticsearchSpanExporter",
    "encoder_of",
]

_Record = TypeVar("_Record")
_Encode: TypeAlias = "Callable[[Sequence[_Record], Callable[[], None]], Encoded]"

_logger = logging.getLogger(__name__)

_OWN_SCOPES: Final = (
    __name__,
    *(f"{package.__name__}." for package in (otel_asayer.delivery, elasticsearch, setup, spool)),
)
"""How the scopes of log records about delivery begin: handlers name a scope after its logger."""

_LONGEST_WAIT: Final = 5.0
"""Seconds that a shutdown waits for exports that it has interrupted, while they write to the
disk."""

_DIVERTED: Final = (
    "Attributes data_stream.dataset and data_stream.namespace ask for more than {} data streams: "
    "what goes beyond is written to the configured ones. "
    "Find out who sets these attributes, or raise OTEL_EXPORTER_ELASTICSEARCH_MAX_DATA_STREAMS."
)


class _Signal(NamedTuple):
    """What differs between spans and log records on their way."""

    name: str
    """Its word in the names of metrics."""
    stream_type: str
    """The type of the data stream for a span or log record itself: span events and replay records
    go to others."""
    queue_size: str
    """The variable that sets the size of the batch processor's queue."""


class _Call(NamedTuple):
    """One export under way."""

    pid: int
    thread: int
    interrupted: threading.Event
    """Ends its waiting."""
    done: threading.Event


class _Exporter(ABC):
    """What both signals share: from records of the SDK to a delivered, or counted, batch."""

    _signal: ClassVar[_Signal]

    @property
    @abstractmethod
    def compact(self) -> Callable[[Any], Any] | None:
        """What a batch processor's queue keeps of a record for this exporter."""

    def __init__(
        self, *, meter_provider: MeterProvider | None = None, **options: Unpack[Options]
    ) -> None:
        self._start(Config.from_environment(**options), meter_provider, type(self))

    def _start(self, config: Config, meter_provider: MeterProvider | None, kind: type) -> None:
        self._config = config
        self._exported = self._closed = False
        self._turns = Turns()
        self._under_way: set[_Call] = set()
        # No method: the exit handlers must not keep an exporter alive that nobody uses.
        self._stop = partial(_stop, config)
        self._encoder = encoder_of(config)
        install_last_resort_handler()
        # What closes it is listed by the start-up message, which comes after this.
        if not config.closed:
            delivery.shared(config).announce()
        meter = meter_of(meter_provider)
        self._metrics = ExporterMetrics(meter, kind, self._signal.name, config)
        observe(meter, delivery.deliveries)
        if not _open.get(config):  # the last one has stopped what they shared
            delivery.shared(config).resume()
        _open.setdefault(config, WeakSet()).add(self)
        atexit.register(self._stop)

    def _deliver(self, encode: _Encode[_Record], records: Sequence[_Record]) -> bool:
        """Encode and deliver; return whether Elasticsearch or the disk has every document.

        Never raises.
        """
        # Looked up each time: after a fork it is another.
        current = delivery.shared(self._config)
        self._stop_before_provider()
        sdk.attach_exporter(self)
        call = _Call(os.getpid(), threading.get_ident(), threading.Event(), threading.Event())
        with self._metrics.operation(len(records)) as lost, self._turns.work() as pause:
            self._under_way.add(call)
            try:
                return self._export(
                    partial(encode, records, pause), len(records), current, lost, call
                )
            except Exception as error:
                _logger.debug("Export failed", exc_info=True)
                lost.clear()
                return self._lose(
                    current,
                    lost,
                    len(records),
                    Cause.of("defect"),
                    f"the export failed with {type(error).__name__}; with DEBUG for {__name__} "
                    "the log tells where",
                )
            finally:
                self._under_way.discard(call)
                call.done.set()

    def drop_items(self, count: int, error_type: str = "queue_full") -> None:
        """Count what the queue of the batch processor drops.

        The processor calls it, in the thread that ended a span or emitted a log record.
        """
        try:
            delivery.shared(self._config).counters.add(
                Outcome.DROPPED,
                count,
                Cause(error_type.replace("_", " "), error_type),
                f"they came faster than they could be sent; {self._signal.queue_size} sets its size"
                if error_type == "queue_full"
                else "",
            )
        except Exception:
            _logger.debug("What the queue dropped could not be counted.", exc_info=True)

    def hurry(self) -> None:
        """Let the exporter's threads run sooner: the batch processor's queue is half full.

        The processor calls it, in the thread that ended a span or emitted a log record.
        """
        self._turns.hurry()

    def relax(self) -> None:
        """Let the exporter's threads run as usual: that queue is nearly empty again."""
        self._turns.relax()

    # Nothing is ever left between exports
    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002
        """Return True: an export is over when it returns."""
        return True

    def shutdown(self) -> None:
        """Close connections, when no other exporter shares them.

        What is exported later is lost, and counted.
        """
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self._stop)
        _open[self._config].discard(self)
        current = delivery.shared(self._config)
        self._interrupt(current)
        # The last one writes the line about losses: each would write one of its own.
        if not _open[self._config]:
            current.stop()
            current.finish()
            current.close()

    def _interrupt(self, current: delivery.Delivery) -> None:
        """End the exports under way: what they have in hand goes to the disk.

        One on this very thread, which a signal's handler interrupted, ends later.
        """
        calls = [
            call
            for call in list(self._under_way)
            if call.pid == os.getpid() and call.thread != threading.get_ident()
        ]
        for call in calls:
            call.interrupted.set()
        if calls:
            current.interrupt()
        for call in calls:
            call.done.wait(_LONGEST_WAIT)

    def _export(
        self,
        encode: Callable[[], Encoded],
        number: int,
        current: delivery.Delivery,
        observation: ExportObservation,
        call: _Call,
    ) -> bool:
        current.announce()
        if self._closed:
            return self._lose(current, observation, number, Cause.of("exporter shut down"))
        operations, failures = encode()
        if diverted := self._encoder.take_diverted():
            current.counters.add(Outcome.DIVERTED, diverted, Cause.of("too many data streams"))
            warn_once(_logger, _DIVERTED.format(self._config.max_data_streams))
        encoded = (
            self._lose(current, observation, len(failures), Cause.of("not encoded"), failures[-1])
            if failures
            else True
        )
        delivered = current.deliver(operations, interrupted=call.interrupted)
        observation.status = delivered.status
        for operations_lost, cause in delivered.lost:
            observation[cause] += sum(
                metadata_of(operation).stream_type == self._signal.stream_type
                for operation in operations_lost
            )
        return encoded and not delivered.lost

    def _lose(
        self,
        current: delivery.Delivery,
        lost: Counter[Cause],
        number: int,
        cause: Cause,
        reason: str = "",
    ) -> bool:
        """Count records that never became operations; return whether there are none."""
        if number:
            lost[cause] += number
            current.lose(number, cause, reason)
        return not number

    def _stop_before_provider(self) -> None:
        """Register the exit handler once more, where the provider was built after the exporter.

        The last registered runs first: only so does a failing export learn that the process ends
        before the provider begins to wait for it. Where exit handlers run already, because the
        first export of a short script is its last one, none can be registered any more.
        """
        if not self._exported:
            self._exported = True
            if threading.main_thread().is_alive():
                atexit.unregister(self._stop)
                atexit.register(self._stop)
            else:
                self._stop()


class ElasticsearchSpanExporter(_Exporter, SpanExporter):
    """Exports spans, their events and their replay records to Elasticsearch.

    Args:
        meter_provider: Takes the metrics; default, the global one.
        **options: Settings, by the names of `otel_asayer.config.Config`'s fields; they go before
            the environment variables.

    Raises:
        ConfigurationError: an option has no such name, or a value that cannot be used. Variables
            never raise.
    """

    _signal = _Signal("span", "traces", "OTEL_BSP_MAX_QUEUE_SIZE")

    @property
    def compact(self) -> Callable[[ReadableSpan], ReadableSpan | CompactSpan] | None:
        """What a batch processor's queue keeps of a span for `export`.

        None in a subclass with an `export` of its own, which gets the SDK's spans.
        """
        is_ours = type(self).export is ElasticsearchSpanExporter.export
        return sdk.compact_span if is_ours else None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Encode and deliver `spans`.

        SUCCESS means that Elasticsearch or the disk has every document.
        """
        return (
            SpanExportResult.SUCCESS
            if self._deliver(self._encoder.spans, spans)
            else SpanExportResult.FAILURE
        )


class ElasticsearchLogRecordExporter(_Exporter, LogRecordExporter):
    """Exports log records and their replay records to Elasticsearch.

    Args:
        meter_provider: Takes the metrics; default, the global one.
        **options: Settings, by the names of `otel_asayer.config.Config`'s fields; they go before
            the environment variables.

    Raises:
        ConfigurationError: an option has no such name, or a value that cannot be used. Variables
            never raise.
    """

    _signal = _Signal("log", "logs", "OTEL_BLRP_MAX_QUEUE_SIZE")

    @property
    def compact(self) -> Callable[[ReadableLogRecord], ReadableLogRecord | CompactLogRecord] | None:
        """What a batch processor's queue keeps of a log record for `export`.

        None in a subclass with an `export` of its own, which gets the SDK's log records.
        """
        is_ours = type(self).export is ElasticsearchLogRecordExporter.export
        return sdk.compact_log_record if is_ours else None

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Encode and deliver `batch`.

        SUCCESS means that Elasticsearch or the disk has every document.
        """
        return (
            LogRecordExportResult.SUCCESS
            if self._deliver(
                self._encoder.log_records, [record for record in batch if not _is_own(record)]
            )
            else LogRecordExportResult.FAILURE
        )


class DeclaredSpanExporter(ElasticsearchSpanExporter):
    """The span exporter as OpenTelemetry loads it by its name.

    A bad value in the file of declarative configuration does not raise: it is one of `problems`,
    which the hook reports.

    Args:
        **block: Settings, from the file; none where variables configure OpenTelemetry.
    """

    def __init__(self, **block: Any) -> None:
        config = declared_config(block)
        self.problems = config.problems
        self._start(config, None, ElasticsearchSpanExporter)


class DeclaredLogRecordExporter(ElasticsearchLogRecordExporter):
    """The log record exporter as OpenTelemetry loads it by its name, as `DeclaredSpanExporter`."""

    def __init__(self, **block: Any) -> None:
        config = declared_config(block)
        self.problems = config.problems
        self._start(config, None, ElasticsearchLogRecordExporter)


_open: Final[dict[Config, WeakSet[_Exporter]]] = {}
"""The exporters that are not shut down, by their settings: they share one delivery, and a forked
process has all of them."""


def _stop(config: Config) -> None:
    delivery.shared(config).stop()


def _finish() -> None:
    """Do at the very end what no shutdown of an exporter did."""
    for current in delivery.deliveries():
        if current.has_stopped():
            current.finish()


atexit.register(_finish)  # before any provider could register its own, and so run behind them


def encoder_of(config: Config) -> Encoder:
    """Return what makes documents by these settings, with `_id`s of its own for log records."""
    return Encoder(
        config,
        delivery.random_id,
        _data_streams(config.dataset, config.namespace, config.max_data_streams),
    )


_data_streams: Final = cache(DataStreams)
"""Returns the data streams of all exporters in this process with these defaults."""


def _is_own(record: ReadableLogRecord | CompactLogRecord) -> bool:
    scope = record.instrumentation_scope
    return scope is not None and scope.name.startswith(_OWN_SCOPES)
