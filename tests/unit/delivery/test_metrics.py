"""The metrics of the exporters, read by the SDK's own reader."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import pytest
from opentelemetry.metrics import NoOpMeter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.metrics import otel_metrics

from otel_asayer.config import Config
from otel_asayer.delivery import metrics
from otel_asayer.delivery.delivery import Delivered, Delivery, shared
from otel_asayer.delivery.metrics import INSTRUMENTS, ExporterMetrics, meter_of, observe
from otel_asayer.delivery.outcomes import Counters, Outcome
from otel_asayer.documents import Operation
from otel_asayer.elasticsearch.bulk import Cause
from otel_asayer.exporter import ElasticsearchLogRecordExporter, ElasticsearchSpanExporter
from otel_asayer.spool import SpoolError
from otel_asayer.testing import ElasticsearchDouble, items, status

from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    Points = list[tuple[Any, dict[str, Any]]]

REFUSED = (400, "invalid_index_name_exception", "failed")


@pytest.fixture(autouse=True)
def _own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """All deliveries of a process are read; each test is a process of its own in that."""
    monkeypatch.setattr("otel_asayer.delivery.delivery._shared", {})


@pytest.fixture
def double() -> Iterator[ElasticsearchDouble]:
    with ElasticsearchDouble() as double:
        yield double


@pytest.fixture
def settings(double: ElasticsearchDouble, namespace: str) -> dict[str, Any]:
    return {"endpoint": double.url, "namespace": namespace, "setup": "off", "timeout": 5}


class Reader:
    """Collects, and shows the points of one metric as values and attributes."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader], shutdown_on_exit=False)

    def points(self, name: str) -> Points:
        data: Any = self._reader.get_metrics_data()
        metrics = (
            [
                metric
                for resource in data.resource_metrics
                for scope in resource.scope_metrics
                for metric in scope.metrics
            ]
            if data
            else []
        )
        points = [
            point for metric in metrics if metric.name == name for point in metric.data.data_points
        ]
        return [
            (
                getattr(point, "value", None) if hasattr(point, "value") else point.count,
                dict(point.attributes),
            )
            for point in points
        ]

    def sums(self, name: str) -> dict[str, int]:
        """Values by `error.type`, without which it is a success."""
        return {attributes.get("error.type", ""): value for value, attributes in self.points(name)}

    def documents(self, settings: dict[str, Any]) -> dict[tuple[str, str], int]:
        """Documents of the destination in `settings` by outcome and cause."""
        port = int(settings["endpoint"].rpartition(":")[2])
        return {
            (attributes["otel_asayer.outcome"], attributes.get("error.type", "")): value
            for value, attributes in self.points("otel_asayer.documents")
            if attributes.get("server.port") == port and value
        }


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.provider.shutdown()


@pytest.fixture
def exporter(settings: dict[str, Any], reader: Reader) -> Iterator[ElasticsearchSpanExporter]:
    exporter = ElasticsearchSpanExporter(meter_provider=reader.provider, **settings)
    yield exporter
    exporter.shutdown()


def spans(number: int, **attributes: str) -> Sequence[ReadableSpan]:
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    for _ in range(number):
        provider.get_tracer("shop").start_span("GET /cart", attributes=attributes).end()
    return memory.get_finished_spans()


