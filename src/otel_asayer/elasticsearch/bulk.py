"""Bulk requests and their answers, without I/O.

Rules, and where they come from:

- A body is a concatenation of operations (`documents.operations`).
- Elasticsearch limits a request by its *uncompressed* bytes (`http.max_content_length`), so that is
  what is measured here.
- Positions: the n-th item of an answer belongs to the n-th operation. `filter_path` keeps that only
  because every item keeps its status.
- The meaning of an item's answer is in one table, `ITEMS`; that of a request's, in `REQUESTS`. The
  first rule that fits counts.
- A reason may quote the document it is about, and name its id. The quotation is cut, because
  telemetry may hold secrets; so is the id, so that a thousand similar refusals read as one.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

import orjson

from otel_asayer.documents import REPLAY_PIPELINE, Operation
from otel_asayer.sanitize import sanitize_line

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

__all__ = [
    "FAILURE_STORE",
    "ITEMS",
    "REQUESTS",
    "Answer",
    "BulkItemResult",
    "Cause",
    "Disposition",
    "MalformedAnswerError",
    "bodies",
    "judge_request",
    "parse_answer",
    "target",
]

_ANSWER_FIELDS: Final = (
    "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.failure_store"
)
_ALL_WELL: Final = b'{"errors":false,"items":['
_FAILURE_STORE: Final = b'"failure_store"'
_STATUS: Final = b'"status":'
_QUOTED: Final = re.compile(
    r" in document with id '|\.? Preview of field's value:|at \[Source:|\.? The prefix of the "
    r"first immense term is:|(?<=: id )\["
)
_POSITION: Final = re.compile(r"(?:\[\d+:\d+\] )+")


class Cause(NamedTuple):
    """Why something happened to documents, in a word or two from a bounded set, to count by."""

    text: str = ""
    """For messages: `http 413`, `queue full`, a type of Elasticsearch's errors."""
    error_type: str = ""
    """For metrics, in one word, as other components write it: `413`, `queue_full`."""

    @classmethod
    def of(cls, text: str) -> Cause:
        """Return the cause with this text, which is its error type as well."""
        return cls(text, text.replace(" ", "_"))

    @classmethod
    def http(cls, status: int) -> Cause:
        """Return the cause that is the status of a whole request."""
        return cls(f"http {status}", str(status))

    def __str__(self) -> str:
        return self.text


FAILURE_STORE: Final = Cause.of("failure_store")
"""The cause of what Elasticsearch put into a failure store: it says no other."""


class Disposition(Enum):
    """What to do with the operations that an item's, or a whole request's, answer is about."""

    INDEXED = "indexed"
    DUPLICATE = "duplicate"
    """The document is there already. Every `_id` is ours and given once, so an earlier request
    brought it."""
    TRANSIENT = "transient"
    """The same may succeed later."""
    OVERLOADED = "overloaded"
    """The same may succeed later, and smaller requests sooner: Elasticsearch limits the bytes that
    are under way."""
    CONFIGURATION = "configuration"
    """The document is fine; a key, a template, an alias or an address is not. It will succeed when
    that is fixed."""
    UNMAPPED = "unmapped"
    """A value of the document contradicts the mapping: it will be indexed with that value put
    aside."""
    REFUSED = "refused"
    """This document will never be indexed as it is."""
    SPLIT = "split"
    """One document made the whole request fail: smaller requests will tell which."""
    TOO_LARGE = "too large"
    """The request as a whole was too large: smaller ones may succeed."""


class _Rule(NamedTuple):
    """Fits an answer of one of these statuses, of this error type, with this text in its reason.

    A type or text that is left out fits all. `advice` says how to fix a problem of configuration.
    """

    statuses: Container[int]
    disposition: Disposition
    kind: str = ""
    reason: str = ""
    advice: str = ""

    def fits(self, status: int, kind: str, reason: str) -> bool:
        return status in self.statuses and self.kind in ("", kind) and self.reason in reason


