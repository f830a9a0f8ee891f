"""Servers of the browser tests, in a thread of this process: the trackers' ingest, and an origin of
somebody else."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiohttp import WSMsgType, web

from otel_asayer.propagation.session_id import SessionId, id_of_session_from, parse_session_id

from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNATURE: Final = "ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"
"""The end of every token: where it turns up, a token has leaked."""
_DELAY_MS: Final = -7
_VALID_FOR_MS: Final = 7_200_000
_ANYTHING: Final = {
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "*, authorization",
    "access-control-allow-methods": "*",
}


def base36(number: int) -> str:
    """A number as tokens spell it."""
    digits = ""
    rest = abs(number)
    while rest:
        rest, digit = divmod(rest, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return ("-" if number < 0 else "") + (digits or "0")


def token_of(session_id: SessionId, expires_at_ms: int) -> str:
    """A token as OpenReplay's server makes it."""
    return ".".join([base36(int(session_id)), base36(_DELAY_MS), base36(expires_at_ms), SIGNATURE])


class Ingest:
    """The ingest service of a tracker, OpenReplay's by HTTP and Asayer's by WebSocket.

    Attributes:
        sessions: the sessions that began here, in this order.
    """

    def __init__(self) -> None:
        self.sessions: list[SessionId] = []
        self._batches: list[tuple[SessionId | None, bytes]] = []
        self._ended: set[str] = set()
        self.application = web.Application(client_max_size=2**26)
        self.application.router.add_route("GET", "/ws/{about}", self._asayer)
        self.application.router.add_route("POST", "/v1/web/start", self._start)
        self.application.router.add_route("POST", "/v1/web/i", self._batch)
        self.application.router.add_route("*", "/{path:.*}", self._else)

    def end_session(self, session_id: str) -> None:
        """Let a tracker that comes back with this session begin a new one, as the server does when
        a token has expired.
        """
        self._ended.add(session_id)

    def recorded(self, session_id: str) -> bytes:
        """Everything that was recorded of a session."""
        return b"".join(batch for of, batch in self._batches if of == session_id)

    def _session(self, known: SessionId | None) -> SessionId:
        if known is None or known not in self.sessions or known in self._ended:
            known = id_of_session_from(time.time_ns() // 1_000_000, len(self.sessions) + 1)
            self.sessions.append(known)
        return known

    async def _start(self, request: web.Request) -> web.Response:
        session_id = self._session(parse_session_id((await request.json()).get("token") or ""))
        started_at_ms = session_id.started_at_ms
        assert started_at_ms is not None
        answer = {
            "token": token_of(session_id, started_at_ms + _VALID_FOR_MS),
            "userUUID": "5a0d5a0d-0000-4000-8000-000000000001",
            "sessionID": session_id,
            "projectID": "7",
            "beaconSizeLimit": 1_000_000,
            "delay": _DELAY_MS,
            "startTimestamp": started_at_ms,
            "compressionThreshold": 24_000,
        }
        return web.json_response(answer, headers=_ANYTHING)

    async def _batch(self, request: web.Request) -> web.Response:
        body = await request.read()
        if body.startswith(b"\x1f\x8b"):
            body = gzip.decompress(body)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        self._batches.append((parse_session_id(token), body))
        return web.Response(headers=_ANYTHING)

    async def _asayer(self, request: web.Request) -> web.WebSocketResponse:
        about = json.loads(base64.b64decode(request.match_info["about"]))
        session_id = self._session(parse_session_id(about["sessionID"] or ""))
        socket = web.WebSocketResponse(max_msg_size=2**26)
        await socket.prepare(request)
        with suppress(ConnectionError):  # it may have gone again
            greeting = {"sessionID": session_id, "userUUID": "1"}
            await socket.send_bytes(json.dumps(greeting).encode())
            async for message in socket:
                if message.type == WSMsgType.BINARY:
                    self._batches.append((session_id, message.data))
        return socket

    async def _else(self, _: web.Request) -> web.Response:
        """Answer a preflight, and what trackers ask for besides."""
        return web.json_response({"flags": [], "tags": [], "conditions": []}, headers=_ANYTHING)


class Sent(NamedTuple):
    """A request as it reached somebody else."""

    method: str
    target: str
    headers: dict[str, str]


class Stranger:
    """An origin that is neither the page's own nor listed.

    It allows every header, so that CORS holds back nothing that leaks. Requests to `/strict` have
    only what needs no preflight, and `/redirect` is answered by neither.
    """

    def __init__(self) -> None:
        self.requests: list[Sent] = []
        self.application = web.Application()
        self.application.router.add_route("*", "/{path:.*}", self._answer)

    def at(self, target: str) -> list[Sent]:
        """The requests for this, preflights included."""
        return [sent for sent in self.requests if sent.target == target]

    async def _answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(Sent(request.method, request.path_qs, headers))
        if request.path.startswith("/strict"):
            return web.json_response({}, headers={"access-control-allow-origin": "*"})
        return web.json_response({}, headers=_ANYTHING)


@contextmanager
def served(application: web.Application) -> Iterator[int]:
    """Serve on a port of loopback, which it gives."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(HANG_SECONDS)

    runner = web.AppRunner(application, shutdown_timeout=0)
    run(runner.setup())
    site = web.TCPSite(runner, "127.0.0.1", 0)
    run(site.start())
    try:
        yield runner.addresses[0][1]
    finally:
        run(runner.cleanup())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
