"""What a stored document does not say itself: an exception's session, and whether it was answered.

The Collector writes the events of a span as documents of their own, without the span's session. It
is looked up by trace id and span id. Where the span is not there yet, the exception waits, in a
bounded memory. So do, for two seconds, those few server spans whose level depends on their
exceptions (`documents.spans`).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from otel_asayer.bridge.records import Document, Kind, Span, decides, span_of
from otel_asayer.documents.summaries import exception_type_name
from otel_asayer.timeline.stored import flat, identifier
from otel_asayer.timeline.times import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from otel_asayer.propagation.session_id import SessionId

__all__ = ["Lookups", "Ready", "Resolver"]

_Place = tuple[str, str]

_MOST_PLACES: Final = 2000
"""Spans that one request asks for."""
_MOST_WAITING: Final = 10_000
_MOST_WAITING_BYTES: Final = 32 * 1024 * 1024
_OF_ANY: Final = 2000
"""Bytes that a document takes at least."""
_UNDECIDED_S: Final = 2.0
"""Seconds in which the exceptions of a span become visible, which came with it."""
_RECENT_S: Final = 60.0
"""Age of a document in seconds from which on all that came with it is visible."""
_LEAST_WAIT_S: Final = 30.0
"""Seconds that any exception waits for its span, however old it is."""
_EVERY_S: Final = 1.0
_LATER_EVERY_S: Final = 4.0
_LATER: Final = 60.0


class Lookups(Protocol):
    """What is looked up; see `reader.Reader`."""

    def spans_of(self, wanted: Iterable[_Place]) -> list[dict[str, Any]]:
        """Return the hits of spans."""

    def exceptions_of(self, wanted: Iterable[_Place]) -> list[dict[str, Any]]:
        """Return the hits of the exceptions of spans."""


class Ready(NamedTuple):
    """A document whose records can be made."""

    document: Document
    session: SessionId
    handled: bool = False


class _Open(NamedTuple):
    """A document about which something is to be looked up.

    Attributes:
        document: The document.
        since: When it was first seen, by the clock.
        age: How old it was then, in seconds.
        due: When it is looked up next.
    """

    document: Document
    since: float
    age: float
    due: float


class Resolver:
    """Looks up what documents lack.

    Args:
        lookups: Where.
        lateness_s: Seconds that an exception waits for its span.
        clock: Seconds that only grow.
        now_ns: Nanoseconds since 1970.
    """

    def __init__(
        self,
        lookups: Lookups,
        lateness_s: float,
        clock: Callable[[], float],
        now_ns: Callable[[], int],
    ) -> None:
        self._lookups = lookups
        self._lateness = lateness_s
        self._clock = clock
        self._now_ns = now_ns
        self._waiting: dict[_Place, _Open] = {}
        self._bytes = 0
        self.without_session = 0
        """Exceptions so far whose span belongs to no session."""
        self.without_span = 0
        """Exceptions so far whose span did not come in time."""

    @property
    def waiting(self) -> int:
        """How many documents wait."""
        return len(self._waiting)

    @property
    def undecided(self) -> bool:
        """Whether some wait for seconds only, and not for their span."""
        return any(one.document.session is not None for one in self._waiting.values())

    @property
    def waits_since(self) -> float | None:
        """When the first of those that wait was first seen, by the clock."""
        return next((one.since for one in self._waiting.values()), None)

    def resolve(self, documents: Iterable[Document]) -> list[Ready]:
        """Return the documents whose records can be made now; the others wait.

        Raises:
            ElasticsearchError: What they lack cannot be looked up. Nothing has changed then.
        """
        ready: list[Ready] = []
        unknown: list[_Open] = []
        now, now_ns = self._clock(), self._now_ns()
        for document in documents:
            span = document.span
            if document.kind is Kind.EXCEPTION or (span is not None and decides(span, document)):
                age = max(0, now_ns - document.time_ns) / NS_PER_S
                unknown.append(_Open(document, now, age, now))
            elif document.session is not None:
                ready.append(Ready(document, document.session))
        return [*ready, *self._look_up(unknown)]

    def again(self) -> list[Ready]:
        """Return those whose records can be made now, of the ones that wait.

        Raises:
            ElasticsearchError: What they lack cannot be looked up. They wait on.
        """
        now = self._clock()
        return self._look_up([one for one in self._waiting.values() if one.due <= now])

    def _look_up(self, unknown: Sequence[_Open]) -> list[Ready]:
        if not unknown:
            return []
        documents = [one.document for one in unknown]
        spans = self._spans(documents)
        types = self._types(documents, spans)
        decided = (self._decided(one, spans, types[one.document.place]) for one in unknown)
        return [ready for ready in decided if ready]

    def _spans(self, documents: Sequence[Document]) -> dict[_Place, Span]:
        """Return the spans of these documents, as far as they are there."""
        found = {one.place: one.span for one in documents if one.span is not None}
        for part in _parts({one.place for one in documents} - found.keys()):
            for hit in self._lookups.spans_of(part):
                found.setdefault(_place(hit["_source"]), span_of(hit["_source"]))
        return found

    def _types(
        self, documents: Sequence[Document], spans: Mapping[_Place, Span]
    ) -> Mapping[_Place, set[str]]:
        """Return the types of the exceptions of spans; all of them where others may decide."""
        known: defaultdict[_Place, set[str]] = defaultdict(set)
        for one in documents:
            known[one.place].update([one.exception_type] if one.kind is Kind.EXCEPTION else [])
        deciding = [
            place
            for place, types in known.items()
            if (span := spans.get(place)) and span.may_be_handled(types)
        ]
        for part in _parts(deciding):
            for hit in self._lookups.exceptions_of(part):
                attributes = flat(hit["_source"].get("attributes"))
                known[_place(hit["_source"])].add(exception_type_name(attributes))
        return known

    def _decided(
        self, one: _Open, spans: Mapping[_Place, Span], types: Collection[str]
    ) -> Ready | None:
        """Return a document if all is known, or nothing more will be; else let it wait."""
        document = one.document
        span = spans.get(document.place)
        session = document.session or (span and span.session)
        undecided = span is None or (session is not None and span.may_be_handled(types))
        if undecided and not self._is_over(one, span):
            self._wait(one)
            return None
        self._forget(one)
        if session is None:
            self.without_span += span is None
            self.without_session += span is not None
            return None
        return Ready(document, session, span is not None and span.is_handled(types))

    def _is_over(self, one: _Open, span: Span | None) -> bool:
        """Whether a document has waited long enough: for other exceptions, or for its span."""
        waited = self._clock() - one.since
        if span is not None or one.document.session is not None:
            return waited >= _UNDECIDED_S or one.age >= _RECENT_S
        return waited >= max(_LEAST_WAIT_S, self._lateness - one.age)

    def _wait(self, one: _Open) -> None:
        """Let a document wait; give the oldest up where too many do."""
        now = self._clock()
        every = _EVERY_S if now - one.since < _LATER else _LATER_EVERY_S
        key = one.document.index, one.document.id
        if key not in self._waiting:
            self._bytes += _size(one.document)
        self._waiting[key] = one._replace(due=now + every)
        while len(self._waiting) > _MOST_WAITING or self._bytes > _MOST_WAITING_BYTES:
            self._forget(next(iter(self._waiting.values())))
            self.without_span += 1

    def _forget(self, one: _Open) -> None:
        if self._waiting.pop((one.document.index, one.document.id), None):
            self._bytes -= _size(one.document)


def _size(document: Document) -> int:
    """Return about how many bytes of memory a document takes."""
    return _OF_ANY + 2 * sum(
        len(value) for value in document.attributes.values() if isinstance(value, str)
    )


def _parts(places: Collection[_Place]) -> Iterator[list[_Place]]:
    listed = sorted(places)
    return (listed[start : start + _MOST_PLACES] for start in range(0, len(listed), _MOST_PLACES))


def _place(source: Mapping[str, Any]) -> _Place:
    return identifier(source.get("trace_id")), identifier(source.get("span_id"))
