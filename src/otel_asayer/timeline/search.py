"""Reading spans, span events and log records from Elasticsearch: of a session, a trace, or errors.

A search over a wildcard that a key may not see answers 200 with nothing. So the key's privileges
are checked first, and "not allowed" is never taken for "there is nothing".
"""

from __future__ import annotations

import http
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson

from otel_asayer.attributes import HANDLED
from otel_asayer.documents import EXCEPTION_TYPE
from otel_asayer.elasticsearch.api import Answer, AnswerTooLongError, Api
from otel_asayer.elasticsearch.explain import explain_refusal, missing_privileges
from otel_asayer.errors import ElasticsearchError, NotAllowedError
from otel_asayer.setup.keys import authenticate
from otel_asayer.timeline.session_queries import ids_of, latest_ids, since, summaries_of, sums
from otel_asayer.timeline.stored import MAX_EVENTS, Part, Stored, first, stored_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from otel_asayer.timeline.selection import Selection
    from otel_asayer.timeline.sessions import SessionFilter, SessionSummary

__all__ = ["OTEL_STREAMS", "REPLAY_STREAMS", "Search"]

OTEL_STREAMS: Final = ("traces-*.otel-*", "logs-*.otel-*", "logs.otel*")
"""Spans and log records in the OTel mapping, whoever wrote them.

The last pattern is that of Elastic's wired streams: `logs.otel` and its children, which have dots
where other data streams have hyphens.
"""
REPLAY_STREAMS: Final = ("asayer-logs-*",)

_PAGE: Final = 1000
_FIRST_PAGE: Final = 20
_PAGE_GROWTH: Final = 10
_PAGE_BYTES: Final = 8 * 1024 * 1024
"""Bytes of an answer.

A document may have a megabyte, and a page is held as text and as objects at the same time.
"""
_KEEP_ALIVE: Final = "1m"
_PAUSES: Final = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
"""Seconds between tries, while Elasticsearch allocates the shards of a new stream."""
_WHOLE_ANSWER: Final = "&allow_partial_search_results=false"
"""Makes a part of the documents an error; by default it would look like all of them."""
_SEARCH: Final = f"/_search?{_WHOLE_ANSWER[1:]}"


