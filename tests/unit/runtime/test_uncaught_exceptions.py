"""Exceptions that nothing catches, recorded with their session."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import subprocess
import sys
import textwrap
import threading
from contextlib import contextmanager, suppress
from contextvars import Context as Variables
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from opentelemetry._logs import get_logger_provider
from opentelemetry.context import Context
from opentelemetry.instrumentation.exceptions import UnhandledExceptionInstrumentor
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanContext, TraceFlags

from otel_asayer.processors import SessionLogRecordProcessor, SessionSpanProcessor
from otel_asayer.propagation.context import (
    get_session_id,
    remember_exception,
    remember_span,
    session,
    session_of_exception,
    set_session_id,
    span_of_exception,
)
from otel_asayer.propagation.session_id import SessionId
from otel_asayer.runtime import uncaught_exceptions
from otel_asayer.runtime.uncaught_exceptions import unwatch_exceptions, watch_exceptions

from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.trace import Tracer

SESSION, OTHER = "2618307011354435587", "2618307011354435588"


class Record(NamedTuple):
    """What a test looks at."""

    severity: str | None
    body: Any
    type: Any
    session_id: Any


class Recorded:
    """Log records of a provider whose records are stamped."""

    def __init__(self) -> None:
        self._exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        self.provider = LoggerProvider(shutdown_on_exit=False)
        self.provider.add_log_record_processor(SessionLogRecordProcessor())
        self.provider.add_log_record_processor(SimpleLogRecordProcessor(self._exporter))

    @property
    def raw(self) -> list[Any]:
        return [log.log_record for log in self._exporter.get_finished_logs()]

    @property
    def records(self) -> list[Record]:
        return [
            Record(
                log.severity_text,
                log.body,
                log.attributes.get("exception.type"),
                log.attributes.get("session.id"),
            )
            for log in self.raw
        ]

    @property
    def scopes(self) -> list[str]:
        return [
            log.instrumentation_scope.name
            for log in self._exporter.get_finished_logs()
            if log.instrumentation_scope
        ]


class Hooked(NamedTuple):
    """What the hooks that were there before ours saw:

    the error, and the session that was current.
    """

    main: list[tuple[BaseException, str | None]]
    thread: list[tuple[BaseException | None, str | None]]


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> Hooked:
    """Hooks of the application."""
    hooked = Hooked([], [])
    monkeypatch.setattr(
        sys, "excepthook", lambda _, error, __: hooked.main.append((error, get_session_id()))
    )
    monkeypatch.setattr(
        threading,
        "excepthook",
        lambda arguments: hooked.thread.append((arguments.exc_value, get_session_id())),
    )
    return hooked


@pytest.fixture
def watched(recorded: Recorded, before: Hooked) -> Iterator[Recorded]:
    watch_exceptions(recorded.provider)
    yield recorded
    unwatch_exceptions()


@contextmanager
def instrumented(instrumentor: Any, **options: Any) -> Iterator[None]:
    instrumentor.instrument(**options)
    try:
        yield
    finally:
        instrumentor.uninstrument()


def exceptions_instrumentor() -> Any:
    return UnhandledExceptionInstrumentor()  # type: ignore[no-untyped-call]


def fail(error: BaseException) -> None:
    raise error


def end_main_with(error: BaseException) -> None:
    """What the interpreter does when an exception leaves the main module."""
    try:
        fail(error)
    except BaseException:
        sys.excepthook(*sys.exc_info())


def end_thread_with(error: BaseException) -> None:
    thread = threading.Thread(target=fail, args=(error,), name="worker")
    thread.start()
    thread.join()


def noted(error: BaseException, session_id: str = SESSION) -> BaseException:
    remember_exception(error, SessionId(session_id))
    return error


class Refused(ValueError):  # noqa: N818
    """One of an application's own, which a span records by its qualified name."""


class Defect(Exception):  # noqa: N818
    """An exception whose qualified name is not its name."""


async def failing(error: BaseException) -> None:
    fail(error)


async def forget_a_task(error: BaseException, collected_in: str | None = None) -> None:
    """Start a failing task in the session, and let it be collected; nobody asks for its result."""
    with session(SESSION):
        task: Any = asyncio.ensure_future(failing(error))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if collected_in is None:
        del task
    else:
        with session(collected_in):
            del task


# Main


def test_an_exception_that_ends_the_process_is_recorded(watched: Recorded) -> None:
    end_main_with(Defect("broken"))
    assert watched.records == [Record("FATAL", "Uncaught exception", f"{__name__}.Defect", None)]


