"""Documents as they come back from a store, and which of them are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from otel_asayer.attributes import SESSION_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Selection", "Stored", "flat", "identifier", "nanoseconds"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NS_PER_S: Final = 1_000_000_000
_DIGITS: Final = 9
_MS_DIGITS: Final = 6
_LAST_NS: Final = (1 << 63) - 1
"""The last moment that Elasticsearch's `date_nanos` holds, in the year 2262."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A document:

    its data stream or index, its `_id`, its `_source`, and its place in the order in which its
    store took it.
    """

    index: str
    id: str
    source: Mapping[str, Any]
    sequence: int = field(default=0, compare=False)
    size: int = field(default=0, compare=False)
    """About how many bytes of JSON it takes."""


@dataclass(frozen=True)
class Selection:
    """The documents of one session, or of one trace, or of that one of both that there is.

    `since_ns`: nanoseconds since 1970 from which on a document's time counts. `known`: the ids of
    documents that are not wanted again, by who looks again and again; None where nobody does.
    """

    session_id: str = ""
    trace_id: str = ""
    since_ns: int = 0
    known: frozenset[str] | None = field(default=None, compare=False, repr=False)

    @property
    def fields(self) -> Mapping[str, str]:
        """The fields that select, by their full names, and their values: one of them is enough."""
        return {
            name: value
            for name, value in (
                (f"attributes.{SESSION_ID}", self.session_id),
                ("trace_id", self.trace_id),
            )
            if value
        }

    @property
    def named(self) -> str:
        """What is selected, for a sentence."""
        if self.session_id and self.trace_id:
            return f"session or trace {self.session_id}"
        return f"session {self.session_id}" if self.session_id else f"trace {self.trace_id}"

    @property
    def title(self) -> str:
        """What is selected, as a heading; the id stays as it is written."""
        return self.named[0].upper() + self.named[1:]

    @property
    def readings(self) -> tuple[Selection, ...]:
        """The session alone, and the trace alone, as far as each is selected."""
        one_by_one = (replace(self, trace_id=""), replace(self, session_id=""))
        return tuple(selection for selection in one_by_one if selection.fields)

    def holds(self, source: Mapping[str, Any]) -> bool:
        """Whether a document with this `_source` is one of them."""
        if nanoseconds(source.get("@timestamp")) < self.since_ns:
            return False
        is_of_trace = self.trace_id and identifier(source.get("trace_id")) == self.trace_id
        return bool(
            is_of_trace
            or (
                self.session_id
                and identifier(flat(source.get("attributes")).get(SESSION_ID)) == self.session_id
            )
        )


def flat(attributes: Any) -> dict[str, Any]:
    """Return attributes by their dotted names, however deep the store has put them:

    a synthetic `_source` may come back as nested objects.
    """
    result: dict[str, Any] = {}
    # Without recursion: another writer's document may be nested deeper than Python's stack.
    waiting = [iter(_named("", attributes))] if isinstance(attributes, Mapping) else []
    while waiting:
        for name, value in waiting[-1]:
            if isinstance(value, Mapping) and value:
                waiting.append(iter(_named(f"{name}.", value)))
                break
            result[name] = value
        else:
            waiting.pop()
    return result


def _named(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((f"{prefix}{name}", value) for name, value in values.items())


def identifier(value: object) -> str:
    """Return the id of a session, trace or span that a document has in a field:

    text, or a whole number; nothing for all else.
    """
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def nanoseconds(timestamp: object) -> int:
    """Return a document's `@timestamp` in nanoseconds since 1970; 0 for what is no time.

    It is what was sent, milliseconds with a fraction (`1795536236662.000005`) or RFC 3339, or what
    a synthetic `_source` makes of it. Times before 1970 become 1970, and those after 2262 the last
    moment of it: as far as Elasticsearch tells nanoseconds apart.

    >>> nanoseconds("1795536236662.000005")
    1795536236662000005
    >>> nanoseconds("2026-11-24T16:03:56.662000005Z")
    1795536236662000005
    """
    if isinstance(timestamp, bool) or not isinstance(timestamp, (str, int, float)):
        return 0
    try:
        text = str(timestamp)
        return min(
            max(
                _of_milliseconds(text) if text.partition(".")[0].isdecimal() else _of_rfc3339(text),
                0,
            ),
            _LAST_NS,
        )
    except (ValueError, OverflowError):
        return 0


def _of_milliseconds(text: str) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole) * 10**_MS_DIGITS + int(fraction[:_MS_DIGITS].ljust(_MS_DIGITS, "0"))


def _of_rfc3339(text: str) -> int:
    whole, point, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))] if point else ""
    zone = rest[len(digits) :] if point else ""
    event = datetime.fromisoformat((whole + zone).replace("Z", "+00:00").replace("z", "+00:00"))
    if event.tzinfo is None:
        event = event.replace(tzinfo=timezone.utc)
    since = event - _EPOCH
    return (since.days * 86_400 + since.seconds) * _NS_PER_S + int(
        digits[:_DIGITS].ljust(_DIGITS, "0") or 0
    )
