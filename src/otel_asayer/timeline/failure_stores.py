"""Failure stores of our data streams (Elasticsearch 8.19, 9.1 and later).

Elasticsearch puts refused documents there, where no search looks, and answers 201. The document is
in `document.source`, which is not mapped: no query finds it by its session, so all documents there
are read.
"""

from __future__ import annotations

import http
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_asayer.timeline.search import OTEL_STREAMS, Search

if TYPE_CHECKING:
    from otel_asayer.elasticsearch.api import Api, Identity
    from otel_asayer.timeline.selection import Selection
    from otel_asayer.timeline.stored import Stored

__all__ = ["FailureStore", "failure_stores", "may_have_failure_stores"]

_TARGET: Final = f"/_data_stream/{','.join(OTEL_STREAMS)}"
_FIELDS: Final = (
    "data_streams.name,data_streams.failure_store.enabled,"
    "data_streams.failure_store.indices.index_name"
)
_WITHOUT_API: Final = (
    http.HTTPStatus.BAD_REQUEST,
    http.HTTPStatus.NOT_FOUND,
    http.HTTPStatus.METHOD_NOT_ALLOWED,
)
_FIRST_OF_8: Final = (8, 19)
_FIRST_OF_9: Final = (9, 1)


class FailureStore(NamedTuple):
    """The failure store of one data stream.

    Attributes:
        stream: the data stream.
        on: whether refused documents go there now.
        indices: its indices; none as long as nothing was refused. A failure store that was switched
            off keeps them.
    """

    stream: str
    on: bool
    indices: tuple[str, ...]

    def find(self, api: Api, selection: Selection, limit: int) -> tuple[list[Stored], bool]:
        """Return the selected documents among its first `limit`, and whether there are no more.

        Raises:
            NotAllowedError: the key or user may not read it.
            ElasticsearchError: there is no good answer.
        """
        search = Search(api, (f"{self.stream}::failures",), lenient=False)
        search.refresh()
        with closing(search.scan(("document.source.attributes",))) as everything:
            found = [stored for stored in islice(everything, limit) if _is_of(selection, stored)]
            return found, next(everything, None) is None

    def delete(self, api: Api, documents: Sequence[Stored]) -> int:
        """Delete documents, each from its own index; return how many there were.

        Raises:
            NotAllowedError: the key or user may not delete there.
            ElasticsearchError: there is no good answer, or one of them could not be deleted.
        """
        return Search(api, (f"{self.stream}::failures",), lenient=False).delete_these(documents)


def may_have_failure_stores(identity: Identity | None) -> bool:
    """Whether an Elasticsearch is of a version that has them; True when it is not known."""
    if identity is None or identity.serverless:
        return True
    return _FIRST_OF_8 <= identity.release < (9,) or identity.release >= _FIRST_OF_9


def failure_stores(api: Api) -> tuple[FailureStore, ...]:
    """Return the failure stores of our data streams, on or off; none if the version has none.

    Raises:
        NotAllowedError: the key or user may not list data streams.
        ElasticsearchError: there is no good answer.
    """
    answer = api.ask("GET", f"{_TARGET}?filter_path={_FIELDS}")
    if answer.status in _WITHOUT_API:
        return ()
    streams = api.content_of(answer, f"to list {', '.join(OTEL_STREAMS)}").get("data_streams", ())
    return tuple(
        _failure_store(stream["name"], stream["failure_store"])
        for stream in streams
        if "failure_store" in stream
    )


def _failure_store(name: str, told: Mapping[str, object]) -> FailureStore:
    indices = told.get("indices")
    return FailureStore(
        name,
        told.get("enabled") is True,
        tuple(one["index_name"] for one in indices) if isinstance(indices, list) else (),
    )


def _is_of(selection: Selection, stored: Stored) -> bool:
    document = stored.source.get("document")
    refused = document.get("source") if isinstance(document, Mapping) else None
    return isinstance(refused, Mapping) and selection.holds(refused)
