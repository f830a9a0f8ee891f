"""gRPC: the session goes to channels whose target may know it.

Real servers and channels, and the instrumentation of OpenTelemetry.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from opentelemetry import baggage, context, propagate
from opentelemetry.instrumentation.grpc import GrpcAioInstrumentorClient, GrpcInstrumentorClient
from opentelemetry.sdk.trace import TracerProvider

import otel_asayer
from otel_asayer.propagation import grpc_calls
from otel_asayer.propagation.grpc_calls import urls_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SESSION = "2618307011354435587"
FOREIGN = "127.0.0.1"
ANSWER = b"answer"


class Server:
    """Takes calls of all four kinds, and remembers their metadata."""

    def __init__(self, *addresses: str) -> None:
        self.seen: list[dict[str, Any]] = []
        self.pool = ThreadPoolExecutor(4)
        self.server = grpc.server(self.pool, options=[("grpc.so_reuseport", 0)])
        handlers = {
            "uu": grpc.unary_unary_rpc_method_handler(lambda _, call: self.note(call)),
            "us": grpc.unary_stream_rpc_method_handler(lambda _, call: iter([self.note(call)])),
            "su": grpc.stream_unary_rpc_method_handler(lambda _, call: self.note(call)),
            "ss": grpc.stream_stream_rpc_method_handler(lambda _, call: iter([self.note(call)])),
        }
        self.server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("shop.Cart", handlers),)
        )
        self.port = self.server.add_insecure_port(f"{FOREIGN}:0")
        for address in addresses:
            self.server.add_insecure_port(address)
        self.server.start()

    def note(self, call: Any) -> bytes:
        self.seen.append(dict(call.invocation_metadata()))
        return ANSWER

    def stop(self) -> None:
        self.server.stop(None).wait()
        self.pool.shutdown()


@pytest.fixture(scope="module")
def socket_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s") / "s"


@pytest.fixture(scope="module")
def running(socket_path: Path) -> Iterator[Server]:
    server = Server(f"unix:{socket_path}")
    yield server
    server.stop()


@pytest.fixture
def server(running: Server) -> Server:
    running.seen.clear()
    return running


@pytest.fixture(autouse=True)
def _instrumented(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    provider = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(
        "opentelemetry.trace._TRACER_PROVIDER", provider
    )  # one of the two instrumentors takes no other
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(otel_asayer.AsayerPropagator(propagation_targets="localhost"))
    instrumentors: list[Any] = [GrpcInstrumentorClient(), GrpcAioInstrumentorClient()]  # type: ignore[no-untyped-call]
    for instrumentor in instrumentors:
        instrumentor.instrument(tracer_provider=provider)
    yield
    for instrumentor in instrumentors:
        instrumentor.uninstrument()
    propagate.set_global_textmap(before)


SYNC: dict[str, Callable[[grpc.Channel, Any], object]] = {
    "unary, unary": lambda channel, metadata: channel.unary_unary("/shop.Cart/uu")(
        b"", metadata=metadata
    ),
    "unary, unary, with call": lambda channel, metadata: channel.unary_unary(
        "/shop.Cart/uu"
    ).with_call(b"", metadata=metadata),
    "unary, unary, future": lambda channel, metadata: (
        channel.unary_unary("/shop.Cart/uu").future(b"", metadata=metadata).result()
    ),
    "unary, stream": lambda channel, metadata: list(
        channel.unary_stream("/shop.Cart/us")(b"", metadata=metadata)
    ),
    "stream, unary": lambda channel, metadata: channel.stream_unary("/shop.Cart/su")(
        iter([b""]), metadata=metadata
    ),
    "stream, unary, with call": lambda channel, metadata: channel.stream_unary(
        "/shop.Cart/su"
    ).with_call(iter([b""]), metadata=metadata),
    "stream, unary, future": lambda channel, metadata: (
        channel.stream_unary("/shop.Cart/su").future(iter([b""]), metadata=metadata).result()
    ),
    "stream, stream": lambda channel, metadata: list(
        channel.stream_stream("/shop.Cart/ss")(iter([b""]), metadata=metadata)
    ),
}


def call(kind: str, target: str, metadata: Any = None, **options: Any) -> None:
    with grpc.insecure_channel(target, **options) as channel, otel_asayer.session(SESSION):
        SYNC[kind](channel, metadata)


async def _asyncio_unary(channel: Any, kind: str) -> None:
    await (
        channel.unary_unary("/shop.Cart/uu")(b"")
        if kind == "uu"
        else channel.stream_unary("/shop.Cart/su")(iter([b""]))
    )


async def _asyncio_stream(channel: Any, kind: str) -> None:
    async for _ in (
        channel.unary_stream("/shop.Cart/us")(b"")
        if kind == "us"
        else channel.stream_stream("/shop.Cart/ss")(iter([b""]))
    ):
        pass


def call_in_asyncio(kind: str, target: str) -> None:
    async def calling() -> None:
        async with grpc.aio.insecure_channel(target) as channel:
            await (_asyncio_unary if kind[1] == "u" else _asyncio_stream)(channel, kind)

    with otel_asayer.session(SESSION):
        asyncio.run(calling())


@pytest.mark.parametrize("kind", SYNC)
def test_a_target_gets_the_session(kind: str, server: Server) -> None:
    call(kind, f"localhost:{server.port}")
    assert [(seen["x-session-id"], seen["baggage"]) for seen in server.seen] == [
        (SESSION, f"session.id={SESSION}")
    ]


@pytest.mark.parametrize("kind", SYNC)
def test_a_foreign_host_does_not(kind: str, server: Server) -> None:
    call(kind, f"{FOREIGN}:{server.port}")
    assert (len(server.seen), SESSION in repr(server.seen)) == (1, False)


@pytest.mark.parametrize("kind", ["uu", "us", "su", "ss"])
def test_a_target_gets_the_session_in_asyncio(kind: str, server: Server) -> None:
    call_in_asyncio(kind, f"localhost:{server.port}")
    assert [seen["x-session-id"] for seen in server.seen] == [SESSION]


@pytest.mark.parametrize("kind", ["uu", "us", "su", "ss"])
def test_a_foreign_host_does_not_in_asyncio(kind: str, server: Server) -> None:
    call_in_asyncio(kind, f"{FOREIGN}:{server.port}")
    assert (len(server.seen), SESSION in repr(server.seen)) == (1, False)


def test_a_socket_is_this_machine(server: Server, socket_path: Path) -> None:
    call("unary, unary", f"unix:{socket_path}")
    assert server.seen[0]["x-session-id"] == SESSION


def test_other_metadata_and_baggage_go_to_a_foreign_host(server: Server) -> None:
    token = context.attach(baggage.set_baggage("tenant", "seven"))
    call(
        "unary, unary",
        f"{FOREIGN}:{server.port}",
        metadata=(("x-tenant", "7"), ("some-bin", b"\x00\xff")),
    )
    context.detach(token)
    assert {name: server.seen[0][name] for name in ("x-tenant", "some-bin", "baggage")} == {
        "x-tenant": "7",
        "some-bin": b"\x00\xff",
        "baggage": "tenant=seven",
    }


def test_a_header_of_the_application_that_is_no_session_goes_to_a_foreign_host(
    server: Server,
) -> None:
    call("unary, unary", f"{FOREIGN}:{server.port}", metadata=(("x-session-id", "a login"),))
    assert server.seen[0]["x-session-id"] == "a login"


def test_a_channel_made_before_the_first_session_is_guarded(server: Server) -> None:
    with grpc.insecure_channel(f"{FOREIGN}:{server.port}") as channel:
        ask = channel.unary_unary("/shop.Cart/uu")
        with otel_asayer.session(SESSION):
            ask(b"")
    assert (len(server.seen), SESSION in repr(server.seen)) == (1, False)


def test_an_interceptor_of_the_application_below_changes_nothing(server: Server) -> None:
    class Below(grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc,unused-ignore]
        def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
            return continuation(details, request)

    with grpc.insecure_channel(f"{FOREIGN}:{server.port}") as channel, otel_asayer.session(SESSION):
        grpc.intercept_channel(channel, Below()).unary_unary("/shop.Cart/uu")(b"")
    assert (len(server.seen), SESSION in repr(server.seen)) == (1, False)


@pytest.mark.parametrize(
    ("target", "urls"),
    [
        ("cart:50051", ("grpc://cart:50051/",)),
        ("cart", ("grpc://cart/",)),
        ("[::1]:50051", ("grpc://[::1]:50051/",)),
        ("dns:cart:50051", ("grpc://cart:50051/",)),
        ("dns:///cart.shop.svc:443", ("grpc://cart.shop.svc:443/",)),
        ("dns://8.8.8.8/evil.example:443", ("grpc://evil.example:443/",)),
        ("xds:///cart.shop.svc:443", ("grpc://cart.shop.svc:443/",)),
        ("ipv4:10.0.0.1:1,203.0.113.7:1", ("grpc://10.0.0.1:1/", "grpc://203.0.113.7:1/")),
        ("ipv6:[::1]:1", ("grpc://[::1]:1/",)),
        ("unix:///run/cart", ("grpc://localhost/",)),
        ("unix-abstract:cart", ("grpc://localhost/",)),
        ("consul://cart/evil.example", (None,)),
        ("", (None,)),
        (None, (None,)),
    ],
)
def test_the_hosts_of_a_target(target: str | None, urls: tuple[str | None, ...]) -> None:
    assert urls_of(target) == urls


def test_all_addresses_of_a_channel_must_be_targets(server: Server) -> None:
    propagate.set_global_textmap(otel_asayer.AsayerPropagator(propagation_targets=FOREIGN))
    call("unary, unary", f"ipv4:{FOREIGN}:{server.port}")
    assert SESSION in repr(server.seen.pop())
    call("unary, unary", f"ipv4:{FOREIGN}:{server.port},127.0.0.2:{server.port}")
    assert (len(server.seen), SESSION in repr(server.seen)) == (1, False)


@pytest.mark.parametrize(("to_unknown", "gets_it"), [(False, False), (True, True)])
def test_where_the_target_cannot_be_known_the_switch_decides(
    server: Server, *, to_unknown: bool, gets_it: bool
) -> None:
    propagate.set_global_textmap(
        otel_asayer.AsayerPropagator(
            propagation_targets="localhost", propagate_to_unknown=to_unknown
        )
    )
    original, grpc_calls.urls_of = grpc_calls.urls_of, lambda _: (None,)  # type: ignore[assignment]
    try:
        call("unary, unary", f"localhost:{server.port}")
    finally:
        grpc_calls.urls_of = original
    assert (SESSION in repr(server.seen)) is gets_it


def test_every_way_of_calling_that_grpcio_has_is_guarded() -> None:
    with otel_asayer.session(SESSION):
        assert grpc_calls.is_guarded()


def test_without_a_guard_no_call_gets_the_session(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_calls, "_missing", ["_UnaryUnaryMultiCallable.__call__"])
    call("unary, unary", f"localhost:{server.port}")
    assert (len(server.seen), SESSION in repr(server.seen)) == (1, False)
