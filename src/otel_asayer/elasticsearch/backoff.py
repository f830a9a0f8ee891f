"""How long to wait, and how long to try: pure rules over an injected clock and random source.

The pauses between tries are *full jitter*: the n-th is evenly random between 0 and `min(5, 0.2 * 2**n)` seconds, so that many processes which
lost the same server do not come back to it in step. The upper bounds are 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, … seconds, the means half of those:
about seven tries fit into the default ten seconds. What the server asks for (`Retry-After`) is the least pause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Allowance", "Patience", "long_pauses", "pauses", "retry_after"]

_FIRST: Final = 0.2
_LONGEST: Final = 5.0
_FIRST_LONG: Final = 1.0
_LONGEST_LONG: Final = 60.0
_PROBE: Final = 2.0
"""Seconds for the one try of an export while the destination is down."""
_LONG_PROBE_EVERY: Final = 60.0
"""Seconds between tries that may last the whole timeout while the destination is down: a server that is only slow must be found up again."""
_LONGEST_ASKED: Final = 3600.0
"""Seconds that a server can ask to wait: a proxy's number without measure must not end delivery, and threads cannot wait for every number."""
_FAREWELL: Final = 1.0
"""Seconds without a sign of life from the server after which a process that ends gives up."""


def pauses(random: Callable[[], float]) -> Iterator[float]:
    """Yield the seconds to wait before the next try, for ever; `random` returns numbers from 0 to 1."""
    return _jitter(random, _FIRST, _LONGEST)


def long_pauses(random: Callable[[], float]) -> Iterator[float]:
    """Yield the seconds to wait before the next try to drain a spool: evenly random below 1, 2, 4, … and at last 60."""
    return _jitter(random, _FIRST_LONG, _LONGEST_LONG)


def _jitter(random: Callable[[], float], bound: float, longest: float) -> Iterator[float]:
    while True:
        yield random() * bound
        bound = min(longest, bound * 2)


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that an answer asks to wait, an hour at most, or 0.

    A date counts as nothing: it would have to be compared with a clock that may be wrong, and Elasticsearch sends none.
    """
    text = headers.get("retry-after", "")
    return min(float(text), _LONGEST_ASKED) if text.isascii() and text.isdecimal() else 0.0


class Allowance(NamedTuple):
    """What one export may use: seconds for everything, and whether it may try more than once."""

    seconds: float
    repeat: bool


class Patience:
    """How long exports may try, by what became of those before.

    - Usually: the whole timeout, and as many tries as fit.
    - After an export that failed at its deadline, until one succeeds: one try of two seconds. More would only let the batch processor's queue
      (2,048 spans) overflow behind an export that waits. Once a minute the one try may last the whole timeout.
    - After `stop`, when the process ends: one try, until a second has passed without a sign of life; after a failure, none.

    A *prompt* one has a spool behind it, and what is not delivered at once waits there: usually one try of two seconds, and none while the
    destination is down, but for one a minute; what drains the spool finds it up again. Where nothing waits, that finds nothing out, and the next
    export tries. While the spool takes nothing, as when its disk is full, patience is as if there were none.

    Two threads that read or write one of these attributes at once disagree about nothing but a single try.
    """

    def __init__(self, timeout: float, clock: Callable[[], float], *, prompt: bool = False) -> None:
        self._has_spool = self._prompt = prompt
        self._timeout = timeout
        self._clock = clock
        self._down = False
        self._next_long_probe = 0.0
        self._stopping = False
        self._farewell: float | None = None

    def allow(self) -> Allowance:
        """Return what an export that begins now may use."""
        now = self._clock()
        if self._stopping:
            if self._farewell is None:
                self._farewell = now if self._prompt and self._down else now + _FAREWELL
            return Allowance(max(0.0, min(self._timeout, self._farewell - now)), repeat=False)
        probe = min(_PROBE, self._timeout)
        if not self._down:
            return Allowance(probe, repeat=False) if self._prompt else Allowance(self._timeout, repeat=True)
        if now < self._next_long_probe:
            return Allowance(0.0 if self._prompt else probe, repeat=False)
        self._next_long_probe = now + _LONG_PROBE_EVERY
        return Allowance(probe if self._prompt else self._timeout, repeat=False)

    def succeeded(self) -> None:
        """Learn that the server answered."""
        self._down = False
        if self._stopping:
            self._farewell = self._clock() + _FAREWELL

    def failed(self) -> None:
        """Learn that an export found no destination until its end."""
        if not self._down:
            self._next_long_probe = self._clock() + _LONG_PROBE_EVERY
        self._down = True
        if self._stopping:
            self._farewell = self._clock()

    def nothing_waits(self) -> None:
        """Learn that the spool is empty: only an export can find the destination up again."""
        self._down = False

    def spool_takes(self, anything: bool) -> None:  # noqa: FBT001 (the one thing there is to say)
        """Learn whether the spool took what it was given last."""
        self._prompt = self._has_spool and anything

    def stop(self) -> float:
        """Learn that the process ends; return the seconds that a request under way may still take."""
        self._stopping = True
        return _FAREWELL
