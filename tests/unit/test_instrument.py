"""The hook under `opentelemetry-instrument`, and `configure()`."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import propagate, trace
from opentelemetry._logs import _internal as logs_api, get_logger_provider
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.instrumentation import propagators as response_propagators
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.propagators.b3 import B3SingleFormat
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk import _configuration
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util._once import Once

from otel_asayer import (
    AsayerPropagator,
    ConfigurationError,
    InvalidSessionIdError,
    SystemRandomIdGenerator,
    configure,
    instrument,
)
from otel_asayer.config import environment_config
from otel_asayer.exporter import (
    DeclaredLogRecordExporter,
    DeclaredSpanExporter,
    ElasticsearchLogRecordExporter,
    ElasticsearchSpanExporter,
)
from otel_asayer.instrument import pre_instrument
from otel_asayer.processors import SessionLogRecordProcessor, SessionSpanProcessor
from otel_asayer.propagation.context import session
from otel_asayer.propagation.redirects import propagators_at_work
from otel_asayer.propagator import DeclaredPropagator
from otel_asayer.runtime import diagnostics, sdk as sdk_names
from otel_asayer.runtime.stdio import StampedStream, unstamp_stdio
from otel_asayer.runtime.trace_response import TraceResponse
from otel_asayer.runtime.uncaught_exceptions import unwatch_exceptions

from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SESSION = "2618307011354435587"
ENDPOINT = "http://127.0.0.1:9"
HEAD = "otel-asayer needs your attention:"
TRACE_CONTEXT, BAGGAGE, ASAYER = (
    TraceContextTextMapPropagator,
    W3CBaggagePropagator,
    AsayerPropagator,
)


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The globals of OpenTelemetry and of ours as a new process has them, with
    `OTEL_PROPAGATORS=tracecontext,asayer`."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    monkeypatch.setattr(logs_api, "_LOGGER_PROVIDER", None)
    monkeypatch.setattr(logs_api, "_LOGGER_PROVIDER_SET_ONCE", Once())
    monkeypatch.setattr(
        propagate, "_HTTP_TEXT_FORMAT", CompositePropagator([TRACE_CONTEXT(), ASAYER()])
    )
    monkeypatch.setattr(response_propagators, "_RESPONSE_PROPAGATOR", None)
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    environment_config.cache_clear()
    yield
    unwatch_exceptions()
    environment_config.cache_clear()


class SDK:
    """Providers of the SDK, with exporters that were there before us."""

    def __init__(self) -> None:
        self.tracer_provider, self.logger_provider = (
            TracerProvider(shutdown_on_exit=False),
            LoggerProvider(shutdown_on_exit=False),
        )
        self.spans, self.logs = InMemorySpanExporter(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self.logs))

    def become_global(self) -> SDK:
        trace.set_tracer_provider(self.tracer_provider)
        logs_api.set_logger_provider(self.logger_provider)
        return self

    def sessions(self) -> list[Any]:
        """Emit a span and a log record in the session, and return what they carry."""
        with session(SESSION):
            self.tracer_provider.get_tracer("test").start_span("span").end()
            self.logger_provider.get_logger("test").emit(body="body")
        finished: list[Any] = [
            self.spans.get_finished_spans()[-1],
            self.logs.get_finished_logs()[-1].log_record,
        ]
        return [record.attributes.get("session.id") for record in finished]

    def processors(self) -> tuple[list[type], list[type]]:
        return span_processors(self.tracer_provider), log_processors(self.logger_provider)


OURS = (
    [SimpleSpanProcessor, SessionSpanProcessor],
    [SessionLogRecordProcessor, SimpleLogRecordProcessor],
)
UNTOUCHED = ([SimpleSpanProcessor], [SimpleLogRecordProcessor])


def span_processors(provider: Any) -> list[type]:
    return [type(processor) for processor in provider._active_span_processor._span_processors]


def log_processors(provider: Any) -> list[type]:
    return [
        type(processor) for processor in provider._multi_log_record_processor._log_record_processors
    ]


def propagators() -> list[type]:
    return [type(propagator) for propagator in propagators_at_work()]


def use(*kinds: type) -> None:
    propagate.set_global_textmap(CompositePropagator([kind() for kind in kinds]))


def hooks() -> tuple[bool, bool]:
    return sys.excepthook is sys.__excepthook__, threading.excepthook is threading.__excepthook__


def response_propagator() -> object:
    return response_propagators.get_global_response_propagator()  # type: ignore[no-untyped-call]


@pytest.fixture
def sdk() -> SDK:
    return SDK().become_global()


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    return lambda: [
        record.getMessage() for record in caplog.records if record.name == "otel_asayer"
    ]


def installed(**groups: list[str]) -> Callable[..., list[EntryPoint]]:
    return lambda group: [
        EntryPoint(value.split("=")[0], value.split("=")[1], group)
        for value in groups.get(group, [])
    ]


# pre_instrument


def test_the_hook_is_found_by_opentelemetry_instrument() -> None:
    (entry_point,) = entry_points(group="opentelemetry_pre_instrument", name="asayer")
    assert entry_point.load() is pre_instrument


def test_spans_and_log_records_are_stamped(sdk: SDK) -> None:
    pre_instrument()
    assert sdk.sessions() == [SESSION, SESSION]


def test_the_hook_puts_each_processor_in_its_place_once(sdk: SDK) -> None:
    pre_instrument()
    pre_instrument()
    assert sdk.processors() == OURS


def test_the_hook_lets_ids_come_from_the_system(sdk: SDK) -> None:
    pre_instrument()
    assert type(sdk.tracer_provider.id_generator) is SystemRandomIdGenerator


def test_where_all_is_well_nothing_is_said(sdk: SDK, warnings: Callable[[], list[str]]) -> None:
    pre_instrument()
    assert warnings() == []


def test_uncaught_exceptions_are_recorded(sdk: SDK) -> None:
    pre_instrument()
    assert hooks() == (False, False)


def test_all_findings_are_one_warning(
    sdk: SDK, warnings: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_ASAYER_REPLAY_LEVEL", "loud")
    monkeypatch.setenv("OTEL_ASAYER_PROPAGATION_TARGETS", "http://")
    use(TRACE_CONTEXT)
    pre_instrument()
    problems = [f"\n- {problem}" for problem in environment_config().problems]
    assert len(problems) == 2
    assert warnings() == ["".join([HEAD, *problems, f"\n- {diagnostics.NO_PROPAGATOR}"])]


def test_what_is_wrong_in_a_configuration_file_is_in_the_same_warning(
    sdk: SDK, warnings: Callable[[], list[str]]
) -> None:
    block = {"endpoint": "es:9200", "spool": "off"}
    spans, logs = DeclaredSpanExporter(**block), DeclaredLogRecordExporter(**block)
    sdk.tracer_provider.add_span_processor(SimpleSpanProcessor(spans))
    sdk.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
    propagator = DeclaredPropagator(propagation_targets="htt p://")
    propagate.set_global_textmap(CompositePropagator([propagator]))
    pre_instrument()
    problems = (*spans.problems, *propagator.problems)
    assert len(problems) == 2
    assert warnings() == [HEAD + "".join(f"\n- {problem}" for problem in problems)]


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("opentelemetry_traces_exporter", DeclaredSpanExporter),
        ("opentelemetry_logs_exporter", DeclaredLogRecordExporter),
    ],
)
def test_opentelemetry_loads_what_does_not_raise(group: str, kind: type) -> None:
    (entry_point,) = entry_points(group=group, name="elasticsearch")
    assert entry_point.load() is kind


def test_opentelemetry_loads_a_propagator_that_does_not_raise() -> None:
    (entry_point,) = entry_points(group="opentelemetry_propagator", name="asayer")
    assert entry_point.load() is DeclaredPropagator


def test_a_private_name_that_is_gone_is_said_with_what_works_less_well(
    sdk: SDK, warnings: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(_configuration, "_get_sampler")
    pre_instrument()
    said = (
        "The installed OpenTelemetry has no _get_sampler in opentelemetry.sdk._configuration: "
        "configure() ignores a sampler in OTEL_TRACES_SAMPLER that is not one of the SDK's own."
    )
    assert warnings() == [f"{HEAD}\n- {said}"]


def test_findings_are_said_once_in_a_process(sdk: SDK, warnings: Callable[[], list[str]]) -> None:
    use(TRACE_CONTEXT)
    pre_instrument()
    pre_instrument()
    assert warnings() == [f"{HEAD}\n- {diagnostics.NO_PROPAGATOR}"]


@pytest.mark.parametrize(
    ("kinds", "finding"),
    [
        ([], diagnostics.NO_PROPAGATOR),
        ([TRACE_CONTEXT, BAGGAGE], diagnostics.NO_PROPAGATOR),
        ([TRACE_CONTEXT, BAGGAGE, ASAYER], diagnostics.LEAK),
        ([TRACE_CONTEXT, ASAYER, BAGGAGE], diagnostics.LEAK),
    ],
)
def test_the_propagators_at_work_are_looked_at_and_not_the_variable(
    sdk: SDK,
    warnings: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    kinds: list[type],
    finding: str,
) -> None:
    monkeypatch.setenv("OTEL_PROPAGATORS", "tracecontext,asayer")  # overruled by OTEL_CONFIG_FILE
    use(*kinds)
    pre_instrument()
    assert warnings() == [f"{HEAD}\n- {finding}"]


def test_without_a_configurator_one_sentence_names_the_missing_package(
    warnings: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instrument, "entry_points", installed())
    pre_instrument()
    assert warnings() == [f"{HEAD}\n- {diagnostics.NO_CONFIGURATOR}"]
    release = version("opentelemetry-instrumentation")
    assert diagnostics.NO_CONFIGURATOR.remedy == f"pip install opentelemetry-distro=={release}"


def test_where_a_configurator_has_set_up_nothing_that_is_said(
    warnings: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        instrument, "entry_points", installed(opentelemetry_configurator=["configurator=distro:C"])
    )
    pre_instrument()
    assert warnings() == [f"{HEAD}\n- {diagnostics.NO_SDK}"]


def test_two_packages_of_one_name_are_said(
    sdk: SDK, warnings: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = ["distro=opentelemetry.distro:Distro", "distro=elasticotel.distro:Distro"]
    monkeypatch.setattr(diagnostics, "entry_points", installed(opentelemetry_distro=both))
    pre_instrument()
    assert warnings() == [
        f"{HEAD}\n- {diagnostics.two_distros('elasticotel.distro, opentelemetry.distro')}"
    ]


def test_two_packages_of_different_names_are_the_users_choice(
    sdk: SDK, warnings: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = ["distro=opentelemetry.distro:Distro", "other=other.distro:Distro"]
    monkeypatch.setattr(diagnostics, "entry_points", installed(opentelemetry_distro=both))
    pre_instrument()
    assert warnings() == []


@pytest.fixture
def elasticsearch_logs(sdk: SDK) -> Iterator[None]:
    sdk.logger_provider.add_log_record_processor(
        SimpleLogRecordProcessor(ElasticsearchLogRecordExporter(endpoint=ENDPOINT))
    )
    yield
    sdk.logger_provider.shutdown()


def test_logs_that_nothing_hands_to_the_exporter_are_said(
    elasticsearch_logs: None, warnings: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instrument, "find_spec", lambda _: None)
    pre_instrument()
    assert warnings() == [f"{HEAD}\n- {diagnostics.NO_LOGGING}"]


def test_with_the_logging_instrumentation_installed_nothing_is_said(
    elasticsearch_logs: None, warnings: Callable[[], list[str]]
) -> None:
    pre_instrument()
    assert warnings() == []


def test_other_exporters_may_do_without_the_logging_instrumentation(
    sdk: SDK, warnings: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instrument, "find_spec", lambda _: None)
    pre_instrument()
    assert warnings() == []


def test_a_disabled_sdk_is_left_alone(
    sdk: SDK, warnings: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    use(TRACE_CONTEXT)
    pre_instrument()
    assert sdk.processors() == UNTOUCHED
    assert hooks() == (True, True)
    assert warnings() == []


def test_with_the_session_side_switched_off_only_problems_are_said(
    sdk: SDK, warnings: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_ASAYER_ENABLED", "false")
    monkeypatch.setenv("OTEL_ASAYER_STAMP_STDIO", "true")
    monkeypatch.setenv("OTEL_ASAYER_REPLAY_LEVEL", "loud")
    use(TRACE_CONTEXT)
    pre_instrument()
    assert sdk.processors() == UNTOUCHED
    assert hooks() == (True, True)
    assert warnings() == [f"{HEAD}\n- {environment_config().problems[0]}"]


def stands_in_the_list_of_the_root_logger(sdk: SDK) -> bool:
    logging.root.addHandler(handler := LoggingHandler(logger_provider=sdk.logger_provider))
    stands_there = handler in logging.root.handlers
    logging.root.removeHandler(handler)
    return stands_there


def test_the_hook_lets_handlers_of_opentelemetry_stand_beside_those_of_the_root_logger(
    sdk: SDK,
) -> None:
    pre_instrument()
    assert not stands_in_the_list_of_the_root_logger(sdk)


def test_configured_in_code_they_stand_beside_them_too(sdk: SDK) -> None:
    configure()
    assert not stands_in_the_list_of_the_root_logger(sdk)


def test_where_the_console_need_not_be_kept_they_stand_among_them(
    sdk: SDK, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_ASAYER_KEEP_CONSOLE", "false")
    pre_instrument()
    assert stands_in_the_list_of_the_root_logger(sdk)


def test_with_the_sdk_disabled_they_stand_beside_them_too(
    sdk: SDK, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    pre_instrument()
    assert not stands_in_the_list_of_the_root_logger(sdk)


def test_console_output_is_stamped_where_it_is_asked_for(
    sdk: SDK, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_ASAYER_STAMP_STDIO", "true")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    pre_instrument()
    stamped = type(sys.stdout)
    unstamp_stdio()
    assert stamped is StampedStream


def test_console_output_is_left_alone_where_it_is_not_asked_for(sdk: SDK) -> None:
    before = sys.stdout
    pre_instrument()
    assert sys.stdout is before


def test_the_trace_id_is_sent_in_responses_where_it_is_asked_for(
    sdk: SDK, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_ASAYER_TRACE_RESPONSE", "true")
    pre_instrument()
    assert isinstance(response_propagator(), TraceResponse)


def test_opentelemetrys_own_propagator_of_responses_gives_way(
    sdk: SDK, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_ASAYER_TRACE_RESPONSE", "true")
    plain = response_propagators.TraceResponsePropagator()
    response_propagators.set_global_response_propagator(plain)  # type: ignore[no-untyped-call]
    pre_instrument()
    assert isinstance(response_propagator(), TraceResponse)


def test_the_trace_id_is_not_sent_in_responses_where_it_is_not_asked_for(sdk: SDK) -> None:
    pre_instrument()
    assert response_propagator() is None


def test_another_response_propagator_stays_and_is_said(
    sdk: SDK, warnings: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_ASAYER_TRACE_RESPONSE", "true")
    response_propagators.set_global_response_propagator(other := object())  # type: ignore[no-untyped-call]
    pre_instrument()
    assert response_propagator() == other
    assert warnings() == [f"{HEAD}\n- {diagnostics.NO_TRACE_RESPONSE}"]


def test_the_hook_never_raises(
    sdk: SDK, warnings: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instrument, "environment_config", None)
    pre_instrument()
    assert warnings() == [
        "otel-asayer could not be set up; OpenTelemetry goes on without sessions."
    ]


# configure


def test_given_providers_are_stamped_and_do_not_become_global() -> None:
    sdk = SDK()
    configure(sdk.tracer_provider, sdk.logger_provider)
    assert sdk.sessions() == [SESSION, SESSION]
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    assert not isinstance(get_logger_provider(), LoggerProvider)


def test_ids_of_a_given_provider_come_from_the_system() -> None:
    sdk = SDK()
    configure(sdk.tracer_provider, sdk.logger_provider)
    assert type(sdk.tracer_provider.id_generator) is SystemRandomIdGenerator


def test_global_providers_are_stamped(sdk: SDK) -> None:
    configure()
    assert sdk.sessions() == [SESSION, SESSION]


def test_calling_it_again_adds_nothing_twice(sdk: SDK) -> None:
    for _ in range(2):
        configure(endpoint=ENDPOINT)
    spans, logs = sdk.processors()
    exporters: list[type] = [
        type(exporter)
        for provider in (sdk.tracer_provider, sdk.logger_provider)
        for exporter in sdk_names.exporters(provider)
    ]
    shut_down(sdk.tracer_provider, sdk.logger_provider)
    assert len(spans) == 3
    assert len(logs) == 3
    assert propagators() == [TRACE_CONTEXT, ASAYER]
    assert exporters == [
        InMemorySpanExporter,
        ElasticsearchSpanExporter,
        InMemoryLogRecordExporter,
        ElasticsearchLogRecordExporter,
    ]


def test_after_the_hook_it_adds_nothing_twice(sdk: SDK) -> None:
    pre_instrument()
    configure()
    assert sdk.processors() == OURS


def test_where_there_are_no_providers_they_are_made() -> None:
    configure(endpoint=ENDPOINT)
    tracer_provider, logger_provider = trace.get_tracer_provider(), get_logger_provider()
    made = span_processors(tracer_provider), log_processors(logger_provider)
    shut_down(tracer_provider, logger_provider)
    assert [[kind.__name__ for kind in kinds] for kinds in made] == [
        ["BatchSpanProcessor", "SessionSpanProcessor"],
        ["SessionLogRecordProcessor", "BatchLogRecordProcessor"],
    ]


def test_a_provider_that_is_made_samples_as_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "asayer_session")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    configure()
    provider: Any = trace.get_tracer_provider()
    shut_down(provider, get_logger_provider())
    assert provider.sampler.get_description() == "SessionSampler{0.5}"


def shut_down(*providers: Any) -> None:
    for provider in providers:
        provider.shutdown()


def test_without_a_destination_nothing_is_exported() -> None:
    sdk = SDK()
    configure(sdk.tracer_provider, sdk.logger_provider)
    assert sdk.processors() == OURS


def test_a_destination_in_variables_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT", ENDPOINT)
    sdk = SDK()
    configure(sdk.tracer_provider, sdk.logger_provider)
    exporters: list[type] = [
        type(exporter) for exporter in sdk_names.exporters(sdk.tracer_provider)
    ]
    shut_down(sdk.tracer_provider, sdk.logger_provider)
    assert tuple(exporters) == (InMemorySpanExporter, ElasticsearchSpanExporter)


def test_with_the_session_side_switched_off_it_only_exports() -> None:
    sdk = SDK()
    use(TRACE_CONTEXT, BAGGAGE)
    configure(sdk.tracer_provider, sdk.logger_provider, endpoint=ENDPOINT, enabled=False)
    made = sdk.processors()
    shut_down(sdk.tracer_provider, sdk.logger_provider)
    assert [[kind.__name__ for kind in kinds] for kinds in made] == [
        ["SimpleSpanProcessor", "BatchSpanProcessor"],
        ["SimpleLogRecordProcessor", "BatchLogRecordProcessor"],
    ]
    assert hooks() == (True, True)
    assert propagators() == [TRACE_CONTEXT, BAGGAGE]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([TRACE_CONTEXT, BAGGAGE], [TRACE_CONTEXT, ASAYER]),
        ([], [ASAYER]),
        ([B3SingleFormat], [B3SingleFormat, ASAYER]),
        ([ASAYER, TRACE_CONTEXT, BAGGAGE], [TRACE_CONTEXT, ASAYER]),
    ],
)
def test_the_propagator_takes_the_place_of_baggage(
    sdk: SDK, before: list[type], after: list[type]
) -> None:
    use(*before)
    configure()
    assert propagators() == after


def test_a_single_propagator_is_kept_beside_ours(sdk: SDK) -> None:
    propagate.set_global_textmap(TRACE_CONTEXT())
    configure()
    assert propagators() == [TRACE_CONTEXT, ASAYER]


def test_our_propagator_stays_where_there_are_no_options_for_it(sdk: SDK) -> None:
    before = propagators_at_work()[1]
    configure(timeout=1)
    assert propagators_at_work()[1] is before


def test_options_of_the_session_side_reach_the_propagator(sdk: SDK) -> None:
    configure(session_headers="x-our-session", timeout=1)
    context = propagate.extract({"x-our-session": SESSION})
    with session(SESSION):
        sdk.tracer_provider.get_tracer("test").start_span("span", context=context).end()
    assert [dict(span.attributes or {}) for span in sdk.spans.get_finished_spans()] == [
        {"session.id": SESSION}
    ]


def test_ids_of_other_systems_are_accepted_in_code_as_in_headers(sdk: SDK) -> None:
    with pytest.raises(InvalidSessionIdError), session("user-7"):
        pass
    configure(opaque_session_ids=True)
    with session("user-7"):
        sdk.tracer_provider.get_tracer("test").start_span("span").end()
    assert [dict(span.attributes or {}) for span in sdk.spans.get_finished_spans()] == [
        {"session.id": "user-7"}
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"no_such_option": 1},
        {"timeout": -1},
        {"endpoint": "elasticsearch:9200"},
        {"replay_level": "loud"},
    ],
)
def test_wrong_options_raise_and_change_nothing(options: dict[str, Any]) -> None:
    sdk = SDK()
    use(TRACE_CONTEXT, BAGGAGE)
    with pytest.raises(ConfigurationError):
        configure(sdk.tracer_provider, sdk.logger_provider, **options)
    assert sdk.processors() == UNTOUCHED
    assert hooks() == (True, True)
    assert propagators() == [TRACE_CONTEXT, BAGGAGE]


@pytest.mark.parametrize(
    ("argument", "method"),
    [("tracer_provider", "add_span_processor"), ("logger_provider", "add_log_record_processor")],
)
def test_a_provider_that_is_not_the_sdks_is_an_error(argument: str, method: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        configure(**{argument: trace.NoOpTracerProvider()})  # type: ignore[arg-type]
    assert (
        str(caught.value)
        == f"NoOpTracerProvider is not a provider of OpenTelemetry's SDK: it has no {method}()."
    )


def test_a_global_provider_that_is_not_the_sdks_stays_and_the_other_signal_is_stamped() -> None:
    trace.set_tracer_provider(other := trace.NoOpTracerProvider())
    sdk = SDK()
    configure(logger_provider=sdk.logger_provider)
    assert trace.get_tracer_provider() == other
    assert sdk.processors()[1] == OURS[1]


def test_what_is_wrong_with_variables_is_logged(
    sdk: SDK, warnings: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_ASAYER_REPLAY_LEVEL", "loud")
    configure()
    assert warnings() == [
        (
            f"{HEAD}\n- OTEL_ASAYER_REPLAY_LEVEL: expected one of debug, info, warning, error; its "
            f"default is used"
        )
    ]


def test_with_the_sdk_disabled_the_session_is_still_passed_on(
    sdk: SDK, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    use(TRACE_CONTEXT, BAGGAGE)
    configure(endpoint=ENDPOINT)
    assert sdk.processors() == UNTOUCHED
    assert hooks() == (True, True)
    assert propagators() == [TRACE_CONTEXT, ASAYER]


def test_uncaught_exceptions_go_to_the_provider_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", lambda *_: None)
    sdk = SDK()
    configure(sdk.tracer_provider, sdk.logger_provider)
    sys.excepthook(ValueError, ValueError("broken"), None)
    assert [log.log_record.severity_text for log in sdk.logs.get_finished_logs()] == ["FATAL"]


# Processes


SCRIPT = """
import logging
import otel_asayer
from opentelemetry import trace
tracer = trace.get_tracer("test")
with otel_asayer.session(2618307011354435587), tracer.start_as_current_span("span"):
    logging.getLogger("shop").warning("out of stock")
