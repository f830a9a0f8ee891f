"""The three generations of Asayer's and OpenReplay's readers: their own requests, and their own
rules for what comes back.

Each raises `PanelBroken` or `PollerCrashed` exactly where the real one fails, so a test that reads
through them sees what a user would see.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elasticsearch_server import Endpoint, Response

LEVELS = ("error", "warning", "info", "debug")
PAGE = 1000
_RFC3339_UTC = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z"
)


class PanelBroken(Exception):  # noqa: N818 (what the user sees, not an error of the tests)
    """The panel of OpenReplay 1.21 and newer shows nothing, or nonsense."""


class PollerCrashed(Exception):  # noqa: N818
    """The service that polls, up to OpenReplay 1.20, ends at this document."""


class Row(NamedTuple):
    """A line of the panel."""

    time: datetime
    level: str
    message: str


class Event(NamedTuple):
    """What a poller stores beside a session."""

    session_id: str
    time: datetime
    message: str


@dataclass(frozen=True)
class Gen3Reader:
    """OpenReplay from 1.21 on.

    It reads the index `logs`, and no other; `api_key` is in its encoded form, None for a server
    without security.
    """

    server: Endpoint
    api_key: str | None = None

    def accepts_integration(self) -> bool:
        """Whether the form that adds the integration is content: `logs` is there, and not empty."""
        response = self._search({"size": 1})
        return response.status == 200 and response.json()["hits"]["total"]["value"] > 0

    def rows(self, session_id: str) -> list[Row]:
        """The lines beside a session, in the order of the answer: the panel sorts nothing."""
        query = {"match_phrase": {"message": f"openReplaySession.id={session_id}"}}
        response = self._search({"size": PAGE, "query": query})
        if response.status != 200:
            raise PanelBroken(f"{response.status} {response.body.decode()}")
        sources = [hit["_source"] for hit in response.json()["hits"]["hits"]]
        if sources and not sources[0].get("message"):
            raise PanelBroken("Unknown log format")
        return [
            Row(_panel_time(source), _panel_level(source), _panel_message(source))
            for source in sources
        ]

    def _search(self, body: dict[str, Any]) -> Response:
        headers = {"authorization": f"APIKey {self.api_key}"} if self.api_key else {}
        response = self.server.request(
            "POST", "/logs/_search?track_total_hits=true", body, headers=headers, auth=None
        )
        if response.status == 200 and response.headers.get("x-elastic-product") != "Elasticsearch":
            raise PanelBroken("the server is no Elasticsearch")
        return response


def _panel_time(source: dict[str, Any]) -> datetime:
    value = source.get("@timestamp")
    if not isinstance(value, str) or not re.match(r"[0-9]{4}-", value):
        raise PanelBroken(f"Invalid DateTime: {value!r}")
    return _utc(value)


def _panel_level(source: dict[str, Any]) -> str:
    """The first level that is *in* the value: a part of a string, or an element of an array.

    Upper case is in neither.
    """
    value = source.get("level")
    if not isinstance(value, str | list):
        raise PanelBroken(f"level.includes is not a function: {value!r}")
    return next((level for level in LEVELS if level in value), "info")


def _panel_message(source: dict[str, Any]) -> str:
    value = source.get("message", "")
    if not isinstance(value, str):
        raise PanelBroken(f"message is no text: {value!r}")
    return value


@dataclass(frozen=True)
class _Poller:
    """A service that asks for errors newer than the last one that it saw, page by page.

    Attributes:
        server: Where it asks.
        api_key: In its encoded form; None for a server without security.
        indexes: As configured by its user.
    """

    server: Endpoint
    api_key: str | None = None
    indexes: str = "*log*"

    marker = ""
    sort = "utc_time"

    def events(self, last: datetime, now: datetime) -> list[Event]:
        """What it stores when the last error it saw is of `last`.

        Errors within a second after that are skipped; lines of no session too.
        """
        hits = self._hits({"gte": _milliseconds(last) + 1000, "lte": _milliseconds(now)})
        return [event for hit in hits if (event := self._event(hit["_source"]))]

    def _hits(self, times: dict[str, int]) -> Iterator[dict[str, Any]]:
        conditions = [
            {"match": {"message": {"query": self.marker}}},
            {"term": {"tags": "error"}},
            {"range": {"utc_time": times}},
        ]
        path = (
            f"/{quote(self.indexes, safe='*,')}/_search?scroll=120000ms&size={PAGE}"
            f"&sort={self.sort}:asc"
        )
        answer = self._ask(path, {"query": {"bool": {"must": conditions}}})
        while hits := answer["hits"]["hits"]:
            yield from hits
            answer = self._ask(
                f"/_search/scroll?scroll=120000ms&scroll_id={quote(answer['_scroll_id'])}", None
            )

    def _ask(self, path: str, body: object) -> dict[str, Any]:
        headers = {"authorization": f"ApiKey {self.api_key}"} if self.api_key else {}
        response = self.server.request("POST", path, body, headers=headers, auth=None)
        if response.status != 200:
            raise PollerCrashed(f"{response.status} {response.body.decode()}")
        answer: dict[str, Any] = response.json()
        return answer

    def _event(self, source: dict[str, Any]) -> Event | None:
        time, message = source.get("utc_time"), source.get("message")
        if (
            not isinstance(time, str)
            or not isinstance(message, str)
            or not _RFC3339_UTC.fullmatch(time)
        ):
            raise PollerCrashed(f"utc_time {time!r}, message {message!r}")
        session_id = self._session_id(message)
        return Event(session_id, _utc(time), message) if session_id else None

    def _session_id(self, message: str) -> str | None:
        raise NotImplementedError


class Gen2Reader(_Poller):
    """OpenReplay 1.5 to 1.20. What stands in the message is a token, or since 1.5 a plain id."""

    marker = "openReplaySessionToken="

    def _session_id(self, message: str) -> str | None:
        found = re.search(r"(?i)openReplaySessionToken=([0-9a-zA-Z\.]+)", message)
        if not found:
            return None
        return found[1] if found[1].isdecimal() else str(int(found[1].split(".")[0], 36))


class Gen1Reader(_Poller):
    """Asayer. It sorts by `timestamp`, which has to be a time like `utc_time`."""

    marker = "asayer_session_id="
    sort = "timestamp"

    def _session_id(self, message: str) -> str | None:
        found = re.search(r"(?i)asayer_session_id=([0-9]+)", message)
        return found and found[1]

    def _event(self, source: dict[str, Any]) -> Event | None:
        if not _RFC3339_UTC.fullmatch(str(source.get("timestamp"))):
            raise PollerCrashed(f"timestamp {source.get('timestamp')!r}")
        return super()._event(source)


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)
