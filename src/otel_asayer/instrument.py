"""The two ways to set this package up.

`opentelemetry-instrument` calls `pre_instrument`; code that sets up the SDK calls `configure`. Both
do the same to the providers, once, however often they are called. Neither binds anything to a
thread or process: it also works in workers that fork afterwards (gunicorn, uWSGI, Celery), and what
they hold when they end is exported (`runtime.exit_flush`).
"""

from __future__ import annotations

import logging
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry._logs import get_logger_provider, set_logger_provider
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagate import set_global_textmap
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_asayer.config import SETTINGS, Config, environment_config, sdk_disabled
from otel_asayer.delivery.delivery import of_this_process
from otel_asayer.errors import ConfigurationError
from otel_asayer.id_generator import SystemRandomIdGenerator
from otel_asayer.once import new_sentences
from otel_asayer.processors import SessionLogRecordProcessor, SessionSpanProcessor
from otel_asayer.propagation.redirects import guard_redirects, propagators_at_work
from otel_asayer.propagator import AsayerPropagator
from otel_asayer.runtime import (
    diagnostics,
    exit_flush,
    frameworks,
    log_handlers,
    sdk,
    stdio,
    trace_response,
    uncaught_exceptions,
)
from otel_asayer.runtime.worker_processes import keep_workers_apart

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from typing_extensions import Unpack

    from otel_asayer.config.options import Options

__all__ = ["configure", "pre_instrument"]

_logger = logging.getLogger("otel_asayer")


def pre_instrument() -> None:
    """Stamp spans and log records, record uncaught exceptions, and apply all other settings.

    It is the entry point of the group `opentelemetry_pre_instrument`: the providers exist, and no
    library is instrumented yet. One warning lists all problems. It never raises: that would turn
    all instrumentation off.
    """
    try:
        log_handlers.install_last_resort_handler()
        config = environment_config()
        # First: the logging instrumentation adds its handler even if the SDK is disabled.
        if config.keep_console:
            log_handlers.keep_console()
        if sdk_disabled():
            return
        tracer_provider, logger_provider = trace.get_tracer_provider(), get_logger_provider()
        _set_up(config, tracer_provider, logger_provider)
        _report([*_findings(config, tracer_provider, logger_provider), *diagnostics.on_packages()])
        if hasattr(tracer_provider, "add_span_processor"):
            frameworks.watch_servers(_report_application)
    except Exception:
        _logger.exception(
            "otel-asayer could not be set up; OpenTelemetry goes on without sessions."
        )


def configure(
    tracer_provider: TracerProvider | None = None,
    logger_provider: LoggerProvider | None = None,
    **options: Unpack[Options],
) -> None:
    """Connect OpenTelemetry's SDK with the session replay; a second call adds nothing twice.

    The providers get processors that stamp sessions, ids from the system's randomness instead of
    the global `random`, and, if an Elasticsearch is configured, exporters. The propagator `asayer`
    replaces `baggage` among the global ones. To export records of Python's `logging` as well, call
    `LoggingInstrumentor().instrument()` of opentelemetry-instrumentation-logging, before or
    afterwards; the console keeps its output.

    Args:
        tracer_provider: one of the SDK's; default: the global one, which is created if needed.
        logger_provider: the same for log records.
        options: fields of `otel_asayer.config.Config`; they override the environment's variables.

    Raises:
        ConfigurationError: a provider is not the SDK's, an option does not exist, or its value
            cannot be used. Problems with variables are logged instead.
    """
    log_handlers.install_last_resort_handler()
    config = Config.from_environment(**options)
    if config.keep_console:
        log_handlers.keep_console()
    _require(tracer_provider, "add_span_processor")
    _require(logger_provider, "add_log_record_processor")
    if config.enabled:
        _set_propagator(
            {
                name: value
                for name, value in options.items()
                if SETTINGS[name].variable.startswith("OTEL_ASAYER_")
            }
        )
    if sdk_disabled():
        return
    providers = (
        _global_tracer_provider() if tracer_provider is None else tracer_provider,
        _global_logger_provider() if logger_provider is None else logger_provider,
    )
    if config.has_destination:
        _add_exporters(*providers, options)
    _set_up(config, *providers)
    _report(_findings(config, *providers))


def _set_up(config: Config, tracer_provider: Any, logger_provider: Any) -> None:
    sdk.replace_id_generator(tracer_provider, SystemRandomIdGenerator)
    log_handlers.improve_log_handover()
    if config.enabled:
        _add_session_side(config, tracer_provider, logger_provider)
    _support_our_exporters(tracer_provider, logger_provider)


def _add_session_side(config: Config, tracer_provider: Any, logger_provider: Any) -> None:
    # The SDK's providers and their wrappers take processors, the API's do not.
    if hasattr(tracer_provider, "add_span_processor"):
        sdk.add_span_processor_first(tracer_provider, SessionSpanProcessor())
    if hasattr(logger_provider, "add_log_record_processor"):
        sdk.add_log_record_processor_first(logger_provider, SessionLogRecordProcessor())
    uncaught_exceptions.watch_exceptions(logger_provider)
    log_handlers.keep_django_context()
    guard_redirects()
    keep_workers_apart()
    if config.stamp_stdio:
        stdio.stamp_stdio()
    if config.trace_response:
        trace_response.answer_with_trace()


