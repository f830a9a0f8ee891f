"""Reading from the OTel data streams: a snapshot, what is new, and what belongs to it.

Each method sends one request, and can be called again after it has failed.
"""

from __future__ import annotations

import http
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from otel_asayer.bridge import queries
from otel_asayer.bridge.queries import MOST_HITS, PAGE
from otel_asayer.elasticsearch.api import Answer, AnswerTooLongError, Api
from otel_asayer.elasticsearch.explain import explain_refusal, missing_privileges
from otel_asayer.errors import ElasticsearchError, NotAllowedError
from otel_asayer.setup.keys import authenticate
from otel_asayer.timeline.search import OTEL_STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["AwayError", "Hit", "Reader", "ScanLostError"]

Hit = dict[str, Any]

_STREAMS: Final = quote(",".join(OTEL_STREAMS), safe="*,")
_DOING: Final = f"to read {', '.join(OTEL_STREAMS)}"
_KEEP_ALIVE: Final = "5m"
_WHOLE: Final = "allow_partial_search_results=false"
_FIRST_PAGE: Final = 200
_PAGE_BYTES: Final = 8 * 1024 * 1024
"""Bytes of an answer: a document may have a megabyte."""
_GROWTH: Final = 4
_SERVER_ERROR: Final = 500
_TEMPORARY: Final = (http.HTTPStatus.TOO_MANY_REQUESTS, http.HTTPStatus.REQUEST_TIMEOUT)
_MOUNTED: Final = ("partial-", "restored-")
"""How the names of indices begin that are searchable snapshots: they are read-only, and slow."""
_NOT_ALLOWED: Final = (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN)
_PRIVILEGES: Final = ("read", "view_index_metadata")


class AwayError(ElasticsearchError):
    """Elasticsearch does not answer, or not now: the same may succeed later."""


class ScanLostError(ElasticsearchError):
    """The snapshot of a scan is gone, because Elasticsearch was restarted: begin anew."""


