"""First contact with an Elasticsearch: once per process, install what is missing there.

It creates our index templates and pipeline where the key may, and where nothing stands in the way.
It never overwrites what is there. Elasticsearch does not version a template's owner, so `PUT` goes
with `create=true`: of several processes at first contact, one wins.
"""

from __future__ import annotations

import http
import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from otel_asayer.documents import json_object
from otel_asayer.elasticsearch.client import Requester, UnreachableError
from otel_asayer.elasticsearch.explain import reason_of
from otel_asayer.once import new_sentences
from otel_asayer.sanitize import sanitize_line
from otel_asayer.setup.planner import NO_REPLAY_RECORDS, Planner, Request
from otel_asayer.setup.templates import LOGS, REPLAY, TRACES, IndexTemplate

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_asayer.config import Config

__all__ = ["DeadlineServer", "FirstContact", "SetupReport", "ensure"]

_logger = logging.getLogger(__name__)

_AT_RESTART: Final = (
    "Setup is tried again when the application restarts; "
    "OTEL_EXPORTER_ELASTICSEARCH_SETUP=off leaves it to you."
)
_SOON: Final = "It is tried again with the next export."
# Statuses of a server that is starting, overloaded, or without a master.
_TEMPORARY: Final = (
    http.HTTPStatus.TOO_MANY_REQUESTS,
    http.HTTPStatus.BAD_GATEWAY,
    http.HTTPStatus.SERVICE_UNAVAILABLE,
    http.HTTPStatus.GATEWAY_TIMEOUT,
)


@dataclass(frozen=True)
class SetupReport:
    """What first contact did.

    Attributes:
        installed: Names of index templates that are new on the server.
        problems: Sentences, each with what to do next. What the key may not do is not among them:
            the recommended key cannot install templates.
        unfinished: Whether the server could not serve some of it for the moment, so that another
            try is worth it.
    """

    installed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    unfinished: bool = False


