"""A fork waits for an import on a thread behind, which its child would wait for in vain."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from otel_asayer.runtime.fork_safety import unforked

from patience import HANG_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

SLOW = """
import __main__
__main__.begun.set()
__main__.forking.wait()
import logging
logging.getLogger("slow")
"""

FORK = """
import os, signal, threading
from otel_asayer.config import Config
from otel_asayer.elasticsearch.client import Client, UnreachableError

begun, forking = threading.Event(), threading.Event()
os.register_at_fork(before=forking.set)  # the last one is called first

def connect():
    try:
        Client(Config.from_environment({}, endpoint="http://localhost:9200")).connect()
    except UnreachableError:
        pass  # what is imported here is no client

threading.Thread(target=connect).start()
begun.wait()
child = os.fork()
if not child:
    signal.alarm(20)
    import urllib3
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""

NESTED = """
import os
from otel_asayer.runtime.fork_safety import unforked

with unforked():
    child = os.fork()
    if not child:
        with unforked():
            os._exit(0)
print(os.waitpid(child, 0)[1])
"""

TOO_LONG = """
import os, threading
from otel_asayer.runtime import fork_safety

fork_safety._LONGEST = 0.01
begun, ended = threading.Event(), threading.Event()

def hold():
    with fork_safety.unforked():
        begun.set()
        ended.wait()

threading.Thread(target=hold).start()
begun.wait()
child = os.fork()
if not child:
    with fork_safety.unforked():
        os._exit(0)
ended.set()
print(os.waitpid(child, 0)[1])
"""


def run(code: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    ).stdout


def test_a_child_forked_while_the_client_is_imported_can_import_it(tmp_path: Path) -> None:
    (tmp_path / "urllib3.py").write_text(SLOW, encoding="utf-8")
    assert run(FORK, PYTHONPATH=str(tmp_path)) == "0\n"


def test_what_is_imported_may_fork() -> None:
    assert run(NESTED) == "0\n"


def test_a_fork_waits_for_a_limited_time() -> None:
    assert run(TOO_LONG) == "0\n"


def test_threads_take_turns_more_often_while_something_is_imported() -> None:
    before = sys.getswitchinterval()
    with unforked(), unforked():
        meanwhile = sys.getswitchinterval()
    assert meanwhile < before
    assert sys.getswitchinterval() == before
