"""One secured node for all processes of a test run: the main process keeps it, and pytest-xdist's
workers read where it is.

It starts when the first worker says that it will need it, while other tests run already.
"""

import json
import tempfile
import threading
import time
from pathlib import Path

from elasticsearch_server.config import SECURED, NodeConfig
from elasticsearch_server.errors import HarnessError
from elasticsearch_server.external import External
from elasticsearch_server.server import POLL_SECONDS, READY_SECONDS, Server, start

_WANTED, _FACTS = "wanted", "facts.json"
_PREPARING_SECONDS = 900.0
"""How long it may take until a node starts: the first time, the distribution is downloaded."""


class Keeper:
    """Starts the node once somebody wants it, says where it is, and ends it.

    For the main process.
    """

    def __init__(self, config: NodeConfig = SECURED) -> None:
        self._config = config
        self._folder = tempfile.TemporaryDirectory(prefix="otel-asayer-shared-")
        self.folder = Path(self._folder.name)
        self._over = threading.Event()
        self._node: Server | None = None
        self._thread = threading.Thread(target=self._keep, name="shared Elasticsearch")
        self._thread.start()

    def close(self) -> None:
        """End the node, if there is one, and remove the folder."""
        self._over.set()
        self._thread.join()
        if self._node is not None:
            self._node.close()
        self._folder.cleanup()

    def _keep(self) -> None:
        while not (self.folder / _WANTED).exists():
            if self._over.wait(POLL_SECONDS):
                return
        try:
            self._node = start(self._config)
        except HarnessError as error:
            self._say({"error": str(error)})
        else:
            self._say(
                {
                    "url": self._node.url,
                    "username": self._node.username,
                    "password": self._node.password,
                }
            )

    def _say(self, facts: dict[str, str]) -> None:
        draft = self.folder / "draft"
        draft.write_text(json.dumps(facts), encoding="utf-8")
        draft.replace(self.folder / _FACTS)


class Shared:
    """The node of another process, which has a `Keeper` with this folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def want(self) -> None:
        """Say that the node will be needed, and go on."""
        (self._folder / _WANTED).touch()

    def endpoint(self) -> External:
        """Wait until the node is ready, and return it. It can be used, and not be stopped.

        Raises:
            HarnessError: It cannot be had; the main process knows why.
        """
        self.want()
        deadline = time.monotonic() + _PREPARING_SECONDS + READY_SECONDS
        while not (self._folder / _FACTS).exists():
            if time.monotonic() > deadline:
                raise HarnessError("The Elasticsearch that all tests share did not start.")
            time.sleep(POLL_SECONDS)
        facts = json.loads((self._folder / _FACTS).read_text(encoding="utf-8"))
        if "error" in facts:
            raise HarnessError(facts["error"])
        return External(**facts)
