"""Delivery with a spool behind it:

one short try, then the disk, and a drainer that brings it all to Elasticsearch.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from otel_asayer.config import Config
from otel_asayer.delivery.delivery import Delivery
from otel_asayer.delivery.outcomes import Count, Outcome
from otel_asayer.documents import Operation, is_salvaged
from otel_asayer.elasticsearch.bulk import Cause
from otel_asayer.spool import Destination, Spool, SpoolError, configured_spool
from otel_asayer.testing import ElasticsearchDouble, Fault, items, status
from unit.elasticsearch.relay import Relay

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from otel_asayer.elasticsearch.client import Response

REJECTED = (429, "es_rejected_execution_exception", "rejected execution")
UNPREPARED = (400, "illegal_argument_exception", "pipeline with id [asayer-replay] does not exist")
MISSING = (404, "index_not_found_exception", "no such index [asayer-logs-default]")
MAPPING = (
    400,
    "document_parsing_exception",
    "[1:2] failed to parse field [attributes.a] of type [long] in document with id 'a'.",
)
IMMENSE = (400, "invalid_index_name_exception", "Invalid index name")
UNAVAILABLE = status(503, {"error": {"type": "unavailable", "reason": "starting"}})


def operation(name: str) -> Operation:
    return Operation(
        b'{"create":{"_index":"traces-generic.otel-default","_id":"%s"}}\n{"attributes":{"a":"%s"}}\n'
        % (name.encode(), name.encode())
    )


A, B, C = map(operation, "abc")


class World(Relay):
    """A delivery with a spool, the double it delivers to, and clocks that only the test moves.

    No thread drains: the test does.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__()
        config = Config.from_environment(
            {},
            **{
                "endpoint": "http://localhost:9200",
                "setup": "off",
                "spool_directory": str(folder),
                **settings,
            },
        )
        spool = configured_spool(config)
        assert spool
        self.spool = spool
        self.delivery = Delivery(
            config,
            spool,
            client=self,
            clock=lambda: self.now,
            random=lambda: 1.0,
            wait=self._wait,
            computed=lambda: self.computed,
        )
        if self.delivery.drainer:
            self.delivery.drainer.start = lambda: None  # type: ignore[method-assign]

    def _wait(self, _: threading.Event, seconds: float) -> None:
        raise AssertionError(f"nothing may wait, and something waits {seconds} s")

    computed = 0.0
    """Processor time of the thread."""

    def deliver(self, *operations: bytes) -> bool:
        return not self.delivery.deliver([*map(Operation, operations)]).lost

    def drain(self) -> bool:
        assert self.delivery.drainer
        return self.delivery.drainer.drain()

    @property
    def waiting(self) -> list[Operation]:
        return list(self.spool.read())

    @property
    def counts(self) -> dict[Outcome, int]:
        counted: dict[Outcome, int] = {}
        for count, number in self.delivery.counters.snapshot().items():
            counted[count.outcome] = counted.get(count.outcome, 0) + number
        return {outcome: number for outcome, number in counted.items() if number}

    @property
    def ids(self) -> list[str]:
        """The `_id`s of the documents that arrived, in their order."""
        return [
            action["create"]["_id"]
            for exchange in self.double.exchanges
            for action, _ in exchange.operations
        ]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class TestOnFailure:
    def test_what_arrives_is_not_written(self, world: World) -> None:
        assert world.deliver(A, B) is True
        assert world.waiting == []
        assert world.counts == {Outcome.INDEXED: 2}

    def test_what_does_not_arrive_at_once_is_on_the_disk(self, world: World) -> None:
        world.double.reply_with(Fault.RESET)
        assert world.deliver(A, B) is True
        assert world.waiting == [A, B]
        assert world.counts == {Outcome.SPOOLED: 2}

    def test_an_export_makes_one_short_try(self, world: World) -> None:
        world.deliver(A)
        world.double.reply_with(UNAVAILABLE)
        world.deliver(B)
        assert world.timeouts[1:] == [2.0]

    def test_the_first_export_has_time_for_a_server_that_creates_its_streams(
        self, world: World
    ) -> None:
        world.deliver(A)
        assert world.timeouts == [5.0]

    def test_only_the_items_that_need_it_are_written(self, world: World) -> None:
        world.double.reply_with(items(201, REJECTED, 201))
        world.deliver(A, B, C)
        assert world.waiting == [B]
        assert world.counts == {Outcome.INDEXED: 2, Outcome.SPOOLED: 1}

    def test_while_the_destination_is_down_nothing_is_asked(self, world: World) -> None:
        world.double.reply_with(Fault.RESET)
        world.deliver(A)
        world.deliver(B)
        assert len(world.timeouts) == 1
        assert world.waiting == [A, B]

    def test_once_a_minute_an_export_asks_again(self, world: World) -> None:
        world.double.reply_with(Fault.RESET)
        world.deliver(A)
        world.now = 60.0
        world.deliver(B)
        world.deliver(C)
        assert world.waiting == [A]
        assert world.counts[Outcome.INDEXED] == 2

    def test_where_the_disk_refuses_the_loss_is_counted(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Spool, "write", refuse)
        world.double.reply_with(Fault.RESET)
        assert world.deliver(A) is False
        assert world.delivery.counters.snapshot()[Count(Outcome.DROPPED, Cause.of("spool"))] == 1

    def test_while_the_disk_takes_nothing_an_export_goes_on_trying(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pauses: list[float] = []
        monkeypatch.setattr(
            world.delivery.context, "wait", lambda _, seconds: pauses.append(seconds)
        )
        with monkeypatch.context() as full:
            full.setattr(Spool, "write", refuse)
            world.double.reply_with(Fault.RESET)
            first_two = world.deliver(A), world.deliver(B)
            world.double.reply_with(Fault.RESET, UNAVAILABLE)
            assert first_two == (False, True)
            assert world.deliver(C) is True
        assert world.counts[Outcome.DROPPED] == 1
        assert pauses == [0.2, 0.4]

    def test_what_is_refused_for_good_lies_in_rejected_with_its_reason(self, world: World) -> None:
        world.double.reply_with(items(IMMENSE, 201))
        assert world.deliver(A, B) is False
        assert world.spool.status().rejected_documents == 1
        assert world.waiting == []
        assert world.counts == {Outcome.INDEXED: 1, Outcome.REJECTED: 1}
        assert "Invalid index name" in "".join(
            path.read_text() for path in (world.spool.folder / "rejected").glob("*.reasons*")
        )

    def test_what_cannot_even_be_kept_in_rejected_is_still_counted(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Spool, "reject", refuse)
        world.double.reply_with(items(IMMENSE))
        assert world.deliver(A) is False
        assert world.counts == {Outcome.DROPPED: 1}

    def test_a_line_says_why_it_could_not_be_kept_in_rejected(
        self, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(Spool, "reject", refuse)
        world.double.reply_with(items(IMMENSE))
        world.deliver(A)
        assert caplog.messages == [
            (
                "Telemetry was lost on its way to Elasticsearch, in documents: 1 dropped (rejected "
                "and not kept: invalid_index_name_exception, "
                "Invalid index name; The disk is full.)."
            )
        ]

    def test_documents_that_wait_for_a_template_are_kept_and_the_others_go_on(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.double.reply_with(items(MISSING, 201))
        world.deliver(A, B)
        world.deliver(C)
        assert world.waiting == [A]
        assert world.counts == {Outcome.INDEXED: 2, Outcome.SPOOLED: 1}
        assert any(
            "The index template of that data stream is missing" in message
            for message in caplog.messages
        )

    def test_a_line_says_where_telemetry_waits_and_why(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.double.reply_with(UNAVAILABLE)
        world.deliver(A, B)
        world.deliver(C)
        assert caplog.messages == [
            (
                f"Telemetry waits for Elasticsearch in {world.spool.folder}, in documents: 2 "
                f"spooled "
                f"(http 503: unavailable: starting)."
            )
        ]

    def test_what_makes_room_is_counted_as_evicted(self, tmp_path: Path) -> None:
        world = World(tmp_path, spool_max_bytes=1024 * 1024)
        world.double.reply_with(Fault.RESET)
        world.deliver(A)
        for _ in range(50):
            world.deliver(
                b'{"create":{"_index":"logs-generic.otel-default","_id":"b"}}\n{"a":"%b"}\n'
                % os.urandom(40_000).hex().encode()
            )
        assert world.counts[Outcome.EVICTED] > 0
        assert len(world.waiting) == 51 - world.counts[Outcome.EVICTED]

    def test_what_made_room_for_something_that_could_not_be_written_is_counted_as_evicted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = World(tmp_path, spool_max_bytes=1024 * 1024)
        for _ in range(24):
            world.spool.write(
                [
                    Operation(
                        b'{"create":{"_index":"logs-generic.otel-default","_id":"b"}}\n{"a":"%b"}\n'
                        % os.urandom(40_000).hex().encode()
                    )
                ]
            )
        monkeypatch.setattr("otel_asayer.spool.directory.Folder.write", refuse)
        world.double.reply_with(Fault.RESET)
        world.deliver(
            b'{"create":{"_index":"logs-generic.otel-default","_id":"c"}}\n{"a":"%b"}\n'
            % os.urandom(100_000).hex().encode()
        )
        assert world.counts == {Outcome.EVICTED: 24 - len(world.waiting), Outcome.DROPPED: 1}
        assert len(world.waiting) < 24

    def test_what_waits_for_the_same_reason_lies_in_one_file(self, world: World) -> None:
        world.double.reply_with(Fault.RESET)
        for one in (A, B, C):
            world.deliver(one)
        assert world.waiting == [A, B, C]
        assert world.spool.status().files == 1


class TestSalvage:
    def test_a_value_that_contradicts_the_mapping_is_put_aside_and_the_document_sent_again(
        self, world: World
    ) -> None:
        world.double.reply_with(items(MAPPING, 201))
        assert world.deliver(A, B) is True
        assert world.double.exchanges[1].operations[0][1] == {
            "attributes": {"otel_asayer.unmapped": '{"a":"a"}'}
        }
        assert world.counts == {Outcome.INDEXED: 2, Outcome.SALVAGED: 1}

    def test_what_is_refused_even_so_is_rejected(self, world: World) -> None:
        world.double.reply_with(items(MAPPING), items(MAPPING))
        assert world.deliver(A) is False
        assert world.counts == {Outcome.SALVAGED: 1, Outcome.REJECTED: 1}

    def test_a_document_that_is_salvaged_twice_counts_once(self, world: World) -> None:
        world.double.reply_with(items(MAPPING), items(MAPPING))
        world.deliver(A.replace(b'{"a":"a"}', b'{"a":"a","b":"b"}'))
        assert world.counts == {Outcome.INDEXED: 1, Outcome.SALVAGED: 1}

    def test_a_salvaged_document_that_does_not_arrive_is_kept_in_its_new_form(
        self, world: World
    ) -> None:
        world.double.reply_with(items(MAPPING), Fault.RESET)
        world.deliver(A)
        assert [is_salvaged(kept) for kept in world.waiting] == [True]


class TestDraining:
    def test_what_waits_is_delivered_oldest_first(self, world: World) -> None:
        world.double.reply_with(Fault.RESET)
        world.deliver(A)
        world.deliver(B)
        assert world.drain() is True
        assert world.waiting == []
        assert world.ids[1:] == ["a", "b"]
        assert world.counts[Outcome.DRAINED] == 2

    def test_it_finds_the_destination_up_again(self, world: World) -> None:
        world.double.reply_with(Fault.RESET)
        world.deliver(A)
        world.drain()
        world.deliver(B)
        assert world.waiting == []
        assert world.ids[-1] == "b"

    def test_a_failed_try_leaves_everything_where_it_was(self, world: World) -> None:
        world.double.reply_with(Fault.RESET, Fault.RESET)
        world.deliver(A)
        world.deliver(B)
        assert world.drain() is False
        assert world.waiting == [A, B]
        assert world.spool.status().leased_files == 0

    def test_what_was_delivered_of_a_body_is_not_sent_again(self, world: World) -> None:
        world.double.reply_with(Fault.RESET, items(201, REJECTED))
        world.deliver(A, B)
        assert world.drain() is False
        assert world.waiting == [B]

    def test_a_document_that_had_arrived_is_a_duplicate(self, world: World) -> None:
        world.double.reply_with(Fault.LOST_ANSWER)
        world.deliver(A)
        world.drain()
        assert world.waiting == []
        assert world.counts[Outcome.DUPLICATE] == 1

    def test_a_body_that_waits_for_a_template_does_not_hold_up_the_others(
        self, world: World
    ) -> None:
        world.spool.write([A])
        world.spool.write([B])
        world.double.reply_with(items(MISSING))
        assert world.drain() is False
        assert world.waiting == [A]
        assert world.counts[Outcome.DRAINED] == 1

    def test_a_replay_record_of_an_earlier_version_goes_to_the_index_of_its_day(
        self, world: World
    ) -> None:
        record = Operation(
            b'{"create":{"_index":"asayer-logs-live","_id":"ar"}}\n{"@timestamp":"2026-11-24T16:03:56.662Z","message":"x"}\n'
        )
        world.spool.write([record])
        assert world.drain() is True
        assert list(world.double.stored) == [("asayer-logs-live-2026.11.24", "ar")]

    def test_a_replay_record_of_an_earlier_version_waits_until_somebody_has_set_up(
        self, world: World
    ) -> None:
        record = Operation(
            b'{"create":{"_index":"asayer-logs-live","_id":"ar"}}\n{"@timestamp":"2026-11-24T16:03:56.662Z","message":"x"}\n'
        )
        world.spool.write([record])
        world.double.reply_with(items(UNPREPARED))
        assert world.drain() is False
        assert [
            json.loads(operation.split(b"\n")[0])["create"]["_id"] for operation in world.waiting
        ] == ["ar"]

    def test_what_makes_room_for_a_body_that_goes_to_the_end_is_counted(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.spool.write([A, B])
        world.double.reply_with(items(201, MISSING))
        monkeypatch.setattr(Spool, "newly_evicted", lambda _: 7)
        world.drain()
        assert world.counts[Outcome.EVICTED] == 7

    def test_where_the_disk_is_full_a_body_that_goes_to_the_end_is_given_back(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.spool.write([A, B])
        world.double.reply_with(items(201, MISSING))
        monkeypatch.setattr(Spool, "write", refuse)
        with pytest.raises(SpoolError, match="The disk is full"):
            world.drain()
        assert world.waiting == [A, B]
        assert world.spool.status().leased_files == 0

    def test_where_the_disk_is_full_a_body_that_waits_for_a_template_does_not_hold_up_the_others(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.spool.write([A])
        world.spool.write([B])
        world.double.reply_with(items(MISSING))
        monkeypatch.setattr("otel_asayer.spool.directory.Folder.write", refuse)
        assert world.drain() is False
        assert world.waiting == [A]
        assert world.ids[1] == "b"

    def test_what_was_written_before_the_clock_was_set_back_is_delivered(
        self, world: World
    ) -> None:
        def ahead() -> int:
            return time.time_ns() + 10**15

        Spool(
            world.spool.folder.parent,
            Destination.of(world.delivery.config.endpoint),
            max_bytes=2**28,
            clock=ahead,
        ).write([A])
        assert world.drain() is True
        assert world.ids == ["a"]

    def test_the_thread_ends_a_pass_after_a_hundred_bodies_in_a_row_of_which_nothing_is_taken(
        self, world: World
    ) -> None:
        for number in range(101):
            world.spool.write([operation(str(number))])
        world.double.reply_with(*[status(401)] * 101)
        Turns(world).run()
        assert len(world.ids) == 100

    def test_the_next_pass_goes_on_behind_those(self, world: World) -> None:
        for number in range(101):
            world.spool.write([operation(str(number))])
        world.double.reply_with(*[status(401)] * 100)
        Turns(world, nothing).run()
        assert world.ids[100] == "100"

    def test_on_demand_each_body_is_tried(self, world: World) -> None:
        for number in range(101):
            world.spool.write([operation(str(number))])
        world.double.reply_with(*[status(401)] * 101)
        assert world.drain() is False
        assert len(world.ids) == 101

    def test_where_the_disk_is_full_a_body_that_was_delivered_in_part_is_given_back_whole(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.spool.write([A, B])
        world.double.reply_with(items(201, REJECTED))
        monkeypatch.setattr("otel_asayer.spool.Lease.replace", refuse)
        assert world.drain() is False
        assert world.waiting == [A, B]
        assert world.spool.status().leased_files == 0
        assert world.counts == {Outcome.INDEXED: 1}

    def test_a_body_that_cannot_even_be_given_back_stays_leased(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.spool.write([A, B])
        world.double.reply_with(items(201, REJECTED))
        monkeypatch.setattr("otel_asayer.spool.Lease.replace", refuse)
        monkeypatch.setattr("otel_asayer.spool.Lease.release", refuse)
        assert world.drain() is False
        assert world.spool.status().leased_files == 1

    def test_what_stays_of_a_body_that_was_delivered_in_part_is_counted_as_spooled_once(
        self, world: World
    ) -> None:
        world.double.reply_with(Fault.RESET, items(201, REJECTED))
        world.deliver(A, B)
        world.drain()
        assert world.counts == {Outcome.SPOOLED: 2, Outcome.INDEXED: 1, Outcome.DRAINED: 1}

    def test_what_is_refused_while_draining_is_rejected(self, world: World) -> None:
        world.double.reply_with(Fault.RESET, items(IMMENSE))
        world.deliver(A)
        assert world.drain() is True
        assert world.waiting == []
        assert world.spool.status().rejected_documents == 1

    def test_what_another_process_left_is_delivered(self, world: World, tmp_path: Path) -> None:
        World(tmp_path).spool.write([A])
        assert world.drain() is True
        assert world.ids == ["a"]

    def test_another_destinations_bodies_are_not_touched(
        self, world: World, tmp_path: Path
    ) -> None:
        other = World(tmp_path, endpoint="http://elsewhere:9200")
        other.spool.write([A])
        assert world.drain() is True
        assert world.ids == []
        assert other.waiting == [A]

    def test_a_damaged_body_is_counted_and_does_not_stop_the_rest(self, world: World) -> None:
        world.spool.write([A])
        (body,) = world.spool.folder.glob("*.ndjson.gz")
        body.write_bytes(b"no gzip")
        world.spool.write([B])
        assert world.drain() is True
        assert world.ids == ["b"]
        assert world.delivery.counters.snapshot()[Count(Outcome.DROPPED, Cause.of("damaged"))] == 1

    def test_nothing_is_drained_when_the_process_ends(self, world: World) -> None:
        world.spool.write([A])
        world.delivery.stop()
        assert world.drain() is False
        assert world.waiting == [A]


class Turns:
    """What the thread waited for, turn by turn, and what a test does in each turn.

    The last turn ends the process.
    """

    def __init__(self, world: World, *turns: Callable[[], object]) -> None:
        self.waits: list[tuple[str, float]] = []
        self._turns = iter([*turns, world.delivery.stop])
        drainer = world.delivery.drainer
        assert drainer
        self._run = drainer._run
        self._events: dict[str, Any] = {
            "noticed": drainer._noticed,
            "stopping": world.delivery.context.stopping,
        }
        for name, event in self._events.items():
            event.wait = partial(self._wait, name)

    def run(self) -> list[tuple[str, float]]:
        self._run()
        return self.waits

    def _wait(self, name: str, seconds: float) -> bool:
        if turn := next(self._turns, None):
            self.waits.append((name, seconds))
            turn()
        return bool(self._events[name].is_set())


def nothing() -> None:
    """A turn in which nothing happens."""


class TestTheThread:
    def test_it_drains_and_looks_again_every_half_minute(self, tmp_path: Path) -> None:
        world = World(tmp_path)
        turns = Turns(world, lambda: world.spool.write([A]))
        assert turns.run() == [("noticed", 30.0), ("noticed", 30.0)]
        assert world.ids == ["a"]

    @pytest.mark.parametrize(("computed", "rest"), [(0.01, 0.04), (10.0, 0.25)])
    def test_it_rests_after_each_body_longer_than_it_has_computed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computed: float, rest: float
    ) -> None:
        times = itertools.count(step=computed)
        rests: list[float] = []
        monkeypatch.setattr(World, "computed", property(lambda _: next(times)), raising=True)
        monkeypatch.setattr(World, "_wait", lambda _, __, seconds: rests.append(round(seconds, 6)))
        world = World(tmp_path)
        for operation in (A, B):
            world.spool.write([operation])
        Turns(world).run()
        assert rests == [rest, rest]

    def test_on_demand_nothing_rests(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        times = itertools.count()
        monkeypatch.setattr(World, "computed", property(lambda _: next(times)), raising=True)
        world = World(tmp_path)
        world.spool.write([A])
        assert world.drain() is True

    def test_it_looks_soon_when_something_was_put_there(self, tmp_path: Path) -> None:
        world = World(tmp_path)
        drainer: Any = world.delivery.drainer

        def put() -> None:
            world.spool.write([A])
            drainer.notice()

        turns = Turns(world, put, nothing)
        assert turns.run() == [("noticed", 30.0), ("stopping", 1.0), ("noticed", 30.0)]
        assert world.ids == ["a"]

    def test_what_is_put_there_meanwhile_shortens_no_pause_after_a_failure(
        self, tmp_path: Path
    ) -> None:
        world = World(tmp_path)
        drainer: Any = world.delivery.drainer
        world.spool.write([A])
        world.double.reply_with(Fault.RESET, Fault.RESET)
        turns = Turns(world, drainer.notice)
        assert turns.run() == [("stopping", 1.0), ("stopping", 2.0)]

    def test_it_waits_longer_after_each_failure(self, tmp_path: Path) -> None:
        world = World(tmp_path)
        world.spool.write([A])
        world.double.reply_with(*[Fault.RESET] * 8)
        turns = Turns(world, *[nothing] * 7)
        assert turns.run() == [
            ("stopping", seconds) for seconds in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0)
        ]

    def test_its_pauses_begin_anew_after_one_body_that_was_delivered(self, tmp_path: Path) -> None:
        world = World(tmp_path)
        for operation in (A, B):
            world.spool.write([operation])
        world.double.reply_with(Fault.RESET, Fault.RESET, items(201), Fault.RESET)
        turns = Turns(world, nothing, nothing)
        assert turns.run() == [("stopping", 1.0), ("stopping", 2.0), ("stopping", 1.0)]

    def test_where_nothing_waits_any_more_the_next_export_tries(self, tmp_path: Path) -> None:
        world = World(tmp_path)
        world.double.reply_with(Fault.RESET)
        world.deliver(A)
        drained_by_another = world.spool.lease()
        assert drained_by_another
        drained_by_another.done()
        Turns(world, lambda: world.deliver(B)).run()
        assert world.ids == ["a", "b"]

    def test_it_waits_as_long_as_elasticsearch_asks(self, tmp_path: Path) -> None:
        world = World(tmp_path)
        world.spool.write([A])
        world.double.reply_with(status(503, retry_after=45))
        assert Turns(world).run() == [("stopping", 45.0)]

    def test_it_waits_no_longer_than_a_thread_can(self, tmp_path: Path) -> None:
        world = World(tmp_path)
        world.spool.write([A])
        world.double.reply_with(status(503, retry_after=99_999_999_999))
        assert Turns(world).run() == [("stopping", 3600.0)]

    @pytest.mark.parametrize("error", [SpoolError("The folder is gone."), RuntimeError("a defect")])
    def test_no_failure_ends_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        world = World(tmp_path)

        def fail(*_: object) -> None:
            raise error

        monkeypatch.setattr(Spool, "lease", fail)
        assert Turns(world).run() == [("stopping", 1.0)]

    def test_it_is_started_by_the_first_export_and_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started: list[str] = []
        monkeypatch.setattr("threading.Thread.start", lambda thread: started.append(thread.name))
        world = World(tmp_path)
        drainer: Any = world.delivery.drainer
        del drainer.start
        world.deliver(A)
        world.deliver(B)
        assert started == ["otel-asayer-drain"]

    def test_where_no_thread_can_be_started_exports_go_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: object) -> None:
            raise RuntimeError("can't start new thread at interpreter shutdown")

        monkeypatch.setattr("threading.Thread.start", fail)
        world = World(tmp_path)
        drainer: Any = world.delivery.drainer
        del drainer.start
        assert world.deliver(A) is True

    def test_where_no_thread_could_be_started_the_next_export_tries_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried: list[str] = []

        def fail(thread: threading.Thread) -> None:
            tried.append(thread.name)
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr("threading.Thread.start", fail)
        world = World(tmp_path)
        drainer: Any = world.delivery.drainer
        del drainer.start
        world.deliver(A)
        world.deliver(B)
        assert tried == ["otel-asayer-drain"] * 2


class TestAlways:
    def test_everything_is_on_the_disk_while_it_is_sent(self, tmp_path: Path) -> None:
        world = World(tmp_path, spool="always")
        seen: list[int] = []
        request = world.double.request

        def look(*arguments: Any, **keywords: Any) -> Response:
            seen.append(world.spool.status().documents)
            return request(*arguments, **keywords)

        world.double.request = look  # type: ignore[method-assign]
        assert world.deliver(A, B) is True
        assert seen == [2]
        assert world.waiting == []

    def test_what_does_not_arrive_stays_there(self, tmp_path: Path) -> None:
        world = World(tmp_path, spool="always")
        world.double.reply_with(items(201, REJECTED, IMMENSE))
        world.deliver(A, B, C)
        assert world.waiting == [B]
        assert world.counts == {Outcome.INDEXED: 1, Outcome.SPOOLED: 1, Outcome.REJECTED: 1}

    def test_where_the_disk_refuses_documents_are_sent_all_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        world = World(tmp_path, spool="always")
        monkeypatch.setattr(Spool, "write_ahead", refuse)
        assert world.deliver(A) is True
        assert world.counts == {Outcome.INDEXED: 1}
        assert caplog.messages == [
            "Telemetry is sent without being written to the disk first: The disk is full."
        ]

    def test_a_body_that_cannot_be_removed_costs_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = World(tmp_path, spool="always")
        monkeypatch.setattr("otel_asayer.spool.Lease.done", refuse)
        assert world.deliver(A) is True
        assert world.counts == {Outcome.INDEXED: 1}


class TestNowhere:
    def test_without_a_destination_the_spool_is_the_store(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        world = World(tmp_path, endpoint=None)
        world.delivery.announce()
        assert world.deliver(A, B) is True
        assert world.waiting == [A, B]
        assert world.double.exchanges == []
        assert caplog.messages == [
            (
                f"No telemetry is sent to Elasticsearch: OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT is "
                f"not set. It is kept in {tmp_path}/local: "
                "`otel-asayer spool drain` sends it."
            )
        ]

    def test_a_setting_that_closes_keeps_telemetry_for_its_destination(
        self, tmp_path: Path
    ) -> None:
        config = Config.from_environment(
            {
                "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": "http://localhost:9200",
                "OTEL_EXPORTER_ELASTICSEARCH_API_KEY": "not a key",
                "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(tmp_path),
            }
        )
        closed = Delivery(config, configured_spool(config), client=ElasticsearchDouble())
        assert not closed.deliver([A]).lost
        assert World(tmp_path).waiting == [A]


class TestWhereItLies:
    def test_off_is_no_spool(self) -> None:
        assert configured_spool(Config.from_environment({}, spool="off")) is None

    def test_the_environments_own_folder_holds_it(self, tmp_path: Path) -> None:
        spool = configured_spool(Config.from_environment({"XDG_STATE_HOME": str(tmp_path)}))
        assert spool
        assert spool.folder == tmp_path / "otel-asayer" / "spool" / "local"

    def test_a_cloud_id_is_a_destination_of_its_own(self, tmp_path: Path) -> None:
        folders = {
            spool.folder.name
            for cloud_id in (None, "one:ZXhhbXBsZSQxJDI=", "two:ZXhhbXBsZSQxJDM=")
            if (
                spool := configured_spool(
                    Config.from_environment({}, cloud_id=cloud_id, spool_directory=str(tmp_path))
                )
            )
        }
        assert len(folders) == 3
        assert "local" in folders


class TestTheEnd:
    def test_where_nobody_answers_the_last_export_goes_to_the_disk(self, world: World) -> None:
        world.delivery.stop()
        world.double.reply_with(Fault.RESET)
        world.deliver(A)
        assert world.timeouts == []
        assert world.waiting == [A]

    def test_where_nobody_answers_nothing_is_asked_again(self, world: World) -> None:
        world.delivery.stop()
        world.double.reply_with(Fault.RESET)
        world.deliver(A)
        world.delivery.finish()
        assert len(world.pings) == 1
        assert world.waiting == [A]

    def test_a_destination_that_was_down_and_is_up_again_gets_the_last_export(
        self, world: World
    ) -> None:
        world.double.reply_with(Fault.RESET)
        world.deliver(A)
        world.delivery.stop()
        world.deliver(B)
        assert world.waiting == [A]

    def test_what_the_process_put_on_the_disk_is_sent(self, world: World) -> None:
        world.double.reply_with(Fault.RESET)
        world.deliver(A)
        world.delivery.stop()
        world.delivery.finish()
        assert world.waiting == []
        assert world.counts == {Outcome.SPOOLED: 1, Outcome.INDEXED: 1, Outcome.DRAINED: 1}

    def test_what_another_process_put_there_is_left_to_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as another:
            another.setattr("os.getpid", lambda: 1)
            World(tmp_path).spool.write([A])
        world = World(tmp_path)
        world.spool.write([B])
        world.delivery.stop()
        world.delivery.finish()
        assert world.waiting == [A]

    def test_what_a_process_of_the_same_pid_put_there_before_is_left_there(
        self, tmp_path: Path
    ) -> None:
        World(tmp_path).spool.write([A])
        world = World(tmp_path)
        world.spool.write([B])
        world.delivery.stop()
        world.delivery.finish()
        assert world.waiting == [A]

    def test_with_nothing_of_its_own_on_the_disk_nobody_is_asked(self, world: World) -> None:
        world.delivery.stop()
        world.delivery.finish()
        assert (world.pings, world.timeouts) == ([], [])

    def test_one_sign_of_life_is_enough(self, world: World) -> None:
        world.spool.write([A])
        world.delivery.stop()
        world.deliver(B)
        world.delivery.finish()
        assert len(world.pings) == 1
        assert world.waiting == []

    def test_what_fails_is_tried_again_while_somebody_answers(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pauses: list[float] = []
        monkeypatch.setattr(
            world.delivery.context, "wait", lambda _, seconds: pauses.append(seconds)
        )
        world.spool.write([A])
        world.delivery.stop()
        world.double.reply_with(UNAVAILABLE, items(REJECTED))
        world.delivery.finish()
        assert pauses == [0.2, 0.4]
        assert len(world.pings) == 3
        assert world.waiting == []

    def test_what_fails_is_not_tried_beyond_the_time_for_the_end(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def wait(_: threading.Event, seconds: float) -> None:
            world.now += seconds

        monkeypatch.setattr(world.delivery.context, "wait", wait)
        world.spool.write([A])
        world.delivery.stop()
        world.double.reply_with(*[UNAVAILABLE] * 99)
        world.delivery.finish()
        assert world.now <= 5.0
        assert world.spool.status().leased_files == 0
        assert world.waiting == [A]

    def test_a_longer_pause_than_is_left_is_not_begun(self, world: World) -> None:
        world.spool.write([A])
        world.delivery.stop()
        world.double.reply_with(status(429, retry_after=60))
        world.delivery.finish()
        assert world.waiting == [A]

    def test_what_waits_for_a_person_is_tried_once(self, world: World) -> None:
        world.spool.write([A])
        world.spool.write([B])
        world.delivery.stop()
        world.double.reply_with(*[status(401)] * 99)
        world.delivery.finish()
        assert sorted(world.ids) == ["a", "b"]
        assert sorted(world.waiting) == [A, B]

    def test_a_disk_that_fails_at_the_end_raises_nothing(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Spool, "lease", refuse)
        world.delivery.stop()
        world.delivery.finish()
        assert world.timeouts == []

    def test_a_document_from_the_disk_that_is_there_already_is_a_duplicate(
        self, world: World
    ) -> None:
        world.deliver(A)
        world.spool.write([A])
        world.drain()
        assert world.counts == {Outcome.INDEXED: 1, Outcome.DUPLICATE: 1, Outcome.DRAINED: 1}

    def test_written_ahead_a_document_can_be_no_duplicate(self, tmp_path: Path) -> None:
        world = World(tmp_path, spool="always")
        world.deliver(A)
        world.deliver(A.replace(b'"a":"a"', b'"a":"b"'))
        assert world.counts == {Outcome.INDEXED: 2, Outcome.COLLIDED: 1}
        assert world.waiting == []


def refuse(*_: object, **__: object) -> Callable[..., None]:
    raise SpoolError("The disk is full.")
