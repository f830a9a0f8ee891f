"""The exporters against a real Elasticsearch: keys, limits, conflicts, forks and TLS."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_asayer.config import Config
from otel_asayer.delivery.delivery import Delivery, shared
from otel_asayer.delivery.outcomes import Count, Outcome
from otel_asayer.documents import Operation
from otel_asayer.elasticsearch.bulk import Cause
from otel_asayer.exporter import ElasticsearchLogRecordExporter, ElasticsearchSpanExporter
from otel_asayer.spool import LOCAL, Spool

from patience import HANG_SECONDS
from store import NOTHING, SESSION, WRITER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from elasticsearch_server import Server
    from store import Store

    Exporting = Callable[..., ElasticsearchSpanExporter]

INDEXED = Count(Outcome.INDEXED)
TEMPLATE = "otel-asayer-test"
FORK = """
import os, sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from otel_asayer import ElasticsearchSpanExporter

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ElasticsearchSpanExporter()))
tracer = provider.get_tracer("shop")
tracer.start_span("before").end()
child = os.fork()
for number in range(20):
    tracer.start_span(f"{'parent' if child else 'child'} {number}").end()
if child:
    sys.exit(os.waitpid(child, 0)[1])
"""


@pytest.fixture
def settings(store: Store) -> dict[str, Any]:
    return {
        "endpoint": store.server.url,
        "api_key": store.writer_key,
        "namespace": store.namespace,
        "timeout": 60,
    }


@pytest.fixture
def exporting() -> Iterator[Exporting]:
    """Makes exporters, and shuts them down."""
    exporters = []

    def make(**settings: Any) -> ElasticsearchSpanExporter:
        exporters.append(ElasticsearchSpanExporter(**settings))
        return exporters[-1]

    yield make
    for exporter in exporters:
        exporter.shutdown()


def spans(*attributes: dict[str, Any], name: str = "GET /cart") -> Sequence[ReadableSpan]:
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    for number, each in enumerate(attributes):
        span = provider.get_tracer("shop").start_span(f"{name} {number}", attributes=each)
        span.add_event("looked", {"number": number})
        span.end()
    return memory.get_finished_spans()


def operation(stream: str, name: str, document: dict[str, Any] | None = None) -> Operation:
    action = {"create": {"_index": stream, "_id": name}}
    return Operation(
        b"".join(
            json.dumps(line).encode() + b"\n"
            for line in (action, {"@timestamp": "2026-11-24T10:00:00Z", **(document or {})})
        )
    )


def counts(settings: dict[str, Any]) -> dict[Count, int]:
    return {
        count: number
        for count, number in shared(Config.from_environment(**settings)).counters.snapshot().items()
        if number
    }


class TestDelivery:
    @pytest.mark.parametrize("compression", ["gzip", "none"])
    def test_spans_events_and_replay_records_arrive_with_a_key_of_least_rights(
        self, store: Store, settings: dict[str, Any], exporting: Exporting, compression: str
    ) -> None:
        exporter = exporting(**settings, compression=compression)
        assert exporter.export(spans({"session.id": SESSION}, {})) is SpanExportResult.SUCCESS
        assert [document["name"] for document in store.spans()] == ["GET /cart 0", "GET /cart 1"]
        assert [document["event_name"] for document in store.logs()] == ["looked", "looked"]
        assert [document["attributes"]["session.id"] for document in store.replay_records()] == [
            SESSION
        ]

    def test_log_records_arrive(self, store: Store, settings: dict[str, Any]) -> None:
        provider = LoggerProvider(shutdown_on_exit=False)
        provider.add_log_record_processor(
            BatchLogRecordProcessor(ElasticsearchLogRecordExporter(**settings))
        )
        logger, handler = logging.getLogger("shop"), LoggingHandler(logger_provider=provider)
        logger.addHandler(handler)
        logger.warning("the cart is empty")
        logger.removeHandler(handler)
        provider.shutdown()
        assert [document["body"] for document in store.logs()] == [{"text": "the cart is empty"}]

    def test_a_span_whose_id_is_taken_is_stored_under_another(
        self, store: Store, settings: dict[str, Any], exporting: Exporting
    ) -> None:
        exporter, batch = exporting(**settings), spans({}, {})
        assert [exporter.export(batch), exporter.export(batch)] == [SpanExportResult.SUCCESS] * 2
        assert len(store.spans()) == 4
        assert len(store.logs()) == 4
        assert counts(settings) == {INDEXED: 8, Count(Outcome.COLLIDED): 4}

    def test_what_arrived_already_is_not_sent_again_from_the_spool(
        self, store: Store, settings: dict[str, Any], exporting: Exporting
    ) -> None:
        batch = spans({}, {})
        exporting(**settings).export(batch)
        assert store.spool is not None
        keeping = {
            **settings,
            "endpoint": "",
            "spool": "on_failure",
            "spool_directory": str(store.spool),
        }
        exporting(**keeping).export(batch)
        delivery = Delivery(Config.from_environment({}, **settings))
        delivery.drainer_of(Spool(store.spool, LOCAL, max_bytes=2**30)).drain()
        delivery.close()
        assert delivery.counters.total(Outcome.DUPLICATE) == 4
        assert delivery.counters.total(Outcome.INDEXED) == 0
        assert len(store.spans()) == 2

    def test_a_forked_process_has_connections_of_its_own(self, store: Store) -> None:
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK]
        subprocess.run(
            command,
            check=True,
            env=store.environment(OTEL_EXPORTER_ELASTICSEARCH_SPOOL="off"),
            timeout=HANG_SECONDS,
        )
        names = [
            "before",
            *(f"{process} {number}" for process in ("parent", "child") for number in range(20)),
        ]
        assert sorted(document["name"] for document in store.spans()) == sorted(names)


class TestKeys:
    def test_a_wrong_key_is_told_with_what_to_do(
        self, settings: dict[str, Any], exporting: Exporting, caplog: pytest.LogCaptureFixture
    ) -> None:
        wrong = {**settings, "api_key": "d3Jvbmc6a2V5"}
        assert exporting(**wrong).export(spans({})) is SpanExportResult.FAILURE
        assert counts(wrong) == {Count(Outcome.DROPPED, Cause.http(401)): 2}
        assert [
            message.partition(", ")[2] for message in caplog.messages if "API_KEY" in message
        ] == (
            [
                (
                    "security_exception: unable to authenticate with provided credentials and "
                    "anonymous access is not allowed for this request. Set "
                    "OTEL_EXPORTER_ELASTICSEARCH_API_KEY, or the file, user or token in its place, "
                    "to one that this Elasticsearch accepts."
                )
            ]
        )

    def test_a_key_without_rights_is_told_which_it_needs(
        self,
        store: Store,
        settings: dict[str, Any],
        exporting: Exporting,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        powerless = {**settings, "api_key": store.server.create_api_key("nobody", NOTHING)}
        assert exporting(**powerless).export(spans({})) is SpanExportResult.FAILURE
        assert (
            sum(
                number
                for count, number in counts(powerless).items()
                if count.outcome is Outcome.DROPPED
            )
            == 2
        )
        assert any(
            "needs the privileges create_doc and auto_configure on logs-*.otel-*, traces-*.otel-* "
            "and asayer-logs-*" in text
            for text in caplog.messages
        )

    def test_a_key_in_a_file_is_changed_without_a_restart(
        self, store: Store, settings: dict[str, Any], exporting: Exporting, tmp_path: Path
    ) -> None:
        file = tmp_path / "key"
        file.write_text(store.server.create_api_key("first", WRITER))
        exporter = exporting(**{**settings, "api_key": None, "api_key_file": file})
        before = exporter.export(spans({}, name="before"))
        store.server.request("DELETE", "/_security/api_key", {"name": "first"})
        file.write_text(store.server.create_api_key("second", WRITER))
        assert before == SpanExportResult.SUCCESS
        assert exporter.export(spans({}, name="after")) == SpanExportResult.SUCCESS
        assert [document["name"] for document in store.spans()] == ["before 0", "after 0"]


class TestRefusals:
    def test_a_conflict_with_the_mapping_costs_no_document(
        self,
        store: Store,
        settings: dict[str, Any],
        exporting: Exporting,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        exporter = exporting(**settings)
        exporter.export(spans({"clash": 1}, name="first"))
        assert (
            exporter.export(spans({"clash": 2}, {"clash": "oops"}, {"clash": 3}, name="then"))
            is SpanExportResult.SUCCESS
        )
        unmapped = [
            document["attributes"].get("otel_asayer.unmapped")
            for document in store.spans()
            if document["name"] == "then 1"
        ]
        assert sorted(document["name"] for document in store.spans()) == [
            "first 0",
            "then 0",
            "then 1",
            "then 2",
        ]
        assert unmapped == ['{"clash":"oops"}']
        assert counts(settings) == {
            INDEXED: 8,
            Count(Outcome.SALVAGED, Cause.of("document_parsing_exception")): 1,
        }
        assert [text for text in caplog.messages if "oops" in text] == []

    def test_one_id_that_is_too_long_costs_that_document_alone(
        self, store: Store, settings: dict[str, Any]
    ) -> None:
        delivery, stream = (
            Delivery(Config.from_environment(**settings)),
            f"traces-generic.otel-{store.namespace}",
        )
        assert delivery.deliver(
            [operation(stream, name) for name in ("a", "b" * 513, "c", "d")]
        ).lost
        delivery.close()
        assert len(store.spans()) == 3
        assert delivery.counters.snapshot() == {
            INDEXED: 3,
            Count(Outcome.REJECTED, Cause.http(400)): 1,
        }

    def test_a_stream_without_a_template_is_not_created_by_accident(
        self, store: Store, settings: dict[str, Any]
    ) -> None:
        streams = [f"logs.other-{store.namespace}", f"traces-generic.otel-{store.namespace}"]
        key = store.server.create_api_key(
            "other",
            {
                "writer": {
                    "index": [{"names": streams, "privileges": ["create_doc", "auto_configure"]}]
                }
            },
        )
        delivery = Delivery(Config.from_environment(**{**settings, "api_key": key}))
        assert delivery.deliver([operation(stream, "a") for stream in streams]).lost
        delivery.close()
        assert len(store.spans()) == 1
        assert delivery.counters.snapshot() == {
            INDEXED: 1,
            Count(Outcome.DROPPED, Cause.of("index_not_found_exception")): 1,
        }

    def test_another_index_under_the_streams_alias_is_no_fault_of_the_document(
        self, store: Store, settings: dict[str, Any]
    ) -> None:
        server, stream, alias = (
            store.server,
            f"logs-clash.otel-{store.namespace}",
            f"clash-{store.namespace}",
        )
        body = {
            "index_patterns": [stream],
            "priority": 900,
            "data_stream": {},
            "template": {"aliases": {alias: {}}},
        }
        server.request("PUT", f"/_index_template/{TEMPLATE}-{store.namespace}", body)
        server.request("PUT", f"/plain-{store.namespace}", {"aliases": {alias: {}}})
        delivery = Delivery(Config.from_environment(**settings))
        assert delivery.deliver(
            [operation(stream, "a"), operation(f"traces-generic.otel-{store.namespace}", "b")]
        ).lost
        delivery.close()
        assert delivery.counters.snapshot() == {
            INDEXED: 1,
            Count(Outcome.DROPPED, Cause.of("illegal_state_exception")): 1,
        }


class TestLimits:
    """A server that answers 413 to more than 1 MiB at once, and 429 to less."""

    @pytest.fixture
    def stream(self, small_limits: Server, namespace: str) -> str:
        body = {"index_patterns": ["traces-*.otel-*"], "priority": 115, "data_stream": {}}
        small_limits.request("PUT", f"/_index_template/{TEMPLATE}", body)
        return f"traces-generic.otel-{namespace}"

    @pytest.fixture(params=["gzip", "none"])
    def delivery(
        self, request: pytest.FixtureRequest, small_limits: Server, namespace: str
    ) -> Iterator[Delivery]:
        limit = 100 * 1024 * 1024
        config = Config.from_environment(
            {},
            endpoint=small_limits.url,
            compression=request.param,
            namespace=namespace,
            setup="off",
            max_request_bytes=limit,
            timeout=HANG_SECONDS,
        )
        delivery = Delivery(config)
        yield delivery
        delivery.close()

    def found(self, server: Server, stream: str) -> int:
        server.refresh()
        total: int = server.search(stream, {"track_total_hits": True, "size": 0})["hits"]["total"][
            "value"
        ]
        return total

    def test_more_than_fits_into_one_request_is_delivered(
        self, delivery: Delivery, small_limits: Server, stream: str
    ) -> None:
        assert not delivery.deliver(
            [operation(stream, str(number), {"text": "x" * 10_000}) for number in range(300)]
        ).lost
        assert self.found(small_limits, stream) == 300

    def test_what_is_rejected_for_load_is_delivered_later(
        self, delivery: Delivery, small_limits: Server, stream: str
    ) -> None:
        batches = [
            [operation(stream, f"{batch} {number}", {"text": "x" * 10_000}) for number in range(20)]
            for batch in range(6)
        ]
        with ThreadPoolExecutor(6) as threads:
            delivered = list(threads.map(delivery.deliver, batches))
        assert [one.lost for one in delivered] == [[]] * 6
        assert self.found(small_limits, stream) == 120
        assert delivery.counters.total(Outcome.RETRIED) > 0


class TestVersions:
    def test_spans_arrive_in_every_mode_of_every_version(
        self, matrix_server: Server, namespace: str, exporting: Exporting
    ) -> None:
        secured = (
            {"username": matrix_server.username, "password": matrix_server.password}
            if matrix_server.config.secured
            else {}
        )
        tls = {"certificate": matrix_server.ca_certificate} if matrix_server.ca_certificate else {}
        exporter = exporting(
            endpoint=matrix_server.url, namespace=namespace, timeout=HANG_SECONDS, **secured, **tls
        )
        assert exporter.export(spans({"session.id": SESSION})) is SpanExportResult.SUCCESS
        matrix_server.refresh()
        assert (
            matrix_server.search(f"traces-generic.otel-{namespace}", {})["hits"]["total"]["value"]
            == 1
        )
