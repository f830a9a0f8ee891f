"""Asking the page in the process, and a session to ask for."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from otel_asayer.config import Config
from otel_asayer.timeline import MAX_EVENTS, Stored
from otel_asayer.timeline.sessions import list_sessions
from otel_asayer.timeline.stored import first
from otel_asayer.web import create_app
from otel_asayer.web.guard import hosts_of
from otel_asayer.web.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from otel_asayer.timeline import Part, Selection, SessionFilter, SessionSummary

SESSION = "2618307011354435587"
"""Started 2024-01-24T02:27:39.324Z."""
START_MS = 1_706_063_259_324
TOKEN = "jw4wdfpgqhoj.3az.lrraavgc.ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HOST = "127.0.0.1:8321"


Attributes = dict[str, Any] | None


def span(
    name: str,
    at_ms: float,
    took_ms: float,
    *,
    service: str = "shop",
    named: str = "",
    parent: str = "",
    having: Attributes = None,
) -> Stored:
    """A span's document."""
    source = {
        **_common(at_ms, service, having),
        "name": name,
        "kind": "Server" if not parent else "Client",
        "duration": int(took_ms * 1_000_000),
        "span_id": named or f"span-{name}",
        "parent_span_id": parent,
    }
    return Stored("traces-generic.otel-default", f"doc-{named or name}", source)


def log(
    text: str,
    at_ms: float,
    *,
    service: str = "shop",
    severity: int = 9,
    named: str = "",
    inside: str = "",
    having: Attributes = None,
) -> Stored:
    """A log record's document."""
    source = {
        **_common(at_ms, service, having),
        "body": {"text": text},
        "severity_number": severity,
        "span_id": inside,
    }
    return Stored("logs-generic.otel-default", named or f"doc-{text}", source)


def error(message: str, at_ms: float, *, stack: str = "", having: Attributes = None) -> Stored:
    """An exception's document."""
    exception = {
        "exception.type": "shop.OutOfStockError",
        "exception.message": message,
        "exception.stacktrace": stack,
    }
    source = {**_common(at_ms, "shop", {**exception, **(having or {})}), "event_name": "exception"}
    return Stored("logs-generic.otel-default", f"doc-{message}", source)


def _common(at_ms: float, service: str, having: Attributes) -> dict[str, Any]:
    return {
        "@timestamp": f"{START_MS + at_ms:.6f}",
        "trace_id": TRACE,
        "attributes": {"session.id": SESSION, **(having or {})},
        "resource": {"attributes": {"service.name": service}},
    }


@dataclass
class Store:
    """A store that holds these documents, or fails, and counts how often it is opened."""

    held: list[Stored] = field(default_factory=list)
    error: Exception | None = None
    opened: int = 0
    name: str = "the test's store"

    def documents(self, selection: Selection) -> Iterator[Stored]:
        return (stored for stored in self.held if selection.holds(stored.source))

    def first_documents(self, selection: Selection, limit: int = MAX_EVENTS) -> Part:
        return first(self.documents(selection), limit)

    # All of them are young
    def exceptions(self, since_ns: int, limit: int) -> tuple[list[Stored], int]:  # noqa: ARG002
        found = [stored for stored in self.held if "exception.type" in stored.source["attributes"]]
        return found[:limit], len(found)

    def sessions(self, wanted: SessionFilter, limit: int) -> tuple[list[SessionSummary], bool]:
        return list_sessions(self.held, wanted, limit)

    @contextmanager
    def open(self, _: Config) -> Iterator[Store]:
        self.opened += 1
        if self.error:
            raise self.error
        yield self


class Page:
    """The page, asked as a browser would."""

    def __init__(
        self, store: Store, *, now_ns: Callable[[], int] | None = None, **settings: Any
    ) -> None:
        config = Config.from_environment({}, **settings)
        reader = Reader(config, opened=store.open, now_ns=now_ns or (lambda: START_MS * 1_000_000))
        self._app = create_app(config, hosts=hosts_of(8321), reader=reader)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self._ask("GET", path, headers, None)

    def find(self, text: str, **headers: str) -> httpx.Response:
        return self._ask("POST", "/find", headers or {"sec_fetch_site": "same-origin"}, {"q": text})

    def _ask(
        self, method: str, path: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
                return await client.request(method, path, headers=named, data=form)

        return asyncio.run(ask())
