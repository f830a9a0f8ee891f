"""Data streams: their names, and the two things of a stream that stand in each of its documents.
Replay records go elsewhere (`replay_indices`).

A name is `<type>-<dataset>-<namespace>`. What attributes ask for is made valid in the way of the
OpenTelemetry Collector, so that a Collector put in between later writes to the same streams: lower
case, forbidden characters as `_`, at most 100 bytes each, `.otel` at the end of the dataset. What
cannot be made valid is not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.documents.replay_indices import ReplayIndices
from otel_asayer.documents.values import json_fragment, json_line, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orjson import Fragment

    from otel_asayer.documents.operations import Operation

__all__ = ["DataStreams", "Stream", "Streams", "dataset_of", "namespace_of", "streams_of"]

_MAX_BYTES: Final = 100
_OTEL: Final = ".otel"
_IN_NAMESPACE: Final = str.maketrans(dict.fromkeys('\\/*?"<>| ,#:', "_"))
_IN_DATASET: Final = str.maketrans(dict.fromkeys('-\\/*?"<>| ,#:', "_"))


class Stream(NamedTuple):
    """One data stream, prepared for its documents."""

    head: str
    """The first line of an operation, up to the id of the document."""
    data_stream: Fragment
    """The field `data_stream`."""

    def operation(self, document_id: str, document: Mapping[str, Any]) -> Operation:
        """Return the two lines of a bulk request that create `document`; `document_id` needs no escaping in JSON."""
        # A call of `Operation` would cost 1 % of a span's encoding.
        return f'{self.head}{document_id}"}}}}\n'.encode() + json_line(document)  # type: ignore[return-value]


class Streams(NamedTuple):
    """Where the documents of one dataset and namespace go."""

    dataset: str
    namespace: str
    traces: Stream
    logs: Stream
    replay: ReplayIndices


class DataStreams:
    """The data streams that one process writes to: a bounded number, for attributes choose them,
    and strangers may choose attributes.

    Beyond it, documents go to the configured ones. Safe for threads, which may exceed the bound by
    one each.
    """

    def __init__(self, dataset: str, namespace: str, most: int) -> None:
        """Begin with the configured dataset and namespace; `most` pairs of both are admitted, with this one."""
        self._most = most
        self.default = streams_of(dataset_of(None, dataset), namespace)
        self._known = {(self.default.dataset, self.default.namespace): self.default}
        self._diverted: list[None] = []

    def of(self, dataset: str, namespace: str) -> Streams:
        """Return the streams of `dataset` (with `.otel`) and `namespace`, or the configured ones where there are too many."""
        key = dataset, namespace
        streams = self._known.get(key)
        if streams is None:
            if len(self._known) >= self._most:
                self._diverted.append(None)
                return self.default
            streams = self._known[key] = streams_of(*key)
        return streams

    def take_diverted(self) -> int:
        """Return how many documents went to the configured streams in place of others, since the last call."""
        number = len(self._diverted)
        del self._diverted[:number]
        return number


def streams_of(dataset: str, namespace: str) -> Streams:
    """Return the streams of `dataset` (with `.otel`) and `namespace`, and the indices of replay records."""
    return Streams(
        dataset,
        namespace,
        _stream("traces", dataset, namespace),
        _stream("logs", dataset, namespace),
        ReplayIndices.of(namespace),
    )


def dataset_of(attribute: object, default: str) -> str:
    """Return the dataset that `attribute` asks for, or `default` where it asks for none that is possible; with `.otel`."""
    asked = _sanitized(attribute, _IN_DATASET).removesuffix(_OTEL)
    return (_cut(asked, _MAX_BYTES - len(_OTEL)) or default.removesuffix(_OTEL)) + _OTEL


def namespace_of(attribute: object, default: str) -> str:
    """Return the namespace that `attribute` asks for, or `default` where it asks for none that is possible."""
    return _cut(_sanitized(attribute, _IN_NAMESPACE), _MAX_BYTES) or default


def _sanitized(attribute: object, table: Mapping[int, str]) -> str:
    return (
        attribute.lower().translate(table)
        if isinstance(attribute, str) and attribute.isprintable()
        else ""
    )


def _cut(text: str, length: int) -> str:
    return text.encode()[:length].decode(errors="ignore")


def _stream(kind: str, dataset: str, namespace: str) -> Stream:
    index = text_of([f"{kind}-{dataset}-{namespace}"])[1:-1]
    return Stream(
        f'{{"create":{{"_index":{index},"_id":"',
        json_fragment({"type": kind, "dataset": dataset, "namespace": namespace}),
    )
