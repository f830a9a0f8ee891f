"""Waiting for an Elasticsearch that is away: it says so once, and once that it is back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from otel_asayer.bridge.reader import AwayError
from otel_asayer.delivery.backoff import backoff_delays

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Patience", "StoppedError"]

_T = TypeVar("_T")

_SILENT_S: Final = 2.0
"""Seconds of trouble that need no word: an index that is being created lacks its shard."""


class StoppedError(Exception):
    """The bridge is to end."""


class _Trouble(NamedTuple):
    """What one thread waits for: since when, by the clock, and the pauses between its tries."""

    since: float
    pauses: Iterator[float]


class Patience:
    """Waits between tries, with growing pauses; two threads may wait at once.

    Args:
        stopping: Ends all waiting.
        say: Tells a person a sentence.
        clock: Seconds that only grow.
        random: Numbers from 0 to 1.
        wait: Waits for some seconds, or less once the event is set.
    """

    def __init__(
        self,
        stopping: threading.Event,
        say: Callable[[str], None],
        clock: Callable[[], float],
        random: Callable[[], float],
        wait: Callable[[threading.Event, float], object],
    ) -> None:
        self.stopping = stopping
        self._say = say
        self._clock = clock
        self._random = random
        self._wait = wait
        self._lock = threading.Lock()
        self._troubles: dict[int, _Trouble] = {}
        """By thread."""
        self._said = False

    def ask(self, request: Callable[[], _T]) -> _T:
        """Return the answer to a request, repeated until there is one.

        Raises:
            StoppedError: The bridge is to end.
            ElasticsearchError: Elasticsearch refuses the request.
        """
        while True:
            self.check()
            try:
                answer = request()
            except AwayError as error:
                self.wait(str(error))
            else:
                self.succeeded()
                return answer

    def wait(self, why: str, least_s: float = 0.0) -> None:
        """Wait before the next try.

        Args:
            why: What the last one failed with, as a sentence.
            least_s: Seconds that Elasticsearch asked to wait.

        Raises:
            StoppedError: The bridge is to end.
        """
        now = self._clock()
        with self._lock:
            trouble = self._troubles.setdefault(
                threading.get_ident(), _Trouble(now, backoff_delays(self._random))
            )
            says = now - trouble.since >= _SILENT_S and not self._said
            self._said |= says
        if says:
            self._say(f"{why} The bridge waits, and goes on by itself.")
        self.pause(max(next(trouble.pauses), least_s))

    def succeeded(self) -> None:
        """Learn that Elasticsearch answered well."""
        if not self._troubles:
            return
        with self._lock:
            self._troubles.pop(threading.get_ident(), None)
            is_back = self._said and not self._troubles
            self._said &= not is_back
        if is_back:
            self._say("Elasticsearch is back. The bridge goes on.")

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            StoppedError: The bridge is to end.
        """
        self._wait(self.stopping, seconds)
        self.check()

    def check(self) -> None:
        """Raise StoppedError if the bridge is to end."""
        if self.stopping.is_set():
            raise StoppedError