class TestConventions:
    @pytest.mark.parametrize("name", [name for name in INSTRUMENTS if name.startswith("otel.")])
    def test_names_units_and_kinds_are_those_of_the_semantic_conventions(self, name: str) -> None:
        made: list[tuple[str, str, str]] = []

        class Noting:
            def __getattr__(self, method: str) -> Callable[..., None]:
                return lambda name, unit, **_: made.append((method, name, unit))

        getattr(otel_metrics, f"create_{name.replace('.', '_')}")(Noting())
        INSTRUMENTS[name].create(Noting())  # type: ignore[arg-type]
        assert made[0] == made[1]

    def test_every_metric_is_made_with_the_attributes_it_is_documented_with(
        self, exporter: ElasticsearchSpanExporter, reader: Reader, double: ElasticsearchDouble
    ) -> None:
        double.reply_with(items(REFUSED))
        exporter.export(spans(1))
        made = {
            name: {key for _, attributes in reader.points(name) for key in attributes}
            for name in INSTRUMENTS
            if ".log." not in name
        }
        assert {name: keys for name, keys in made.items() if keys} == {
            name: set(INSTRUMENTS[name].attributes) for name in made if "spool" not in name
        }

    def test_an_exporter_is_named_by_its_class_and_number(
        self, settings: dict[str, Any], reader: Reader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(metrics, "_instances", defaultdict(count))
        for _ in range(2):
            ElasticsearchSpanExporter(meter_provider=reader.provider, **settings).export(spans(1))
        kind = "otel_asayer.exporter.ElasticsearchSpanExporter"
        server = {
            "server.address": "127.0.0.1",
            "server.port": int(settings["endpoint"].rpartition(":")[2]),
        }
        assert reader.points("otel.sdk.exporter.span.exported") == [
            (1, {"otel.component.name": f"{kind}/{number}", "otel.component.type": kind, **server})
            for number in range(2)
        ]


class TestExported:
    def test_spans_that_arrive_are_exported_and_no_longer_in_flight(
        self, exporter: ElasticsearchSpanExporter, reader: Reader
    ) -> None:
        exporter.export(spans(3))
        assert reader.sums("otel.sdk.exporter.span.exported") == {"": 3}
        assert reader.sums("otel.sdk.exporter.span.inflight") == {"": 0}

    def test_log_records_have_metrics_of_their_own(
        self, settings: dict[str, Any], reader: Reader
    ) -> None:
        exporter = ElasticsearchLogRecordExporter(meter_provider=reader.provider, **settings)
        broken: list[Any] = [_Broken()]
        exporter.export(broken)
        exporter.shutdown()
        assert reader.sums("otel.sdk.exporter.log.exported") == {"not_encoded": 1}

    def test_they_are_in_flight_while_they_are_exported(
        self, exporter: ElasticsearchSpanExporter, reader: Reader, settings: dict[str, Any]
    ) -> None:
        seen: list[dict[str, int]] = []

        def look(*_: object, **__: object) -> Delivered:
            seen.append(reader.sums("otel.sdk.exporter.span.inflight"))
            return Delivered()

        shared(Config.from_environment(**settings)).deliver = look  # type: ignore[method-assign]
        exporter.export(spans(3))
        assert seen == [{"": 3}]

    def test_a_span_that_is_refused_is_a_failure_and_the_others_are_not(
        self, exporter: ElasticsearchSpanExporter, reader: Reader, double: ElasticsearchDouble
    ) -> None:
        double.reply_with(items(201, REFUSED))
        exporter.export(spans(2))
        assert reader.sums("otel.sdk.exporter.span.exported") == {
            "": 1,
            "invalid_index_name_exception": 1,
        }

    def test_a_span_whose_replay_record_alone_is_refused_is_exported(
        self, exporter: ElasticsearchSpanExporter, reader: Reader, double: ElasticsearchDouble
    ) -> None:
        double.reply_with(items(201, REFUSED))
        exporter.export(spans(1, **{"session.id": "2618307011354435587"}))
        assert reader.sums("otel.sdk.exporter.span.exported") == {"": 1}

    def test_what_waits_on_the_disk_is_exported(
        self, settings: dict[str, Any], reader: Reader, double: ElasticsearchDouble, tmp_path: Path
    ) -> None:
        double.reply_with(status(503))
        exporter = ElasticsearchSpanExporter(
            meter_provider=reader.provider,
            **settings,
            spool="on_failure",
            spool_directory=str(tmp_path),
        )
        shared(
            Config.from_environment(**settings, spool="on_failure", spool_directory=str(tmp_path))
        ).drainer = None
        exporter.export(spans(2))
        exporter.shutdown()
        assert reader.sums("otel.sdk.exporter.span.exported") == {"": 2}
        assert reader.documents(settings) == {("spooled", "503"): 2}

    def test_an_operation_has_one_duration_with_the_cause_of_its_failure(
        self, exporter: ElasticsearchSpanExporter, reader: Reader, double: ElasticsearchDouble
    ) -> None:
        exporter.export(spans(1))
        double.reply_with(items(REFUSED, REFUSED))
        exporter.export(spans(2))
        assert reader.sums("otel.sdk.exporter.operation.duration") == {
            "": 1,
            "invalid_index_name_exception": 1,
        }

    def test_a_duration_tells_the_status_of_the_last_answer(
        self, exporter: ElasticsearchSpanExporter, reader: Reader, double: ElasticsearchDouble
    ) -> None:
        double.reply_with(status(429), status(403))
        exporter.export(spans(1))
        exporter.export(spans(1))
        found = [
            attributes.get("http.response.status_code")
            for _, attributes in reader.points("otel.sdk.exporter.operation.duration")
        ]
        assert found == [403, 200]

    def test_without_an_answer_it_tells_none(
        self, exporter: ElasticsearchSpanExporter, reader: Reader
    ) -> None:
        exporter.shutdown()
        exporter.export(spans(1))
        ((_, attributes),) = reader.points("otel.sdk.exporter.operation.duration")
        assert "http.response.status_code" not in attributes

    def test_an_empty_batch_is_no_operation(
        self, exporter: ElasticsearchSpanExporter, reader: Reader
    ) -> None:
        exporter.export([])
        assert reader.points("otel.sdk.exporter.operation.duration") == []

    def test_a_defect_fails_every_span_of_the_batch_once(
        self, exporter: ElasticsearchSpanExporter, reader: Reader, settings: dict[str, Any]
    ) -> None:
        def fail(*_: object, **__: object) -> Delivered:
            raise RuntimeError

        shared(Config.from_environment(**settings)).deliver = fail  # type: ignore[method-assign]
        exporter.export(spans(2))
        assert reader.sums("otel.sdk.exporter.span.exported") == {"defect": 2}

    def test_what_is_exported_after_shutdown_fails(
        self, exporter: ElasticsearchSpanExporter, reader: Reader
    ) -> None:
        exporter.shutdown()
        exporter.export(spans(1))
        assert reader.sums("otel.sdk.exporter.span.exported") == {"exporter_shut_down": 1}

    def test_without_a_destination_there_is_no_server(self, reader: Reader, namespace: str) -> None:
        exporter = ElasticsearchSpanExporter(meter_provider=reader.provider, namespace=namespace)
        exporter.export(spans(1))
        exporter.shutdown()
        [(value, attributes)] = reader.points("otel.sdk.exporter.span.exported")
        assert value == 1
        assert attributes["error.type"] == "no_destination"
        assert "server.address" not in attributes


class TestDocuments:
    def test_they_are_counted_by_outcome_and_cause(
        self,
        exporter: ElasticsearchSpanExporter,
        reader: Reader,
        double: ElasticsearchDouble,
        settings: dict[str, Any],
    ) -> None:
        double.reply_with(status(503), items(201, REFUSED))
        exporter.export(spans(2))
        assert reader.documents(settings) == {
            ("retried", "503"): 2,
            ("indexed", ""): 1,
            ("rejected", "invalid_index_name_exception"): 1,
        }

    def test_exporters_that_share_a_delivery_count_them_once(
        self, exporter: ElasticsearchSpanExporter, reader: Reader, settings: dict[str, Any]
    ) -> None:
        other = ElasticsearchLogRecordExporter(meter_provider=reader.provider, **settings)
        exporter.export(spans(2))
        other.shutdown()
        assert reader.documents(settings) == {("indexed", ""): 2}

    def test_deliveries_to_one_server_are_one_sum(
        self, exporter: ElasticsearchSpanExporter, reader: Reader, settings: dict[str, Any]
    ) -> None:
        other = ElasticsearchSpanExporter(
            meter_provider=reader.provider, **{**settings, "dataset": "other"}
        )
        exporter.export(spans(2))
        other.export(spans(3))
        other.shutdown()
        assert reader.documents(settings) == {("indexed", ""): 5}

    def test_a_child_that_was_forked_reads_its_own(self, double: ElasticsearchDouble) -> None:
        assert run(FORKED, double.url) == "parent 2\nchild 1\n"


class Standing:
    """A delivery whose spool holds what the test says."""

    def __init__(self, folder: Path) -> None:
        self.config = Config.from_environment({})
        self.counters = Counters()
        self.folder = folder
        self.spool = self
        self.bytes = 4096
        self.documents = 3
        self.looks = 0
        self.error: Exception | None = None

    def status(self) -> Standing:
        self.looks += 1
        if self.error:
            raise self.error
        return self


class TestSpool:
    @pytest.fixture
    def standing(self, tmp_path: Path) -> Standing:
        return Standing(tmp_path)

    @pytest.fixture(autouse=True)
    def now(self, reader: Reader, standing: Standing) -> list[float]:
        now = [0.0]
        observe(meter_of(reader.provider), lambda: [cast("Delivery", standing)], lambda: now[0])
        return now

    def test_what_waits_is_measured(self, reader: Reader, tmp_path: Path) -> None:
        folder = {"otel_asayer.spool.folder": str(tmp_path)}
        assert reader.points("otel_asayer.spool.size") == [(4096, folder)]
        assert reader.points("otel_asayer.spool.documents") == [(3, folder)]

    def test_one_look_serves_both_gauges_and_whoever_comes_soon(
        self, reader: Reader, now: list[float], standing: Standing
    ) -> None:
        looks = []
        for moment in (0.0, 4.9, 5.0):
            now[0] = moment
            reader.points("otel_asayer.spool.size")
            looks.append(standing.looks)
        assert looks == [1, 1, 2]

    def test_a_spool_that_cannot_be_used_is_not_measured(
        self, reader: Reader, standing: Standing
    ) -> None:
        standing.error = SpoolError("The folder is gone.")
        assert reader.points("otel_asayer.spool.size") == []


def test_a_real_spool_is_measured(reader: Reader, tmp_path: Path) -> None:
    delivery = Delivery.from_config(
        Config.from_environment({}, spool="on_failure", spool_directory=str(tmp_path))
    )
    observe(meter_of(reader.provider), lambda: [delivery])
    delivery.deliver([Operation(b"{}\n{}\n")])
    [(documents, _)] = reader.points("otel_asayer.spool.documents")
    assert documents == 1


class TestProviders:
    def test_one_that_is_set_later_gets_everything(self, double: ElasticsearchDouble) -> None:
        assert (
            run(LATER, double.url) == "otel.sdk.exporter.span.exported 1\notel_asayer.documents 1\n"
        )

    def test_where_the_sdk_is_disabled_there_are_none(
        self, monkeypatch: pytest.MonkeyPatch, reader: Reader
    ) -> None:
        monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
        assert isinstance(meter_of(reader.provider), NoOpMeter)

    def test_one_that_cannot_be_loaded_is_said_and_costs_nothing_else(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*_: object) -> None:
            raise StopIteration

        monkeypatch.setattr(metrics, "get_meter", fail)
        assert isinstance(meter_of(None), NoOpMeter)
        assert caplog.messages == [
            "There is no MeterProvider, and so there are no metrics of otel-asayer."
        ]

    def test_an_instrument_that_raises_costs_no_telemetry(self) -> None:
        class Failing:
            def __getattr__(self, _: str) -> Any:
                return self

            def __call__(self, *_: object, **__: object) -> Any:
                return self

            @property
            def add(self) -> Callable[..., None]:
                def fail(*_: object) -> None:
                    raise RuntimeError

                return fail

        metrics = ExporterMetrics(Failing(), object, "span", Config.from_environment({}))  # type: ignore[arg-type]
        with metrics.operation(2) as lost:
            lost[Cause.of("defect")] += 1
        assert lost == {Cause.of("defect"): 1}


class _Broken:
    instrumentation_scope = None


PREPARED = """
import os, sys
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from otel_asayer import ElasticsearchSpanExporter

provider = TracerProvider()
exporter = ElasticsearchSpanExporter(endpoint=sys.argv[1], setup="off", spool="off")
provider.add_span_processor(SimpleSpanProcessor(exporter))
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))

def values():
    [resource] = reader.get_metrics_data().resource_metrics
    for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
        points = [point for point in metric.data.data_points if hasattr(point, "value")]
        yield from ((metric.name, point.value) for point in points)
"""

LATER = f"""{PREPARED}
provider.get_tracer("shop").start_span("GET /cart").end()
for name, value in values():
    if value:
        print(name, value)
"""

FORKED = f"""{PREPARED}
for _ in range(2):
    provider.get_tracer("shop").start_span("GET /cart").end()
if child := os.fork():
    os.waitpid(child, 0)
else:
    provider.get_tracer("shop").start_span("GET /cart").end()
    print("child", dict(values())["otel_asayer.documents"], flush=True)
    os._exit(0)
"""
FORKED = FORKED.replace(
    "if child :=",
    'print("parent", dict(values())["otel_asayer.documents"], flush=True)\nif child :=',
)


def run(program: str, url: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program, url],
        check=True,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    ).stdout


def test_every_outcome_is_a_word() -> None:
    assert all(outcome.value.isalpha() for outcome in Outcome)