class Reader:
    """The OTel data streams of an Elasticsearch.

    Args:
        api: The requests to it.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._size = _FIRST_PAGE
        self._is_admitted = False

    def require_privileges(self) -> None:
        """Check that the key or user may read the streams.

        A search that a key may not do answers 200 with nothing.

        Raises:
            NotAllowedError: It may not; the message names what is missing.
            ElasticsearchError: Elasticsearch does not answer this.
        """
        try:
            secured = authenticate(self._api).secured
        except NotAllowedError:
            raise
        except ElasticsearchError as error:
            raise AwayError(str(error)) from None
        if not secured:
            self._is_admitted = True
            return
        asked = {"index": [{"names": list(OTEL_STREAMS), "privileges": list(_PRIVILEGES)}]}
        granted = self._ask("POST", "/_security/user/_has_privileges", asked)
        if missing := missing_privileges(granted):
            raise NotAllowedError(
                f"Not allowed to read what the bridge reads: it takes {missing}. "
                "`otel-asayer setup --bridge` creates a key that may."
            )
        self._is_admitted = True

    def shards(self) -> dict[str, int]:
        """Return the number of shards of each index of the streams that may get documents."""
        answer = self._ask(
            "POST",
            f"/{_STREAMS}/_search_shards?ignore_unavailable=true"
            "&filter_path=shards.index,shards.shard",
        )
        found: dict[str, int] = {}
        for copies in answer.get("shards", ()):
            for copy in copies[:1]:
                if not copy["index"].startswith(_MOUNTED):
                    found[copy["index"]] = max(found.get(copy["index"], 0), copy["shard"] + 1)
        return found

    def last_numbers(self, shard: int) -> dict[str, int]:
        """Return the last sequence number of each index that has a document in this shard."""
        answer = self._ask("POST", _search(shard), queries.last_numbers())
        buckets = answer.get("aggregations", {}).get("indices", {}).get("buckets", ())
        return {
            bucket["key"]: int(bucket["last"]["value"])
            for bucket in buckets
            if bucket["last"]["value"] is not None
        }

    def page(self, shard: int, filters: Sequence[Mapping[str, Any]]) -> tuple[list[Hit], bool]:
        """Return the first documents of a shard by sequence number, and whether these are all."""
        hits, complete, _ = self._page(_search(shard), queries.page(filters, queries.SEQUENCE))
        return hits, complete

    def numbers(self, shard: int, filters: Sequence[Mapping[str, Any]]) -> tuple[list[Hit], bool]:
        """Return what `page` does, more at once, but sequence numbers alone."""
        hits = _hits(self._ask("POST", _search(shard), queries.numbers(filters)))
        return hits, len(hits) < MOST_HITS

    def open_scan(self) -> str:
        """Return the id of a snapshot; empty if there is no stream."""
        answer = self._asked(
            "POST", f"/{_STREAMS}/_pit?keep_alive={_KEEP_ALIVE}&ignore_unavailable=true"
        )
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return ""
        return str(self._api.content_of(answer, _DOING).get("id", ""))

    def close_scan(self, pit: str) -> None:
        """Give a snapshot back."""
        with suppress(ElasticsearchError):  # it expires by itself
            self._api.ask("DELETE", "/_pit", {"id": pit})

    def scanned(
        self, pit: str, filters: Sequence[Mapping[str, Any]], after: object
    ) -> tuple[list[Hit], bool, str]:
        """Return the next documents of a snapshot, whether these are all, and its new id.

        Args:
            pit: The snapshot's id.
            filters: Which documents.
            after: `sort` of the last hit before; None for the first.

        Raises:
            ScanLostError: The snapshot is gone.
            ElasticsearchError: There is no good answer.
        """
        body = queries.page(filters, "_shard_doc")
        body["pit"] = {"id": pit, "keep_alive": _KEEP_ALIVE}
        if after is not None:
            body["search_after"] = after
        hits, complete, renewed = self._page(f"/_search?{_WHOLE}", body)
        return hits, complete, renewed or pit

    def spans_of(self, wanted: Iterable[tuple[str, str]]) -> list[Hit]:
        """Return the spans with these trace and span ids, or of these traces."""
        return self._looked_up(queries.spans_of(wanted))

    def exceptions_of(self, wanted: Iterable[tuple[str, str]]) -> list[Hit]:
        """Return the exceptions of spans with these trace and span ids, or of these traces."""
        return self._looked_up(queries.exceptions_of(wanted))

    def _looked_up(self, body: dict[str, Any]) -> list[Hit]:
        target = f"/{_STREAMS}/_search?ignore_unavailable=true&{_WHOLE}"
        return _hits(self._ask("POST", target, body))

    def _page(self, target: str, body: dict[str, Any]) -> tuple[list[Hit], bool, str]:
        """Send a search for as many documents as an answer may hold.

        Return them, whether these are all, and the new id of the snapshot that was searched.
        """
        while True:
            size = self._size
            try:
                answer, length = self._measured("POST", target, {**body, "size": size})
            except AnswerTooLongError:
                if size == 1:
                    raise
                self._size = max(1, size // _GROWTH)
                continue
            if answer.status == http.HTTPStatus.NOT_FOUND and "pit" in body:
                raise ScanLostError("The snapshot that is read is gone.")
            content = self._content_of(answer)
            hits = _hits(content)
            if hits:
                self._size = max(
                    1, min(PAGE, size * _GROWTH, _PAGE_BYTES * len(hits) // max(length, 1))
                )
            return hits, len(hits) < size, str(content.get("pit_id") or "")

    def _ask(self, method: str, target: str, body: object = None) -> dict[str, Any]:
        return self._content_of(self._asked(method, target, body))

    def _asked(self, method: str, target: str, body: object = None) -> Answer:
        return self._measured(method, target, body)[0]

    def _measured(self, method: str, target: str, body: object = None) -> tuple[Answer, int]:
        try:
            answer, length = self._api.measured(method, target, body)
        except AnswerTooLongError:
            raise
        except ElasticsearchError as error:
            raise AwayError(str(error)) from None
        # While it starts, Elasticsearch knows no key; and a person can give privileges back.
        refused = self._is_admitted and answer.status in _NOT_ALLOWED
        if refused or answer.status >= _SERVER_ERROR or answer.status in _TEMPORARY:
            raise AwayError(explain_refusal(answer.status, answer.content, _DOING))
        return answer, length

    def _content_of(self, answer: Answer) -> dict[str, Any]:
        return self._api.content_of(answer, _DOING)


def _search(shard: int) -> str:
    return f"/{_STREAMS}/_search?ignore_unavailable=true&{_WHOLE}&preference=_shards:{shard}"


def _hits(content: Mapping[str, Any]) -> list[Hit]:
    hits: list[Hit] = content.get("hits", {}).get("hits", [])
    return hits
