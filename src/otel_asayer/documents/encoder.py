"""The encoder: turns batches of spans and log records into operations of a bulk request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from otel_asayer.documents.attributes import Credentials, ResourceScopeCache
from otel_asayer.documents.log_records import LogRecordDocuments
from otel_asayer.documents.operations import DataStreams, Operation
from otel_asayer.documents.replay_records import Batch, ReplayLink, ReplayRecords
from otel_asayer.documents.spans import SpanDocuments
from otel_asayer.documents.values import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

    from otel_asayer.config import Config
    from otel_asayer.runtime.sdk import CompactLogRecord, CompactSpan


__all__ = ["Encoded", "Encoder"]

_T = TypeVar("_T")

_MAX_REASON: Final = 200
_SLICE: Final = 32
"""Records encoded at a stretch: half a millisecond."""


class Encoded(NamedTuple):
    """What became of a batch.

    Attributes:
        operations: A bulk request is their concatenation.
        failures: A sentence for each span or log record that could not be encoded.
    """

    operations: list[Operation]
    failures: list[str]


class Encoder:
    """Turns spans and log records into operations; safe for threads: it keeps only caches."""

    def __init__(
        self,
        config: Config,
        random_id: Callable[[], str],
        data_streams: DataStreams | None = None,
    ) -> None:
        """Prepare for documents with these settings.

        Args:
            config: what the documents depend on: dataset and namespace of the data streams, how
                many pairs of them are written to, the headers and the cookie that carry sessions
                (captured as attributes, they are reduced to ids), links to the replay, and replay
                records.
            random_id: returns a new `_id` for a log record's document, at most 500 bytes of
                letters, digits, `-` and `_`.
            data_streams: shared with other encoders of these settings, and bounded together.

        Raises:
            ValueError: `config.replay_url` is not a template of links, or
                `config.replay_level` not a level.
        """
        data_streams = data_streams or DataStreams(
            config.dataset, config.namespace, config.max_data_streams
        )
        scopes = ResourceScopeCache(
            data_streams,
            Credentials(frozenset(config.session_headers), config.session_cookie),
            links=bool(config.replay_url),
        )
        self.take_diverted = data_streams.take_diverted
        replay_records = ReplayRecords(
            ReplayLink(config.replay_url) if config.replay_url else None,
            config.replay_level if config.replay_records else None,
        )
        self._spans = SpanDocuments(scopes, replay_records)
        self._log_records = LogRecordDocuments(scopes, replay_records, random_id)

    def spans(
        self, spans: Sequence[ReadableSpan | CompactSpan], pause: Callable[[], None] = lambda: None
    ) -> Encoded:
        """Return the operations for `spans`: documents, those of events, and replay records.

        `pause` is called now and then, so that the caller may let other threads run.
        """
        return _encoded(self._spans.add, spans, "span", pause)

    def log_records(
        self,
        log_records: Sequence[ReadableLogRecord | CompactLogRecord],
        pause: Callable[[], None] = lambda: None,
    ) -> Encoded:
        """Return the operations for `log_records`: documents and replay records.

        `pause` is called now and then, so that the caller may let other threads run.
        """
        return _encoded(self._log_records.add, log_records, "log record", pause)


def _encoded(
    add: Callable[[Batch, _T], None], items: Sequence[_T], kind: str, pause: Callable[[], None]
) -> Encoded:
    batch = Batch()
    for start in range(0, len(items), _SLICE):
        if start:
            pause()
        for item in items[start : start + _SLICE]:
            try:
                add(batch, item)
            except Exception as error:  # noqa: PERF203 (one that fails must not cost the others)
                batch.failures.append(
                    f"A {kind} was not written, or not all of it: encoding it failed with "
                    f"{type(error).__name__}: {text_of(error)[:_MAX_REASON]}"
                )
    return Encoded(batch.operations, batch.failures)
