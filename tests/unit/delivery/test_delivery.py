"""The policy of delivery, on the test's own clock and against a double without network."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource

from otel_asayer.config import Config
from otel_asayer.delivery.delivery import Delivery, shared
from otel_asayer.delivery.outcomes import Count, Outcome
from otel_asayer.documents import Encoder, Operation
from otel_asayer.elasticsearch.bulk import Cause
from otel_asayer.elasticsearch.client import Client, Response, UnreachableError
from otel_asayer.setup import first_contact
from otel_asayer.setup.first_contact import SetupReport
from otel_asayer.testing import Fault, items, status
from unit.elasticsearch.relay import Relay

from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

INDEXED = Count(Outcome.INDEXED)
DUPLICATE = Count(Outcome.DUPLICATE)
REJECTED = (429, "es_rejected_execution_exception", "rejected execution")
IN_FAILURE_STORE = status(
    200, {"errors": False, "items": [{"create": {"status": 201, "failure_store": "used"}}]}
)
UNAVAILABLE = status(503, {"error": {"type": "unavailable", "reason": "starting"}})


class World(Relay):
    """A delivery, the double it delivers to, and a clock that only waiting and `take` move."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self.new_ids = 0
        self.on_pause: Callable[[], None] = lambda: None
        config = Config.from_environment(
            {}, **{"endpoint": "http://localhost:9200", "setup": "off", **settings}
        )
        self.delivery = Delivery(
            config,
            client=self,
            clock=lambda: self.now,
            random=lambda: 1.0,
            wait=self._wait,
            new_id=self._new_id,
        )

    def _new_id(self) -> str:
        self.new_ids += 1
        return f"new-{self.new_ids}"

    def _wait(self, _: threading.Event, seconds: float) -> None:
        self.pauses.append(round(seconds, 3))
        self.now += seconds
        self.on_pause()

    def deliver(self, *operations: bytes) -> bool:
        return not self.delivery.deliver([*map(Operation, operations)]).lost

    @property
    def counts(self) -> Mapping[Count, int]:
        return {
            count: number for count, number in self.delivery.counters.snapshot().items() if number
        }

    @property
    def sent(self) -> list[list[str]]:
        """The `_id`s of each request."""
        return [
            [action["create"]["_id"] for action, _ in exchange.operations]
            for exchange in self.double.exchanges
        ]


def operation(name: str, size: int = 0) -> Operation:
    return Operation(
        b'{"create":{"_index":"traces-generic.otel-default","_id":"%s"}}\n{"name":"%s%s"}\n'
        % (
            name.encode(),
            name.encode(),
            b"x" * size,
        )
    )


def record(document_id: str) -> Operation:
    """A replay record."""
    return Operation(
        b'{"create":{"_index":"asayer-logs-default-2026.11.24","pipeline":"asayer-replay",'
        b'"require_data_stream":false,"_id":"%s"}}\n{"name":"record"}\n' % document_id.encode()
    )


A, B, C, D = map(operation, "abcd")


@pytest.fixture
def world() -> World:
    return World()


class TestSuccess:
    def test_documents_arrive(self, world: World) -> None:
        assert world.deliver(A, B) is True
        assert world.double.documents == [{"name": "a"}, {"name": "b"}]
        assert world.counts == {INDEXED: 2}

    def test_nothing_to_deliver_is_no_request(self, world: World) -> None:
        assert world.deliver() is True
        assert world.double.exchanges == []

    def test_a_bulk_request_requires_data_streams(self, world: World) -> None:
        world.deliver(A)
        [exchange] = world.double.exchanges
        assert exchange.method == "POST"
        assert exchange.target.partition("&")[0] == "/_bulk?require_data_stream=true"
        assert exchange.content == A

    def test_a_bulk_request_is_all_operations_one_after_the_other(self, world: World) -> None:
        world.deliver(A, B)
        [exchange] = world.double.exchanges
        assert exchange.body == A + B

    def test_the_pipeline_of_the_settings_is_named(self) -> None:
        world = World(pipeline="enrich")
        world.deliver(A)
        assert world.double.exchanges[0].target.endswith("&pipeline=enrich")

    def test_no_request_is_larger_than_the_settings_allow(self) -> None:
        world = World(max_request_bytes=1024)
        world.deliver(
            operation("a", 400), operation("b", 400), operation("c", 400), operation("d", 2000)
        )
        assert world.sent == [["a", "b"], ["c"], ["d"]]

    def test_a_later_document_may_be_delivered_in_the_same_process(self, world: World) -> None:
        world.deliver(A)
        assert world.deliver(B) is True
        assert world.counts == {INDEXED: 2}


