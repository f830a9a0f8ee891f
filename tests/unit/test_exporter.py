"""The exporters inside the SDK, with a double of Elasticsearch on loopback."""

from __future__ import annotations

import gc
import importlib
import logging
import pkgutil
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadableLogRecord
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    InMemoryLogRecordExporter,
    LogRecordExporter,
    LogRecordExportResult,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    ReadableSpan,
    SpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

import otel_asayer
from otel_asayer import exporter as exporter_module, instrument
from otel_asayer.config import Config
from otel_asayer.delivery.delivery import Delivery, shared
from otel_asayer.delivery.outcomes import Count, Outcome
from otel_asayer.documents import Operation
from otel_asayer.elasticsearch.bulk import Cause
from otel_asayer.elasticsearch.client import UnreachableError
from otel_asayer.errors import ConfigurationError
from otel_asayer.exporter import ElasticsearchLogRecordExporter, ElasticsearchSpanExporter
from otel_asayer.processors import SessionSpanProcessor
from otel_asayer.runtime import sdk
from otel_asayer.runtime.sdk import CompactLogRecord, CompactSpan
from otel_asayer.testing import ElasticsearchDouble, Fault, items, status

from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    MakeProcessor = Callable[[LogRecordExporter], LogRecordProcessor]

SESSION = "2618307011354435587"


@pytest.fixture
def double() -> Iterator[ElasticsearchDouble]:
    with ElasticsearchDouble() as double:
        yield double


@pytest.fixture
def settings(double: ElasticsearchDouble, namespace: str) -> dict[str, Any]:
    """Settings of the test's own, so that its delivery is as well."""
    return {"endpoint": double.url, "namespace": namespace, "setup": "off", "timeout": HANG_SECONDS}


@pytest.fixture
def delivery(settings: dict[str, Any]) -> Iterator[Delivery]:
    delivery = shared(Config.from_environment(**settings))
    yield delivery
    delivery.close()


@pytest.fixture
def span_exporter(settings: dict[str, Any]) -> Iterator[ElasticsearchSpanExporter]:
    exporter = ElasticsearchSpanExporter(**settings)
    yield exporter
    exporter.shutdown()


@pytest.fixture
def log_exporter(settings: dict[str, Any]) -> Iterator[ElasticsearchLogRecordExporter]:
    exporter = ElasticsearchLogRecordExporter(**settings)
    yield exporter
    exporter.shutdown()


def spans(*names: str, **attributes: str) -> Sequence[ReadableSpan]:
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    for name in names:
        provider.get_tracer("shop").start_span(name, attributes=attributes).end()
    return memory.get_finished_spans()


@contextmanager
def logging_into(
    exporter: LogRecordExporter,
    processor: MakeProcessor = BatchLogRecordProcessor,
    level: int = logging.WARNING,
) -> Iterator[LoggerProvider]:
    """Hand what the standard library's logging logs to an exporter, by the handler of
    opentelemetry-instrumentation-logging."""
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(processor(exporter))
    root, handler = logging.getLogger(), LoggingHandler(logger_provider=provider)
    before = root.level
    root.addHandler(handler)
    root.setLevel(level)
    try:
        yield provider
    finally:
        root.setLevel(before)
        root.removeHandler(handler)
        provider.shutdown()


def texts(double: ElasticsearchDouble) -> list[str]:
    return [document["body"]["text"] for document in double.documents]