_PRIVILEGES: Final = (
    "The key or user needs the privileges create_doc and auto_configure on logs-*.otel-*, "
    "traces-*.otel-* and asayer-logs-*"
)
_CREDENTIALS: Final = (
    "Set OTEL_EXPORTER_ELASTICSEARCH_API_KEY, or the file, user or token in its place, to one that "
    "this Elasticsearch accepts"
)
_TEMPLATE: Final = (
    "The index template of that data stream is missing: OTEL_EXPORTER_ELASTICSEARCH_SETUP=auto "
    "installs it, with a key that has the cluster "
    "privilege manage_index_templates, and view_index_metadata on logs"
)
_ALIAS: Final = (
    "The alias of that index or data stream stands on data streams as well as on plain indices, "
    "which Elasticsearch forbids: "
    "`otel-asayer setup` says which they are, and what to do"
)
_REPLAY: Final = (
    "Elasticsearch is not set up for replay records, whose index template comes before that "
    "pipeline: `otel-asayer setup` does it, and so does "
    "OTEL_EXPORTER_ELASTICSEARCH_SETUP=auto with a key that has the cluster privileges "
    "manage_index_templates and manage_ingest_pipelines, and "
    "view_index_metadata on logs"
)
_PIPELINE: Final = "Create the pipeline, or correct OTEL_EXPORTER_ELASTICSEARCH_PIPELINE"
_VERSION: Final = "Elasticsearch 8.12 or newer is needed"
_ADDRESS: Final = (
    "Check that OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT is the address of Elasticsearch itself"
)

ITEMS: Final = (
    _Rule(range(200, 300), Disposition.INDEXED),
    _Rule((409,), Disposition.DUPLICATE),
    _Rule((401, 403), Disposition.CONFIGURATION, advice=_PRIVILEGES),
    # The answer to `require_data_stream`, which holds for all but replay records, where no index
    # template fits: nothing is created by accident.
    _Rule((404,), Disposition.CONFIGURATION, "index_not_found_exception", advice=_TEMPLATE),
    _Rule((500,), Disposition.CONFIGURATION, "illegal_state_exception", advice=_ALIAS),
    # The answer to a replay record before setup: nothing is created by accident either.
    _Rule(
        (400,),
        Disposition.CONFIGURATION,
        "illegal_argument_exception",
        f"pipeline with id [{REPLAY_PIPELINE}] does not exist",
        _REPLAY,
    ),
    _Rule(
        (400,),
        Disposition.CONFIGURATION,
        "illegal_argument_exception",
        "pipeline with id [",
        _PIPELINE,
    ),
    _Rule((400,), Disposition.UNMAPPED, "document_parsing_exception"),
    _Rule((400,), Disposition.UNMAPPED, "mapper_parsing_exception"),
    _Rule((400,), Disposition.UNMAPPED, "strict_dynamic_mapping_exception"),
    _Rule((400,), Disposition.UNMAPPED, "illegal_argument_exception"),
    _Rule((429,), Disposition.OVERLOADED),
    _Rule((500, 502, 503, 504), Disposition.TRANSIENT),
    _Rule(range(1000), Disposition.REFUSED),
)
"""What the answer to one item means."""

REQUESTS: Final = (
    _Rule((413,), Disposition.TOO_LARGE),
    _Rule(
        (400,),
        Disposition.CONFIGURATION,
        "illegal_argument_exception",
        "unrecognized parameter",
        _VERSION,
    ),
    # One `_id` over 512 bytes, or one broken action line, fails the whole request.
    _Rule((400,), Disposition.SPLIT, "action_request_validation_exception"),
    _Rule((400,), Disposition.SPLIT, "illegal_argument_exception"),
    _Rule((401,), Disposition.CONFIGURATION, advice=_CREDENTIALS),
    _Rule((403,), Disposition.CONFIGURATION, advice=_PRIVILEGES),
    _Rule((429,), Disposition.OVERLOADED),
    _Rule((408, *range(500, 600)), Disposition.TRANSIENT),
    _Rule(range(1000), Disposition.CONFIGURATION, advice=_ADDRESS),
)
"""What the answer to a whole request means, unless it is a success, whose items tell."""


class BulkItemResult(NamedTuple):
    """What became of an operation, or of a whole request.

    `reason` is to be read; `advice` says what to do, where configuration is wrong.
    """

    disposition: Disposition
    cause: Cause = Cause()
    reason: str = ""
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.cause}, {self.reason}" if self.reason else self.cause.text

    @property
    def with_advice(self) -> str:
        """What became of it and what to do, as sentences without the last full stop."""
        return f"{self}. {self.advice}" if self.advice else str(self)


class Answer(NamedTuple):
    """How many operations were indexed, and the result of each other one, by its position."""

    indexed: int
    others: tuple[tuple[int, BulkItemResult], ...] = ()