class TestCollisions:
    """Answers of 409, to documents that nobody can have sent before, and to others."""

    def test_a_document_with_the_id_of_another_one_gets_an_id_of_its_own(
        self, world: World
    ) -> None:
        world.deliver(A)
        other = A.replace(b'"name":"a"', b'"name":"b"')
        assert world.deliver(other, B) is True
        assert world.double.documents == [{"name": "a"}, {"name": "b"}, {"name": "b"}]
        assert world.sent == [["a"], ["a", "b"], ["new-1"]]
        assert world.counts == {INDEXED: 3, Count(Outcome.COLLIDED): 1}

    def test_two_documents_of_one_request_may_collide(self, world: World) -> None:
        world.deliver(A, A.replace(b'"name":"a"', b'"name":"b"'))
        assert world.double.documents == [{"name": "a"}, {"name": "b"}]

    @pytest.mark.parametrize(
        "trouble", [Fault.LOST_ANSWER, Fault.RESET, status(503), status(200, {})]
    )
    def test_after_an_answer_that_was_lost_a_document_is_a_duplicate(
        self, world: World, trouble: Response | Fault
    ) -> None:
        world.deliver(A)
        world.double.reply_with(trouble)
        world.deliver(A)
        assert world.counts[DUPLICATE] == 1
        assert len(world.double.stored) == 1

    def test_after_a_failed_item_a_document_is_a_duplicate(self, world: World) -> None:
        world.deliver(A)
        world.double.reply_with(items((503, "unavailable_shards_exception", "timed out")))
        world.deliver(A)
        assert world.counts[DUPLICATE] == 1

    def test_after_another_endpoint_gave_no_answer_a_document_is_a_duplicate(
        self, world: World
    ) -> None:
        world.double.reply_with(items(409)._replace(repeated=True))
        world.deliver(A)
        assert world.counts == {DUPLICATE: 1}

    @pytest.mark.parametrize(
        "refusal",
        [
            status(413),
            status(429),
            items(REJECTED),
            items((400, "document_parsing_exception", "[a]")),
        ],
    )
    def test_what_elasticsearch_did_not_take_for_sure_can_be_no_duplicate(
        self, refusal: Response
    ) -> None:
        world = World()
        with_attribute = A.replace(b'"name":"a"', b'"attributes":{"a":1}')
        world.deliver(A, D)
        world.double.reply_with(refusal)
        world.deliver(*([with_attribute, C] if refusal.status == 413 else [with_attribute]))
        assert world.counts[Count(Outcome.COLLIDED)] == 1
        assert DUPLICATE not in world.counts

    def test_a_salvaged_document_whose_answer_was_lost_is_a_duplicate(self, world: World) -> None:
        parsing = items(
            (
                400,
                "document_parsing_exception",
                "failed to parse field [attributes.a] of type [long]",
            )
        )
        world.double.reply_with(Fault.RESET, parsing, items(409))
        world.deliver(A.replace(b'"name":"a"', b'"attributes":{"a":1}'))
        assert world.counts[DUPLICATE] == 1

    def test_what_answers_so_to_every_id_is_asked_twice_and_believed(self, world: World) -> None:
        world.double.reply_with(items(409), items(409))
        assert world.deliver(A) is True
        assert world.sent == [["a"], ["new-1"]]
        assert world.counts == {Count(Outcome.COLLIDED): 1, DUPLICATE: 1}

    def test_a_new_id_whose_answer_was_lost_is_kept(self, world: World) -> None:
        world.double.reply_with(items(409), Fault.LOST_ANSWER)
        world.deliver(A)
        assert world.sent == [["a"], ["new-1"], ["new-1"]]
        assert world.counts[DUPLICATE] == 1

    def test_the_replay_record_of_an_exception_is_meant_to_be_one_for_all_spans_it_passes(
        self, world: World
    ) -> None:
        shared = record(f"{'0' * 32}-{'f' * 32}r")
        world.deliver(shared)
        world.deliver(shared)
        assert world.counts == {INDEXED: 1, DUPLICATE: 1}

    def test_the_replay_record_of_a_span_gets_a_new_id_as_its_span_does(self, world: World) -> None:
        world.deliver(A, record("ar"))
        world.deliver(A, record("ar"))
        assert world.sent[-1] == ["new-1", "new-2r"]

    def test_the_replay_record_that_a_bridge_wrote_first_is_a_duplicate(self, world: World) -> None:
        world.deliver(record("ar"))
        world.deliver(A, record("ar"))
        assert world.counts == {INDEXED: 2, DUPLICATE: 1}