class TestContract:
    @pytest.mark.parametrize(
        ("ours", "base"),
        [
            (ElasticsearchSpanExporter, SpanExporter),
            (ElasticsearchLogRecordExporter, LogRecordExporter),
        ],
    )
    def test_each_exporter_is_one_of_the_sdks(self, ours: type, base: type) -> None:
        assert issubclass(ours, base)

    def test_spans_are_delivered(
        self, span_exporter: ElasticsearchSpanExporter, double: ElasticsearchDouble
    ) -> None:
        assert span_exporter.export(spans("GET /cart", "SELECT")) is SpanExportResult.SUCCESS
        assert [document["name"] for document in double.documents] == ["GET /cart", "SELECT"]

    def test_log_records_are_delivered(
        self, log_exporter: ElasticsearchLogRecordExporter, double: ElasticsearchDouble
    ) -> None:
        with logging_into(log_exporter) as provider:
            logging.getLogger("shop").warning("the cart is empty")
            provider.force_flush()
        assert texts(double) == ["the cart is empty"]

    def test_an_empty_batch_is_a_success_and_no_request(
        self,
        span_exporter: ElasticsearchSpanExporter,
        log_exporter: ElasticsearchLogRecordExporter,
        double: ElasticsearchDouble,
    ) -> None:
        assert span_exporter.export([]) == SpanExportResult.SUCCESS
        assert log_exporter.export([]) == LogRecordExportResult.SUCCESS
        assert double.exchanges == []

    def test_a_document_that_is_refused_is_a_failure(
        self, span_exporter: ElasticsearchSpanExporter, double: ElasticsearchDouble
    ) -> None:
        double.reply_with(items((400, "invalid_index_name_exception", "failed")))
        assert span_exporter.export(spans("GET /cart")) is SpanExportResult.FAILURE

    def test_settings_of_the_exporter_reach_the_documents(
        self, settings: dict[str, Any], double: ElasticsearchDouble
    ) -> None:
        exporter = ElasticsearchSpanExporter(
            **settings, dataset="shop", replay_url="https://replay.example/{session_id}"
        )
        exporter.export(spans("GET /cart", **{"session.id": SESSION}))
        exporter.shutdown()
        [(span_stream, _), (replay_index, _)] = double.stored
        assert span_stream == f"traces-shop.otel-{settings['namespace']}"
        assert (
            re.sub(r"[0-9.]{10}$", "day", replay_index)
            == f"asayer-logs-{settings['namespace']}-day"
        )
        assert (
            double.documents[0]["attributes"]["asayer.replay.url"]
            == f"https://replay.example/{SESSION}"
        )

    def test_a_batch_that_is_flushed_is_delivered_already(
        self, span_exporter: ElasticsearchSpanExporter, log_exporter: ElasticsearchLogRecordExporter
    ) -> None:
        assert span_exporter.force_flush() is True
        assert log_exporter.force_flush() is True

    def test_shutting_down_twice_is_shutting_down(
        self, span_exporter: ElasticsearchSpanExporter
    ) -> None:
        span_exporter.shutdown()
        span_exporter.shutdown()
        assert span_exporter.export([]) is SpanExportResult.SUCCESS

    def test_what_is_exported_after_shutdown_is_lost_and_counted(
        self,
        span_exporter: ElasticsearchSpanExporter,
        double: ElasticsearchDouble,
        delivery: Delivery,
    ) -> None:
        span_exporter.shutdown()
        assert span_exporter.export(spans("GET /cart")) is SpanExportResult.FAILURE
        assert double.exchanges == []
        assert delivery.counters.total(Outcome.DROPPED) == 1

    def test_one_exporters_shutdown_leaves_the_other_working(
        self, span_exporter: ElasticsearchSpanExporter, log_exporter: ElasticsearchLogRecordExporter
    ) -> None:
        log_exporter.shutdown()
        assert span_exporter.export(spans("GET /cart")) is SpanExportResult.SUCCESS

    def test_both_exporters_share_one_delivery(
        self,
        span_exporter: ElasticsearchSpanExporter,
        log_exporter: ElasticsearchLogRecordExporter,
        delivery: Delivery,
    ) -> None:
        span_exporter.export(spans("GET /cart"))
        with logging_into(log_exporter) as provider:
            logging.getLogger("shop").warning("the cart is empty")
            provider.force_flush()
        assert delivery.counters.snapshot() == {Count(Outcome.INDEXED): 2}

    def test_ids_of_log_records_are_random_and_short(
        self, log_exporter: ElasticsearchLogRecordExporter, double: ElasticsearchDouble
    ) -> None:
        with logging_into(log_exporter) as provider:
            for _ in range(3):
                logging.getLogger("shop").warning("the cart is empty")
            provider.force_flush()
        assert [len(name) for _, name in double.stored] == [20, 20, 20]


