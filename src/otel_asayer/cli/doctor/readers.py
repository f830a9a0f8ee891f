"""The three generations of readers, as data: what each asks Elasticsearch, and what of an answer it
can show.

- Asayer asks its index pattern for errors with `asayer_session_id=`, in order of `timestamp`; it
  takes the id from `message` by a pattern.
- OpenReplay 1.5 to 1.20 does the same with `openReplaySessionToken=`, in order of `utc_time`, which
  has to be a string in RFC 3339.
- OpenReplay from 1.21 on asks `logs`, and no other name, for the phrase of one session. It shows
  `message`, `@timestamp` and `level`; one hit without a `level` breaks its panel.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.attributes import REPLAY_LEVELS
from otel_asayer.setup.templates import READERS_ALIAS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FORM", "READERS", "Reader", "Request"]

_PAGE: Final = 1000
_KEEP_ALIVE_MS: Final = 120_000
_AFTER_LAST_MS: Final = 1000
"""A poller skips errors within so long after the last one that it saw."""
_RFC3339_UTC: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z"
)


class Request(NamedTuple):
    """A search as the reader sends it."""

    target: str
    body: Mapping[str, Any]


class Reader(NamedTuple):
    """A generation.

    Attributes:
        name: as its users know it.
        tag: what stands before the session's id in `message`.
        pattern: by which it takes the id from there; None: its query asks for the id.
        sort: field by which it pages through errors; None: it reads one session, unsorted, from the
            alias `logs`.
        times: fields that have to be strings in RFC 3339.
    """

    name: str
    tag: str
    pattern: re.Pattern[str] | None
    sort: str | None
    times: tuple[str, ...]

    def request(self, session_id: str, at_ms: int, indexes: str) -> Request:
        """Return the request that shows a record of this session and moment (milliseconds since 1970), in `indexes` where those can be chosen."""
        if self.sort is None:
            query: dict[str, Any] = {"match_phrase": {"message": f"{self.tag}{session_id}"}}
            return Request(
                f"/{READERS_ALIAS}/_search?track_total_hits=true", {"size": _PAGE, "query": query}
            )
        last_seen = at_ms - 2 * _AFTER_LAST_MS
        times = {"gte": last_seen + _AFTER_LAST_MS, "lte": at_ms}
        conditions = [
            {"match": {"message": {"query": self.tag}}},
            {"term": {"tags": "error"}},
            {"range": {"utc_time": times}},
        ]
        return Request(
            f"/{indexes}/_search?scroll={_KEEP_ALIVE_MS}ms&size={_PAGE}&sort={self.sort}:asc",
            {"query": {"bool": {"must": conditions}}},
        )

    def fault(self, source: Mapping[str, Any], session_id: str) -> str:
        """Return why the reader cannot show this record, or nothing."""
        message = source.get("message")
        if not isinstance(message, str):
            return "message is no text"
        for field in self.times:
            if not _RFC3339_UTC.fullmatch(str(source.get(field))):
                return f"{field} is no string in RFC 3339"
        if self.pattern is not None:
            found = self.pattern.search(message)
            return (
                ""
                if found and found[1] == session_id
                else f"no {self.tag} with the session's id stands in message"
            )
        return "" if source.get("level") in REPLAY_LEVELS else "level is none that the panel shows"


READERS: Final = (
    Reader("OpenReplay 1.21 on", "openReplaySession.id=", None, None, ("@timestamp",)),
    Reader(
        "OpenReplay 1.5 - 1.20",
        "openReplaySessionToken=",
        re.compile(r"(?i)openReplaySessionToken=([0-9a-zA-Z\.]+)"),
        "utc_time",
        ("utc_time",),
    ),
    Reader(
        "Asayer",
        "asayer_session_id=",
        re.compile(r"(?i)asayer_session_id=([0-9]+)"),
        "timestamp",
        ("utc_time", "timestamp"),
    ),
)

FORM: Final = Request(f"/{READERS_ALIAS}/_search?track_total_hits=true", {"size": 1})
"""The form of OpenReplay 1.21 and newer that adds the integration:

it refuses an answer without a hit.
"""
