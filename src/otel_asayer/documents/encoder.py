"""The encoder: turns batches of spans and log records into operations of a bulk request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from otel_asayer.documents.attributes import Credentials
from otel_asayer.documents.log_records import LogRecordDocuments
from otel_asayer.documents.replay_records import Batch, ReplayLink, ReplayRecords
from otel_asayer.documents.resource_scopes import ResourceScopeCache
from otel_asayer.documents.spans import SpanDocuments
from otel_asayer.documents.streams import DataStreams
from otel_asayer.documents.values import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

    from otel_asayer.documents.operations import Operation

__all__ = ["DocumentSettings", "Encoded", "Encoder"]

_T = TypeVar("_T")

_MAX_REASON: Final = 200


@dataclass(frozen=True)
class DocumentSettings:
    """What documents depend on.

    Attributes:
        dataset: dataset of the data streams; `.otel` is appended.
        namespace: namespace of the data streams.
        replay_url: template of links to the replay, or None for no links.
        replay_records: whether replay records are made.
        replay_level: least level of replay records: `debug`, `info`, `warning` or `error`.
        session_headers: headers that carry sessions, in lower case: captured as attributes, they
            are reduced to ids.
        session_cookie: the cookie that carries one, likewise.
        max_data_streams: how many pairs of dataset and namespace are written to.
    """

    dataset: str = "generic"
    namespace: str = "default"
    replay_url: str | None = None
    replay_records: bool = True
    replay_level: str = "info"
    session_headers: tuple[str, ...] = ("x-session-id",)
    session_cookie: str = ""
    max_data_streams: int = 32


class Encoded(NamedTuple):
    """What became of a batch."""

    operations: list[Operation]
    """A bulk request is their concatenation."""
    failures: list[str]
    """A sentence for each span or log record that could not be encoded."""


class Encoder:
    """Turns spans and log records into operations; safe for threads: it keeps only caches."""

    def __init__(
        self,
        settings: DocumentSettings,
        random_id: Callable[[], str],
        data_streams: DataStreams | None = None,
    ) -> None:
        """Prepare for documents of these settings.

        Args:
            settings: what the documents depend on.
            random_id: returns a new `_id` for a log record's document, at most 500 bytes of
                letters, digits, `-` and `_`.
            data_streams: shared with other encoders of these settings, and bounded together.

        Raises:
            ValueError: `settings.replay_url` is not a template of links, or
                `settings.replay_level` not a level.
        """
        data_streams = data_streams or DataStreams(
            settings.dataset, settings.namespace, settings.max_data_streams
        )
        credentials = Credentials(frozenset(settings.session_headers), settings.session_cookie)
        scopes = ResourceScopeCache(data_streams, credentials, links=bool(settings.replay_url))
        self.take_diverted = data_streams.take_diverted
        link = ReplayLink(settings.replay_url) if settings.replay_url else None
        replay_records = ReplayRecords(
            link, settings.replay_level if settings.replay_records else None
        )
        self._spans = SpanDocuments(scopes, replay_records)
        self._log_records = LogRecordDocuments(scopes, replay_records, random_id)

    def spans(self, spans: Sequence[ReadableSpan]) -> Encoded:
        """Return the operations for `spans`: documents, those of events, and replay records."""
        return _encoded(self._spans.add, spans, "span")

    def log_records(self, log_records: Sequence[ReadableLogRecord]) -> Encoded:
        """Return the operations for `log_records`: documents and replay records."""
        return _encoded(self._log_records.add, log_records, "log record")


def _encoded(add: Callable[[Batch, _T], None], items: Iterable[_T], kind: str) -> Encoded:
    batch = Batch()
    for item in items:
        try:
            add(batch, item)
        except Exception as error:  # noqa: PERF203 (one that fails must not cost the others)
            batch.failures.append(
                f"A {kind} was not written, or not all of it: encoding it failed with "
                f"{type(error).__name__}: {text_of(error)[:_MAX_REASON]}"
            )
    return Encoded(batch.operations, batch.failures)
