"""gRPC: the session id stays behind when a channel leads to a host that may not know it.

The spans of a gRPC client do not say where a call goes, so that the propagator writes the id into
the metadata of every call. The channel knows its target. What sends the metadata is guarded, below
all interceptors, whenever they and the channel were made.

The classes have private names. Where grpcio has renamed one, `is_guarded` says so, and no call of
gRPC gets an id.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, MutableMapping
    from types import ModuleType

    Withdraw = Callable[[MutableMapping[str, Any], str | None], None]

__all__ = ["guard_calls", "guard_calls_of_asyncio", "is_guarded", "urls_of"]

_MARK: Final = "_otel_asayer_guarded"
_CALLS: Final = {
    "_UnaryUnaryMultiCallable": ("__call__", "with_call", "future"),
    "_UnaryStreamMultiCallable": ("__call__",),
    "_SingleThreadedUnaryStreamMultiCallable": ("__call__",),
    "_StreamUnaryMultiCallable": ("__call__", "with_call", "future"),
    "_StreamStreamMultiCallable": ("__call__",),
}
"""What sends a call, by class: each method takes a request, a timeout and metadata."""
_CALLS_OF_ASYNCIO: Final = (
    "UnaryUnaryCall",
    "UnaryStreamCall",
    "StreamUnaryCall",
    "StreamStreamCall",
)
"""Each is made of a request, a deadline, metadata, credentials, `wait_for_ready` and a channel, and sent by being made."""
_METADATA: Final = 2
_CHANNEL: Final = 5
_NAMED: Final = ("dns", "xds")
_LISTS: Final = ("ipv4", "ipv6")
_LOCAL: Final = ("unix", "unix-abstract")

_CARRIED: Final = ("x-session-id", "baggage")
"""Keys of metadata, always in lower case, that hold a session."""

_missing: Final[list[str]] = []


def is_guarded() -> bool:
    """Whether all that sends calls of gRPC could be guarded, as far as it is imported."""
    return not _missing


def guard_calls(module: ModuleType, withdraw: Withdraw) -> None:
    """Guard the calls of `grpc._channel`; `withdraw` takes the session out of headers for a URL, or for None, an unknown destination."""
    for name, methods in _CALLS.items():
        for method in methods:
            _guard(
                getattr(module, name, None),
                f"{name}.{method}",
                lambda caller, _: caller._channel,  # noqa: SLF001
                withdraw,
            )


def guard_calls_of_asyncio(module: ModuleType, withdraw: Withdraw) -> None:
    """Guard the calls of `grpc.aio._call`."""
    for name in _CALLS_OF_ASYNCIO:
        _guard(
            getattr(module, name, None),
            f"{name}.__init__",
            lambda _, arguments: arguments["channel"],
            withdraw,
        )


def _guard(
    owner: Any, name: str, channel_of: Callable[[Any, dict[str, Any]], Any], withdraw: Withdraw
) -> None:
    method = name.partition(".")[2]
    original = getattr(owner, method, None)
    if original is None:
        _missing.append(name)
        return
    if hasattr(original, _MARK):
        return

    @wraps(original)
    def replacement(caller: Any, *positional: Any, **keywords: Any) -> Any:
        named = {
            name: positional[place]
            for name, place in (("metadata", _METADATA), ("channel", _CHANNEL))
            if place < len(positional)
        }
        metadata = {**named, **keywords}.get("metadata")
        if isinstance(metadata, Collection) and any(key in _CARRIED for key, _ in metadata):
            left = _left(metadata, _target(channel_of, caller, {**named, **keywords}), withdraw)
            if "metadata" in named:
                positional = (*positional[:_METADATA], left, *positional[_METADATA + 1 :])
            else:
                keywords["metadata"] = left
        return original(caller, *positional, **keywords)

    setattr(replacement, _MARK, True)
    setattr(owner, method, replacement)


def _target(
    channel_of: Callable[[Any, dict[str, Any]], Any], caller: Any, arguments: dict[str, Any]
) -> str | None:
    try:
        target = channel_of(caller, arguments).target  # of asyncio's, a value
        text = target() if callable(target) else target
        return text.decode() if isinstance(text, bytes) else str(text)
    except Exception:
        return None


def _left(metadata: Iterable[tuple[str, Any]], target: str | None, withdraw: Withdraw) -> Any:
    """What of `metadata` may go to `target`; of the same type, for asyncio has one of its own."""
    urls = urls_of(target)
    pairs = [pair for key, value in metadata for pair in _pairs(key, value, urls, withdraw)]
    return tuple(pairs) if isinstance(metadata, (tuple, list)) else type(metadata)(*pairs)


def _pairs(
    key: str, value: Any, urls: Iterable[str | None], withdraw: Withdraw
) -> Iterator[tuple[str, Any]]:
    if key not in _CARRIED:
        yield key, value
        return
    headers = {key: value}
    for url in urls:
        withdraw(headers, url)
    yield from headers.items()


@lru_cache(maxsize=128)
def urls_of(target: str | None) -> tuple[str | None, ...]:
    """Return the hosts of a channel's target as URLs, or None for one that cannot be known.

    The forms are those of gRPC's name resolution: `host:port`, `dns:[//resolver/]host:port`,
    `ipv4:` and `ipv6:` with several addresses, `unix:path`, `xds:///name`. A socket is this
    machine. What is behind another scheme, that scheme's resolver knows alone.
    """
    if not target:
        return (None,)
    scheme, _, rest = target.partition(":")
    if scheme in _LOCAL:
        return ("grpc://localhost/",)
    if scheme in _LISTS:
        return tuple(f"grpc://{address}/" for address in rest.split(","))
    if scheme in _NAMED:
        return (f"grpc://{rest[2:].partition('/')[2] if rest.startswith('//') else rest}/",)
    return (None,) if rest.startswith("//") else (f"grpc://{target}/",)