def _require(provider: object, method: str) -> None:
    if provider is not None and not hasattr(provider, method):
        raise ConfigurationError(
            f"{type(provider).__name__} is not a provider of OpenTelemetry's SDK: it has no "
            f"{method}()."
        )


def _global_tracer_provider() -> trace.TracerProvider:
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(TracerProvider(sampler=sdk.environment_sampler()))
    return trace.get_tracer_provider()


def _global_logger_provider() -> object:
    if not hasattr(get_logger_provider(), "add_log_record_processor"):
        set_logger_provider(LoggerProvider())
    return get_logger_provider()


def _set_propagator(options: Mapping[str, Any]) -> None:
    """Put `asayer` among the global propagators in place of `baggage`.

    An existing one stays, unless there are options for it.
    """
    present = propagators_at_work()
    ours = next(
        (propagator for propagator in present if isinstance(propagator, AsayerPropagator)), None
    )
    others = [
        propagator
        for propagator in present
        if not isinstance(propagator, (AsayerPropagator, W3CBaggagePropagator))
    ]
    if ours is None or options:
        ours = AsayerPropagator(**options)
    set_global_textmap(CompositePropagator([*others, ours]))


def _add_exporters(tracer_provider: Any, logger_provider: Any, options: Options) -> None:
    from otel_asayer.exporter import ElasticsearchLogRecordExporter, ElasticsearchSpanExporter

    signals: tuple[tuple[Any, str, Any, Any], ...] = (
        (tracer_provider, "add_span_processor", BatchSpanProcessor, ElasticsearchSpanExporter),
        (
            logger_provider,
            "add_log_record_processor",
            BatchLogRecordProcessor,
            ElasticsearchLogRecordExporter,
        ),
    )
    for provider, method, processor, exporter in signals:
        if hasattr(provider, method) and not any(
            isinstance(other, exporter) for other in sdk.exporters(provider)
        ):
            getattr(provider, method)(processor(exporter(**options)))


def _support_our_exporters(tracer_provider: Any, logger_provider: Any) -> None:
    """Export what a process would lose at its end, count drops, and keep Celery's log records.

    Only for our own exporters: users of others did not ask for changes to exits and logging.
    """
    for provider in filter(_feeds_ours, (tracer_provider, logger_provider)):
        exit_flush.flush_at_exits(provider, of_this_process)
        sdk.attach_exporters(provider, _if_ours)
    if _feeds_ours(logger_provider):
        log_handlers.keep_celery_handlers()


def _feeds_ours(provider: object) -> bool:
    return any(map(_if_ours, sdk.exporters(provider)))


def _if_ours(exporter: object) -> Any:
    """Return an exporter of ours, or of a subclass; None for others, or while none is loaded."""
    module = sys.modules.get("otel_asayer.exporter")
    is_ours = module is not None and isinstance(
        exporter, (module.ElasticsearchSpanExporter, module.ElasticsearchLogRecordExporter)
    )
    return exporter if is_ours else None


def _findings(config: Config, tracer_provider: object, logger_provider: object) -> Iterator[object]:
    yield from config.problems
    yield from _declared_problems(tracer_provider, logger_provider)
    yield from diagnostics.missing_private_names()
    if not (
        hasattr(tracer_provider, "add_span_processor")
        or hasattr(logger_provider, "add_log_record_processor")
    ):
        yield (
            diagnostics.NO_SDK
            if any(entry_points(group="opentelemetry_configurator"))
            else diagnostics.NO_CONFIGURATOR
        )
    if config.enabled:
        yield from diagnostics.on_propagators(trace_response=config.trace_response)
    if _feeds_ours(logger_provider) and not find_spec("opentelemetry.instrumentation.logging"):
        yield diagnostics.NO_LOGGING


def _declared_problems(*providers: object) -> Iterator[object]:
    """Yield what is wrong in the file of declarative configuration."""
    exporters = (one for provider in providers for one in sdk.exporters(provider) if _if_ours(one))
    ours = (one for one in propagators_at_work() if isinstance(one, AsayerPropagator))
    for one in (*exporters, *ours):
        yield from getattr(one, "problems", ())


def _report_application(name: str, interface: str, instrumentation: str) -> None:
    _report(
        [
            diagnostics.not_instrumented(name, instrumentation)
            if instrumentation
            else diagnostics.not_wrapped(f"the application {name}", interface)
        ]
    )


def _report(found: Iterable[object]) -> None:
    """Log the findings that this process has not logged yet, as one warning."""
    if new := new_sentences(map(str, found)):
        _logger.warning(
            "otel-asayer needs your attention:%s", "".join(f"\n- {sentence}" for sentence in new)
        )