class TestRetries:
    @pytest.mark.parametrize(
        "trouble",
        [
            Fault.RESET,
            Fault.HANG,
            status(429),
            status(500),
            status(502),
            UNAVAILABLE,
            status(504),
            status(200, {}),
        ],
    )
    def test_what_may_succeed_later_is_sent_again(
        self, world: World, trouble: Response | Fault
    ) -> None:
        world.double.reply_with(trouble)
        assert world.deliver(A, B) is True
        assert world.sent == [["a", "b"], ["a", "b"]]
        assert world.counts[INDEXED] == 2

    def test_an_answer_that_was_lost_makes_no_second_document(self, world: World) -> None:
        world.double.reply_with(Fault.LOST_ANSWER)
        assert world.deliver(A, B) is True
        assert world.double.documents == [{"name": "a"}, {"name": "b"}]
        assert world.counts == {Count(Outcome.RETRIED, Cause.of("unreachable")): 2, DUPLICATE: 2}

    def test_only_items_that_need_it_are_sent_again(self, world: World) -> None:
        world.double.reply_with(items(201, REJECTED, 201, REJECTED), items(REJECTED, 201))
        assert world.deliver(A, B, C, D) is True
        assert world.sent == [["a", "b", "c", "d"], ["b", "d"], ["b"]]

    def test_each_outcome_is_counted_once(self, world: World) -> None:
        world.double.reply_with(items(201, REJECTED, 201, REJECTED), items(REJECTED, 201))
        world.deliver(A, B, C, D)
        assert world.counts == {
            INDEXED: 4,
            Count(Outcome.RETRIED, Cause.of("es_rejected_execution_exception")): 3,
        }

    def test_pauses_grow(self, world: World) -> None:
        world.double.reply_with(*[Fault.RESET] * 4)
        world.deliver(A)
        assert world.pauses == [0.2, 0.4, 0.8, 1.6]

    def test_the_server_may_ask_for_a_longer_pause(self, world: World) -> None:
        world.double.reply_with(status(429, retry_after=3), UNAVAILABLE)
        world.deliver(A)
        assert world.pauses == [3.0, 0.4]

    def test_a_pause_beyond_the_deadline_is_not_begun(self, world: World) -> None:
        world.double.reply_with(status(429, retry_after=11))
        assert world.deliver(A) is False
        assert world.pauses == []
        assert world.counts == {Count(Outcome.DROPPED, Cause.http(429)): 1}

    def test_all_tries_share_one_deadline(self) -> None:
        world = World(timeout=5)
        world.takes = 1.0
        world.double.reply_with(*[Fault.RESET] * 9)
        assert world.deliver(A) is False
        assert world.timeouts == [5.0, 3.8, 2.4, 0.6]
        assert world.pauses == [0.2, 0.4, 0.8]

    def test_parts_after_a_failed_one_wait_for_the_next_round(self) -> None:
        world = World(max_request_bytes=1024)
        world.double.reply_with(items(201), UNAVAILABLE)
        operations = [operation(name, 900) for name in "abc"]
        assert world.deliver(*operations) is True
        assert world.sent == [["a"], ["b"], ["b"], ["c"]]

    def test_a_deadline_between_two_parts_loses_the_second(self) -> None:
        world = World(max_request_bytes=1024, timeout=3)
        world.takes = 3.0
        assert world.deliver(operation("a", 900), operation("b", 900)) is False
        assert world.counts == {INDEXED: 1, Count(Outcome.DROPPED, Cause.of("deadline")): 1}

    @pytest.mark.parametrize("overload", [status(429), items(*[REJECTED] * 4)])
    def test_an_overloaded_server_gets_smaller_requests(
        self, world: World, overload: Response
    ) -> None:
        world.double.reply_with(overload)
        operations = [operation(name, 50_000) for name in "abcd"]
        assert world.deliver(*operations) is True
        assert world.sent == [["a", "b", "c", "d"], ["a", "b"], ["c", "d"]]

    def test_requests_for_an_overloaded_server_have_a_least_size(self, world: World) -> None:
        world.double.reply_with(*[status(429)] * 5)
        operations = [operation(name, 30_000) for name in "abcd"]
        world.deliver(*operations)
        assert world.sent[-2:] == [["a", "b"], ["c", "d"]]

    def test_the_next_export_is_of_usual_size_again(self, world: World) -> None:
        world.double.reply_with(status(429))
        world.deliver(*[operation(name, 50_000) for name in "ab"])
        world.deliver(*[operation(name, 50_000) for name in "cd"])
        assert world.sent == [["a", "b"], ["a"], ["b"], ["c", "d"]]

    def test_what_is_lost_at_the_deadline_is_counted_with_the_last_reason(
        self, world: World
    ) -> None:
        world.takes = 2.0
        world.double.reply_with(*[Fault.RESET] * 99)
        world.deliver(A, B)
        assert (
            world.delivery.counters.reason(Count(Outcome.DROPPED, Cause.of("unreachable")))
            == "unreachable: Connection reset by peer"
        )


