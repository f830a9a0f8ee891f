"""An Elasticsearch that the harness runs itself."""

import atexit
import http.client
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from elasticsearch_server import layout
from elasticsearch_server.accounts import node_account
from elasticsearch_server.config import NodeConfig
from elasticsearch_server.endpoint import ELASTIC, Endpoint
from elasticsearch_server.errors import HarnessError
from elasticsearch_server.install import PASSWORD, cache_directory, distribution
from elasticsearch_server.java import find_jdk
from elasticsearch_server.layout import Layout
from elasticsearch_server.ports import Port
from elasticsearch_server.process import END_SECONDS, NodeProcess

READY_SECONDS = 180.0
POLL_SECONDS = 0.1
_HEALTH = "/_cluster/health?wait_for_status=yellow&timeout=1s&filter_path=cluster_name,timed_out"


class Server(Endpoint):
    """A node of our own, in a folder of its own, made by `start`.

    It ends with the process that made it, however that ends.
    """

    def __init__(
        self,
        config: NodeConfig,
        process: NodeProcess,
        folder: Layout,
        port: int,
        resources: ExitStack,
    ) -> None:
        scheme, ca_certificate = (
            ("https", folder.ca_certificate) if config.mode == "tls" else ("http", None)
        )
        super().__init__(f"{scheme}://127.0.0.1:{port}", ELASTIC, PASSWORD, ca_certificate)
        self.config = config
        self._process = process
        self._cluster_name = layout.cluster_name(folder.folder)
        self._resources = resources
        self._owner = os.getpid()
        self._paused = False
        atexit.register(self.close)

    @property
    def version(self) -> str:
        """The number of its version."""
        return self.config.version

    @property
    def pid(self) -> int:
        """The process id of its JVM."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether its processes live; those of a paused node do."""
        return self._process.running

    def launch(self) -> None:
        """Start the processes, and return when the node is ready.

        Raises:
            HarnessError: It ended while starting, or took too long; with the end of its log.
        """
        self._process.start()
        self._paused = False
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            if not self.running:
                raise HarnessError(
                    f"Elasticsearch {self.version} ended while starting. The end of its "
                    f"log:\n{self._process.log_end()}"
                )
            if time.monotonic() > deadline:
                raise HarnessError(
                    f"Elasticsearch {self.version} was not ready in {READY_SECONDS} s. The end of "
                    f"its log:\n{self._process.log_end()}"
                )
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Shut it down in order; the data stay. Nothing happens when it does not run."""
        if not self.running:
            return
        self._process.signal_jvm(signal.SIGTERM)
        if self._paused:
            self.resume()  # a frozen process would not notice
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill it, as by kill -9; the data stay. Nothing happens when it does not run."""
        self._process.kill()
        self._paused = False

    def pause(self) -> None:
        """Freeze it: connections are accepted by the system, and nobody answers."""
        self._process.freeze_jvm()
        self._paused = True

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._process.signal_jvm(signal.SIGCONT)
        self._paused = False

    def restart(self) -> None:
        """Start it again, after a `stop` when it still runs: same port, same data.

        Returns when it is ready.
        """
        self.stop()
        self.launch()

    def revive(self) -> None:
        """Make it answer again, whatever a test that failed half way has left behind."""
        if not self.running:
            self.launch()
        elif self._paused:
            self.resume()

    def wait(self) -> None:
        """Return when it has ended by itself."""
        self._process.wait(None)

    def close(self) -> None:
        """End it, and remove all that it had.

        Nothing happens the second time, or in a forked child, which inherits our exit handlers.
        """
        if os.getpid() == self._owner:
            atexit.unregister(self.close)
            self._resources.close()

    def _is_ready(self) -> bool:
        try:
            answer = self.request("GET", _HEALTH, timeout=5)
            return (
                answer.status == http.client.OK
                and self._is_ours(answer.json())
                and self._gives_api_keys()
            )
        except (OSError, http.client.HTTPException):
            return False  # not yet: the caller watches process and clock

    def _is_ours(self, health: dict[str, Any]) -> bool:
        return health == {"cluster_name": self._cluster_name, "timed_out": False}

    def _gives_api_keys(self) -> bool:
        """The first API key makes Elasticsearch build its security index, and while it does so it
        answers 401 to everybody."""
        if not self.config.secured:
            return True
        body = {"name": "ready", "expiration": "1m", "role_descriptors": {"none": {}}}
        return self.request("POST", "/_security/api_key", body, timeout=30).status == http.client.OK


def start(config: NodeConfig, *, work_directory: Path | None = None) -> Server:
    """Start a node, and return it when it is ready. Its owner calls `close`.

    Args:
        config: What it is like.
        work_directory: Where its folder is made; None chooses a temporary folder. Root must choose
            one that others can enter.

    Raises:
        HarnessError: Something is missing (a JDK, Maven), or the node does not start.
    """
    resources = ExitStack()
    try:
        server = _assemble(config, work_directory, resources)
        server.launch()
    except BaseException:
        resources.close()
        raise
    return server


def _assemble(config: NodeConfig, work_directory: Path | None, resources: ExitStack) -> Server:
    """A node that is not started yet; what it holds is given back by closing `resources`, last one
    first."""
    account = node_account()
    jdk = find_jdk(config.version, account)
    home = distribution(config.version, jdk, cache_directory(account))
    ports = (_reserve(resources), _reserve(resources))
    folder = layout.create(config, home, ports, account, work_directory)
    resources.callback(_remove, folder.folder)
    environment = folder.environment(jdk.home, os.environ.get("PATH", os.defpath))
    process = NodeProcess(
        [str(home / "bin" / "elasticsearch"), "-p", str(folder.folder / "pid")],
        environment,
        folder.folder,
        account,
    )
    resources.callback(process.close)
    return Server(config, process, folder, ports[0], resources)


def _reserve(resources: ExitStack) -> int:
    port = Port()
    resources.callback(port.release)
    return port.number


def _remove(folder: Path) -> None:
    if folder.exists():  # no supervisor has removed it: the node was stopped
        shutil.rmtree(folder)


@contextmanager
def running(config: NodeConfig, *, work_directory: Path | None = None) -> Iterator[Server]:
    """A node for the length of a `with` block."""
    server = start(config, work_directory=work_directory)
    try:
        yield server
    finally:
        server.close()
