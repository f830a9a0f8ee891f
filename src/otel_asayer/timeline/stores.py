"""Where the documents of a session are read from:

the configured Elasticsearch, or the local store where none is configured.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Protocol

import orjson

from otel_asayer.attributes import HANDLED
from otel_asayer.documents import EXCEPTION_TYPE, mentions, metadata_of, source_of
from otel_asayer.elasticsearch.api import Api
from otel_asayer.spool import LOCAL, Spool, configured_spool
from otel_asayer.timeline import MAX_EVENTS, Stored, flat, nanoseconds
from otel_asayer.timeline.bounds import earliest, first, latest
from otel_asayer.timeline.search import OTEL_STREAMS, Search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from otel_asayer.config import Config
    from otel_asayer.documents import Operation
    from otel_asayer.timeline import Part, Selection

__all__ = [
    "ElasticsearchSource",
    "LocalSource",
    "Source",
    "first_documents",
    "nothing_stored",
    "open_source",
]


class Source(Protocol):
    """A store of documents, seen by a reader."""

    @property
    def name(self) -> str:
        """Where it is, for a person."""

    def documents(self, selection: Selection) -> Iterator[Stored]:
        """Yield the spans, span events and log records of a session or a trace."""

    def exceptions(self, since_ns: int, limit: int) -> tuple[list[Stored], int]:
        """Return the latest exceptions since a time (nanoseconds since 1970), at most `limit`, and how many there are."""


@contextmanager
def open_source(config: Config) -> Iterator[Source]:
    """Open the store that `config` names, after a look at whether it may be read.

    Raises:
        NotAllowedError: the key or user may not read.
        ElasticsearchError: Elasticsearch does not answer, or is of a version that is not served.
        SpoolError: the folder of the local store cannot be used (when documents are read).
    """
    if not config.has_destination:
        yield LocalSource(config)
        return
    with closing(Api.from_config(config)) as api:
        api.identify()
        source = ElasticsearchSource(api, config.destination)
        source.search.require("read")
        yield source


def first_documents(source: Source, selection: Selection, most: int = MAX_EVENTS) -> Part:
    """Return the documents of a session or a trace, the first by their time where they are more
    than `most`, or all too large.

    Raises:
        ElasticsearchError: there is no good answer.
        SpoolError: the folder of the local store cannot be used.
    """
    if isinstance(source, LocalSource):
        return source.earliest(selection, most)
    documents = source.documents(selection)
    try:
        return first(documents, most)
    finally:
        if isinstance(documents, Generator):
            documents.close()


class ElasticsearchSource:
    """The documents in an Elasticsearch."""

    def __init__(self, api: Api, name: str, streams: Sequence[str] = OTEL_STREAMS) -> None:
        self.search = Search(api, streams)
        self.name = name

    def documents(self, selection: Selection) -> Iterator[Stored]:
        """Yield the spans, span events and log records of a session or a trace, in the order of their time, to the millisecond."""
        return self.search.documents(selection)

    def exceptions(self, since_ns: int, limit: int) -> tuple[list[Stored], int]:
        """Return the latest exceptions since a time (nanoseconds since 1970), at most `limit`, and how many there are."""
        return self.search.exceptions(since_ns, limit)


class LocalSource:
    """The documents in the local store, which is the spool of a process without a destination."""

    def __init__(self, config: Config) -> None:
        self.spool = Spool.from_config(config, LOCAL)
        self._seen: set[str] = set()

    @property
    def name(self) -> str:
        """The folder, and that it is one."""
        return f"the local store {self.spool.folder}"

    def documents(self, selection: Selection) -> Iterator[Stored]:
        """Yield the spans, span events and log records of a session or a trace, in the order of their arrival."""
        markers = [value.encode() for value in selection.fields.values()]
        return self._read(markers, lambda stored: selection.holds(stored.source))

    def earliest(self, selection: Selection, most: int) -> Part:
        """Return the `most` documents of a session or a trace that come first by their time.

        Of who looks again and again (`selection.known`), only the bodies are read that came since,
        once all of the others were taken.
        """
        bodies = set(self._seen) if selection.known is not None else set()
        markers = [value.encode() for value in selection.fields.values()]
        part = earliest(
            self._read(markers, lambda stored: selection.holds(stored.source), bodies), most
        )
        if part.complete:
            self._seen = bodies
        return part

    def exceptions(self, since_ns: int, limit: int) -> tuple[list[Stored], int]:
        """Return the latest exceptions since a time (nanoseconds since 1970), at most `limit`, and how many there are."""
        return latest(
            self._read(
                [f'"{EXCEPTION_TYPE}"'.encode()],
                lambda stored: _time_ns(stored) >= since_ns and _is_exception(stored),
            ),
            limit,
        )

    def _read(
        self,
        markers: Sequence[bytes],
        wanted: Callable[[Stored], bool],
        bodies: set[str] | None = None,
    ) -> Iterator[Stored]:
        """Yield what is wanted of the operations that hold one of `markers`: only those are parsed.

        Bodies named in `bodies` are left out, and those that were read are added.
        """
        for number, operation in enumerate(self.spool.read(bodies)):
            if (
                any(mentions(operation, marker) for marker in markers)
                and (stored := _stored(operation, number)) is not None
                and wanted(stored)
            ):
                yield stored


def _time_ns(stored: Stored) -> int:
    return nanoseconds(stored.source.get("@timestamp"))


def _is_exception(stored: Stored) -> bool:
    attributes = flat(stored.source.get("attributes"))
    return EXCEPTION_TYPE in attributes and attributes.get(HANDLED) is not True


def _stored(operation: Operation, number: int) -> Stored | None:
    """The document of an operation, unless it is a replay record, which repeats what others tell."""
    metadata, source = metadata_of(operation), source_of(operation)
    if metadata.stream_type not in ("traces", "logs"):
        return None
    try:
        return Stored(metadata.index, metadata.id, orjson.loads(source), number, len(source))
    except ValueError:  # a file of somebody else's making
        return None


def nothing_stored(config: Config, selection: Selection, place: str) -> str:
    """Return the sentences for a session or trace that has no documents in `place`, with where else to look."""
    return f"Nothing is stored of {selection.named} in {place}.{_elsewhere(config)}"


def _elsewhere(config: Config) -> str:
    if not config.has_destination:
        return " To look into an Elasticsearch, set OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT, or give --endpoint."
    spool = configured_spool(config)
    if spool is None or not (waiting := spool.status().documents):
        return ""
    waits = "1 document" if waiting == 1 else f"{waiting} documents"
    return f" Of all sessions, the spool {spool.folder} of this machine still holds {waits}: `otel-asayer spool drain` sends them."
