"""What the bridge asks Elasticsearch. Pure.

Fields are those of the OTel mapping, which Elasticsearch's own templates and ours have in common.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.attributes import SESSION_ID
from otel_asayer.bridge.records import FIELDS
from otel_asayer.documents.summaries import EXCEPTION_EVENT, EXCEPTION_TYPE
from otel_asayer.timeline.events import ENTRY_KINDS
from otel_asayer.timeline.session_queries import since as _since

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

__all__ = [
    "MOST_HITS",
    "PAGE",
    "SEQUENCE",
    "Slice",
    "documents",
    "exceptions_of",
    "last_numbers",
    "numbers",
    "page",
    "since",
    "spans_of",
    "these",
    "within",
]

PAGE: Final = 2000
"""Documents of an answer."""
MOST_HITS: Final = 10_000
"""The most that Elasticsearch returns at once (`index.max_result_window`)."""
SEQUENCE: Final = "_seq_no"
LONG_SPAN_NS: Final = 60_000_000_000
"""A span from this duration on is found by a scan however long ago it started."""
_LONGEST_SPAN_NS: Final = 7 * 86_400_000_000_000
_DIGITS: Final = 4
_VALUES: Final = 16**_DIGITS


class Slice(NamedTuple):
    """A part of all traces, by the first digits of their ids.

    Attributes:
        number: From 1.
        of: How many parts there are.
    """

    number: int = 1
    of: int = 1

    def __str__(self) -> str:
        """Return it as `--slice` takes it."""
        return f"{self.number}/{self.of}"

    @property
    def query(self) -> list[dict[str, Any]]:
        """The filters for its documents; the first part has those without a trace, too."""
        if self.of == 1:
            return []
        first, end = ((number * _VALUES) // self.of for number in (self.number - 1, self.number))
        bounds = {"gte": f"{first:0{_DIGITS}x}"} if first else {}
        if end < _VALUES:
            bounds["lt"] = f"{end:0{_DIGITS}x}"
        mine = {"range": {"trace_id": bounds}}
        return [mine if first else _any(mine, _missing("trace_id"))]


def documents(part: Slice) -> list[dict[str, Any]]:
    """Return the filters for documents that may get a record."""
    enters = _any(_missing("parent_span_id"), {"terms": {"kind": list(ENTRY_KINDS)}})
    of_session = {"bool": {"filter": [_exists(f"attributes.{SESSION_ID}"), enters]}}
    exception = {
        "bool": {"filter": [{"term": {"event_name": EXCEPTION_EVENT}}, _exists("span_id")]}
    }
    return [_any(of_session, exception), *part.query]


def since(time_ns: int) -> dict[str, Any]:
    """Return the filter for documents since a time, and for spans that ended since then.

    The time of a span is that of its start, and its document comes after its end.
    """
    is_long = {"range": {"duration": {"gte": LONG_SPAN_NS}}}
    return _any(
        *(
            {"bool": {"filter": [*more, *_since(time_ns - longest)]}}
            for longest, more in ((LONG_SPAN_NS, ()), (_LONGEST_SPAN_NS, (is_long,)))
        )
    )


def within(bounds: Mapping[str, tuple[int, int | None]]) -> dict[str, Any]:
    """Return the filter for sequence numbers by index: above the first, up to the second."""
    return _any(
        *(
            {
                "bool": {
                    "filter": [
                        {"term": {"_index": index}},
                        {
                            "range": {
                                SEQUENCE: {"gt": above, **({} if last is None else {"lte": last})}
                            }
                        },
                    ]
                }
            }
            for index, (above, last) in bounds.items()
        )
    )


def these(numbers: Mapping[str, Collection[int]]) -> dict[str, Any]:
    """Return the filter for documents by index and sequence number."""
    return _any(
        *(
            {
                "bool": {
                    "filter": [{"term": {"_index": index}}, {"terms": {SEQUENCE: sorted(wanted)}}]
                }
            }
            for index, wanted in numbers.items()
        )
    )


def page(filters: Sequence[Mapping[str, Any]], sort: str, *, size: int = PAGE) -> dict[str, Any]:
    """Return a search for the fields of which records are made."""
    return {
        "query": {"bool": {"filter": filters}},
        "sort": [sort],
        "size": size,
        "_source": list(FIELDS),
        "seq_no_primary_term": True,
        "track_total_hits": False,
    }


def numbers(filters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a search for indices and sequence numbers alone."""
    return {**page(filters, SEQUENCE, size=MOST_HITS), "_source": False, "stored_fields": "_none_"}


def last_numbers() -> dict[str, Any]:
    """Return a search for the last sequence number of each index."""
    return {
        "size": 0,
        "track_total_hits": False,
        "aggs": {
            "indices": {
                "terms": {"field": "_index", "size": MOST_HITS},
                "aggs": {"last": {"max": {"field": SEQUENCE}}},
            }
        },
    }


def spans_of(wanted: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return a search for spans by trace id and span id."""
    fields = [name for name in FIELDS if name.startswith("attributes.")]
    return _looked_up(wanted, [_exists("kind")], ["kind", "status", "span_id", "trace_id", *fields])


def exceptions_of(wanted: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return a search for the exceptions of spans."""
    exception = {"term": {"event_name": EXCEPTION_EVENT}}
    return _looked_up(wanted, [exception], ["span_id", "trace_id", f"attributes.{EXCEPTION_TYPE}"])


def _looked_up(
    wanted: Iterable[tuple[str, str]], filters: Sequence[Mapping[str, Any]], fields: Sequence[str]
) -> dict[str, Any]:
    traces, spans = zip(*wanted, strict=True)
    ids = [
        {"terms": {name: sorted(set(values))}}
        for name, values in (("trace_id", traces), ("span_id", spans))
    ]
    return {
        "query": {"bool": {"filter": [*ids, *filters]}},
        "size": MOST_HITS,
        "_source": fields,
        "track_total_hits": False,
    }


def _any(*queries: Mapping[str, Any]) -> dict[str, Any]:
    return {"bool": {"should": list(queries), "minimum_should_match": 1}}


def _exists(field: str) -> dict[str, Any]:
    return {"exists": {"field": field}}


def _missing(field: str) -> dict[str, Any]:
    return {"bool": {"must_not": [_exists(field)]}}