raise ValueError("broken")
"""


def run(
    tmp_path: Path, script: str = SCRIPT, **environment: str
) -> subprocess.CompletedProcess[str]:
    (tmp_path / "app.py").write_text(textwrap.dedent(script))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    exporters = {
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_LOGS_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "none",
    }
    command = [
        str(Path(sys.executable).with_name("opentelemetry-instrument")),
        sys.executable,
        "app.py",
    ]
    return subprocess.run(
        command,
        cwd=tmp_path,
        env={**clean, **exporters, **environment},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )


def documents(output: str) -> list[dict[str, Any]]:
    """The JSON documents that the console exporters print one after the other."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(output):
        document, at = decoder.raw_decode(output, at)
        found.append(document)
        at += len(output[at:]) - len(output[at:].lstrip())
    return found


def described(output: str) -> list[tuple[str, Any]]:
    return sorted(
        (document.get("name") or document["body"], document["attributes"].get("session.id"))
        for document in documents(output)
    )


def test_under_opentelemetry_instrument_spans_logs_and_the_last_exception_are_stamped(
    tmp_path: Path,
) -> None:
    script = SCRIPT.replace(
        'raise ValueError("broken")', 'with otel_asayer.session(7):\n    raise ValueError("broken")'
    )
    done = run(tmp_path, script, OTEL_PROPAGATORS="tracecontext,asayer")
    assert described(done.stdout) == [("broken", "7"), ("out of stock", SESSION), ("span", SESSION)]
    assert "otel-asayer" not in done.stderr
    assert done.returncode == 1


