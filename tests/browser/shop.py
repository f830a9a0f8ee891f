"""A session of the demo's shop, the same each time, in the local store:

bursts of requests, pauses, a failed payment.
"""

from __future__ import annotations

import random
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from opentelemetry.sdk.trace.id_generator import IdGenerator

from otel_asayer.cli.demo.shop import Shop
from otel_asayer.config import Config
from otel_asayer.documents import Encoder, Operation
from otel_asayer.propagation.session_id import SessionId, id_of_session_from
from otel_asayer.spool import LOCAL, Spool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

REPLAY_URL: Final = "https://app.openreplay.com/1234/session/{session_id}?jumpto={time_ms}"
_BATCH: Final = 512
_SEED: Final = 7


class Recorded(NamedTuple):
    """What was recorded of a session."""

    session_id: SessionId
    operations: list[Operation]


class _Ids(IdGenerator):
    """Ids of a seed."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def generate_trace_id(self) -> int:
        return self._chance.getrandbits(127) + 1

    def generate_span_id(self) -> int:
        return self._chance.getrandbits(63) + 1


def write(root: Path, operations: Sequence[Operation]) -> None:
    """Write operations into the local store, in bodies of the size of a batch."""
    store = Spool(root, LOCAL, max_bytes=2**30)
    for start in range(0, len(operations), _BATCH):
        store.write(operations[start : start + _BATCH])


def small(started_at_ms: int) -> Recorded:
    """Ten minutes: five bursts of visits, and a payment that is declined."""
    session_id, shop = _shop(started_at_ms)
    for burst, requests in enumerate((2, 3, 2, 3)):
        at_ms = started_at_ms + 3_000 + burst * 131_000.0
        for _ in range(requests):
            at_ms = shop.visit(at_ms) + 40
    shop.pay(started_at_ms + 571_000)
    return Recorded(session_id, shop.operations(_encoder()))


def large(started_at_ms: int, documents: int = 9_000) -> Recorded:
    """Forty minutes with about so many documents: the page shows the first 10,000 moments."""
    session_id, shop = _shop(started_at_ms)
    for number in range(documents // 6):  # a visit is six documents, and one in five has a warning
        shop.visit(started_at_ms + 2_400_000 * number / (documents / 6))
    shop.pay(started_at_ms + 2_410_000)
    return Recorded(session_id, shop.operations(_encoder()))


def _shop(started_at_ms: int) -> tuple[SessionId, Shop]:
    session_id, chance = id_of_session_from(started_at_ms), random.Random(_SEED)
    return session_id, Shop(session_id, chance, _Ids(chance))


def _encoder() -> Encoder:
    ids = count()
    return Encoder(Config(replay_url=REPLAY_URL), lambda: f"log{next(ids):017}")