# A finding about an answer, like UnreachableError about a server
class MalformedAnswerError(ValueError):
    """An answer of status 200 that is none to this bulk request.

    The message says why, without its text.
    """


def target(pipeline: str | None = None) -> str:
    """Return the path and query of a bulk request."""
    named = f"&pipeline={quote(pipeline, safe='')}" if pipeline else ""
    return f"/_bulk?require_data_stream=true&filter_path={_ANSWER_FIELDS}{named}"


def bodies(operations: Sequence[Operation], max_bytes: int) -> Iterator[Sequence[Operation]]:
    """Divide `operations` so that no part exceeds `max_bytes`, uncompressed.

    A single operation that does is a part of its own.
    """
    if sum(map(len, operations)) <= max_bytes:
        yield operations
        return
    start, size = 0, 0
    for position, operation in enumerate(operations):
        size += len(operation)
        if size > max_bytes and position > start:
            yield operations[start:position]
            start, size = position, len(operation)
    yield operations[start:]


def parse_answer(body: bytes, number: int) -> Answer:
    """Return what the answer to a bulk request of `number` operations says.

    Raises:
        MalformedAnswerError: it is not the answer to such a request.
    """
    # The usual answer is recognised without parsing: to build hundreds of objects that say "201"
    # costs more than to compress the request.
    if body.startswith(_ALL_WELL) and _FAILURE_STORE not in body and body.count(_STATUS) == number:
        return Answer(number)
    try:
        items = orjson.loads(body)["items"]
        findings = [_judge_item(*item.values()) for item in items]
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        StopIteration,
    ) as error:  # the last one: a status that no rule fits
        raise MalformedAnswerError("the answer is none to a bulk request") from error
    if len(findings) != number:
        raise MalformedAnswerError(
            f"the answer names {len(findings)} items, and {number} were sent"
        )
    others = tuple(
        (position, finding)
        for position, finding in enumerate(findings)
        if finding.disposition is not Disposition.INDEXED
    )
    return Answer(number - len(others), others)


def judge_request(status: int, body: bytes) -> BulkItemResult:
    """Return what a request's answer means for all its operations.

    INDEXED means that its items tell.
    """
    if status // 100 == 2:  # noqa: PLR2004 (success, whose body is parsed once, later)
        return _INDEXED
    kind, reason = _error_of(body)
    rule = _judge(REQUESTS, status, kind, reason)
    # What is not Elasticsearch's JSON was written by something in between, and may quote the
    # request with its credentials: it is not repeated.
    return BulkItemResult(
        rule.disposition,
        Cause.http(status),
        f"{kind}: {_clean(reason)}" if kind else "",
        rule.advice,
    )


def _judge_item(item: dict[str, Any]) -> BulkItemResult:
    if item.get("failure_store") == "used":
        # Not in the data stream, whatever the status says. As nothing names the offending value,
        # all attributes are put aside.
        return BulkItemResult(
            Disposition.UNMAPPED,
            FAILURE_STORE,
            "the document is in the data stream's failure store",
        )
    status, error = item["status"], item.get("error") or {}
    kind, reason = _kind(error.get("type") or f"status {status}"), str(error.get("reason") or "")
    rule = _judge(ITEMS, status, kind, reason)
    return (
        _INDEXED
        if rule.disposition is Disposition.INDEXED
        else BulkItemResult(rule.disposition, Cause.of(kind), _clean(reason), rule.advice)
    )


def _judge(rules: tuple[_Rule, ...], status: int, kind: str, reason: str) -> _Rule:
    return next(rule for rule in rules if rule.fits(status, kind, reason))


_INDEXED: Final = BulkItemResult(Disposition.INDEXED)


def _error_of(body: bytes) -> tuple[str, str]:
    """The type and reason of the error in a whole answer, as far as it is Elasticsearch's."""
    try:
        error = orjson.loads(body)["error"]
        return _kind(error["type"]), str(error["reason"])
    except (ValueError, KeyError, TypeError):
        return "", ""


def _kind(told: object) -> str:
    """The name of a type of errors: it is counted by, and shown."""
    return sanitize_line(str(told)[:100])


def _clean(reason: str) -> str:
    kept = _QUOTED.split(_POSITION.sub("", reason), maxsplit=1)[0]
    return sanitize_line(kept[:300]).rstrip()
