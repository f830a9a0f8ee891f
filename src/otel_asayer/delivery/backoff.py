"""How long to wait, and how long to try: pure rules over an injected clock and random source.

The pauses between tries are *full jitter*: the n-th is evenly random between 0 and
`min(5, 0.2 * 2**n)` seconds, so that many processes that lost the same server do not come back to
it in step. The upper bounds are 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, … seconds, the means half of those:
about seven tries fit into the default ten seconds. The server can ask for a longer pause
(`Retry-After`).
"""

from __future__ import annotations

from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["LIVENESS_SECONDS", "CircuitBreaker", "RetryBudget", "backoff_delays", "retry_after"]

_PROBE: Final = 2.0
"""Seconds for the one try of an export while the destination is down."""
_FIRST_PROBE: Final = 5.0
"""Seconds for that try until the first export has ended: Elasticsearch creates the data streams
then, which takes a cold one up to three seconds."""
_LONG_PROBE_EVERY: Final = 60.0
"""Seconds between tries that may last the whole timeout while the destination is down: a server
that is only slow must be found again."""
_LONGEST_ASKED: Final = 3600.0
"""The most seconds that a server can ask to wait: a proxy's huge number must not end delivery, and
threads cannot wait for every number."""
LIVENESS_SECONDS: Final = 1.25
"""Seconds that an ending process waits for a first answer: a busy machine needs them, and with the
rest of its end they stay below two."""


def backoff_delays(
    random: Callable[[], float], bound: float = 0.2, longest: float = 5.0
) -> Iterator[float]:
    """Yield the seconds to wait before each next try, for ever.

    Args:
        random: Returns numbers from 0 to 1.
        bound: The first upper bound; each is twice the one before.
        longest: The last upper bound.
    """
    while True:
        yield random() * bound
        bound = min(longest, bound * 2)


def retry_after(headers: Mapping[str, str], now: Callable[[], float]) -> float:
    """Return the seconds that an answer asks to wait, an hour at most, or 0.

    Args:
        headers: Of the answer, with names in lower case.
        now: Returns seconds since 1970. A date is compared with the answer's own `Date`, where it
            has one: two clocks seldom agree.
    """
    text = headers.get("retry-after", "")
    if text.isascii() and text.isdecimal():
        return min(float(text), _LONGEST_ASKED)
    until = _seconds_since_1970(text)
    if until is None:
        return 0.0
    answered = _seconds_since_1970(headers.get("date", ""))
    return min(max(0.0, until - (now() if answered is None else answered)), _LONGEST_ASKED)


def _seconds_since_1970(date: str) -> float | None:
    """Read a date in any of HTTP's three forms (RFC 9110, 5.6.7); None where it is none."""
    try:
        parsed = parsedate_to_datetime(date)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None


class RetryBudget(NamedTuple):
    """What one export may use: seconds for everything, and whether it may try more than once."""

    seconds: float
    repeat: bool


class CircuitBreaker:
    """How long exports may try, by what became of those before.

    - Usually: the whole timeout, and as many tries as fit.
    - After an export that failed at its deadline, until one succeeds: one try of two seconds. More
      would only let the batch processor's queue (2,048 spans) overflow behind an export that waits.
      Once a minute the one try may last the whole timeout.
    - After `stop`, when the process ends: one try, of what is left of a second and a quarter. Once
      the server has answered anything, exports may use what is left of the time for the end; after
      a failure, there is no further try.

    A *prompt* one has a spool behind it, and what is not delivered at once waits there. It usually
    allows one try of two seconds (the first one: five), and none while the destination is down,
    except one a minute; draining the spool finds out when the destination is up again. Where
    nothing waits, draining finds nothing out, and the next export tries. While the spool takes
    nothing, for example because its disk is full, it allows as much as without a spool.

    It takes no lock: two threads that read or write an attribute at the same time disagree about a
    single try at most.
    """

    def __init__(
        self,
        timeout: float,
        clock: Callable[[], float],
        *,
        prompt: bool = False,
        shutdown_timeout: float = 5.0,
    ) -> None:
        self._has_spool = self._prompt = prompt
        self._timeout = timeout
        self._shutdown_timeout = shutdown_timeout
        self._clock = clock
        self._first = True
        self._down = False
        self._next_long_probe = 0.0
        self.resume()

    def resume(self) -> None:
        """Learn that the process goes on after all."""
        self._stopping = False
        self._end: float | None = None
        self._try_until: float | None = None
        self.has_answered = False
        """Whether the server has answered since the process began to end, without a failure
        since."""
        self.is_silent = False
        """Whether it was asked since then, and has not answered."""

    def allow(self) -> RetryBudget:
        """Return what an export that begins now may use."""
        now = self._clock()
        if self._stopping:
            end = self._begin_end()
            if self._try_until is None:
                self._try_until = min(now + LIVENESS_SECONDS, end)
            return RetryBudget(max(0.0, min(self._timeout, self._try_until - now)), repeat=False)
        probe = min(_PROBE, self._timeout)
        if not self._down:
            if not self._prompt:
                return RetryBudget(self._timeout, repeat=True)
            return RetryBudget(
                min(_FIRST_PROBE, self._timeout) if self._first else probe, repeat=False
            )
        if now < self._next_long_probe:
            return RetryBudget(0.0 if self._prompt else probe, repeat=False)
        self._next_long_probe = now + _LONG_PROBE_EVERY
        return RetryBudget(probe if self._prompt else self._timeout, repeat=False)

    def succeeded(self) -> None:
        """Learn that the server answered."""
        self._first = self._down = False
        if self._stopping:
            self._try_until = self._begin_end()
            self.has_answered, self.is_silent = True, False

    def failed(self) -> None:
        """Learn that an export did not reach the destination before its deadline."""
        if not self._down:
            self._next_long_probe = self._clock() + _LONG_PROBE_EVERY
        self._first, self._down = False, True
        self.has_answered = False
        if self._stopping:
            self._try_until = self._clock()

    def nothing_waits(self) -> None:
        """Learn that the spool is empty: only an export can find the destination up again."""
        self._down = False

    def spool_takes(self, anything: bool) -> None:  # noqa: FBT001 (all there is to learn)
        """Learn whether the spool took what it was last given."""
        self._prompt = self._has_spool and anything

    def stop(self) -> None:
        """Learn that the process ends.

        The time for the end starts with the first export after this, once the client is imported:
        on a busy machine the import takes seconds, and says nothing about the server.
        """
        self._stopping = True

    def end(self) -> None:
        """Learn that the time for the end is over."""
        self._stopping = True
        self._try_until = self._end = self._clock()

    @property
    def ends_in(self) -> float:
        """Seconds that are left for the end of the process."""
        return max(0.0, self._begin_end() - self._clock()) if self._stopping else 0.0

    def begin_liveness_check(self) -> float:
        """Return the seconds in which the server has to answer, for a check that is due.

        Return 0 where it was checked already, or the process does not end.
        """
        return 0.0 if not self._stopping or self._try_until is not None else self.allow().seconds

    def end_liveness_check(self, answered: bool) -> None:  # noqa: FBT001 (all there is to learn)
        """Learn whether the server answered the check.

        If it did not, nothing is tried any more with a spool; without one, exports use what is left
        of that time.
        """
        self.has_answered, self.is_silent = answered, not answered
        if answered or self._prompt:
            self._try_until = self._begin_end() if answered else self._clock()

    def _begin_end(self) -> float:
        if self._end is None:
            self._end = self._clock() + self._shutdown_timeout
        return self._end
