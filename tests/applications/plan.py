"""What an application is, which requests it meets, and what each of them must leave in
Elasticsearch: values only."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUESTS = 220
THREADS = 8

_FIRST, _SECOND, _THIRD = "2618307011354435587", "2618307011354435588", "9007199254740993"
HEADERS: tuple[tuple[str | None, str | None], ...] = (
    (_FIRST, _FIRST),
    (None, None),
    (_SECOND, _SECOND),
    ("not-a-session", None),
    (f"{_THIRD}, {_THIRD}", _THIRD),
    (_FIRST, _FIRST),
    ("18446744073709551616", None),
    (_THIRD, _THIRD),
    ("", None),
    ("1 2", None),
    (_SECOND, _SECOND),
)
"""Values of the header `X-Session-Id`, None for no header, and the session that each must lead to.
"""


class Counts(NamedTuple):
    """What one request leaves, or all of them together."""

    spans: int = 0
    """Of the kinds SERVER and CONSUMER: what was taken in."""
    calls: int = 0
    """Spans of the kinds CLIENT and PRODUCER, but for those of databases: what went out."""
    logs: int = 0
    exceptions: int = 0
    """Requests with at least one exception that has a stack."""

    def plus(self, other: Counts) -> Counts:
        """Sum up."""
        return Counts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


ONE_SPAN = Counts(spans=1)


@dataclass(frozen=True)
class Route:
    """A kind of request.

    Attributes:
        path: Path and query; `{request}` in it becomes a word that names the request.
        method: The HTTP method.
        body: What is sent.
        content_type: Of the body.
        status: What the application answers, bare and instrumented.
        leaves: What is in Elasticsearch afterwards.
    """

    path: str
    method: str = "GET"
    body: bytes | None = None
    content_type: str = "application/x-www-form-urlencoded"
    status: int = 200
    leaves: Counts = ONE_SPAN


class Request(NamedTuple):
    """One request of the traffic."""

    number: int
    route: Route
    header: str | None
    session: str | None

    @property
    def marker(self) -> str:
        """A word that names the request, in its path or in its user agent."""
        return f"request-{self.number}-"


@dataclass(frozen=True)
class Process:
    """One process of an application. In `command` and `variables`, `{NAME}` is the port of the
    process of that name.

    `{folder}` is the folder of the run, `{programs}` that of our own programs, and `{environment}`
    that of the packages.

    Attributes:
        name: Of its port.
        command: What to run.
        variables: Its environment, besides that of the run.
        ready: A text on its console that says that it is ready; without one it is when it listens.
        plain: Whether it is no application in Python: it is never instrumented, and its console is
            not looked at.
        ends_by: The signal that ends it.
    """

    name: str
    command: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    ready: str = ""
    plain: bool = False
    ends_by: signal.Signals = signal.SIGTERM


@dataclass(frozen=True)
class Application:
    """What runs, and what it meets.

    Attributes:
        name: In the table.
        environment: The folder under `.cache/applications`, and the file in `requirements/`.
        processes: In the order in which they start; the last one takes the requests.
        routes: Kinds of requests, one after the other.
        prepare: A command of the environment, run once when that is made, in its folder.
        files: Names in the environment's folder, made by `prepare`, that a run finds in its own.
        says: Parts of lines that only the instrumented run prints, and that are as they should be.
        hides: Parts of lines that the instrumented run may lack.
    """

    name: str
    environment: str
    processes: tuple[Process, ...]
    routes: tuple[Route, ...]
    prepare: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()

    def requests(self, number: int = REQUESTS) -> list[Request]:
        """Return the traffic: each kind of request meets each kind of header."""
        kinds, headers = len(self.routes), len(HEADERS)
        return [
            Request(index, self.routes[index % kinds], *HEADERS[(index + index // kinds) % headers])
            for index in range(number)
        ]