class TestOutage:
    def outage(self, world: World) -> None:
        """Let an export fail at its deadline."""
        world.double.reply_with(status(429, retry_after=99))
        world.deliver(A)
        world.timeouts.clear()

    def test_while_the_destination_is_down_an_export_makes_one_short_try(
        self, world: World
    ) -> None:
        self.outage(world)
        world.double.reply_with(Fault.RESET)
        assert world.deliver(B) is False
        assert world.timeouts == [2.0]
        assert world.pauses == []

    def test_one_success_ends_the_outage(self, world: World) -> None:
        self.outage(world)
        world.deliver(B)
        world.double.reply_with(Fault.RESET)
        assert world.deliver(C) is True
        assert world.timeouts == [2.0, 10.0, 9.8]
        assert world.pauses == [0.2]

    def test_a_server_that_is_only_slow_is_found_up_again(self, world: World) -> None:
        self.outage(world)
        world.now += 60
        assert world.deliver(B) is True
        assert world.timeouts == [10.0]

    def test_items_that_are_rejected_until_the_deadline_are_an_outage_as_well(
        self, world: World
    ) -> None:
        world.takes = 4.0
        world.double.reply_with(*[items(REJECTED)] * 3)
        world.deliver(A)
        world.timeouts.clear()
        world.deliver(B)
        assert world.timeouts == [2.0]


class TestRefusals:
    def test_a_document_that_is_refused_is_counted_and_not_sent_again(self, world: World) -> None:
        world.double.reply_with(
            items(
                201, (400, "document_parsing_exception", "failed to parse field [n] of type [long]")
            )
        )
        assert world.deliver(A, B) is False
        assert world.sent == [["a", "b"]]
        assert world.counts == {
            INDEXED: 1,
            Count(Outcome.REJECTED, Cause.of("document_parsing_exception")): 1,
        }

    def test_a_document_in_the_failure_store_is_sent_again_with_all_but_the_session_put_aside(
        self, world: World
    ) -> None:
        """The double answers here: the distribution for tests has no failure store.

        What is proven is our half, by the answer that is documented.
        """
        world.double.reply_with(IN_FAILURE_STORE)
        assert (
            world.deliver(A.replace(b'{"name":"a"}', b'{"attributes":{"a":1,"session.id":"7"}}'))
            is True
        )
        assert world.double.documents == [
            {"attributes": {"session.id": "7", "otel_asayer.unmapped": '{"a":1}'}}
        ]
        assert world.counts == {INDEXED: 1, Count(Outcome.SALVAGED, Cause.of("failure_store")): 1}

    def test_a_document_that_lands_there_again_is_refused(self, world: World) -> None:
        world.double.reply_with(IN_FAILURE_STORE, IN_FAILURE_STORE)
        assert (
            world.deliver(
                A.replace(
                    b'{"name":"a"}', b'{"attributes":{"a":1},"resource":{"attributes":{"b":2}}}'
                )
            )
            is False
        )
        assert world.sent == [["a"], ["a"]]
        assert world.counts == {
            Count(Outcome.SALVAGED, Cause.of("failure_store")): 1,
            Count(Outcome.REJECTED, Cause.of("failure_store")): 1,
        }


