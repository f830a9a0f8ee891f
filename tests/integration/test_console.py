"""What an application prints is what it prints without OpenTelemetry, byte for byte:

real servers and scripts, run bare and instrumented.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from instrumented import BINARIES, application, clean_environment, free_port

APPLICATION = str(Path(__file__).parent / "applications" / "consoles.py")
VARIABLES = {"OTEL_PROPAGATORS": "tracecontext,asayer"} | {
    f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "LOGS", "METRICS")
}
PRINTED = {
    "flask": [
        "Running on http://",
        "careful, too",
        "Exception on /boom",
        "ValueError: the handler failed",
        "GET /boom HTTP/1.1",
    ],
    "werkzeug": [
        "Running on http://",
        "careful",
        "ValueError: the handler failed",
        "GET /boom HTTP/1.1",
    ],
    "aiohttp": [
        "Running on http://",
        "careful",
        "Error handling request",
        "ValueError: the handler failed",
    ],
    "tornado": ["careful", "Uncaught exception GET /boom", "ValueError: the handler failed"],
    "pretty_tornado": [
        "careful",
        "Uncaught exception GET /boom",
        "ValueError: the handler failed",
        "GET /warn",
    ],
    "uvicorn": [
        "Uvicorn running on http://",
        "careful",
        "Exception in ASGI application",
        "ValueError: the handler failed",
        "GET /boom HTTP/1.1",
    ],
}
_FRAME = re.compile(r'^  File ".*\n(?:    .*\n)*', re.MULTILINE)


def comparable(console: str) -> str:
    """What was printed, without times, numbers of processes, and the frames of tracebacks, among
    which are the instrumentations'."""
    return re.sub(r"\d+", "#", _FRAME.sub("", console))


def served(server: str, port: int, console: Path, *, bare: bool) -> str:
    """What a server prints from its start to its end, with three requests between:

    some print a traceback behind the answer.
    """
    with application(
        [sys.executable, APPLICATION, server],
        port,
        console,
        {"PORT": str(port), **VARIABLES},
        bare=bare,
    ) as app:
        for path in ("/warn", "/boom", "/warn"):
            app.get(path, Connection="close")
        app.stop(signal.SIGINT)
    return app.output()


def scripted(tmp_path: Path, *, bare: bool, **more: str) -> str:
    """What the scripts print, one after the other."""
    command = [sys.executable, APPLICATION]
    everything = {**clean_environment(), "XDG_STATE_HOME": str(tmp_path), **VARIABLES, **more}
    ran = subprocess.run(
        command if bare else [str(BINARIES / "opentelemetry-instrument"), *command],
        env=everything,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return comparable(ran.stdout)


@pytest.mark.parametrize("server", PRINTED)
def test_a_server_prints_what_it_prints_without_opentelemetry(server: str, tmp_path: Path) -> None:
    port = free_port()
    bare = served(server, port, tmp_path / "bare", bare=True)
    assert [text for text in PRINTED[server] if text not in bare] == []
    assert comparable(served(server, port, tmp_path / "instrumented", bare=False)) == comparable(
        bare
    )


def test_scripts_print_what_they_print_without_opentelemetry(tmp_path: Path) -> None:
    bare = scripted(tmp_path, bare=True)
    assert "as it is" in bare
    assert scripted(tmp_path, bare=False) == bare


def test_with_the_sdk_disabled_they_print_it_too(tmp_path: Path) -> None:
    assert scripted(tmp_path, bare=False, OTEL_SDK_DISABLED="true") == scripted(tmp_path, bare=True)


def test_switched_off_the_handler_of_the_instrumentation_silences_what_was_not_configured(
    tmp_path: Path,
) -> None:
    assert "as it is" not in scripted(tmp_path, bare=False, OTEL_ASAYER_KEEP_CONSOLE="false")
