"""Keeps the session id out of gRPC calls to a host that may not learn it.

The spans of a gRPC client do not say where a call goes, so the propagator writes the id into the
metadata of every call. The channel knows its target. So the guard is on the classes that send the
metadata, below all interceptors: it does not matter when those and the channel were made.

The classes have private names. Where grpcio has renamed one, a warning says so, and no gRPC call
gets a session id (`is_guarded`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, MutableMapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from otel_asayer.once import warn_once
from otel_asayer.propagation.patching import patch

if TYPE_CHECKING:
    from types import ModuleType

    Withdraw = Callable[[MutableMapping[str, Any], str | None], None]

__all__ = ["guard_calls", "is_guarded", "urls_of"]

_CALLS: Final = {
    "grpc._channel": (
        "_UnaryUnaryMultiCallable.__call__",
        "_UnaryUnaryMultiCallable.with_call",
        "_UnaryUnaryMultiCallable.future",
        "_UnaryStreamMultiCallable.__call__",
        "_SingleThreadedUnaryStreamMultiCallable.__call__",
        "_StreamUnaryMultiCallable.__call__",
        "_StreamUnaryMultiCallable.with_call",
        "_StreamUnaryMultiCallable.future",
        "_StreamStreamMultiCallable.__call__",
    ),
    "grpc.aio._call": (
        "UnaryUnaryCall.__init__",
        "UnaryStreamCall.__init__",
        "StreamUnaryCall.__init__",
        "StreamStreamCall.__init__",
    ),
}
"""The methods that send a call: each takes a request, a timeout or deadline, and metadata.

The constructors take credentials, `wait_for_ready` and a channel as well.
"""
_METADATA: Final = 2
_CHANNEL: Final = 5

_CARRIED: Final = ("x-session-id", "baggage")
"""Keys of metadata that hold a session, always in lower case."""

_logger = logging.getLogger(__name__)
_missing: Final[list[str]] = []


def is_guarded() -> bool:
    """Whether all that sends gRPC calls is guarded, as far as it is imported."""
    return not _missing


def guard_calls(module: ModuleType, withdraw: Withdraw) -> None:
    """Guard the calls of a module of gRPC's.

    Args:
        module: `grpc._channel` or `grpc.aio._call`.
        withdraw: takes the session out of headers, given a URL, or None for an unknown one.
    """
    for name in _CALLS[module.__name__]:
        _guard(module, name, withdraw)


def _guard(module: ModuleType, name: str, withdraw: Withdraw) -> None:
    owner_name, method = name.split(".")
    owner = getattr(module, owner_name, None)
    if not hasattr(owner, method):
        _missing.append(name)
        warn_once(_logger, "No gRPC call gets a session id: this grpcio cannot be guarded.")
        return

    def around(original: Callable[..., Any], caller: Any, *positional: Any, **keywords: Any) -> Any:
        named = {
            name: positional[place]
            for name, place in (("metadata", _METADATA), ("channel", _CHANNEL))
            if place < len(positional)
        }
        metadata = {**named, **keywords}.get("metadata")
        if isinstance(metadata, Collection) and any(key in _CARRIED for key, _ in metadata):
            target = _target(caller, {**named, **keywords})
            left = _permitted(metadata, target, withdraw)
            if "metadata" in named:
                positional = (*positional[:_METADATA], left, *positional[_METADATA + 1 :])
            else:
                keywords["metadata"] = left
        return original(caller, *positional, **keywords)

    patch(owner, method, around)


def _target(caller: Any, arguments: dict[str, Any]) -> str | None:
    try:
        # A call of asyncio's gets its channel, whose target is a value; others have theirs.
        target = (getattr(caller, "_channel", None) or arguments["channel"]).target
        text = target() if callable(target) else target
        return text.decode() if isinstance(text, bytes) else str(text)
    except Exception:
        return None


def _permitted(metadata: Iterable[tuple[str, Any]], target: str | None, withdraw: Withdraw) -> Any:
    """Return the part of `metadata` that may go to `target`, in a collection of the same type."""
    pairs: list[tuple[str, Any]] = []
    for key, value in metadata:
        headers = {key: value}
        for url in urls_of(target) if key in _CARRIED else ():
            withdraw(headers, url)
        pairs += headers.items()
    return tuple(pairs) if isinstance(metadata, (tuple, list)) else type(metadata)(*pairs)


@lru_cache(maxsize=128)
def urls_of(target: str | None) -> tuple[str | None, ...]:
    """Return the hosts of a channel's target as URLs, or None for an unknown one.

    The forms are those of gRPC's name resolution: `host:port`, `dns:[//resolver/]host:port`,
    `ipv4:` and `ipv6:` with several addresses, `unix:path`, `xds:///name`. A socket is this
    machine. The hosts behind any other scheme are unknown.
    """
    if not target:
        return (None,)
    scheme, _, rest = target.partition(":")
    if scheme in ("unix", "unix-abstract"):
        return ("grpc://localhost/",)
    if scheme in ("ipv4", "ipv6"):
        return tuple(f"grpc://{address}/" for address in rest.split(","))
    if scheme in ("dns", "xds"):
        return (f"grpc://{rest[2:].partition('/')[2] if rest.startswith('//') else rest}/",)
    return (None,) if rest.startswith("//") else (f"grpc://{target}/",)