class FirstContact:
    """First contact of a process. Of two threads that export, one sets up and the other waits."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._done = config.setup == "off"
        self._lock = threading.Lock()

    def make(self, client: Requester, timeout: float) -> bool:
        """Make first contact, unless that is done; return whether it was made just now.

        Raises:
            UnreachableError: Elasticsearch does not answer.
        """
        if self._done:
            return False
        if not self._lock.acquire(timeout=timeout):
            raise UnreachableError("another thread's first contact is still under way")
        try:
            if not self._done:
                self._done = self._ensure(client, timeout)
        finally:
            self._lock.release()
        return True

    def _ensure(self, client: Requester, timeout: float) -> bool:
        """Set up; return whether it is finished."""
        try:
            report = ensure(client, self._config, timeout=timeout)
        except UnreachableError:
            raise
        except Exception as error:
            sentence = (
                "Elasticsearch was not set up: its answers were not understood "
                f"({type(error).__name__}). Documents are sent all the same."
            )
            report = SetupReport(problems=(sentence,))
        # Problems contain what the server says about itself.
        for problem in new_sentences(map(sanitize_line, report.problems)):
            _logger.warning("%s", problem)
        return not report.unfinished


def ensure(
    client: Requester,
    config: Config,
    *,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
) -> SetupReport:
    """Install what the server lacks of our templates and pipeline.

    Args:
        client: The way to the server.
        config: Whether to set up at all, and which data streams are written.
        timeout: Seconds for all requests together.
        clock: Monotonic seconds.

    Raises:
        UnreachableError: There is no answer.
    """
    return (
        SetupReport()
        if config.setup == "off"
        else _Installer(DeadlineServer(client, clock() + timeout, clock), config).run()
    )


@dataclass(eq=False)
class _Stopped(Exception):  # noqa: N818 (no error: most often the key may not, and need not)
    """A part of setup stopped; `problem` is empty where the key may not do it, and need not."""

    problem: str = ""
    temporary: bool = False


@dataclass(frozen=True)
class DeadlineServer:
    """The server, until a deadline; each method raises `_Stopped`.

    It has the methods of `elasticsearch.api.Api` that a plan needs.
    """

    client: Requester
    deadline: float
    clock: Callable[[], float]

    def ask(self, method: str, target: str, body: object = None) -> tuple[int, dict[str, Any]]:
        """Send a request; return the status, and the body (empty where it is no JSON object)."""
        left = self.deadline - self.clock()
        if left <= 0:
            raise _Stopped(
                f"Setup of Elasticsearch ran out of time before {method} {target}. {_SOON}",
                temporary=True,
            )
        response = self.client.request(
            method, target, None if body is None else orjson.dumps(body), timeout=left
        )
        if response.status in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
            raise _Stopped
        return response.status, json_object(response.body)

    def expect(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        doing: str = "",  # noqa: ARG002 (a person's message needs it)
        or_nothing: bool = False,
    ) -> dict[str, Any]:
        """Send a request; return the body of a success, or of a 404 nothing if `or_nothing`."""
        status, content = self.ask(method, target, body)
        if or_nothing and status == http.HTTPStatus.NOT_FOUND:
            return {}
        self.check(method, target, status, content)
        return content

    def check(self, method: str, target: str, status: int, content: dict[str, Any]) -> None:
        """Raise `_Stopped` for the answer of a request that is no success."""
        if status == http.HTTPStatus.OK:
            return
        temporary = status in _TEMPORARY
        raise _Stopped(
            f"Setup of Elasticsearch stopped: {method} {target} was answered with {status}, "
            f"{reason_of(content)}. {_SOON if temporary else _AT_RESTART}",
            temporary=temporary,
        )


class _Installer:
    """One run: each part is carried out as soon as it is planned, and stops alone."""

    def __init__(self, server: DeadlineServer, config: Config) -> None:
        self._server = server
        self._plan = Planner(server, config)
        self._installed: list[str] = []
        self._problems: list[str] = []
        self._unfinished = False

    def run(self) -> SetupReport:
        if self._finishes(lambda: self._plan.present):
            for template in (TRACES, LOGS):
                self._finishes(self._install, template)
            if self._plan.config.replay_records and self._finishes(self._install, REPLAY):
                self._finishes(self._install_pipeline)
        return SetupReport(tuple(self._installed), tuple(self._problems), self._unfinished)

    def _finishes(self, part: Callable[..., object], *arguments: IndexTemplate) -> bool:
        try:
            part(*arguments)
        except _Stopped as stopped:
            self._problems += filter(None, [stopped.problem])
            self._unfinished |= stopped.temporary
            return False
        return True

    def _install(self, template: IndexTemplate) -> None:
        plan = self._plan
        step = plan.replay_template() if template is REPLAY else plan.template(template)
        if step.problem:
            raise _Stopped(f"{step.note} {_AT_RESTART}")
        for request in step.requests:
            if self._create(template, request):
                self._installed.append(template.name)
                self._problems += filter(None, [step.note])

    def _create(self, template: IndexTemplate, request: Request) -> bool:
        """Create a template; return False where another process was first."""
        status, content = self._server.ask(*request)
        if status == http.HTTPStatus.BAD_REQUEST:
            target = f"/_index_template/{template.name}"
            if self._server.ask("GET", target)[0] == http.HTTPStatus.OK:
                return False
            raise _Stopped(
                f"Elasticsearch refused the index template {template.name}: {reason_of(content)}. "
                "Versions from 8.15 on accept it: update Elasticsearch, or install a template of "
                f"your own for {', '.join(template.body['index_patterns'])}. {_AT_RESTART}"
            )
        self._server.check(request.method, request.target, status, content)
        return True

    def _install_pipeline(self) -> None:
        try:
            for request in self._plan.pipeline().requests:
                self._server.expect(*request)
        except _Stopped as stopped:
            if stopped.problem:
                raise
            raise _Stopped(
                "The key may not install the ingest pipeline of replay records (cluster privilege "
                "manage_ingest_pipelines). `otel-asayer setup`, with a user that may, installs it. "
                f"{NO_REPLAY_RECORDS}. {_AT_RESTART}"
            ) from None