def test_where_gevent_patches_late_exports_can_pause() -> None:
    code = (
        "from otel_asayer.config import Config; from otel_asayer.delivery.delivery import "
        "Delivery; "
        "from gevent import monkey; monkey.patch_all(); "
        "context = Delivery(Config.from_environment({}, endpoint='http://localhost:9200', "
        "spool='off')).context; context.wait(context.stopping, 0)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=HANG_SECONDS)


class TestSplitting:
    TOO_LARGE = status(413)
    SPOILT = status(
        400,
        {"error": {"type": "action_request_validation_exception", "reason": "id [x] is too long"}},
    )

    def test_a_request_that_is_too_large_is_halved_until_it_fits(self, world: World) -> None:
        world.double.reply_with(self.TOO_LARGE, self.TOO_LARGE)
        assert world.deliver(A, B, C, D) is True
        assert world.sent == [["a", "b", "c", "d"], ["a", "b"], ["a"], ["b"], ["c", "d"]]

    def test_what_was_too_large_once_is_not_sent_again(self, world: World) -> None:
        world.double.reply_with(self.TOO_LARGE)
        world.deliver(operation("a", 2**16), operation("b", 2**16))
        world.deliver(operation("c", 2**16), operation("d", 2**16))
        assert world.sent == [["a", "b"], ["a"], ["b"], ["c"], ["d"]]

    def test_small_requests_that_were_too_large_make_no_later_one_smaller(
        self, world: World
    ) -> None:
        world.double.reply_with(self.TOO_LARGE)
        world.deliver(A, B)
        world.deliver(C, D)
        assert world.sent == [["a", "b"], ["a"], ["b"], ["c", "d"]]

    def test_a_single_document_that_is_too_large_is_refused(self, world: World) -> None:
        world.double.reply_with(self.TOO_LARGE)
        assert world.deliver(A) is False
        assert world.counts == {Count(Outcome.REJECTED, Cause.http(413)): 1}

    def test_one_document_that_spoils_a_request_is_found(self, world: World) -> None:
        world.double.reply_with(self.SPOILT, items(201, 201), self.SPOILT, self.SPOILT)
        assert world.deliver(A, B, C, D) is False
        assert world.sent == [["a", "b", "c", "d"], ["a", "b"], ["c", "d"], ["c"], ["d"]]
        assert world.counts == {INDEXED: 3, Count(Outcome.REJECTED, Cause.http(400)): 1}

    def test_when_every_document_spoils_its_request_there_is_an_end(self, world: World) -> None:
        world.double.reply_with(*[self.SPOILT] * 500)
        operations = [operation(str(number)) for number in range(200)]
        assert world.deliver(*operations) is False
        assert world.counts == {Count(Outcome.REJECTED, Cause.http(400)): 200}
        assert len(world.double.exchanges) < 100


class TestConfiguration:
    MISSING = (404, "index_not_found_exception", "no such index [asayer-logs-default]")
    FORBIDDEN = (403, "security_exception", "action [indices:data/write/bulk[s]] is unauthorized")
    CLASH = (500, "illegal_state_exception", "alias [logs] has indices and data streams")

    UNPREPARED = (
        400,
        "illegal_argument_exception",
        "pipeline with id [asayer-replay] does not exist",
    )

    @pytest.mark.parametrize("problem", [MISSING, FORBIDDEN, CLASH, UNPREPARED])
    def test_other_documents_go_on_meanwhile(
        self, world: World, problem: tuple[int, str, str]
    ) -> None:
        world.double.reply_with(items(201, problem))
        assert world.deliver(A, B) is False
        assert world.sent == [["a", "b"]]
        assert world.counts == {INDEXED: 1, Count(Outcome.DROPPED, Cause.of(problem[1])): 1}

    def test_a_failure_store_of_data_streams_concerns_no_replay_record(self, world: World) -> None:
        record = LogRecord(
            timestamp=1_795_536_236_662_000_005,
            body="x",
            severity_number=SeverityNumber.INFO,
            attributes={"session.id": "7" * 19, "a": 1},
        )
        encoded = (
            Encoder(Config(), lambda: "id")
            .log_records([ReadableLogRecord(record, Resource({}))])
            .operations
        )
        taken = {
            "errors": False,
            "items": [
                {"create": {"status": 201, "failure_store": "used"}},
                {"create": {"status": 201}},
            ],
        }
        world.double.reply_with(status(200, taken))
        assert world.deliver(*encoded) is True
        assert world.sent == [["id", "idr"], ["id"]]

    def test_two_pipelines_that_are_missing_have_an_advice_each(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.double.reply_with(
            items(self.UNPREPARED, (*self.UNPREPARED[:2], "pipeline with id [mine] does not exist"))
        )
        world.deliver(A, B)
        assert [
            advice
            for advice in (
                "`otel-asayer setup` does it",
                "or correct OTEL_EXPORTER_ELASTICSEARCH_PIPELINE",
            )
            if advice not in caplog.text
        ] == []

    def test_what_to_do_is_said_once(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        world.double.reply_with(
            items(201, self.MISSING),
            items(201, (*self.MISSING[:2], "no such index [asayer-logs-other]")),
        )
        world.deliver(A, B)
        world.deliver(C, B)
        advice, loss = caplog.messages
        assert advice == (
            "Elasticsearch does not take all telemetry: index_not_found_exception, no such index "
            "[asayer-logs-default]. The index template of that "
            "data stream is missing: OTEL_EXPORTER_ELASTICSEARCH_SETUP=auto installs it, with a "
            "key that has the cluster privilege "
            "manage_index_templates, and view_index_metadata on logs."
        )
        assert loss.endswith(
            "1 dropped (index_not_found_exception: no such index [asayer-logs-default])."
        )

    def test_a_refused_key_stops_the_export_without_a_retry(self) -> None:
        world = World(max_request_bytes=1024)
        world.double.reply_with(
            status(401, {"error": {"type": "security_exception", "reason": "no"}})
        )
        assert world.deliver(operation("a", 900), operation("b", 900)) is False
        assert world.sent == [["a"]]
        assert world.pauses == []
        assert world.counts == {Count(Outcome.DROPPED, Cause.http(401)): 2}

    def test_a_redirect_is_a_wrong_address(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.double.reply_with(status(302, None, location="https://login.example"))
        world.deliver(A)
        assert caplog.messages[0] == (
            "Elasticsearch does not take all telemetry: http 302, without a reason. "
            "Check that OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT is the address of Elasticsearch "
            "itself."
        )

    def test_a_refused_key_is_no_outage(self, world: World) -> None:
        world.double.reply_with(status(401))
        world.deliver(A)
        world.timeouts.clear()
        world.deliver(B)
        assert world.timeouts == [10.0]


class TestMessages:
    def test_losses_are_told_at_most_once_a_minute(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(3):
            world.double.reply_with(items((400, "document_parsing_exception", "failed")))
            world.deliver(A)
        world.now += 60
        world.double.reply_with(items((400, "document_parsing_exception", "failed")))
        world.deliver(A)
        assert [message.partition("documents: ")[2] for message in caplog.messages] == [
            "1 rejected (document_parsing_exception: failed).",
            "3 rejected (document_parsing_exception: failed).",
        ]

    def test_closing_tells_what_no_line_told_yet(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(2):
            world.double.reply_with(items((400, "document_parsing_exception", "failed")))
            world.deliver(A)
        world.delivery.close()
        assert len(caplog.messages) == 2

    def test_what_never_became_an_operation_is_told_as_well(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.delivery.lose(2, Cause.of("not encoded"), "a span was not written")
        assert world.counts == {Count(Outcome.DROPPED, Cause.of("not encoded")): 2}
        assert caplog.messages == [
            (
                "Telemetry was lost on its way to Elasticsearch, in documents: 2 dropped (not "
                "encoded: "
                "a span was not written)."
            )
        ]

    def test_success_says_nothing(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        world.double.reply_with(Fault.RESET)
        world.deliver(A)
        assert caplog.messages == []


class TestNowhere:
    def test_without_an_endpoint_one_message_says_so(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        delivery = Delivery(Config.from_environment({}))
        delivery.announce()
        delivery.announce()
        delivery.lose(5, Cause.of("no destination"))
        delivery.close()
        assert caplog.messages == [
            (
                "No telemetry is sent to Elasticsearch: OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT is "
                "not "
                "set."
            )
        ]

    def test_a_bad_setting_that_closes_is_the_reason(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        Delivery(
            Config.from_environment({"OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": "es:9200"})
        ).announce()
        [message] = caplog.messages
        assert message.startswith(
            "No telemetry is sent to Elasticsearch: OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT: expected "
            "URLs"
        )

    def test_with_an_endpoint_nothing_is_announced(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.delivery.announce()
        assert caplog.messages == []


class TestSetup:
    """First contact; what it does is `templates`' affair, whose `ensure` is replaced here."""

    @pytest.fixture
    def calls(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        timeouts: list[float] = []

        def ensure(*_: object, timeout: float) -> SetupReport:
            timeouts.append(timeout)
            return SetupReport(problems=("Setup found a problem.",))

        monkeypatch.setattr(first_contact, "ensure", ensure)
        return timeouts

    def test_elasticsearch_is_set_up_once_before_the_first_bulk_request(
        self, calls: list[float], caplog: pytest.LogCaptureFixture
    ) -> None:
        world = World(setup="auto")
        assert world.deliver(A) is True
        assert world.deliver(B) is True
        assert calls == [10.0]
        assert caplog.messages == ["Setup found a problem."]

    def test_nothing_is_set_up_where_that_is_off(self, world: World, calls: list[float]) -> None:
        world.deliver(A)
        assert calls == []

    def test_first_contact_out_of_reach_is_made_in_the_next_round(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        replies: list[Exception | None] = [UnreachableError("nobody there"), None]

        def ensure(*_: object, timeout: float) -> SetupReport:
            if reply := replies.pop(0):
                raise reply
            return SetupReport()

        monkeypatch.setattr(first_contact, "ensure", ensure)
        world = World(setup="auto")
        assert world.deliver(A) is True
        assert replies == []
        assert world.sent == [["a"]]

    def test_what_the_server_could_not_serve_is_tried_again_and_said_once(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        replies = [
            SetupReport(problems=("Starting.",), unfinished=True),
            SetupReport(problems=("Starting.",), unfinished=True),
            SetupReport(),
        ]
        monkeypatch.setattr(first_contact, "ensure", lambda *_, **__: replies.pop(0))
        world = World(setup="auto")
        delivered = [world.deliver(body) for body in (A, B, C, A)]
        assert delivered == [True] * 4
        assert replies == []
        assert caplog.messages == ["Starting."]

    def test_answers_that_setup_does_not_understand_do_not_stop_delivery(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def ensure(*_: object, timeout: float) -> SetupReport:
            raise KeyError("name")

        monkeypatch.setattr(first_contact, "ensure", ensure)
        assert World(setup="auto").deliver(A) is True
        assert caplog.messages == [
            (
                "Elasticsearch was not set up: its answers were not understood (KeyError). "
                "Documents "
                "are sent all the same."
            )
        ]

    def test_of_two_threads_one_sets_up_and_the_other_waits(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun, go_on, calls = threading.Event(), threading.Event(), []

        def ensure(*_: object, timeout: float) -> SetupReport:
            calls.append(timeout)
            begun.set()
            go_on.wait()
            return SetupReport()

        monkeypatch.setattr(first_contact, "ensure", ensure)
        world = World(setup="auto")
        threads = [threading.Thread(target=world.deliver, args=(body,)) for body in (A, B)]
        threads[0].start()
        begun.wait()
        threads[1].start()
        go_on.set()
        for thread in threads:
            thread.join()
        assert len(calls) == 1
        assert len(world.double.documents) == 2

    def test_a_first_contact_that_takes_too_long_on_another_thread_is_a_reason(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun, go_on = threading.Event(), threading.Event()

        def ensure(*_: object, timeout: float) -> SetupReport:
            begun.set()
            go_on.wait()
            return SetupReport()

        monkeypatch.setattr(first_contact, "ensure", ensure)
        world = World(setup="auto", timeout=0.01)
        thread = threading.Thread(target=world.deliver, args=(A,))
        thread.start()
        begun.wait()
        delivered = world.deliver(B)
        go_on.set()
        thread.join()
        assert delivered is False
        assert (
            world.delivery.counters.reason(Count(Outcome.DROPPED, Cause.of("unreachable")))
            == "unreachable: another thread's first contact is still under way"
        )


class TestTheEnd:
    def test_waiting_is_over_when_the_process_ends(self, world: World) -> None:
        world.double.reply_with(Fault.RESET, Fault.RESET)
        world.on_pause = world.delivery.stop
        assert world.deliver(A) is False
        assert world.timeouts == [10.0, 1.25]

    def test_a_last_try_may_succeed(self, world: World) -> None:
        world.double.reply_with(Fault.RESET)
        world.on_pause = world.delivery.stop
        assert world.deliver(A) is True
        assert world.timeouts == [10.0, 5.0]

    def test_exports_after_the_end_was_learned_share_its_time(self, world: World) -> None:
        world.delivery.stop()
        world.takes = 0.75
        assert [world.deliver(body) for body in (A, B)] == [True, True]
        assert world.timeouts == [5.0, 4.25]

    def test_whether_anybody_is_there_is_asked_once(self, world: World) -> None:
        world.delivery.stop()
        world.deliver(A)
        world.deliver(B)
        assert world.pings == [0.0]

    def test_a_proxy_that_reaches_nobody_is_no_sign_of_life(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(world.double, "answer", lambda _: status(503))
        world.delivery.stop()
        world.deliver(A)
        assert world.timeouts == [1.25]

    def test_after_the_time_for_the_end_nothing_is_asked(self, world: World) -> None:
        world.delivery.stop()
        world.takes = 5.0
        assert [world.deliver(body) for body in (A, B)] == [True, False]
        assert world.sent == [["a"]]

    def test_after_closing_nothing_is_asked(self, world: World) -> None:
        world.delivery.stop()
        world.delivery.close()
        assert world.deliver(A) is False
        assert (world.pings, world.sent) == ([], [])

    def test_a_process_that_goes_on_delivers_as_ever(self, world: World) -> None:
        world.delivery.stop()
        world.delivery.close()
        world.delivery.resume()
        assert world.deliver(A) is True
        assert world.timeouts == [10.0]

    def test_after_one_failure_the_rest_is_given_up_without_a_try(self, world: World) -> None:
        world.delivery.stop()
        world.double.reply_with(Fault.RESET)
        assert [world.deliver(body) for body in (A, B, C)] == [False, False, False]
        assert world.sent == [["a"]]
        assert world.counts == {
            Count(Outcome.DROPPED, Cause.of("unreachable")): 1,
            Count(Outcome.DROPPED, Cause.of("deadline")): 2,
        }

    def test_what_is_given_up_during_a_request_is_not_tried_again(self, world: World) -> None:
        def request(*_: Any, **__: Any) -> Response:
            world.delivery.stop()
            world.now += 1
            raise UnreachableError("given up, as the process ends")

        world.request = request  # type: ignore[method-assign]
        assert world.deliver(A) is False
        assert world.counts == {Count(Outcome.DROPPED, Cause.of("unreachable")): 1}

    def test_a_first_export_at_the_end_imports_before_its_second_begins(self, world: World) -> None:
        def connect() -> None:
            world.now += 0.9

        world.connect = connect  # type: ignore[method-assign]
        world.delivery.stop()
        assert world.deliver(A) is True
        assert (world.pings, world.timeouts) == ([0.9], [5.0])

    def test_setup_at_the_end_leaves_the_rest_of_its_time_for_the_documents(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def ensure(*_: object, timeout: float) -> SetupReport:
            world.now += 0.5
            return SetupReport()

        world = World(setup="auto")
        monkeypatch.setattr(first_contact, "ensure", ensure)
        world.delivery.stop()
        assert world.deliver(A) is True
        assert world.timeouts == [4.5]


class TestSharing:
    def test_equal_settings_share_one_delivery(self) -> None:
        settings = {"endpoint": "http://localhost:9200", "namespace": "sharing"}
        assert shared(Config.from_environment({}, **settings)) is shared(
            Config.from_environment({}, **settings)
        )

    def test_other_settings_have_their_own(self) -> None:
        one, other = (
            shared(Config.from_environment({}, namespace=namespace))
            for namespace in ("one", "other")
        )
        assert one is not other

    def test_another_process_has_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        config = Config.from_environment({}, namespace="forked")
        before = shared(config)
        monkeypatch.setattr("os.getpid", lambda: -1)
        assert shared(config) is not before

    def test_its_client_is_one_of_the_settings(self) -> None:
        assert isinstance(Delivery(Config.from_environment({})).context.client, Client)
