"""Warnings of this package reach a person wherever Python would have shown them."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from otel_asayer.runtime.log_handlers import install_last_resort_handler

PROGRAM = """
import logging, os
{setup}
from otel_asayer.runtime.log_handlers import install_last_resort_handler
install_last_resort_handler()
install_last_resort_handler()
logging.getLogger("otel_asayer.somewhere").warning("something is wrong")
os._exit(0)  # on Python 3.12 the flush of OpenTelemetry's handler fails when logging shuts down
"""
OTEL_HANDLER = """
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
logging.getLogger().addHandler(LoggingHandler(logger_provider=LoggerProvider()))
"""


def shown(setup: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(setup=setup)],
        check=True,
        capture_output=True,
        text=True,
    ).stderr


@pytest.mark.parametrize(
    "setup", ["", OTEL_HANDLER, "logging.getLogger().addHandler(logging.NullHandler())"]
)
def test_a_warning_is_printed_where_nobody_else_shows_it(setup: str) -> None:
    assert shown(setup) == "something is wrong\n"


@pytest.mark.parametrize(
    "setup",
    [
        "logging.basicConfig(format='app: %(message)s')",
        OTEL_HANDLER + "logging.getLogger().addHandler(logging.StreamHandler())",
    ],
)
def test_a_warning_is_printed_once_where_the_application_shows_it(setup: str) -> None:
    assert shown(setup).count("something is wrong") == 1


def test_a_handler_that_the_application_keeps_from_the_root_is_respected() -> None:
    setup = (
        "package = logging.getLogger('otel_asayer'); package.propagate = False; "
        "package.addHandler(logging.StreamHandler())"
    )
    assert shown(setup) == "something is wrong\n"


def test_an_application_without_a_last_resort_stays_silent() -> None:
    assert shown("logging.lastResort = None") == ""


def test_it_is_installed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("otel_asayer")
    monkeypatch.setattr(logger, "handlers", [])
    install_last_resort_handler()
    installed = list(logger.handlers)
    install_last_resort_handler()
    assert len(installed) == 1
    assert logger.handlers == installed
