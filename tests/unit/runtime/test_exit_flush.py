"""What the providers hold is exported at ends of processes that run no exit handlers."""

from __future__ import annotations

import asyncio
import os
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakSet

import pytest
from celery import signals
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, InMemoryLogRecordExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_asayer import instrument
from otel_asayer.exporter import ElasticsearchSpanExporter
from otel_asayer.runtime import exit_flush, sdk
from otel_asayer.runtime.exit_flush import flush_at_exits

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


class Provider:
    """Counts how often it is asked to export."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.exports = 0

    def force_flush(self) -> bool:
        self.exports += 1
        if self.failure:
            raise self.failure
        return True


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No provider is known yet, and what other tests have is left alone."""
    monkeypatch.setattr(exit_flush, "_providers", WeakSet())


def end_celery_child() -> None:
    signals.worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=0)


def test_a_child_of_celery_exports_what_it_holds_once() -> None:
    provider = Provider()
    flush_at_exits(provider)
    flush_at_exits(provider)
    end_celery_child()
    assert provider.exports == 1


def test_a_child_of_celery_exports_after_the_applications_own_receivers() -> None:
    provider = Provider()
    flush_at_exits(provider)
    seen: list[int] = []

    def receive(**_: object) -> None:
        seen.append(provider.exports)

    signals.worker_process_shutdown.connect(receive)
    end_celery_child()
    assert seen == [0]
    assert provider.exports == 1


def test_each_provider_exports_though_another_one_fails(caplog: pytest.LogCaptureFixture) -> None:
    providers = [Provider(ValueError("no")) for _ in range(2)]
    for provider in providers:
        flush_at_exits(provider)
    end_celery_child()
    assert [provider.exports for provider in providers] == [1, 1]
    message = "Telemetry that this process held when it ended could not be exported"
    assert caplog.messages == [message] * 2


def test_a_provider_that_is_gone_is_forgotten() -> None:
    flush_at_exits(Provider())
    end_celery_child()
    assert list(exit_flush._providers) == []


def test_only_providers_that_feed_an_exporter_of_ours_are_asked() -> None:
    ours, others = TracerProvider(shutdown_on_exit=False), TracerProvider(shutdown_on_exit=False)
    ours.add_span_processor(SimpleSpanProcessor(ElasticsearchSpanExporter()))
    others.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    instrument._support_our_exporters(ours, others)
    assert list(exit_flush._providers) == [ours]
    ours.shutdown()


class Renaming(ElasticsearchSpanExporter):
    """An application's own class."""


def test_a_provider_that_feeds_a_subclass_of_our_exporter_is_asked() -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(Renaming()))
    instrument._support_our_exporters(provider, TracerProvider(shutdown_on_exit=False))
    assert list(exit_flush._providers) == [provider]
    provider.shutdown()


def test_every_child_of_multiprocessing_registers_a_finalizer_that_runs_last() -> None:
    provider = Provider()
    flush_at_exits(provider)
    after_fork: list[Callable[[object], None]] = []
    finalizers: list[tuple[Any, int]] = []
    module = SimpleNamespace(
        register_after_fork=lambda _, function: after_fork.append(function),
        Finalize=lambda _, callback, exitpriority: finalizers.append((callback, exitpriority)),
    )
    exit_flush._watch_multiprocessing(cast("ModuleType", module))
    after_fork[0](None)
    (finalize, priority), *_ = finalizers
    finalize()
    assert provider.exports == 1
    assert priority < -1000


@pytest.mark.parametrize("failure", [None, OSError("the socket is gone")])
def test_a_server_of_uvicorn_exports_after_its_shutdown_even_if_that_fails(
    failure: Exception | None,
) -> None:
    provider = Provider()
    flush_at_exits(provider)
    seen = []

    class Server:
        async def shutdown(self, sockets: object = None) -> None:
            seen.append((sockets, provider.exports))
            if failure:
                raise failure

    exit_flush._watch_uvicorn(cast("ModuleType", SimpleNamespace(Server=Server)))
    (outcome,) = asyncio.run(gather(Server().shutdown(sockets="theirs")))
    assert outcome == failure
    assert seen == [("theirs", 0)]
    assert provider.exports == 1


def test_a_worker_of_uwsgi_exports_before_the_hook_of_the_application(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = Provider()
    flush_at_exits(provider)
    seen: list[int] = []
    uwsgi: Any = SimpleNamespace(atexit=lambda: seen.append(provider.exports))
    finder = exit_flush._AwaitUwsgi()
    before = [finder, *sys.meta_path]
    monkeypatch.setattr(sys, "meta_path", before)
    finder.find_spec("json", None)
    assert sys.meta_path is before
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    finder.find_spec("application", None)
    uwsgi.atexit()
    assert seen == [1]
    assert provider.exports == 1
    assert sys.meta_path == before[1:]


def test_a_worker_of_uwsgi_exports_without_any_hook_of_the_application() -> None:
    provider = Provider()
    flush_at_exits(provider)
    uwsgi: Any = SimpleNamespace()
    exit_flush._watch_uwsgi(uwsgi)
    uwsgi.atexit()
    assert provider.exports == 1


async def gather(*coroutines: Any) -> list[Any]:
    return await asyncio.gather(*coroutines, return_exceptions=True)


def test_processors_that_got_nothing_since_a_hidden_fork_do_not_hold_the_exit() -> None:
    tracer_provider, logger_provider = (
        TracerProvider(shutdown_on_exit=False),
        LoggerProvider(shutdown_on_exit=False),
    )
    spans, logs = (
        BatchSpanProcessor(InMemorySpanExporter()),
        BatchLogRecordProcessor(InMemoryLogRecordExporter()),  # type: ignore[no-untyped-call]
    )
    tracer_provider.add_span_processor(spans)
    tracer_provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    logger_provider.add_log_record_processor(logs)
    flush_at_exits(tracer_provider)
    flush_at_exits(logger_provider)
    logs._batch_processor._pid = os.getppid()
    exit_flush._discard_inherited()
    assert spans._batch_processor._shutdown is False
    assert logs._batch_processor._shutdown is True
    logs._batch_processor._shutdown = False  # its thread is here, after all, and has to end
    tracer_provider.shutdown()
    logger_provider.shutdown()


def test_a_provider_without_processors_has_no_strangers() -> None:
    sdk.discard_inherited_processors(object())