def test_it_is_recorded_with_its_message_stack_time_and_event_name(watched: Recorded) -> None:
    end_main_with(Defect("broken"))
    (record,) = watched.raw
    assert record.attributes["exception.message"] == "broken"
    assert record.attributes["exception.stacktrace"].startswith(
        "Traceback (most recent call last):\n"
    )
    assert record.event_name == "exception"
    assert record.severity_number.value == 21
    assert record.timestamp <= record.observed_timestamp


def test_it_is_recorded_under_a_scope_that_the_exporter_does_not_take_for_our_own_log(
    watched: Recorded,
) -> None:
    end_main_with(ValueError("broken"))
    assert watched.scopes == ["otel-asayer"]


def test_an_exception_that_left_a_session_is_recorded_with_it(watched: Recorded) -> None:
    try:
        with session(SESSION):
            fail(ValueError("broken"))
    except ValueError as error:
        end_main_with(error)
    assert watched.records == [Record("FATAL", "Uncaught exception", "ValueError", SESSION)]


def test_the_session_it_ends_in_goes_before_the_one_that_it_came_from(watched: Recorded) -> None:
    with session("7"):
        end_main_with(noted(ValueError("broken")))
    assert watched.records == [Record("FATAL", "Uncaught exception", "ValueError", "7")]


def test_the_hook_that_was_there_before_runs_in_the_session(
    watched: Recorded, before: Hooked
) -> None:
    end_main_with(error := noted(ValueError("broken")))
    assert before.main == [(error, SESSION)]
    assert get_session_id() is None


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(1), asyncio.CancelledError(), GeneratorExit()]
)
def test_what_is_no_error_is_passed_on_and_not_recorded(
    watched: Recorded, before: Hooked, error: BaseException
) -> None:
    end_main_with(error)
    end_thread_with(error)
    assert watched.records == []
    assert before == Hooked([(error, None)], [(error, None)])


@pytest.mark.parametrize("relation", ["__cause__", "__context__"])
def test_an_exception_has_the_session_of_the_one_it_came_from(
    watched: Recorded, relation: str
) -> None:
    error = ValueError("broken")
    setattr(error, relation, noted(KeyError("first")))
    end_main_with(error)
    assert [record.session_id for record in watched.records] == [SESSION]


def test_a_group_has_the_session_of_a_member(watched: Recorded) -> None:
    group: Any = ValueError("several")
    group.exceptions = (
        KeyError("a"),
        noted(KeyError("b")),
    )  # as an ExceptionGroup has, from Python 3.11 on
    end_main_with(group)
    assert [record.session_id for record in watched.records] == [SESSION]


def test_exceptions_that_go_round_in_a_circle_have_no_session(watched: Recorded) -> None:
    first: Any = ValueError("first")
    second: Any = ValueError("second")
    first.__cause__, second.__cause__ = second, first
    first.exceptions = 7  # somebody's own attribute
    end_main_with(first)
    assert [record.session_id for record in watched.records] == [None]


def test_an_exception_that_cannot_be_recorded_reaches_the_hook_before(
    watched: Recorded, before: Hooked, caplog: pytest.LogCaptureFixture
) -> None:
    class Unprintable(Exception):  # noqa: N818
        def __str__(self) -> str:
            raise RuntimeError("no text")

    end_main_with(error := Unprintable())
    assert before.main == [(error, None)]
    assert [record.getMessage() for record in caplog.records] == [
        "An uncaught exception could not be recorded."
    ]


def test_what_the_hook_before_raises_is_raised(
    watched: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        uncaught_exceptions._watches[0], "_previous_in_main", lambda *_: fail(LookupError())
    )
    with pytest.raises(LookupError):
        sys.excepthook(ValueError, ValueError(), None)
    assert get_session_id() is None


# Threads


def test_an_exception_that_ends_a_thread_is_recorded(watched: Recorded) -> None:
    end_thread_with(noted(ValueError("broken")))
    assert watched.records == [
        Record("ERROR", "Uncaught exception in thread worker", "ValueError", SESSION)
    ]


def test_a_thread_started_in_a_session_is_recorded_with_it_and_its_trace(
    watched: Recorded, before: Hooked
) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    with (
        instrumented(ThreadingInstrumentor()),
        session(SESSION),
        tracer.start_as_current_span("request") as span,
    ):
        end_thread_with(error := ValueError("broken"))
    assert watched.records == [
        Record("ERROR", "Uncaught exception in thread worker", "ValueError", SESSION)
    ]
    assert [record.trace_id for record in watched.raw] == [span.get_span_context().trace_id]
    assert before.thread == [(error, SESSION)]


