"""The servers of the fleet's queues on loopback: Kafka from Maven, and Debian's Redis."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from fleet.artifacts import jars, java

from elasticsearch_server import HarnessError
from instrumented import free_port
from patience import HANG_SECONDS, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_CLUSTER: Final = "MkU3OEVBNTcwNTJENDM2Qg"
_KAFKA: Final = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={logs}
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
group.initial.rebalance.delay.ms=0
"""
"""One process is broker and controller (KRaft); topics are created when they are first used."""


@contextmanager
def kafka(folder: Path) -> Iterator[int]:
    """Run a broker; gives its port."""
    port, controller = free_port(), free_port()
    properties = folder / "kafka.properties"
    text = _KAFKA.format(port=port, controller=controller, logs=folder / "kafka")
    properties.write_text(text, encoding="utf-8")
    run = [java(), "-Xmx512m", "-cp", f"{jars('kafka')}/*"]
    tool = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", str(properties)]
    subprocess.run([*run, *tool], check=True, capture_output=True)
    with listening([*run, "kafka.Kafka", str(properties)], port, folder / "kafka.log"):
        yield port


@contextmanager
def redis(folder: Path) -> Iterator[int]:
    """Run a Redis that keeps nothing; gives its port."""
    if not (command := shutil.which("redis-server")):
        raise HarnessError("Celery's broker is missing: run `make redis`, which installs it.")
    port = free_port()
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with listening([command, *arguments], port, folder / "redis.log"):
        yield port


@contextmanager
def listening(
    command: Sequence[str],
    port: int,
    console: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Iterator[None]:
    """Run a server in a folder until the block ends; inside, it listens on its port."""
    with console.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(
            lambda: process.poll() is not None or _answers(port),
            f"{command[0]} does not listen:\n{console.read_text(errors='replace')}",
        )
        assert process.poll() is None, console.read_text(errors="replace")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(HANG_SECONDS)
        finally:
            process.kill()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=HANG_SECONDS).close()
    except OSError:
        return False
    return True
