"""What the requests must have left, beside what is in Elasticsearch, and the lines of one console
beside those of the other: this only computes."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from applications.plan import Counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from applications.plan import Request

_MARKER = re.compile(r"request-(\d+)-")
_TAKEN_IN = ("Server", "Consumer")
_GOES_OUT = ("Client", "Producer")
_SHOWN = 3
"""Lines or names that a sentence about many gives."""


class Document(NamedTuple):
    """A span, a log record or an event of a span, as far as the account goes.

    Attributes:
        kind: A span's kind, `log`, or `event`.
        trace: Trace id, empty without one.
        span: Its own span id, or that of the span in which it was made.
        parent: Span id of a span's parent, empty without one.
        session: Session id, None without one.
        has_stack: Whether it is an exception with a stack.
        is_database: Whether it is a call to a database.
        marker: Number of the request that its attributes or its body name, None where they name
            none.
        text: What it is, for a sentence.
    """

    kind: str
    trace: str
    span: str
    parent: str = ""
    session: str | None = None
    has_stack: bool = False
    is_database: bool = False
    marker: int | None = None
    text: str = ""

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> Document:
        """Return a document of Elasticsearch as the account needs it."""
        attributes = source.get("attributes", {})
        body = source.get("body", {}).get("text", "")
        event = "severity_number" not in source
        marker = _MARKER.search(" ".join(map(str, (*attributes.values(), body))))
        return cls(
            source.get("kind") or ("event" if event else "log"),
            source.get("trace_id", ""),
            source.get("span_id", ""),
            source.get("parent_span_id", ""),
            attributes.get("session.id"),
            bool(attributes.get("exception.stacktrace")),
            "db.system" in attributes or "db.system.name" in attributes,
            int(marker[1]) if marker else None,
            str(source.get("name") or body or source.get("event_name", "")).partition("\n")[0],
        )

    def counts(self) -> Counts:
        """What it is one of."""
        return Counts(
            spans=int(self.kind in _TAKEN_IN),
            calls=int(self.kind in _GOES_OUT and not self.is_database),
            logs=int(self.kind == "log"),
            exceptions=int(self.has_stack),
        )


@dataclass
class Account:
    """What the requests of a run left.

    Attributes:
        expected: What all of them together must leave.
        seen: What is there.
        missing: Parts of requests that are not there, and spans whose parent is not.
        surplus: Parts that are there and should not be.
        mixed: Documents that are not in the session of their request.
        outside: Documents that belong to no request.
        problems: Sentences; without any, all is as it should be.
    """

    expected: Counts = field(default_factory=Counts)
    seen: Counts = field(default_factory=Counts)
    missing: int = 0
    surplus: int = 0
    mixed: int = 0
    outside: int = 0
    problems: list[str] = field(default_factory=list)


def balance(requests: Sequence[Request], documents: Sequence[Document]) -> Account:
    """Return what became of all parts of all requests."""
    account = Account()
    by_number = {request.number: request for request in requests}
    of_trace = _requests_of_traces(documents, account)
    parts: dict[int, list[Document]] = defaultdict(list)
    mixed: dict[str, list[str]] = defaultdict(list)
    for document in documents:
        # What is logged when a span has ended belongs to its request only if it is in its session:
        # an access log need not be.
        number = (
            of_trace.get(document.trace)
            if document.trace
            else document.marker
            if document.session
            else None
        )
        request = by_number.get(-1 if number is None else number)
        if request is None:
            account.outside += 1
        else:
            parts[request.number].append(document)
        if document.session != (request.session if request else None):
            account.mixed += 1
            where = f"{request.route.method} {request.route.path}" if request else "no request"
            mixed[f"{document.kind} of {where}"].append(
                f"{document.text!r} has session {document.session}"
            )
    for what, texts in mixed.items():
        account.problems.append(
            f"{len(texts)} documents are not in the session of their request: {what}, like "
            f"{texts[0]}"
        )
    _compare(requests, parts, account)
    _look_for_parents(documents, account)
    return account


def _requests_of_traces(documents: Sequence[Document], account: Account) -> dict[str, int]:
    """Return the request that began each trace; one trace of two requests is a problem."""
    found: dict[str, int] = {}
    shared = set()
    for document in documents:
        begins = document.kind == "Server" and not document.parent and document.marker is not None
        if begins and found.setdefault(document.trace, document.marker or 0) != document.marker:
            shared.add(document.trace)
    if shared:
        account.mixed += len(shared)
        account.problems.append(f"{len(shared)} traces belong to several requests")
    return found


def _compare(
    requests: Sequence[Request], parts: Mapping[int, Sequence[Document]], account: Account
) -> None:
    differing: Counter[str] = Counter()
    for request in requests:
        seen, expected = _counts(parts.get(request.number, ())), request.route.leaves
        account.seen, account.expected = account.seen.plus(seen), account.expected.plus(expected)
        for name, there, due in zip(Counts._fields, seen, expected, strict=True):
            account.missing += max(0, due - there)
            account.surplus += max(0, there - due)
            if there != due:
                differing[
                    f"{request.route.method} {request.route.path}: {there} {name} in place of {due}"
                ] += 1
    account.problems += [
        f"{sentence}, in {number} requests" for sentence, number in differing.items()
    ]


def _counts(documents: Iterable[Document]) -> Counts:
    total = Counts()
    for document in documents:
        total = total.plus(document.counts())
    return total._replace(exceptions=min(1, total.exceptions))


def _look_for_parents(documents: Sequence[Document], account: Account) -> None:
    """Count spans that must have been there, as others name them."""
    spans = {
        (document.trace, document.span)
        for document in documents
        if document.kind not in ("log", "event")
    }
    named = {(one.trace, one.parent): one for one in documents if one.parent}
    named |= {(one.trace, one.span): one for one in documents if one.span}
    if lost := [one for key, one in named.items() if key not in spans]:
        account.missing += len(lost)
        account.problems.append(
            f"{len(lost)} spans are missing that others name, like the one around {lost[0].text!r}"
        )


_VARYING = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,}|\d+")
"""What two runs of an application never have in common:

