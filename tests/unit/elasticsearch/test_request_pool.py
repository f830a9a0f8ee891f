"""RequestPool on threads of their own: given up when they hang, and invisible to telemetry."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from otel_asayer.elasticsearch.request_pool import (
    SILENCED,
    CallAbortedError,
    RequestPool,
    silence_loggers,
)

from instrumented import clean_environment
from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def calls() -> Iterator[RequestPool]:
    calls = RequestPool()
    yield calls
    calls.close()


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """An event for calls to hang on; set when the test is over, so that none outlives it."""
    event = threading.Event()
    yield event
    event.set()


def test_a_call_returns_what_its_function_returns(calls: RequestPool) -> None:
    assert calls.run(lambda: 42, 10) == 42


def test_a_call_raises_what_its_function_raises(calls: RequestPool) -> None:
    with pytest.raises(ZeroDivisionError):
        calls.run(lambda: 1 // 0, 10)


def test_calls_after_another_share_one_thread(calls: RequestPool) -> None:
    assert (
        calls.run(threading.get_ident, 10)
        == calls.run(threading.get_ident, 10)
        != threading.get_ident()
    )


def test_after_closing_calls_go_on_with_a_new_thread(calls: RequestPool) -> None:
    calls.run(threading.get_ident, 10)
    calls.close()
    assert calls.run(lambda: 42, 10) == 42


def test_a_call_that_hangs_is_given_up_after_its_time(
    calls: RequestPool, released: threading.Event
) -> None:
    with pytest.raises(CallAbortedError, match=r"^no answer within 0\.01 s$"):
        calls.run(released.wait, 0.01)


def test_a_call_that_hangs_does_not_hold_up_the_next(
    calls: RequestPool, released: threading.Event
) -> None:
    with pytest.raises(CallAbortedError):
        calls.run(released.wait, 0.01)
    assert calls.run(lambda: 42, 10) == 42


def test_calls_that_are_over_count_no_more(calls: RequestPool) -> None:
    assert [calls.run(lambda: 42, 10) for _ in range(9)] == [42] * 9


def test_no_more_threads_than_eight_hang(calls: RequestPool, released: threading.Event) -> None:
    for _ in range(8):
        with pytest.raises(CallAbortedError):
            calls.run(released.wait, 0.001)
    with pytest.raises(CallAbortedError, match=r"^8 earlier requests still hang$"):
        calls.run(lambda: 42, 10)


def test_whoever_waits_for_a_call_learns_that_it_is_given_up(
    calls: RequestPool, released: threading.Event
) -> None:
    started = threading.Event()

    def hang() -> bool:
        started.set()
        return released.wait()

    def abort() -> None:
        started.wait()
        calls.abort(0)

    threading.Thread(target=abort).start()
    with pytest.raises(CallAbortedError, match=r"^given up, as the process ends$"):
        calls.run(hang, 60)


def test_what_ends_in_time_is_not_given_up(calls: RequestPool) -> None:
    started, results = threading.Event(), []

    def answer() -> int:
        started.set()
        return 42

    thread = threading.Thread(target=lambda: results.append(calls.run(answer, 60)))
    thread.start()
    started.wait()
    calls.abort(60)
    thread.join()
    assert results == [42]


def test_with_nothing_under_way_nothing_is_given_up(calls: RequestPool) -> None:
    calls.abort(60)
    assert calls.run(lambda: 42, 10) == 42


def test_an_interpreter_that_starts_no_thread_runs_the_call_itself(
    calls: RequestPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert calls.run(threading.get_ident, 10) == threading.get_ident()


def test_a_call_made_at_the_interpreters_end_works() -> None:
    code = (
        "import atexit; from otel_asayer.elasticsearch.request_pool import RequestPool; "
        "atexit.register(lambda: print(RequestPool().run(lambda: 42, 10)))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout
        == "42\n"
    )


def test_where_gevent_patches_late_a_call_works_without_gevents_loop() -> None:
    """That says of a real thread's lock at times that it will never be released."""
    code = (
        "from otel_asayer.elasticsearch.request_pool import RequestPool; from gevent import monkey;"
        "monkey.patch_all(); from gevent._hub_local import get_hub_if_exists as hub;"
        "print(RequestPool().run(lambda: 42, 10), hub())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.stdout == "42 None\n"


def test_instrumentation_is_suppressed_on_the_thread_of_a_call(calls: RequestPool) -> None:
    assert calls.run(is_instrumentation_enabled, 10) is False
    assert is_instrumentation_enabled() is True


@pytest.mark.parametrize("name", SILENCED)
def test_the_loggers_on_the_way_are_silent_on_the_thread_of_a_call_alone(
    calls: RequestPool, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    silence_loggers()
    logger = logging.getLogger(name)
    logger.addHandler(caplog.handler)
    try:
        calls.run(lambda: logger.critical("ours"), 10)
        logger.critical("the application's")
    finally:
        logger.removeHandler(caplog.handler)
    assert set(caplog.messages) == {"the application's"}


def test_a_call_run_in_place_is_silent_and_nothing_after_it(
    calls: RequestPool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError

    silence_loggers()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    calls.run(lambda: logging.getLogger("urllib3").critical("ours"), 10)
    logging.getLogger("urllib3").critical("the application's")
    assert caplog.messages == ["the application's"]


def test_no_other_logger_is_on_the_way() -> None:
    code = (
        "import logging; from otel_asayer.elasticsearch import client; import urllib3; "
        "names = [n for n, l in logging.root.manager.loggerDict.items() if isinstance(l, "
        "logging.Logger)]; "
        "print(*sorted(n for n in names if n.partition('.')[0] == 'urllib3'))"
    )
    loggers = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert set(loggers) <= set(SILENCED)


def test_a_propagator_that_cannot_be_loaded_stops_no_request() -> None:
    code = (
        "from otel_asayer.elasticsearch.request_pool import RequestPool; "
        "print(RequestPool().run(lambda: 'answered', 10))"
    )
    environment = {**clean_environment(), "OTEL_PROPAGATORS": "misspelt"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.stdout == "answered\n"
    assert done.stderr == ""