def test_under_opentelemetry_instrument_one_warning_is_on_stderr(tmp_path: Path) -> None:
    done = run(tmp_path, "", OTEL_ASAYER_REPLAY_LEVEL="loud")
    problem = (
        "OTEL_ASAYER_REPLAY_LEVEL: expected one of debug, info, warning, error; its default is used"
    )
    assert done.stderr.startswith(f"{HEAD}\n- {problem}\n- {diagnostics.NO_PROPAGATOR}\n")
    assert done.stderr.count(HEAD) == 1


def test_declarative_configuration_is_stamped(tmp_path: Path) -> None:
    (tmp_path / "otel.yaml").write_text(
        textwrap.dedent("""
            file_format: "1.0"
            propagator:
              composite: [{tracecontext: }, {asayer: }]
            tracer_provider:
              sampler: {parentbased_asayer_session: }
              processors: [{simple: {exporter: {console: }}}]
            logger_provider:
              processors: [{simple: {exporter: {console: }}}]
        """)
    )
    done = run(tmp_path, OTEL_CONFIG_FILE="otel.yaml", OTEL_PROPAGATORS="tracecontext,baggage")
    assert described(done.stdout) == [
        ("broken", None),
        ("out of stock", SESSION),
        ("span", SESSION),
    ]
    assert "otel-asayer" not in done.stderr


def test_one_call_of_configure_is_enough(tmp_path: Path) -> None:
    script = """
        import otel_asayer
        from opentelemetry import propagate, trace
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
        otel_asayer.configure()
        trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
        context = propagate.extract({"x-session-id": "2618307011354435587"})
        trace.get_tracer("test").start_span("span", context=context).end()
    """
    (tmp_path / "app.py").write_text(textwrap.dedent(script))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=tmp_path,
        env=clean,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert described(done.stdout) == [("span", SESSION)]
    assert done.stderr == ""
