"""First contact with an Elasticsearch, once per process, or until it could serve us:

what is missing there is installed, where the key may.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from otel_asayer.elasticsearch.client import Unreachable
from otel_asayer.sanitize import sanitize_line
from otel_asayer.setup.templates import SetupReport, ensure

if TYPE_CHECKING:
    from otel_asayer.config import Config
    from otel_asayer.elasticsearch.client import Requester

__all__ = ["FirstContact"]

_logger = logging.getLogger(__name__)


class FirstContact:
    """Of two threads that export at the same time one sets up, and the other waits for what it will need."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._done = config.setup == "off"
        self._lock = threading.Lock()
        self._said: set[str] = set()

    def make(self, client: Requester, timeout: float) -> bool:
        """Make first contact, unless that is done; return whether it was made just now.

        Raises:
            Unreachable: Elasticsearch does not answer.
        """
        if self._done:
            return False
        if not self._lock.acquire(timeout=timeout):
            raise Unreachable("another thread's first contact is still under way")
        try:
            if not self._done:
                self._done = self._ensure(client, timeout)
        finally:
            self._lock.release()
        return True

    def _ensure(self, client: Requester, timeout: float) -> bool:
        """Set up, and return whether that is over."""
        try:
            report = ensure(client, self._config, timeout=timeout)
        except Unreachable:
            raise
        except Exception as error:
            sentence = f"Elasticsearch was not set up: its answers were not understood ({type(error).__name__}). Documents are sent all the same."
            report = SetupReport(problems=(sentence,))
        for problem in map(
            sanitize_line, report.problems
        ):  # they name what the server says of itself
            if problem not in self._said:
                self._said.add(problem)
                _logger.warning("%s", problem)
        return not report.unfinished
