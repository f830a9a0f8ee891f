"""What the tests of the spool share."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from otel_asayer.documents import Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from otel_asayer.spool import Lease, Spool

BLOCK = 4096
"""What a small body takes on the disk."""

ROOMY = 64 * 1024 * 1024


class Clock:
    """Nanoseconds since 1970:

    starts now, as files' times do, and goes on by a millisecond at each look.
    """

    def __init__(self) -> None:
        self.now_ns = time.time_ns()

    def __call__(self) -> int:
        self.now_ns += 1_000_000
        return self.now_ns

    def advance(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)


def operation(name: object) -> Operation:
    """An operation whose document is called `name`."""
    return Operation(
        b'{"create":{"_index":"logs-generic.otel-default","_id":"%b"}}\n{"body":{"text":"%b"}}\n'
        % ((str(name).encode(),) * 2)
    )


def incompressible(size: int) -> Operation:
    """An operation that takes a little more than `size` bytes when compressed."""
    return Operation(
        b'{"create":{"_index":"logs-generic.otel-default","_id":"large"}}\n{"a":"%b"}\n'
        % os.urandom(size).hex().encode()
    )


def operations(*names: object) -> list[Operation]:
    return [operation(name) for name in names]


def names_of(found: Iterable[bytes]) -> list[str]:
    """The names of operations, or an error for what is none."""
    whole = list(found)
    names = [each.split(b'"_id":"')[1].split(b'"')[0].decode() for each in whole]
    assert [operation(name) for name in names] == whole
    return names


def leased(spool: Spool) -> Lease:
    """The oldest body of a spool that is known to have one."""
    lease = spool.lease()
    assert lease is not None
    return lease


def end(lease: Lease, how: str, rest: list[Operation]) -> None:
    """End a lease by the method of this name."""
    if how == "replace":
        lease.replace(rest)
    else:
        getattr(lease, how)()


def failing(number: int) -> Callable[..., NoReturn]:
    """A function of the system that fails with this error."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return fail


def open_descriptors() -> list[str]:
    return sorted(path.name for path in Path("/dev/fd").iterdir())


def files_in(folder: Path) -> list[str]:
    """Names of all files below a folder but its description, sorted."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if not path.is_dir() and path.name != "destination.txt"
    )


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
