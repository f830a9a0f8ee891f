"""gRPC: each kind of call, between a client and a server of threads, and between those of asyncio.

The servers are started in the session `STARTER`. Messages are bytes: there is no generated code.
"""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

import otel_asayer
from fleet.programs.telling import SESSIONS, STARTER, tell, within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


def expected(request: bytes) -> str | None:
    return request.decode() or None


class Threads:
    """The methods of a server of threads."""

    def unary_unary(self, request: bytes, _: Any) -> bytes:
        tell("unary_unary", expected(request))
        return request

    def unary_stream(self, request: bytes, _: Any) -> Iterator[bytes]:
        for _ in range(2):
            tell("unary_stream", expected(request))
            yield request

    def stream_unary(self, requests: Iterator[bytes], _: Any) -> bytes:
        for request in requests:
            tell("stream_unary", expected(request))
        return b""

    def stream_stream(self, requests: Iterator[bytes], _: Any) -> Iterator[bytes]:
        for request in requests:
            tell("stream_stream", expected(request))
            yield request


class Coroutines:
    """The methods of a server of asyncio."""

    async def unary_unary(self, request: bytes, _: Any) -> bytes:
        tell("aio-unary_unary", expected(request))
        return request

    async def unary_stream(self, request: bytes, _: Any) -> AsyncIterator[bytes]:
        for _ in range(2):
            tell("aio-unary_stream", expected(request))
            yield request

    async def stream_unary(self, requests: AsyncIterator[bytes], _: Any) -> bytes:
        async for request in requests:
            tell("aio-stream_unary", expected(request))
        return b""

    async def stream_stream(self, requests: AsyncIterator[bytes], _: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            tell("aio-stream_stream", expected(request))
            yield request


def add_methods(server: Any, methods: object) -> int:
    handlers = {
        kind: getattr(grpc, f"{kind}_rpc_method_handler")(getattr(methods, kind)) for kind in KINDS
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("fleet", handlers),))
    return int(server.add_insecure_port("127.0.0.1:0"))


def call_with_threads() -> None:
    with otel_asayer.session(STARTER):
        server = grpc.server(ThreadPoolExecutor(2))
        port = add_methods(server, Threads())
        server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for session_id in SESSIONS:
            request = (session_id or "").encode()
            with within(session_id):
                channel.unary_unary("/fleet/unary_unary")(request)
                for _ in channel.unary_stream("/fleet/unary_stream")(request):
                    tell("answers", session_id)
                channel.stream_unary("/fleet/stream_unary")(generated(session_id))
                list(channel.stream_stream("/fleet/stream_stream")(iter([request] * 2)))
                future = channel.unary_unary("/fleet/unary_unary").future(request)
                future.result()
    server.stop(None).wait()


def generated(session_id: str | None) -> Iterator[bytes]:
    """Requests as gRPC asks for them: on a thread of its own."""
    context = contextvars.copy_context()

    def requests() -> Iterator[bytes]:
        for _ in range(2):
            tell("requests", session_id)
            context.run(tell, "requests+", session_id)
            yield (session_id or "").encode()

    return requests()


async def call_with_asyncio() -> None:
    with otel_asayer.session(STARTER):
        server = grpc.aio.server()
        port = add_methods(server, Coroutines())
        await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        for session_id in SESSIONS:
            request = (session_id or "").encode()
            with within(session_id):
                await channel.unary_unary("/fleet/unary_unary")(request)
                async for _ in channel.unary_stream("/fleet/unary_stream")(request):
                    tell("aio-answers", session_id)
                await channel.stream_unary("/fleet/stream_unary")(aio_generated(session_id))
                async for _ in channel.stream_stream("/fleet/stream_stream")(
                    aio_generated(session_id)
                ):
                    pass
    await server.stop(None)


async def aio_generated(session_id: str | None) -> AsyncIterator[bytes]:
    for _ in range(2):
        tell("aio-requests", session_id)
        yield (session_id or "").encode()


if __name__ == "__main__":
    call_with_threads()
    asyncio.run(call_with_asyncio())
