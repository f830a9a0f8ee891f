"""Where the documents of a session are read from.

That is the configured Elasticsearch, or the local store when none is configured.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Protocol

import orjson

from otel_asayer.attributes import HANDLED, SESSION_ID
from otel_asayer.documents import EXCEPTION_TYPE, Operation, mentions, metadata_of, source_of
from otel_asayer.elasticsearch.api import Api
from otel_asayer.spool import LOCAL, Spool, configured_spool
from otel_asayer.timeline.search import OTEL_STREAMS, Search
from otel_asayer.timeline.sessions import SessionFilter, SessionSummary, list_sessions
from otel_asayer.timeline.stored import MAX_EVENTS, Part, Stored, earliest, flat, latest
from otel_asayer.timeline.times import nanoseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from otel_asayer.config import Config
    from otel_asayer.timeline.selection import Selection

__all__ = ["LocalStore", "Store", "nothing_found", "nothing_stored", "open_store"]


class Store(Protocol):
    """A store of documents, as a reader sees it.

    Reading raises `ElasticsearchError` when there is no good answer, and `SpoolError` when the
    folder of the local store cannot be used.
    """

    @property
    def name(self) -> str:
        """Where it is, for a person."""

    def documents(self, selection: Selection) -> Iterator[Stored]:
        """Yield the spans, span events and log records of a session or a trace."""

    def first_documents(self, selection: Selection, limit: int = MAX_EVENTS) -> Part:
        """Return the first of these by their time: at most `limit`, and none too large to hold."""

    def exceptions(self, since_ns: int, limit: int) -> tuple[list[Stored], int]:
        """Return the latest exceptions since a time, at most `limit`, and how many there are.

        Times are nanoseconds since 1970.
        """

    def sessions(self, wanted: SessionFilter, limit: int) -> tuple[list[SessionSummary], bool]:
        """Return the latest sessions that have a wanted event, and whether these are all.

        At most `limit` are returned.
        """


@contextmanager
def open_store(config: Config) -> Iterator[Store]:
    """Open the store that `config` names, and check that it may be read.

    Raises:
        NotAllowedError: the key or user may not read.
        ElasticsearchError: Elasticsearch does not answer, or its version is not supported.
    """
    if not config.has_destination:
        yield LocalStore(config)
        return
    with closing(Api.from_config(config)) as api:
        api.identify()
        search = Search(api, OTEL_STREAMS, name=config.destination)
        search.require("read")
        yield search


class LocalStore:
    """The documents in the local store: the spool of a process without a destination."""

    def __init__(self, config: Config) -> None:
        self.spool = Spool.from_config(config, LOCAL)
        self._seen: set[str] = set()

    @property
    def name(self) -> str:
        """The folder, and that it is the local store."""
        return f"the local store {self.spool.folder}"

    def documents(self, selection: Selection) -> Iterator[Stored]:
        """Yield the documents of a session or a trace, in the order of their arrival."""
        return self._selected(selection)

    def first_documents(self, selection: Selection, limit: int = MAX_EVENTS) -> Part:
        """Return the documents of a session or a trace that come first by their time.

        For a reader that polls (`selection.known`), only new bodies are read, once all documents of
        the others were returned.
        """
        bodies = set(self._seen) if selection.known is not None else set()
        part = earliest(self._selected(selection, bodies), limit)
        if part.complete:
            self._seen = bodies
        return part

    def exceptions(self, since_ns: int, limit: int) -> tuple[list[Stored], int]:
        """Return the latest exceptions since a time, at most `limit`, and how many there are."""
        return latest(
            self._read(
                [f'"{EXCEPTION_TYPE}"'.encode()],
                lambda stored: _time_ns(stored) >= since_ns and _is_exception(stored),
            ),
            limit,
        )

    def sessions(self, wanted: SessionFilter, limit: int) -> tuple[list[SessionSummary], bool]:
        """Return the latest sessions that have a wanted event, and whether these are all.

        At most `limit` are returned.
        """
        of_sessions = self._read([f'"{SESSION_ID}"'.encode()], lambda _: True)
        return list_sessions(of_sessions, wanted, limit)

    def _selected(self, selection: Selection, bodies: set[str] | None = None) -> Iterator[Stored]:
        markers = [value.encode() for value in selection.fields.values()]
        return self._read(markers, lambda stored: selection.holds(stored.source), bodies)

    def _read(
        self,
        markers: Sequence[bytes],
        wanted: Callable[[Stored], bool],
        bodies: set[str] | None = None,
    ) -> Iterator[Stored]:
        """Yield what is `wanted` of the operations that hold one of `markers`; parse only those.

        Bodies named in `bodies` are left out, and bodies that were read are added.
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
    """Return an operation's document; None for a replay record, which repeats other documents."""
    metadata, source = metadata_of(operation), source_of(operation)
    if metadata.stream_type not in ("traces", "logs"):
        return None
    try:
        return Stored(metadata.index, metadata.id, orjson.loads(source), number, len(source))
    except ValueError:  # another program wrote the file
        return None


def nothing_stored(config: Config, selection: Selection, place: str) -> str:
    """Return the sentences for a session or trace without documents: where else to look."""
    return f"Nothing is stored of {selection.named} in {place}.{_elsewhere(config)}"


def nothing_found(config: Config, sought: str, place: str) -> str:
    """Return the sentences for a search that finds none of what is sought."""
    return f"No {sought} in {place} in this time.{_elsewhere(config)}"


def _elsewhere(config: Config) -> str:
    return f"{_other_place(config)} If you expect some, `otel-asayer doctor` looks for the reason."


def _other_place(config: Config) -> str:
    if not config.has_destination:
        return (
            " To look into an Elasticsearch, set OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT, or give "
            "--endpoint."
        )
    spool = configured_spool(config)
    if spool is None or not (waiting := spool.status().documents):
        return ""
    waits = "1 document" if waiting == 1 else f"{waiting} documents"
    return (
        f" Of all sessions, the spool {spool.folder} of this machine still holds {waits}: "
        "`otel-asayer spool drain` sends them."
    )