class Search:
    """The documents of sessions in an Elasticsearch.

    Args:
        api: the requests to it.
        streams: names of data streams, with wildcards.
        name: its name, for a person.
        lenient: whether a stream that does not exist, or that the key may not see, counts as empty;
            else it is an error.
        wait: waits for some seconds.
    """

    def __init__(
        self,
        api: Api,
        streams: Sequence[str] = OTEL_STREAMS,
        *,
        name: str = "",
        lenient: bool = True,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self.name = name
        self._api = api
        self._streams = streams
        self._lenient = lenient
        self._wait = wait

    def require(self, *privileges: str) -> None:
        """Check that the key or user has these index privileges on all streams.

        Raises:
            NotAllowedError: it has not; the message names the missing ones.
            ElasticsearchError: Elasticsearch does not answer this.
        """
        if not authenticate(self._api).secured:
            return  # security is off
        asked = {"index": [{"names": list(self._streams), "privileges": list(privileges)}]}
        granted = self._api.expect(
            "POST", "/_security/user/_has_privileges", asked, doing="which privileges there are"
        )
        if missing := missing_privileges(granted):
            raise NotAllowedError(
                f"Not allowed to use what is stored: it takes {missing}. To look, use the viewer's "
                f"key, which `otel-asayer setup` creates "
                "(OTEL_ASAYER_VIEWER_API_KEY); to delete, one of `otel-asayer setup --forget-key`."
            )

    def documents(self, selection: Selection) -> Iterator[Stored]:
        """Yield the documents of a session or a trace, ordered by time to the millisecond.

        They are a snapshot of one point in time, however many they are.

        Raises:
            ElasticsearchError: there is no good answer.
        """
        yield from self._all(_query(selection))

    def first_documents(self, selection: Selection, limit: int = MAX_EVENTS) -> Part:
        """Return the first of these by their time: at most `limit`, and none too large to hold.

        Raises:
            ElasticsearchError: there is no good answer.
        """
        with closing(self._all(_query(selection))) as documents:
            return first(documents, limit)

    def count(self, selection: Selection) -> int:
        """Return how many documents there are of a session or a trace.

        Those that came just now are included if the key may refresh.

        Raises:
            ElasticsearchError: there is no good answer.
        """
        self.refresh()
        return self._count(_query(selection))

    def refresh(self) -> None:
        """Make searches find what came just now, if the key may."""
        self._api.ask("POST", self._target("_refresh"))

    def scan(self, fields: Sequence[str]) -> Generator[Stored, None, None]:
        """Yield all documents, with only these fields of their `_source`.

        Raises:
            ElasticsearchError: there is no good answer.
        """
        yield from self._all({"match_all": {}}, source=fields)

    def delete(self, selection: Selection) -> int:
        """Delete the documents of a session or a trace, one by one; return how many there were.

        Raises:
            ElasticsearchError: there is no good answer, or one of them could not be deleted.
        """
        return self.delete_these(list(self._all(_query(selection), source=False)))

    def delete_these(self, found: Sequence[Stored]) -> int:
        """Delete documents, one by one; return how many there were.

        Raises:
            ElasticsearchError: there is no good answer, or one of them could not be deleted.
        """
        deleted = 0
        for start in range(0, len(found), _PAGE):
            actions = (
                {"delete": {"_index": stored.index, "_id": stored.id}}
                for stored in found[start : start + _PAGE]
            )
            body = b"".join(
                orjson.dumps(action, option=orjson.OPT_APPEND_NEWLINE) for action in actions
            )
            answer = self._api.expect(
                "POST", "/_bulk?refresh=true", body, doing="to delete documents"
            )
            deleted += _deleted(answer["items"])
        return deleted

    def exceptions(self, since_ns: int, limit: int) -> tuple[list[Stored], int]:
        """Return the latest exceptions since a time, at most `limit`, and how many there are.

        Times are nanoseconds since 1970.

        Raises:
            ElasticsearchError: there is no good answer.
        """
        raised = {"exists": {"field": f"attributes.{EXCEPTION_TYPE}"}}
        query = {
            "bool": {
                "filter": [raised, *since(since_ns)],
                "must_not": [{"term": {f"attributes.{HANDLED}": True}}],
            }
        }
        with closing(self._all(query, order="desc")) as latest:
            found, complete = first(latest, limit)
        return found, len(found) if complete else max(self._count(query), len(found))

    def sessions(self, wanted: SessionFilter, limit: int) -> tuple[list[SessionSummary], bool]:
        """Return the latest sessions that have a wanted event, and whether these are all.

        Args:
            wanted: which sessions.
            limit: how many at most.

        Raises:
            ElasticsearchError: there is no good answer.
        """
        ids, complete = ids_of(self._aggregated(latest_ids(wanted, limit)), opaque=wanted.opaque)
        if not ids:
            return [], complete
        summed = self._aggregated(sums(ids, wanted.since_ns))
        return summaries_of(summed, opaque=wanted.opaque), complete

    def _aggregated(self, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._ask_until_ready("_search", _WHOLE_ANSWER, body)
        if self._lenient and answer.status == http.HTTPStatus.NOT_FOUND:
            return {}  # no such stream yet
        return self._api.content_of(answer, self._doing)

    @property
    def _doing(self) -> str:
        return f"to search {', '.join(self._streams)}"

    def _target(self, endpoint: str, query: str = "") -> str:
        streams, lenient = quote(",".join(self._streams), safe="*,"), str(self._lenient).lower()
        return f"/{streams}/{endpoint}?ignore_unavailable={lenient}{query}"

    def _count(self, query: Mapping[str, Any]) -> int:
        answer = self._api.content_of(
            self._ask_until_ready("_count", "", {"query": query}), self._doing
        )
        if failed := answer["_shards"]["failed"]:
            raise ElasticsearchError(
                f"Elasticsearch could not count everything: {failed} shards do not answer. Check "
                "its health, and try again."
            )
        return int(answer["count"])

    def _ask_until_ready(self, endpoint: str, query: str = "", body: object = None) -> Answer:
        """Ask all streams; ask again, for some seconds, while shards are missing.

        Missing shards of a stream that is just being created make the request fail for all.
        """
        for pause in _PAUSES:
            answer = self._api.ask("POST", self._target(endpoint, query), body)
            if not _lacks_shards(answer):
                return answer
            self._wait(pause)
        return self._api.ask("POST", self._target(endpoint, query), body)

    def _all(
        self, query: Mapping[str, Any], *, source: bool | Sequence[str] = True, order: str = "asc"
    ) -> Generator[Stored, None, None]:
        answer = self._ask_until_ready("_pit", f"&keep_alive={_KEEP_ALIVE}")
        if self._lenient and answer.status == http.HTTPStatus.NOT_FOUND:
            return  # no such stream yet
        opened = self._api.content_of(answer, self._doing)
        if not opened:
            return
        try:
            yield from self._pages({"query": query, "_source": source}, opened["id"], order)
        finally:
            self._api.ask("DELETE", "/_pit", {"id": opened["id"]})

    def _pages(self, asked: Mapping[str, Any], pit: str, order: str) -> Iterator[Stored]:
        # Milliseconds everywhere: indices of two mappings would else continue at different numbers.
        # And nanoseconds end in the year 2262: one document of another writer with a later time
        # would make the whole search fail.
        time = {"@timestamp": {"order": order, "unmapped_type": "date", "numeric_type": "date"}}
        body: dict[str, Any] = {
            **asked,
            "sort": [time, "_shard_doc"],
            "track_total_hits": False,
            "seq_no_primary_term": True,
        }
        page = _FIRST_PAGE if asked["_source"] else _PAGE
        while True:
            request = {**body, "size": page, "pit": {"id": pit, "keep_alive": _KEEP_ALIVE}}
            try:
                answer, length = self._api.measured("POST", _SEARCH, request)
            except AnswerTooLongError:
                if page == 1:
                    raise
                page = max(1, page // _PAGE_GROWTH)
                continue
            hits = self._api.content_of(answer, self._doing)["hits"]["hits"]
            size = length // len(hits) if hits else 0
            yield from (stored_of(hit, size) for hit in hits)
            if len(hits) < page:
                return
            pit, body["search_after"] = answer.content.get("pit_id", pit), hits[-1]["sort"]
            page = max(1, min(_PAGE, page * _PAGE_GROWTH, _PAGE_BYTES // max(size, 1)))


def _lacks_shards(answer: Answer) -> bool:
    if answer.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        error = answer.content.get("error")
        return isinstance(error, dict) and error.get("type") == "search_phase_execution_exception"
    shards = answer.content.get("_shards")
    return isinstance(shards, dict) and bool(shards.get("failed"))


def _query(selection: Selection) -> dict[str, Any]:
    terms = [{"term": {field: value}} for field, value in selection.fields.items()]
    selected = terms[0] if len(terms) == 1 else {"bool": {"should": terms}}
    known = {"must_not": [{"ids": {"values": sorted(selection.known)}}]} if selection.known else {}
    return {"bool": {"filter": [selected, *since(selection.since_ns)], **known}}


def _deleted(items: Sequence[Mapping[str, Any]]) -> int:
    """Count what was deleted; it is fine if a document was gone already."""
    results = [item["delete"] for item in items]
    for result in results:
        if result["status"] not in (http.HTTPStatus.OK, http.HTTPStatus.NOT_FOUND):
            kind = (
                NotAllowedError
                if result["status"] == http.HTTPStatus.FORBIDDEN
                else ElasticsearchError
            )
            raise kind(explain_refusal(result["status"], result, "to delete documents"))
    return sum(result["status"] == http.HTTPStatus.OK for result in results)
