"""`otel-asayer serve`, as a process: it says where it is, answers, and ends when told to."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from click.testing import CliRunner, Result

from otel_asayer.cli.commands import otel_asayer

from patience import HANG_SECONDS

if TYPE_CHECKING:
    from pathlib import Path


def run(*words: str) -> Result:
    return CliRunner().invoke(
        otel_asayer, ["serve", *words], env={"OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": ""}
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_it_says_where_it_is_and_answers_there_until_it_is_interrupted(
    tmp_path: Path, host: str
) -> None:
    command = [
        sys.executable,
        "-c",
        "from otel_asayer.cli import main; main()",
        "serve",
        "--port",
        "0",
        "--host",
        host,
        "--spool-directory",
        str(tmp_path),
    ]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("OTEL_")
    }
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = re.fullmatch(r"The session page is at (http://\S+/) \(Ctrl-C ends it\)\n", line)
        assert address is not None, line
        with urlopen(address[1], timeout=HANG_SECONDS) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        rest, complaints = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 0
    assert rest == ""
    assert complaints == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.7", "shop.example", "::"])
def test_it_is_served_on_loopback_only(host: str) -> None:
    result = run("--host", host)
    assert result.exit_code == 2
    assert "is not one of '127.0.0.1', 'localhost', '::1'" in result.output


def test_a_port_that_is_taken_is_said_with_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("--port", str(port))
    assert result.exit_code == 1
    assert (
        result.output
        == f"Error: Cannot listen on 127.0.0.1, port {port}: Address already in use. Another one "
        f"can be given by --port.\n"
    )


def test_it_opens_in_the_browser_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    result = run("--port", "0", "--open")
    assert result.output == f"The session page is at {opened[0]} (Ctrl-C ends it)\n"


def test_a_connection_that_cannot_work_is_said_at_once() -> None:
    result = run(
        "--endpoint",
        "http://127.0.0.1:9",
        "--api-key-file",
        "/etc/hostname",
        "--certificate-fingerprint",
        "none",
    )
    assert result.exit_code == 2
    assert "The session page" not in result.output
