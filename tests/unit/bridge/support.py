"""What a Collector stores of spans and log records, and the bridge's way from there to records."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from golden.recording import Document, Recording, encode, read
from otel_asayer.bridge.records import FIELDS, RecordMaker, document_of
from otel_asayer.bridge.resolver import Resolver
from otel_asayer.documents import action_of
from otel_asayer.documents.replay_records import Batch
from otel_asayer.timeline.stored import Stored

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_asayer.bridge.records import Document as StoredDocument
    from otel_asayer.documents import Operation

OURS = ("asayer.replay.url", "asayer.exception.handled")


def split(operations: Iterable[Operation]) -> tuple[list[Document], list[Operation]]:
    """Return the documents that a Collector would write too, and the operations of records."""
    documents, records = [], []
    for operation in operations:
        document = read(operation)
        if document.stream.startswith("asayer-logs-"):
            records.append(operation)
        else:
            documents.append(document)
    return documents, records


def collected(document: Document) -> Stored:
    """Return a document as a Collector stores it, and as the bridge reads it."""
    is_event = document.stream.startswith("logs-") and "observed_timestamp" not in document.source
    lacks = (*OURS, *(("session.id",) if is_event else ()))
    source = dict(document.source)
    if "attributes" in source:
        source["attributes"] = {
            name: value for name, value in source["attributes"].items() if name not in lacks
        }
    is_log_record = "observed_timestamp" in source
    return Stored(
        f".ds-{document.stream}-2026.11.24-000001",
        document.id if is_log_record else f"auto-{document.id}",
        filtered(source),
    )


def filtered(source: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Return what Elasticsearch returns of a `_source` for the bridge's list of fields."""
    kept = {}
    for name, value in source.items():
        full = f"{path}{name}"
        if any(fnmatchcase(full, field) or full.startswith(f"{field}.") for field in FIELDS):
            kept[name] = value
        elif isinstance(value, dict) and (inner := filtered(value, f"{full}.")):
            kept[name] = inner
    return kept


class Store:
    """Stored documents that can be looked up."""

    def __init__(self, stored: Iterable[Stored] = ()) -> None:
        self.stored = list(stored)
        self.asked: list[str] = []

    def spans_of(self, wanted: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
        self.asked.append("spans")
        return self._of(wanted, lambda source: "kind" in source)

    def exceptions_of(self, wanted: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
        self.asked.append("exceptions")
        return self._of(wanted, lambda source: source.get("event_name") == "exception")

    def _of(self, wanted: Iterable[tuple[str, str]], is_one: Any) -> list[dict[str, Any]]:
        places = set(wanted)
        return [
            {"_source": one.source}
            for one in self.stored
            if is_one(one.source) and (one.source["trace_id"], one.source["span_id"]) in places
        ]


def bridged(stored: list[Stored], *, level: str = "info") -> list[Operation]:
    """Return the operations that the bridge writes for stored documents, long after they came."""
    resolver = Resolver(Store(stored), 900.0, lambda: 0.0, lambda: 1 << 62)
    found = [document for one in stored if (document := document_of(one))]
    return made(resolver, found, level=level)


def made(
    resolver: Resolver, found: Iterable[StoredDocument], *, level: str = "info"
) -> list[Operation]:
    """Return the operations for documents, of those that are ready."""
    batch = Batch()
    maker = RecordMaker(level, "default")
    for ready in sorted(resolver.resolve(found), key=lambda one: one.document.rank):
        maker.add(batch, ready.document, ready.session, handled=ready.handled)
    return batch.operations


def both(recording: Recording, **settings: Any) -> tuple[list[Operation], list[Operation]]:
    """Return the operations of records: by direct export, and by the bridge.

    Of those with one `_id`, Elasticsearch keeps the first.
    """
    documents, direct = split(encode(recording, **settings))
    level = settings.get("replay_level", "info")
    first = {action_of(operation): operation for operation in reversed(direct)}
    return sorted(first.values()), sorted(bridged(list(map(collected, documents)), level=level))
