"""The exporters: what the SDK hands over is encoded and delivered; nothing raises, and what is lost is counted.

What this package logs about delivery is not exported itself: a failing delivery would feed on what is said about it. It reaches every other
handler and exporter.
"""

from __future__ import annotations

import atexit
import logging
import os
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any, Final, TypeVar

from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otel_asayer.config import Config
from otel_asayer.documents import DocumentSettings, Encoder
from otel_asayer.elasticsearch import delivery
from otel_asayer.notices import make_audible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

    from otel_asayer.documents import Encoded

__all__ = ["ElasticsearchLogRecordExporter", "ElasticsearchSpanExporter"]

_Record = TypeVar("_Record")

_logger = logging.getLogger(__name__)

_OWN_SCOPES: Final = (__name__, "otel_asayer.elasticsearch", "otel_asayer.spool")
"""How the scopes of log records about delivery begin: handlers name a scope after its logger."""
_ID_BYTES: Final = 15
"""Random bytes of an `_id`, 20 characters of base64: as many as Elasticsearch's own."""


class ElasticsearchSpanExporter(SpanExporter):
    """Exports spans, their events and their replay records to Elasticsearch.

    Args:
        **options: Settings, by the names of `otel_asayer.config.Config`'s fields; they go before the environment variables.

    Raises:
        ConfigurationError: an option has no such name, or a value that cannot be used. Variables never raise.
    """

    def __init__(self, **options: Any) -> None:
        self._path = _Path(Config.from_environment(**options))

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Encode and deliver `spans`; SUCCESS when Elasticsearch has every document."""
        return SpanExportResult.SUCCESS if self._path.export(self._path.encoder.spans, spans) else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 (nothing is ever left between exports)
        """Return True: an export is over when it returns."""
        return True

    def shutdown(self) -> None:
        """Close connections; what is exported later is lost, and counted."""
        self._path.shutdown()


class ElasticsearchLogRecordExporter(LogRecordExporter):
    """Exports log records and their replay records to Elasticsearch.

    Args:
        **options: Settings, by the names of `otel_asayer.config.Config`'s fields; they go before the environment variables.

    Raises:
        ConfigurationError: an option has no such name, or a value that cannot be used. Variables never raise.
    """

    def __init__(self, **options: Any) -> None:
        self._path = _Path(Config.from_environment(**options))

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Encode and deliver `batch`; SUCCESS when Elasticsearch has every document."""
        records = [record for record in batch if not _is_own(record)]
        return LogRecordExportResult.SUCCESS if self._path.export(self._path.encoder.log_records, records) else LogRecordExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 (nothing is ever left between exports)
        """Return True: an export is over when it returns."""
        return True

    def shutdown(self) -> None:
        """Close connections; what is exported later is lost, and counted."""
        self._path.shutdown()


class _Path:
    """What both signals share: from records of the SDK to a delivered, or counted, batch."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._exported = False
        self._closed = False
        self.encoder = Encoder(_document_settings(config), _random_id)
        make_audible()
        if not config.closed:  # what closes it is listed by the start-up message, which comes after this
            delivery.shared(config).announce()
        atexit.register(self._stop)

    def export(self, encode: Callable[[Sequence[_Record]], Encoded], records: Sequence[_Record]) -> bool:
        """Encode and deliver; return whether Elasticsearch has every document. Never raises."""
        # Looked up each time: after a fork it is another.
        current = delivery.shared(self._config)
        self._stop_before_provider()
        try:
            return self._export(encode, records, current)
        except Exception as error:
            _logger.debug("Export failed", exc_info=True)
            current.lose(len(records), "defect", f"the export failed with {type(error).__name__}; with DEBUG for {__name__} the log tells where")
            return False

    def shutdown(self) -> None:
        if not self._closed:
            self._closed = True
            atexit.unregister(self._stop)
            delivery.shared(self._config).close()

    def _export(self, encode: Callable[[Sequence[_Record]], Encoded], records: Sequence[_Record], current: delivery.Delivery) -> bool:
        if current.obstacle:
            current.announce()
        if self._closed:
            current.lose(len(records), "exporter shut down")
            return not records
        operations, failures = encode(records)
        if failures:
            current.lose(len(failures), "not encoded", failures[-1])
        return current.deliver(operations) and not failures

    def _stop_before_provider(self) -> None:
        """Register the exit handler once more, where the provider was built after the exporter: the last registered runs first.

        Only so does a failing export learn that the process ends before the provider begins to wait for it.
        """
        if not self._exported:
            self._exported = True
            atexit.unregister(self._stop)
            atexit.register(self._stop)

    def _stop(self) -> None:
        delivery.shared(self._config).stop()


def _document_settings(config: Config) -> DocumentSettings:
    return DocumentSettings(config.dataset, config.namespace, config.replay_url, config.replay_records, config.replay_level)


def _random_id() -> str:
    """A new `_id`: from the system, as forked workers would draw the same from `random`."""
    return urlsafe_b64encode(os.urandom(_ID_BYTES)).decode()


def _is_own(record: ReadableLogRecord) -> bool:
    scope = record.instrumentation_scope
    return scope is not None and scope.name.startswith(_OWN_SCOPES)