def test_a_thread_of_which_nothing_is_known_has_no_session(watched: Recorded) -> None:
    with session(SESSION):
        end_thread_with(ValueError("broken"))
    assert [record.session_id for record in watched.records] == [None]


def test_a_report_without_thread_and_value_is_passed_on(watched: Recorded, before: Hooked) -> None:
    threading.excepthook(threading.ExceptHookArgs((ValueError, None, None, None)))
    assert watched.records == []
    assert before.thread == [(None, None)]


# asyncio


@pytest.mark.parametrize("collected_in", [None, OTHER])
def test_a_forgotten_task_is_recorded_with_its_own_session(
    watched: Recorded, collected_in: str | None
) -> None:
    asyncio.run(forget_a_task(Defect("broken"), collected_in))
    assert watched.records == [
        Record("ERROR", "Task exception was never retrieved", f"{__name__}.Defect", SESSION)
    ]


def test_a_forgotten_task_is_recorded_with_its_trace(watched: Recorded) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")

    async def serve() -> int:
        with tracer.start_as_current_span("request") as span:
            task: Any = asyncio.ensure_future(failing(ValueError("broken")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
        return span.get_span_context().trace_id

    trace_id = asyncio.run(serve())
    assert [record.trace_id for record in watched.raw] == [trace_id]


def test_a_task_that_was_awaited_is_not_recorded(watched: Recorded) -> None:
    async def serve() -> None:
        with pytest.raises(ValueError, match="broken"):
            await asyncio.ensure_future(failing(ValueError("broken")))

    asyncio.run(serve())
    assert watched.records == []


def test_a_failing_callback_is_recorded_with_the_session_it_was_scheduled_in(
    watched: Recorded,
) -> None:
    async def serve() -> None:
        with session(SESSION):
            asyncio.get_running_loop().call_soon(fail, ValueError("broken"))
        await asyncio.sleep(0)

    asyncio.run(serve())
    assert [(record.type, record.session_id) for record in watched.records] == [
        ("ValueError", SESSION)
    ]


@pytest.mark.parametrize(
    ("error", "expected"), [(ValueError("broken"), None), (noted(ValueError("broken")), SESSION)]
)
def test_a_bare_future_has_the_session_noted_on_its_exception_and_never_somebody_elses(
    watched: Recorded, error: BaseException, expected: str | None
) -> None:
    async def serve() -> None:
        future: Any = asyncio.get_running_loop().create_future()
        future.set_exception(error)
        with session(OTHER):
            del future

    asyncio.run(serve())
    assert [record.session_id for record in watched.records] == [expected]


def test_what_the_application_reports_itself_is_recorded_in_the_current_session(
    watched: Recorded,
) -> None:
    async def serve() -> None:
        with session(SESSION):
            asyncio.get_running_loop().call_exception_handler(
                {"message": "reported", "exception": ValueError("broken")}
            )

    asyncio.run(serve())
    assert watched.records == [Record("ERROR", "reported", "ValueError", SESSION)]


def test_a_report_without_an_exception_is_passed_on_and_not_recorded(
    watched: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    async def serve() -> None:
        asyncio.get_running_loop().call_exception_handler({"message": "only words"})

    asyncio.run(serve())
    assert watched.records == []
    assert [record.getMessage() for record in caplog.records] == ["only words"]


def test_the_applications_own_handler_runs_in_the_session(watched: Recorded) -> None:
    handled: list[tuple[object, str | None]] = []
    error = ValueError("broken")

    async def serve() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, report: handled.append((report["exception"], get_session_id()))
        )
        await forget_a_task(error, OTHER)

    asyncio.run(serve())
    assert handled == [(error, SESSION)]
    assert [record.session_id for record in watched.records] == [SESSION]


def test_a_context_that_cannot_be_found_stops_nothing(
    watched: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    async def serve() -> None:
        handle = SimpleNamespace(get_context=lambda: fail(LookupError()))
        asyncio.get_running_loop().call_exception_handler(
            {"message": "reported", "exception": ValueError("broken"), "handle": handle}
        )

    asyncio.run(serve())
    assert watched.records == [Record("ERROR", "reported", "ValueError", None)]
    assert "The context of an uncaught exception could not be found." in [
        record.getMessage() for record in caplog.records
    ]


def test_the_context_of_a_task_is_asked_for_where_there_is_a_method() -> None:
    variables = Variables()
    assert (
        uncaught_exceptions._variables_of(SimpleNamespace(get_context=lambda: variables))
        is variables
    )


# Once


@contextmanager
def logging_to(
    recorded: Recorded, handler_class: Callable[..., logging.Handler] = LoggingHandler
) -> Iterator[logging.Handler]:
    handler = handler_class(logger_provider=recorded.provider)
    logging.root.addHandler(handler)
    try:
        yield handler
    finally:
        logging.root.removeHandler(handler)


def test_asyncios_own_line_is_on_the_console_and_not_in_telemetry(
    watched: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    with logging_to(watched) as handler:
        asyncio.run(forget_a_task(Defect("broken")))
    assert watched.records == [
        Record("ERROR", "Task exception was never retrieved", f"{__name__}.Defect", SESSION)
    ]
    assert [record.getMessage().splitlines()[0] for record in caplog.records] == [
        "Task exception was never retrieved"
    ]
    assert handler.filters == []


def test_what_the_applications_handler_logs_is_in_telemetry(watched: Recorded) -> None:
    async def serve() -> None:
        logger = logging.getLogger("application")
        asyncio.get_running_loop().set_exception_handler(
            lambda _, report: logger.error("handled", exc_info=report["exception"])
        )
        await forget_a_task(ValueError("broken"))

    with logging_to(watched):
        asyncio.run(serve())
    assert [(record.body, record.session_id) for record in watched.records] == [
        ("Task exception was never retrieved", SESSION),
        ("handled", SESSION),
    ]


def test_a_logger_that_does_not_propagate_is_not_looked_behind(
    watched: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("asyncio"), "propagate", False)
    asyncio.run(forget_a_task(ValueError("broken")))
    assert len(watched.records) == 1


@pytest.mark.parametrize("ours_first", [True, False])
def test_beside_the_exceptions_instrumentation_each_is_recorded_once_with_its_session(
    recorded: Recorded,
    before: Hooked,
    ours_first: bool,  # noqa: FBT001
) -> None:
    theirs = instrumented(exceptions_instrumentor(), logger_provider=recorded.provider)
    if ours_first:
        watch_exceptions(recorded.provider)
    with theirs, instrumented(ThreadingInstrumentor()), logging_to(recorded):
        watch_exceptions(recorded.provider)
        end_main_with(noted(ValueError("main")))
        with session(SESSION):
            end_thread_with(KeyError("thread"))
        asyncio.run(forget_a_task(LookupError("task"), OTHER))
    unwatch_exceptions()
    assert [(record.type, record.session_id) for record in recorded.records] == [
        ("ValueError", SESSION),
        ("KeyError", SESSION),
        ("LookupError", SESSION),
    ]
    assert set(recorded.scopes) == {"opentelemetry.instrumentation.exceptions"}


def test_watching_twice_records_once_through_the_later_provider(watched: Recorded) -> None:
    later = Recorded()
    watch_exceptions(later.provider)
    end_main_with(ValueError("main"))
    end_thread_with(ValueError("thread"))
    asyncio.run(forget_a_task(ValueError("task")))
    assert watched.records == []
    assert len(later.records) == 3


# Other event loops


def loops(base: type) -> tuple[ModuleType, type]:
    """A module like uvloop."""
    module = ModuleType("loops")
    module.Loop = loop = type("Loop", (base,), {})  # type: ignore[attr-defined]
    return module, loop


class Foreign:
    """A loop that does not derive from asyncio's."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.reports.append(context)


def test_a_loop_of_another_kind_is_recorded_even_beside_the_exceptions_instrumentation(
    watched: Recorded,
) -> None:
    module, kind = loops(Foreign)
    uncaught_exceptions._hook_loop("Loop", module)
    uncaught_exceptions._hook_loop("Loop", module)
    report = {"message": "reported", "exception": ValueError("broken")}
    with instrumented(exceptions_instrumentor(), logger_provider=watched.provider):
        (loop := kind()).call_exception_handler(report)
    assert watched.records == [Record("ERROR", "reported", "ValueError", None)]
    assert loop.reports == [report]


def test_a_module_without_the_class_is_left_alone() -> None:
    uncaught_exceptions._hook_loop("Loop", module := ModuleType("loops"))
    assert not hasattr(module, "Loop")


def test_uvloop_is_hooked_when_somebody_imports_it(
    watched: Recorded, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uvloop.py").write_text(
        "class Base:\n    def call_exception_handler(self, context): ...\nclass Loop(Base): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "uvloop", raising=False)
    __import__("uvloop").Loop().call_exception_handler(
        {"message": "reported", "exception": ValueError("broken")}
    )
    monkeypatch.delitem(sys.modules, "uvloop")
    assert watched.records == [Record("ERROR", "reported", "ValueError", None)]


# Taken out


def test_taken_out_the_hooks_before_are_back(recorded: Recorded, before: Hooked) -> None:
    hooks = sys.excepthook, threading.excepthook
    watch_exceptions(recorded.provider)
    unwatch_exceptions()
    assert (sys.excepthook, threading.excepthook) == hooks


@pytest.mark.usefixtures("before")
def test_taken_out_hooks_that_others_put_there_stay(recorded: Recorded) -> None:
    watch_exceptions(recorded.provider)
    sys.excepthook, threading.excepthook = theirs = (lambda *_: None), (lambda _: None)
    unwatch_exceptions()
    assert (sys.excepthook, threading.excepthook) == theirs


def test_taken_out_nothing_is_recorded_where_others_build_upon_our_hooks(
    recorded: Recorded, before: Hooked
) -> None:
    watch_exceptions(recorded.provider)
    main, thread = sys.excepthook, threading.excepthook
    sys.excepthook, threading.excepthook = (
        (lambda *arguments: main(*arguments)),  # noqa: PLW0108
        (lambda arguments: thread(arguments)),  # noqa: PLW0108
    )
    unwatch_exceptions()
    end_main_with(error := ValueError("main"))
    end_thread_with(thread_error := ValueError("thread"))
    asyncio.run(forget_a_task(ValueError("task")))
    assert recorded.records == []
    assert before == Hooked([(error, None)], [(thread_error, None)])


def test_without_a_provider_the_global_one_records(before: Hooked) -> None:
    watch_exceptions()
    assert uncaught_exceptions._watches[0].logger_provider is None
    end_main_with(ValueError("broken"))
    unwatch_exceptions()
    assert not isinstance(get_logger_provider(), LoggerProvider)


# A process


def test_a_process_that_ends_by_an_exception_exports_it_and_ends_as_ever() -> None:
    script = textwrap.dedent("""
        from opentelemetry._logs import set_logger_provider
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, ConsoleLogRecordExporter
        from otel_asayer import SessionLogRecordProcessor, session
        from otel_asayer.runtime.uncaught_exceptions import watch_exceptions
        provider = LoggerProvider()
        provider.add_log_record_processor(SessionLogRecordProcessor())
        line = lambda log: " ".join(
            (
                log.log_record.severity_text,
                log.log_record.attributes["session.id"],
                log.log_record.attributes["exception.type"],
            )
        )
        provider.add_log_record_processor(BatchLogRecordProcessor(ConsoleLogRecordExporter(formatter=line)))
        set_logger_provider(provider)
        watch_exceptions()
        with session(2618307011354435587):
            raise ValueError("broken")
    """)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("OTEL_")
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == f"FATAL {SESSION} ValueError"
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert done.stderr.endswith("\nValueError: broken\n")


class TestSpansThatAnExceptionLeft:
    """It is recorded once more as the innermost span's:

    one trace, type and message make one record in the replay.
    """

    @pytest.fixture
    def tracer(self) -> Tracer:
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SessionSpanProcessor())
        return provider.get_tracer("test")

    def test_in_main(self, watched: Recorded, tracer: Tracer) -> None:
        left: list[SpanContext] = []

        def work() -> None:
            with (
                session(SESSION),
                tracer.start_as_current_span("outer"),
                tracer.start_as_current_span("inner") as inner,
            ):
                left.append(inner.get_span_context())
                raise ValueError

        report(work)
        assert [(record.trace_id, record.span_id) for record in watched.raw] == [
            (left[0].trace_id, left[0].span_id)
        ]

    def test_in_a_thread(self, watched: Recorded, tracer: Tracer) -> None:
        left: list[SpanContext] = []

        def work() -> None:
            with session(SESSION), tracer.start_as_current_span("span") as span:
                left.append(span.get_span_context())
                raise ValueError

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert [record.span_id for record in watched.raw] == [left[0].span_id]

    def test_where_the_exceptions_instrumentation_records_it(
        self, watched: Recorded, tracer: Tracer
    ) -> None:
        def work() -> None:
            with session(SESSION), tracer.start_as_current_span("span"):
                raise ValueError

        with instrumented(exceptions_instrumentor(), logger_provider=watched.provider):
            report(work)
        assert [bool(record.span_id) for record in watched.raw] == [True]

    def test_of_a_class_of_the_application(self, watched: Recorded, tracer: Tracer) -> None:
        def work() -> None:
            with session(SESSION), tracer.start_as_current_span("span"):
                raise Refused

        report(work)
        assert [bool(record.span_id) for record in watched.raw] == [True]

    @pytest.mark.parametrize("flags", [TraceFlags(1), TraceFlags(3)])
    def test_the_record_is_sampled_as_the_span_is(
        self, flags: TraceFlags, watched: Recorded
    ) -> None:
        error = ValueError()
        remember_span(error, SpanContext(1, 2, is_remote=False, trace_flags=flags))
        watched.provider.get_logger("test").emit(exception=error)
        assert [record.trace_flags for record in watched.raw] == [flags]

    def test_a_record_that_has_a_trace_keeps_it(self, watched: Recorded, tracer: Tracer) -> None:
        error = ValueError()
        with suppress(ValueError), session(SESSION), tracer.start_as_current_span("span"):
            raise error
        with tracer.start_as_current_span("another") as another:
            watched.provider.get_logger("test").emit(exception=error)
        assert watched.raw[0].span_id == another.get_span_context().span_id

    def test_a_note_that_cannot_be_read_does_no_harm(self, watched: Recorded) -> None:
        error = ValueError()
        vars(error)["__otel_asayer_span__"] = "spoilt"
        watched.provider.get_logger("test").emit(exception=error)
        assert [record.type for record in watched.records] == ["ValueError"]

    def test_a_span_left_through_its_own_block_counts_too(
        self, watched: Recorded, tracer: Tracer
    ) -> None:
        def work() -> None:
            with session(SESSION), tracer.start_span("span"):
                raise ValueError

        report(work)
        assert watched.raw[0].span_id

    def test_a_span_without_a_session_is_noted_without_one(self, tracer: Tracer) -> None:
        error = ValueError()
        with suppress(ValueError), tracer.start_as_current_span("span") as span:
            raise error
        assert (span_of_exception(error), session_of_exception(error)) == (
            span.get_span_context(),
            None,
        )

    def test_the_session_of_the_span_is_noted_with_it(self, tracer: Tracer) -> None:
        error = ValueError()
        with suppress(ValueError), session(SESSION), tracer.start_as_current_span("span"):
            raise error
        vars(error).pop("__otel_asayer_session__")  # that of the block
        assert session_of_exception(error) == SESSION

    def test_of_one_trace_the_first_span_counts(self, tracer: Tracer) -> None:
        error = ValueError()
        with (
            suppress(ValueError),
            tracer.start_as_current_span("outer"),
            tracer.start_as_current_span("inner") as inner,
        ):
            raise error
        assert span_of_exception(error) == inner.get_span_context()

    def test_of_an_exception_that_is_raised_in_every_request_the_last_trace_counts(
        self, tracer: Tracer
    ) -> None:
        error = ValueError()
        for context in (set_session_id(SessionId("17"), Context()), Context()):
            with suppress(ValueError), tracer.start_as_current_span("request", context) as request:
                raise error
        assert (span_of_exception(error), session_of_exception(error)) == (
            request.get_span_context(),
            None,
        )

    def test_a_span_that_does_not_record_it_is_not_noted(self, tracer: Tracer) -> None:
        error = ValueError()
        with (
            suppress(ValueError),
            session(SESSION),
            tracer.start_as_current_span("span", record_exception=False),
        ):
            raise error
        assert span_of_exception(error) is None

    def test_a_span_in_which_it_is_only_handled_is_not_noted(self, tracer: Tracer) -> None:
        error = ValueError()
        with session(SESSION):
            try:
                raise error
            except ValueError:
                with tracer.start_as_current_span("report") as span:
                    span.add_event("retrying", {"attempt": 2})
        assert span_of_exception(error) is None

    def test_what_is_noted_is_read_where_there_is_no_opentelemetry(self, tracer: Tracer) -> None:
        error = ValueError()
        with session(SESSION), suppress(ValueError), tracer.start_as_current_span("span"):
            raise error
        assert span_of_exception(error)
        assert b"telemetry" not in pickle.dumps(error).replace(b"__otel_asayer_span__", b"")


def report(work: Callable[[], None]) -> None:
    """Let `work` fail, and report it as the interpreter does when nothing catches it."""
    try:
        work()
    except ValueError as error:
        caught = error
    sys.excepthook(type(caught), caught, caught.__traceback__)