class TestShutdown:
    """What is under way when an exporter is shut down, and what comes after.

    Nothing here would end by itself before the test gives up.
    """

    @pytest.fixture
    def settings(self, settings: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
        return {**settings, "timeout": 300, "spool": "on_failure", "spool_directory": str(tmp_path)}

    @contextmanager
    def under_way(
        self, exporter: ElasticsearchSpanExporter, double: ElasticsearchDouble
    ) -> Iterator[threading.Thread]:
        thread = threading.Thread(target=exporter.export, args=(spans("GET /cart"),), daemon=True)
        thread.start()
        assert double.arrived.wait(60)
        yield thread
        thread.join(60)
        assert not thread.is_alive()

    def waiting(self, delivery: Delivery) -> int:
        assert delivery.spool
        return delivery.spool.status().documents

    def test_a_pause_between_two_tries_is_over(
        self, settings: dict[str, Any], double: ElasticsearchDouble
    ) -> None:
        exporter = ElasticsearchSpanExporter(**{**settings, "spool": "off"})
        double.reply_with(status(503, retry_after=250))
        with self.under_way(exporter, double):
            exporter.shutdown()
        assert (
            shared(Config.from_environment(**{**settings, "spool": "off"})).counters.total(
                Outcome.DROPPED
            )
            == 1
        )

    def test_a_request_that_hangs_is_given_up_and_its_documents_lie_on_the_disk(
        self,
        span_exporter: ElasticsearchSpanExporter,
        double: ElasticsearchDouble,
        delivery: Delivery,
    ) -> None:
        double.reply_with(Fault.HANG, Fault.HANG)
        with self.under_way(span_exporter, double):
            span_exporter.shutdown()
            assert self.waiting(delivery) == 1
        assert len(double.exchanges) == 1

    def test_its_documents_are_sent_before_the_shutdown_returns_where_somebody_answers(
        self,
        span_exporter: ElasticsearchSpanExporter,
        double: ElasticsearchDouble,
        delivery: Delivery,
    ) -> None:
        double.reply_with(Fault.HANG)
        with self.under_way(span_exporter, double):
            span_exporter.shutdown()
            assert [document["name"] for document in double.documents] == ["GET /cart"]
        assert self.waiting(delivery) == 0

    def test_of_two_exporters_the_other_goes_on(
        self,
        span_exporter: ElasticsearchSpanExporter,
        log_exporter: ElasticsearchLogRecordExporter,
        double: ElasticsearchDouble,
    ) -> None:
        double.reply_with(Fault.HANG)
        with self.under_way(span_exporter, double):
            span_exporter.shutdown()
        with logging_into(log_exporter) as provider:
            logging.getLogger("shop").warning("the cart is empty")
            provider.force_flush()
            assert "the cart is empty" in [
                document.get("body", {}).get("text") for document in double.documents
            ]

    def test_the_thread_that_drains_ends_with_the_last_exporter(
        self, span_exporter: ElasticsearchSpanExporter
    ) -> None:
        before = {thread for thread in threading.enumerate() if thread.name == "otel-asayer-drain"}
        span_exporter.export(spans("GET /cart"))
        (draining,) = {
            thread for thread in threading.enumerate() if thread.name == "otel-asayer-drain"
        } - before
        span_exporter.shutdown()
        draining.join(60)
        assert not draining.is_alive()

    def test_after_it_no_request_leaves(
        self,
        span_exporter: ElasticsearchSpanExporter,
        double: ElasticsearchDouble,
        delivery: Delivery,
    ) -> None:
        span_exporter.shutdown()
        operation = Operation(
            b'{"create":{"_index":"traces-generic.otel-default","_id":"a"}}\n{}\n'
        )
        assert not delivery.deliver([operation]).lost
        with pytest.raises(UnreachableError):
            delivery.context.post([operation], 60)
        assert double.exchanges == []

    def test_a_signals_handler_may_shut_down_the_exporter_that_it_interrupts(
        self,
        span_exporter: ElasticsearchSpanExporter,
        double: ElasticsearchDouble,
        delivery: Delivery,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        post = delivery.context.post

        def interrupted(*arguments: Any) -> Any:
            span_exporter.shutdown()
            return post(*arguments)

        monkeypatch.setattr(exporter_module, "_LONGEST_WAIT", 3600)
        monkeypatch.setattr(delivery.context, "post", interrupted)
        span_exporter.export(spans("GET /cart"))
        assert double.exchanges == []

    def test_an_exporter_of_the_same_settings_works_after_it(
        self,
        span_exporter: ElasticsearchSpanExporter,
        settings: dict[str, Any],
        double: ElasticsearchDouble,
    ) -> None:
        span_exporter.shutdown()
        another = ElasticsearchSpanExporter(**settings)
        assert another.export(spans("GET /cart")) is SpanExportResult.SUCCESS
        another.shutdown()
        assert len(double.documents) == 1


class TestSettings:
    def test_an_option_that_does_not_exist_is_the_callers_mistake(self) -> None:
        with pytest.raises(ConfigurationError, match="There is no setting 'endpont'"):
            ElasticsearchSpanExporter(endpont="http://localhost:9200")  # type: ignore[call-arg]

    @pytest.mark.parametrize(
        "exporter", [ElasticsearchSpanExporter, ElasticsearchLogRecordExporter]
    )
    def test_a_variable_never_raises_and_one_message_says_that_nothing_is_sent(
        self,
        exporter: type,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        namespace: str,
    ) -> None:
        monkeypatch.setenv("OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT", "es:9200")
        for _ in range(2):
            exporter(namespace=namespace).export([])
        [message] = caplog.messages
        assert message.startswith(
            "No telemetry is sent to Elasticsearch: OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT: expected "
            "URLs"
        )

    def test_without_an_endpoint_everything_is_counted_and_one_message_says_so(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, namespace: str
    ) -> None:
        monkeypatch.delenv("OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT", raising=False)
        exporter = ElasticsearchSpanExporter(namespace=namespace)
        results = [exporter.export(spans("GET /cart")) for _ in range(2)]
        exporter.shutdown()
        assert results == [SpanExportResult.FAILURE] * 2
        assert caplog.messages == [
            (
                "No telemetry is sent to Elasticsearch: OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT is "
                "not "
                "set."
            )
        ]
        assert shared(Config.from_environment(namespace=namespace)).counters.snapshot() == {
            Count(Outcome.DROPPED, Cause.of("no destination")): 2
        }

    def test_building_an_exporter_imports_no_client(self) -> None:
        code = (
            "import sys; from otel_asayer import ElasticsearchSpanExporter; "
            "ElasticsearchSpanExporter(endpoint='http://127.0.0.1:9'); "
            "print([name for name in ('urllib3', 'certifi', 'isal') if name in sys.modules])"
        )
        assert (
            subprocess.run(
                [sys.executable, "-c", code], check=True, capture_output=True, text=True
            ).stdout
            == "[]\n"
        )


class TestNothingRaises:
    def test_a_span_that_cannot_be_encoded_is_counted_and_the_others_are_delivered(
        self,
        span_exporter: ElasticsearchSpanExporter,
        double: ElasticsearchDouble,
        delivery: Delivery,
    ) -> None:
        batch: list[Any] = [*spans("GET /cart"), object()]
        assert span_exporter.export(batch) is SpanExportResult.FAILURE
        assert len(double.documents) == 1
        assert delivery.counters.snapshot() == {
            Count(Outcome.INDEXED): 1,
            Count(Outcome.DROPPED, Cause.of("not encoded")): 1,
        }

    def test_a_batch_is_delivered_where_nothing_may_wait(
        self,
        span_exporter: ElasticsearchSpanExporter,
        double: ElasticsearchDouble,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """As in gevent's hub."""

        def refuse(_: float) -> None:
            raise AssertionError

        monkeypatch.setattr(
            "otel_asayer.runtime.switching.time",
            SimpleNamespace(sleep=refuse, monotonic=time.monotonic),
        )
        assert span_exporter.export(spans(*["GET /cart"] * 100)) is SpanExportResult.SUCCESS
        assert len(double.documents) == 100

    def test_a_defect_is_counted_and_named_without_its_message(
        self,
        span_exporter: ElasticsearchSpanExporter,
        delivery: Delivery,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("secret")

        monkeypatch.setattr(delivery, "deliver", fail)
        assert span_exporter.export(spans("GET /cart")) is SpanExportResult.FAILURE
        [message] = caplog.messages
        assert message.endswith(
            "1 dropped (defect: the export failed with RuntimeError; with DEBUG for "
            "otel_asayer.exporter the log tells where)."
        )


class TestQueues:
    """What the queue of a batch processor drops is counted by the exporter that it feeds."""

    def test_spans_are_counted(
        self, span_exporter: ElasticsearchSpanExporter, delivery: Delivery
    ) -> None:
        provider = TracerProvider(shutdown_on_exit=False)
        processor = BatchSpanProcessor(
            span_exporter,
            max_queue_size=2,
            max_export_batch_size=2,
            schedule_delay_millis=3_600_000,
        )
        provider.add_span_processor(processor)
        tracer = provider.get_tracer("shop")
        tracer.start_span("the first export").end()
        provider.force_flush()
        with processor._batch_processor._export_lock:
            for _ in range(5):
                tracer.start_span("GET /cart").end()
        provider.shutdown()
        assert delivery.counters.snapshot() == {
            Count(Outcome.INDEXED): 3,
            Count(Outcome.DROPPED, Cause.of("queue full")): 3,
        }

    def test_after_start_up_spans_are_counted_before_the_first_export_too(
        self, span_exporter: ElasticsearchSpanExporter, delivery: Delivery
    ) -> None:
        provider = TracerProvider(shutdown_on_exit=False)
        processor = BatchSpanProcessor(
            span_exporter,
            max_queue_size=2,
            max_export_batch_size=2,
            schedule_delay_millis=3_600_000,
        )
        provider.add_span_processor(processor)
        instrument._support_our_exporters(provider, LoggerProvider(shutdown_on_exit=False))
        with processor._batch_processor._export_lock:
            for _ in range(5):
                provider.get_tracer("shop").start_span("GET /cart").end()
        provider.shutdown()
        assert delivery.counters.snapshot() == {
            Count(Outcome.INDEXED): 2,
            Count(Outcome.DROPPED, Cause.of("queue full")): 3,
        }

    def test_after_start_up_spans_of_a_subclass_are_counted_too(
        self, settings: dict[str, Any], delivery: Delivery
    ) -> None:
        class Renaming(ElasticsearchSpanExporter):
            pass

        provider = TracerProvider(shutdown_on_exit=False)
        processor = BatchSpanProcessor(
            Renaming(**settings),
            max_queue_size=2,
            max_export_batch_size=2,
            schedule_delay_millis=3_600_000,
        )
        provider.add_span_processor(processor)
        instrument._support_our_exporters(provider, LoggerProvider(shutdown_on_exit=False))
        with processor._batch_processor._export_lock:
            for _ in range(5):
                provider.get_tracer("shop").start_span("GET /cart").end()
        provider.shutdown()
        assert delivery.counters.snapshot() == {
            Count(Outcome.INDEXED): 2,
            Count(Outcome.DROPPED, Cause.of("queue full")): 3,
        }

    def test_log_records_are_counted_and_a_line_says_what_to_do(
        self,
        log_exporter: ElasticsearchLogRecordExporter,
        delivery: Delivery,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        processor = BatchLogRecordProcessor(
            log_exporter, max_queue_size=2, max_export_batch_size=2, schedule_delay_millis=3_600_000
        )
        provider = LoggerProvider(shutdown_on_exit=False)
        provider.add_log_record_processor(processor)
        logger = provider.get_logger("shop")
        logger.emit(LogRecord(body="the first export"))
        provider.force_flush()
        with processor._batch_processor._export_lock:
            for _ in range(5):
                logger.emit(LogRecord(body="the cart is empty"))
        provider.shutdown()
        assert delivery.counters.snapshot() == {
            Count(Outcome.INDEXED): 3,
            Count(Outcome.DROPPED, Cause.of("queue full")): 3,
        }
        assert caplog.messages[-1] == (
            "Telemetry was lost on its way to Elasticsearch, in documents: "
            "3 dropped (queue full: they came faster than they could be sent; "
            "OTEL_BLRP_MAX_QUEUE_SIZE sets its size)."
        )

    def test_counting_never_raises_in_the_thread_that_ends_a_span(
        self, span_exporter: ElasticsearchSpanExporter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: object) -> None:
            raise RuntimeError

        with monkeypatch.context() as patched:
            patched.setattr("otel_asayer.delivery.delivery.shared", fail)
            span_exporter.drop_items(1)


class TestWhatQueuesKeep:
    """Of spans and log records, the queue of a batch processor keeps what our export needs."""

    @pytest.fixture
    def queued(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Callable[[SpanExporter | LogRecordExporter], list[object]]]:
        """Returns what the queue of an exporter's batch processor holds of a span or log record.

        The processor's second one is held: the first export attaches the exporter, if the
        providers are the global ones.
        """
        providers: list[TracerProvider | LoggerProvider] = []
        hour: Any = {"schedule_delay_millis": 3_600_000}

        def queue_of(exporter: SpanExporter | LogRecordExporter) -> list[object]:
            tracers = TracerProvider(shutdown_on_exit=False)
            loggers = LoggerProvider(shutdown_on_exit=False)
            providers.extend([tracers, loggers])
            monkeypatch.setattr(sdk, "get_tracer_provider", lambda: tracers)
            monkeypatch.setattr(sdk, "get_logger_provider", lambda: loggers)
            processor: Any
            if isinstance(exporter, SpanExporter):
                processor = BatchSpanProcessor(exporter, **hour)
                tracers.add_span_processor(processor)
            else:
                processor = BatchLogRecordProcessor(exporter, **hour)
                loggers.add_log_record_processor(processor)
            for number in range(2):
                tracers.get_tracer("shop").start_span("GET /cart").end()
                loggers.get_logger("shop").emit(LogRecord(body="the cart is empty"))
                if not number:
                    processor.force_flush()
            return list(processor._batch_processor._queue)

        yield queue_of
        for provider in providers:
            provider.shutdown()

    def test_they_are_compact(
        self,
        queued: Callable[[Any], list[object]],
        span_exporter: ElasticsearchSpanExporter,
        log_exporter: ElasticsearchLogRecordExporter,
    ) -> None:
        assert [type(one) for one in queued(span_exporter)] == [CompactSpan]
        assert [type(one) for one in queued(log_exporter)] == [CompactLogRecord]

    def test_and_so_they_are_before_the_first_export_where_the_package_is_set_up(
        self, span_exporter: ElasticsearchSpanExporter, delivery: Delivery
    ) -> None:
        provider = TracerProvider(shutdown_on_exit=False)
        processor = BatchSpanProcessor(span_exporter, schedule_delay_millis=3_600_000)
        provider.add_span_processor(processor)
        for _ in range(2):
            instrument._support_our_exporters(provider, LoggerProvider(shutdown_on_exit=False))
        provider.get_tracer("shop").start_span("GET /cart").end()
        assert [type(one) for one in processor._batch_processor._queue] == [CompactSpan]
        provider.shutdown()
        assert delivery.counters.snapshot() == {Count(Outcome.INDEXED): 1}

    def test_of_a_provider_that_nobody_has_set_up_they_are_the_sdks_own(
        self, span_exporter: ElasticsearchSpanExporter
    ) -> None:
        """Which processors it has is unknown."""
        provider = TracerProvider(shutdown_on_exit=False)
        processor = BatchSpanProcessor(span_exporter, schedule_delay_millis=3_600_000)
        provider.add_span_processor(processor)
        provider.get_tracer("shop").start_span("GET /cart").end()
        processor.force_flush()
        provider.get_tracer("shop").start_span("GET /cart").end()
        assert [type(one) for one in processor._batch_processor._queue] == [ReadableSpan]
        provider.shutdown()

    def test_an_exporter_that_hands_them_on_to_ours_gets_those_of_the_sdk(
        self,
        queued: Callable[[Any], list[object]],
        span_exporter: ElasticsearchSpanExporter,
        delivery: Delivery,
    ) -> None:
        class Filtering(SpanExporter):
            def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
                return span_exporter.export([span for span in spans if span.name != "GET /health"])

        assert [type(one) for one in queued(Filtering())] == [ReadableSpan]
        assert delivery.counters.snapshot() == {Count(Outcome.INDEXED): 1}

    def test_a_processor_may_change_what_has_ended(
        self, span_exporter: ElasticsearchSpanExporter, double: ElasticsearchDouble
    ) -> None:
        """Before ours it does so in time; behind it, the queue must not have taken a copy."""

        class Redacting(SpanProcessor):
            def __init__(self, text: str) -> None:
                self._text = text

            def on_end(self, span: ReadableSpan) -> None:
                span._attributes = BoundedAttributes(attributes={"card": self._text})

        provider = TracerProvider(shutdown_on_exit=False)
        processor = BatchSpanProcessor(span_exporter, schedule_delay_millis=3_600_000)
        queue = processor._batch_processor._queue
        provider.add_span_processor(Redacting("before"))
        provider.add_span_processor(processor)
        provider.add_span_processor(SessionSpanProcessor())
        instrument._support_our_exporters(provider, LoggerProvider(shutdown_on_exit=False))
        tracer = provider.get_tracer("shop")
        tracer.start_span("POST /pay", attributes={"card": "4111"}).end()
        provider.add_span_processor(Redacting("behind"))
        tracer.start_span("POST /pay", attributes={"card": "4111"}).end()
        assert [type(one) for one in queue] == [ReadableSpan, CompactSpan]  # the last one first
        provider.shutdown()
        assert [one["attributes"]["card"] for one in double.documents] == ["before", "behind"]

    def test_where_processors_run_at_once_each_may_change_what_has_ended(
        self, span_exporter: ElasticsearchSpanExporter
    ) -> None:
        class Changing(SpanProcessor):
            def on_end(self, span: ReadableSpan) -> None:
                """Whatever."""

        for others, expected in (((), CompactSpan), ((Changing(),), ReadableSpan)):
            multi = ConcurrentMultiSpanProcessor(2)
            provider = TracerProvider(active_span_processor=multi, shutdown_on_exit=False)
            processor = BatchSpanProcessor(span_exporter, schedule_delay_millis=3_600_000)
            for one in (*others, processor):
                provider.add_span_processor(one)
            instrument._support_our_exporters(provider, LoggerProvider(shutdown_on_exit=False))
            provider.get_tracer("shop").start_span("GET /cart").end()
            assert [type(one) for one in processor._batch_processor._queue] == [expected]
            provider.shutdown()

    def test_a_subclass_with_an_export_of_its_own_gets_those_of_the_sdk(
        self, queued: Callable[[Any], list[object]], settings: dict[str, Any]
    ) -> None:
        class Filtering(ElasticsearchSpanExporter):
            def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
                return super().export([span for span in spans if span.name != "GET /health"])

        class Quiet(ElasticsearchLogRecordExporter):
            def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
                return super().export([record for record in batch if record.log_record.body])

        assert [type(one) for one in queued(Filtering(**settings))] == [ReadableSpan]
        assert [type(one) for one in queued(Quiet(**settings))] == [ReadableLogRecord]

    def test_a_subclass_without_one_gets_compact_ones(
        self, queued: Callable[[Any], list[object]], settings: dict[str, Any]
    ) -> None:
        class Ours(ElasticsearchSpanExporter):
            pass

        assert [type(one) for one in queued(Ours(**settings))] == [CompactSpan]


def test_a_queue_that_fills_hurries_the_exporter_until_it_is_nearly_empty(
    span_exporter: ElasticsearchSpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    for name in ("hurry", "relax"):
        monkeypatch.setattr(span_exporter._turns, name, lambda name=name: heard.append(name))
    provider = TracerProvider(shutdown_on_exit=False)
    processor = BatchSpanProcessor(
        span_exporter, max_queue_size=16, max_export_batch_size=16, schedule_delay_millis=3_600_000
    )
    provider.add_span_processor(processor)
    instrument._support_our_exporters(provider, LoggerProvider(shutdown_on_exit=False))
    tracer = provider.get_tracer("shop")
    for _ in range(10):
        tracer.start_span("GET /cart").end()
    assert heard == ["hurry"]
    processor.force_flush()
    for _ in range(3):
        tracer.start_span("GET /cart").end()
    assert heard == ["hurry", "relax"]
    provider.shutdown()


def test_an_exporter_that_is_shut_down_has_no_exit_handler_any_more(
    span_exporter: ElasticsearchSpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered: list[object] = [span_exporter._stop]
    with monkeypatch.context() as patched:
        patched.setattr("atexit.unregister", registered.remove)
        span_exporter.shutdown()
    assert registered == []


class TestNoLoops:
    """What an export does must not become telemetry that the next export sends."""

    def test_requests_of_an_export_make_no_spans(
        self, span_exporter: ElasticsearchSpanExporter, double: ElasticsearchDouble
    ) -> None:
        double.reply_with(Fault.RESET, status(503))
        made = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(made))
        instrumentor = URLLib3Instrumentor()
        instrumentor.instrument(tracer_provider=provider)
        try:
            span_exporter.export(spans("GET /cart"))
        finally:
            instrumentor.uninstrument()
        assert len(double.exchanges) == 3
        assert [span.name for span in made.get_finished_spans()] == []

    def test_requests_of_an_export_make_no_log_records(
        self, span_exporter: ElasticsearchSpanExporter, double: ElasticsearchDouble
    ) -> None:
        double.reply_with(Fault.RESET, status(503))
        made = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        with logging_into(made, SimpleLogRecordProcessor, logging.DEBUG):
            span_exporter.export(spans("GET /cart"))
        assert len(double.exchanges) == 3
        assert [record.log_record.body for record in made.get_finished_logs()] == []

    @pytest.mark.parametrize("processor", [SimpleLogRecordProcessor, BatchLogRecordProcessor])
    def test_one_log_record_is_one_request(
        self,
        log_exporter: ElasticsearchLogRecordExporter,
        double: ElasticsearchDouble,
        processor: MakeProcessor,
    ) -> None:
        with logging_into(log_exporter, processor):
            logging.getLogger("shop").warning("the cart is empty")
        assert texts(double) == ["the cart is empty"]
        assert len(double.exchanges) == 1

    @pytest.mark.parametrize("processor", [SimpleLogRecordProcessor, BatchLogRecordProcessor])
    def test_what_is_said_about_losses_reaches_the_console_and_not_elasticsearch(
        self,
        log_exporter: ElasticsearchLogRecordExporter,
        double: ElasticsearchDouble,
        caplog: pytest.LogCaptureFixture,
        processor: MakeProcessor,
    ) -> None:
        double.reply_with(items((400, "invalid_index_name_exception", "failed")))
        with logging_into(log_exporter, processor) as provider:
            logging.getLogger("shop").warning("refused")
            provider.force_flush()
            logging.getLogger("shop").warning("taken")
        assert texts(double) == ["taken"]
        assert [
            record.getMessage()
            for record in caplog.records
            if record.name.startswith("otel_asayer")
        ] == [
            (
                "Telemetry was lost on its way to Elasticsearch, in documents: 1 rejected "
                "(invalid_index_name_exception: failed)."
            )
        ]

    def test_the_applications_own_use_of_the_same_libraries_is_exported(
        self, log_exporter: ElasticsearchLogRecordExporter, double: ElasticsearchDouble
    ) -> None:
        with logging_into(log_exporter) as provider:
            logging.getLogger("urllib3.connectionpool").warning("the application's")
            provider.force_flush()
            logging.getLogger("urllib3.connectionpool").warning("the application's, too")
        assert texts(double) == ["the application's", "the application's, too"]


BOTH_SIGNALS = """
import sys
import threading
from opentelemetry._logs import LogRecord
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    ReadableSpan,
    SpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from otel_asayer import ElasticsearchLogRecordExporter, ElasticsearchSpanExporter

settings = {"endpoint": sys.argv[1], "setup": "off", "spool": "off", "timeout": 300}
tracers, loggers = TracerProvider(), LoggerProvider()
spans, logs = ElasticsearchSpanExporter(**settings), ElasticsearchLogRecordExporter(**settings)
hour = {"schedule_delay_millis": 3_600_000}
tracers.add_span_processor(BatchSpanProcessor(spans, **hour))
loggers.add_log_record_processor(BatchLogRecordProcessor(logs, **hour))
tracers.get_tracer("shop").start_span("GET /cart").end()
loggers.get_logger("shop").emit(LogRecord(body="the cart is empty"))
"""


class TestTheEnd:
    """Programs whose exports could take five minutes; each ends at once."""

    PROGRAM = """
import sys
import threading
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    ReadableSpan,
    SpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from otel_asayer import ElasticsearchSpanExporter
from otel_asayer.delivery.outcomes import Outcome
from otel_asayer.delivery.delivery import shared

url, delay, order = sys.argv[1:]
settings = {"endpoint": url, "setup": "off", "timeout": 300}
exporter = ElasticsearchSpanExporter(**settings) if order == "exporter first" else None
provider = TracerProvider()
exporter = exporter or ElasticsearchSpanExporter(**settings)
provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=int(delay)))
tracer = provider.get_tracer("shop")
if order == "exported before":
    tracer.start_span("GET /").end()
    provider.force_flush()
tracer.start_span("GET /cart").end()
sys.stdin.read()

class Last:
    def __init__(self):
        self.counters = shared(exporter._config).counters
        self.outcome, self.print = Outcome.DROPPED, print
    def __del__(self):
        self.print(self.counters.total(self.outcome))

last = Last()
"""

    @contextmanager
    def program(self, url: str, delay: int, order: str = "") -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-c", self.PROGRAM, url, str(delay), order]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def test_all_exporters_of_a_process_write_one_line_about_what_was_lost(self) -> None:
        command = [sys.executable, "-c", BOTH_SIGNALS, "http://127.0.0.1:9"]
        said = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=HANG_SECONDS
        ).stderr
        assert said.count("Telemetry was lost") == 1
        assert said.count("1 dropped (") == 2

    def test_an_exporter_that_nobody_uses_any_more_is_not_waited_for(
        self,
        settings: dict[str, Any],
        double: ElasticsearchDouble,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        exporter = ElasticsearchSpanExporter(**settings)
        ElasticsearchLogRecordExporter(**settings)
        gc.collect()
        refused = items((400, "invalid_index_name_exception", "failed"))
        double.reply_with(refused, refused)
        for _ in range(2):
            exporter.export(spans("GET /cart"))
        told = len(caplog.messages)
        exporter.shutdown()
        assert told == 1
        assert len(caplog.messages) == 2

    def test_nobody_listens(self) -> None:
        with self.program("http://127.0.0.1:9", 3_600_000) as process:
            assert process.communicate("", timeout=HANG_SECONDS)[0] == "1\n"

    @pytest.mark.parametrize("order", ["provider first", "exporter first"])
    def test_the_first_export_hangs_at_the_end(
        self, double: ElasticsearchDouble, order: str
    ) -> None:
        double.reply_with(Fault.HANG)
        with self.program(double.url, 3_600_000, order) as process:
            assert process.communicate("", timeout=HANG_SECONDS)[0] == "1\n"

    @pytest.mark.parametrize("order", ["provider first", "exporter first"])
    def test_an_export_hangs_when_the_end_comes(
        self, double: ElasticsearchDouble, order: str
    ) -> None:
        double.reply_with(Fault.HANG)
        with self.program(double.url, 1, order) as process:
            assert double.arrived.wait(HANG_SECONDS)
            assert process.communicate("", timeout=HANG_SECONDS)[0] == "1\n"

    def test_what_was_never_exported_is_delivered_at_the_end(
        self, double: ElasticsearchDouble
    ) -> None:
        with self.program(double.url, 3_600_000) as process:
            assert process.communicate("", timeout=HANG_SECONDS)[0] == "0\n"
        assert [document["name"] for document in double.documents] == ["GET /cart"]

    def test_what_is_left_after_earlier_exports_is_delivered_at_the_end(
        self, double: ElasticsearchDouble
    ) -> None:
        with self.program(double.url, 3_600_000, "exported before") as process:
            assert process.communicate("", timeout=HANG_SECONDS)[0] == "0\n"
        assert [document["name"] for document in double.documents] == ["GET /", "GET /cart"]


def test_too_many_data_streams_are_counted_and_said_once(
    settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    exporter = ElasticsearchSpanExporter(**settings, max_data_streams=2)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("t")
    for number in range(5):
        tracer.start_span("s", attributes={"data_stream.namespace": f"n{number}"}).end()
    counted = shared(exporter._config).counters.snapshot()
    provider.shutdown()
    assert counted[Count(Outcome.DIVERTED, Cause.of("too many data streams"))] == 4
    assert (
        caplog.text.count(
            "ask for more than 2 data streams: what goes beyond is written to the configured ones"
        )
        == 1
    )


ABOUT_DELIVERY = {"delivery", "elasticsearch", "exporter", "setup", "spool"}
"""Rooms whose log records about a failing delivery would cause further ones."""


def own_loggers() -> list[str]:
    """The names of all loggers that the package's modules have."""
    names = [module.name for module in pkgutil.walk_packages(otel_asayer.__path__, "otel_asayer.")]
    modules = [importlib.import_module(name) for name in names]
    return [module._logger.name for module in modules if hasattr(module, "_logger")]


def test_the_modules_that_log_are_found() -> None:
    assert {"otel_asayer.exporter", "otel_asayer.delivery.drain", "otel_asayer.propagator"} < set(
        own_loggers()
    )


@pytest.mark.parametrize("name", own_loggers())
def test_a_logger_of_ours_is_exported_unless_it_is_about_delivery(name: str) -> None:
    record = ReadableLogRecord(LogRecord(), Resource({}), InstrumentationScope(name))
    assert exporter_module._is_own(record) is bool(ABOUT_DELIVERY & {*name.split(".")})
