"""The spool against a model:

whatever is done in whatever order, what was written is there, once, oldest first, and what is lost
is counted.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unittest.mock import patch

from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from otel_asayer.documents import Operation
from otel_asayer.spool import Lease, Spool, SpoolError

if TYPE_CHECKING:
    from collections.abc import Iterable

BLOCK = 4096
"""What a body takes on the disk: all are smaller."""

STALE_SECONDS = 600


class Body(NamedTuple):
    """What the model knows of a body: when it was written, and its documents."""

    written_ns: int
    documents: tuple[int, ...]


def encode(documents: tuple[int, ...]) -> list[Operation]:
    return [
        Operation(
            b'{"create":{"_index":"logs-generic.otel-default","_id":"1"}}\n{"document":%d}\n'
            % document
        )
        for document in documents
    ]


def decode(operations: Iterable[bytes]) -> tuple[int, ...]:
    return tuple(json.loads(operation.splitlines()[1])["document"] for operation in operations)


class OneSpool(RuleBasedStateMachine):
    """A spool, small enough that bodies are evicted."""

    cap = 6
    """Bodies that there is room for."""

    spools_on_the_folder = 1

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = time.time_ns()
        self.last_document = 0
        self.waiting: list[Body] = []
        self.held: dict[Lease, Body] = {}
        self.lost: list[Lease] = []
        self.evicted = 0
        self.root = Path(tempfile.mkdtemp())
        # Losing power is not what is tried here, and the disk would take most of the time.
        self.no_sync = patch("os.fsync")
        self.no_sync.start()
        self.spools = [
            Spool(
                self.root / "spool",
                max_bytes=self.cap * BLOCK,
                clock=self.tick,
                stale_seconds=STALE_SECONDS,
            )
            for _ in range(self.spools_on_the_folder)
        ]

    def teardown(self) -> None:
        self.no_sync.stop()
        shutil.rmtree(self.root)

    def tick(self) -> int:
        self.now_ns += 1
        return self.now_ns

    def new_documents(self, number: int) -> tuple[int, ...]:
        self.last_document += number
        return tuple(range(self.last_document - number, self.last_document))

    def make_room(self) -> bool:
        """Evict as a write must; return whether there is room."""
        while len(self.waiting) + len(self.held) > self.cap - 1 and self.waiting:
            self.evicted += len(self.waiting.pop(0).documents)
        return len(self.waiting) + len(self.held) < self.cap

    def put_back(self, body: Body) -> None:
        self.waiting = sorted([*self.waiting, body])

    @rule(number=st.integers(0, 4), ahead=st.booleans(), which=st.integers(0, 1))
    def write(self, number: int, *, ahead: bool, which: int) -> None:
        documents = self.new_documents(number)
        spool = self.spools[which % len(self.spools)]
        room = not documents or self.make_room()
        written_ns = self.now_ns + 1
        try:
            written, lease = (
                spool.write_ahead(encode(documents))
                if ahead
                else (spool.write(encode(documents)), None)
            )
        except SpoolError:
            assert not room
            return
        assert room
        assert written.documents == number
        if lease and documents:
            self.held[lease] = Body(written_ns, documents)
        elif documents:
            self.put_back(Body(written_ns, documents))

    @rule(which=st.integers(0, 1))
    def lease(self, which: int) -> None:
        lease = self.spools[which % len(self.spools)].lease()
        assert (lease is None) == (not self.waiting)
        if lease:
            body = Body(lease.file.written_ns, decode(lease.operations()))
            assert body in (self.waiting[:1] if len(self.spools) == 1 else self.waiting)
            assert lease.file.documents == len(body.documents)
            assert lease.damage is None
            self.waiting.remove(body)
            self.held[lease] = body

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(list(self.held)))
        lease.done()
        del self.held[lease]

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(list(self.held)))
        lease.release()
        self.put_back(self.held.pop(lease))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def replace(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(list(self.held)))
        body = self.held.pop(lease)
        rest = tuple(document for document in body.documents if data.draw(st.booleans()))
        lease.replace(encode(rest))
        if rest:
            self.put_back(body._replace(documents=rest))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        assert data.draw(st.sampled_from(list(self.held))).renew()

    @rule()
    def recover(self) -> None:
        assert self.spools[0].recover() == (0, 0)

    @rule(which=st.integers(0, 1))
    def recover_after_everyone_hung(self, which: int) -> None:
        self.now_ns += (STALE_SECONDS + 1) * 10**9
        assert self.spools[which % len(self.spools)].recover() == (len(self.held), 0)
        self.lost += self.held
        for body in self.held.values():
            self.put_back(body)
        self.held.clear()

    @precondition(lambda self: self.lost)
    @rule(
        data=st.data(), how=st.sampled_from(["done", "release", "replace", "renew", "operations"])
    )
    def use_a_lost_lease(self, data: st.DataObject, how: str) -> None:
        lease = data.draw(st.sampled_from(self.lost))
        if how == "replace":
            lease.replace(encode((0,)))
        else:
            assert not getattr(lease, how)()

    @invariant()
    def everything_is_there_once_and_in_order(self) -> None:
        bodies = sorted([*self.waiting, *self.held.values()])
        assert decode(list(self.spools[0].read())) == tuple(
            document for body in bodies for document in body.documents
        )

    @invariant()
    def the_status_is_true(self) -> None:
        status = self.spools[-1].status()
        number = len(self.waiting) + len(self.held)
        assert status.files == number
        assert status.leased_files == len(self.held)
        assert status.bytes == number * BLOCK
        assert self.spools[0].empty == (not self.waiting)
        assert sum(spool.status().evicted_documents for spool in self.spools) == self.evicted

    @invariant()
    def the_cap_holds(self) -> None:
        assert self.spools[0].status().bytes <= self.cap * BLOCK


class TwoSpools(OneSpool):
    """Two spools on one folder, as two processes have:

    the order is kept, but for what one of them does not know of the other yet.
    """

    cap = 1000
    spools_on_the_folder = 2


FEW = settings(max_examples=60, stateful_step_count=40)


def test_one_spool_does_what_the_model_does() -> None:
    run_state_machine_as_test(OneSpool, settings=FEW)


def test_two_spools_on_one_folder_do_what_the_model_does() -> None:
    run_state_machine_as_test(TwoSpools, settings=FEW)