addresses in memory, identifiers, numbers.
"""


@dataclass
class Lines:
    """The console of the instrumented run beside that of the bare one.

    Attributes:
        bare: Lines of the bare run.
        seen: Those of them that the instrumented run printed as well.
        more: Lines that only the instrumented run printed, but for what a stack gains and what is
            foreseen.
        problems: Sentences.
    """

    bare: int
    seen: int
    more: int
    problems: list[str] = field(default_factory=list)


def compare_consoles(
    bare: str, instrumented: str, *, says: Sequence[str] = (), hides: Sequence[str] = ()
) -> Lines:
    """Compare line by line, whatever their order, with all numbers taken out.

    Args:
        bare: What the bare run printed.
        instrumented: What the instrumented run printed.
        says: Parts of lines that only the instrumented run prints, as it should.
        hides: Parts of lines that it need not print.
    """
    before, after = Counter(_lines(bare)), Counter(_lines(instrumented))
    missing = _without(before - after, hides)
    # A stack has frames of the instrumentation in it: they are indented.
    more = _without(
        Counter(
            {
                line: number
                for line, number in (after - before).items()
                if not line.startswith((" ", "|"))
            }
        ),
        says,
    )
    lines = Lines(before.total(), before.total() - missing.total(), more.total())
    for lot, what in (
        (missing, "lines of the bare run are not printed"),
        (more, "lines are printed besides"),
    ):
        if lot:
            examples = "; ".join(
                f"{number} times {line!r}" for line, number in lot.most_common(_SHOWN)
            )
            lines.problems.append(f"{lot.total()} {what}: {examples}")
    return lines


def _without(lines: Counter[str], texts: Sequence[str]) -> Counter[str]:
    return Counter(
        {line: number for line, number in lines.items() if not any(text in line for text in texts)}
    )


def _lines(console: str) -> list[str]:
    # The marks below a line of a stack depend on the version of Python's own, and say nothing.
    lines = (_VARYING.sub("#", line.rstrip()) for line in console.splitlines())
    return [line for line in lines if line.strip(" ~^|")]
