"""First contact with an Elasticsearch: install our index templates where they are missing, where we
may, and where nothing stands in the way.

Replay records also need the ingest pipeline that their operations name. It is put after their
template: where it is, the template is.

What is there is never overwritten: a template of our name, a template of higher rank for the same
streams, whoever bears the alias `logs`. Elasticsearch does not version a template's owner, so `PUT`
goes with `create=true`, and of several processes at first contact one wins.
"""

from __future__ import annotations

import http
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from otel_asayer.elasticsearch.explain import reason_of
from otel_asayer.setup.inventory import (
    BEARERS,
    TEMPLATES,
    Template,
    clash_of,
    example_of,
    former_sentence,
    former_streams,
    hidden_sentence,
    rival_of,
    stream_of,
    templates_in,
)
from otel_asayer.setup.refusals import OUT_OF_ORDER, Lesser, without_refused
from otel_asayer.setup.template_bodies import (
    LOGS,
    PIPELINE,
    PIPELINE_TARGET,
    REPLAY,
    TRACES,
    IndexTemplate,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_asayer.config import Config
    from otel_asayer.elasticsearch.client import Requester

__all__ = ["SetupReport", "ensure"]

_AGAIN: Final = "Setup is tried again when the application starts next; OTEL_EXPORTER_ELASTICSEARCH_SETUP=off leaves it to you."
_SETUP: Final = "`otel-asayer setup`, with a user that may, puts it right"
_UNTIL: Final = "Until then no replay records can be delivered"
_SOON: Final = "It is tried again with the next export."
_FOR_NOW: Final = (
    http.HTTPStatus.TOO_MANY_REQUESTS,
    http.HTTPStatus.BAD_GATEWAY,
    http.HTTPStatus.SERVICE_UNAVAILABLE,
    http.HTTPStatus.GATEWAY_TIMEOUT,
)
"""Statuses of a server that is starting, overloaded, or without a master."""


@dataclass(frozen=True)
class SetupReport:
    """What setup did.

    `installed` are names of index templates, new on the server. `problems` are sentences, each with
    what to do next; nothing that the key simply may not do is among them, for the recommended one
    cannot install templates.
    """

    installed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    unfinished: bool = False
    """Whether the server could not serve some of it at the moment: another try is worth it."""


def ensure(
    client: Requester,
    config: Config,
    *,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
) -> SetupReport:
    """Install those of our index templates that the server lacks, and say what stands in the way of
    the others.

    Args:
        client: The way to the server.
        config: Whether to set up at all, and which data streams will be written.
        timeout: Seconds that all requests may take together.
        clock: Seconds that only grow.

    Raises:
        Unreachable: The client's own, when there is no answer.
    """
    if config.setup == "off":
        return SetupReport()
    setup = _Setup(_Server(client, clock() + timeout, clock), config)
    templates = (TRACES, LOGS, REPLAY) if config.replay_records else (TRACES, LOGS)
    try:
        present = templates_in(setup.server.expect("GET", TEMPLATES))
    except _Stopped as stopped:
        return SetupReport(problems=stopped.problems, unfinished=stopped.for_now)
    outcomes = [setup.install(template, present) for template in templates]
    return SetupReport(
        tuple(
            template.name
            for template, outcome in zip(templates, outcomes, strict=True)
            if outcome.installed
        ),
        tuple(problem for outcome in outcomes for problem in outcome.problems),
        any(outcome.unfinished for outcome in outcomes),
    )


class _Outcome(NamedTuple):
    installed: bool = False
    problems: tuple[str, ...] = ()
    unfinished: bool = False


class _Stopped(Exception):  # noqa: N818 (no error: most often the key may not, and need not)
    """A step of setup goes no further, `for_now` or at all; `problems` is empty when that is as it should be."""

    def __init__(self, *problems: str, for_now: bool = False) -> None:
        super().__init__(*problems)
        self.problems = problems
        self.for_now = for_now


class _Server:
    """The server, asked until a deadline."""

    def __init__(self, client: Requester, deadline: float, clock: Callable[[], float]) -> None:
        self._client = client
        self._deadline = deadline
        self._clock = clock

    def ask(
        self, method: str, target: str, body: bytes | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Send a request; return the status, and the parsed body (nothing when it is no JSON object)."""
        left = self._deadline - self._clock()
        if left <= 0:
            raise _Stopped(
                f"Setup of Elasticsearch ran out of time before {method} {target}. {_SOON}",
                for_now=True,
            )
        response = self._client.request(method, target, body, timeout=left)
        if response.status in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
            raise _Stopped
        return response.status, _parse(response.body)

    def expect(self, method: str, target: str, *, or_nothing: bool = False) -> dict[str, Any]:
        """The parsed body of a good answer; with `or_nothing`, an empty one where the server has no such thing."""
        status, content = self.ask(method, target)
        if status == http.HTTPStatus.OK:
            return content
        if or_nothing and status == http.HTTPStatus.NOT_FOUND:
            return {}
        raise _unexpected(method, target, status, content)


@dataclass(frozen=True)
class _Setup:
    server: _Server
    config: Config

    def install(self, template: IndexTemplate, present: tuple[Template, ...]) -> _Outcome:
        """Install one template and, of replay records, the pipeline; unless something stands in the way."""
        outcome = _Outcome()
        try:
            there = next((other for other in present if other.name == template.name), None)
            rival = rival_of(template, stream_of(template, self.config), present)
            if template is REPLAY:
                self._check_way(there, rival)
            if not there and not rival:
                outcome = self._create(template)
            if template is REPLAY:
                self._put_pipeline()
        except _Stopped as stopped:
            return outcome._replace(
                problems=(*outcome.problems, *stopped.problems), unfinished=stopped.for_now
            )
        return outcome

    def _check_way(self, there: Template | None, rival: Template | None) -> None:
        """Stop where replay records would not be seen, or not in order:

        another template takes their indices, or the alias cannot stand on them.
        """
        indices = stream_of(REPLAY, self.config)
        if rival:
            simulated = self.server.expect(
                "POST", f"/_index_template/_simulate_index/{example_of(indices)}"
            )
            if sentence := hidden_sentence(rival, indices, REPLAY.priority, simulated):
                raise _Stopped(f"{sentence}. {_AGAIN}")
        elif there and there.is_of_streams:
            raise _Stopped(
                f"The index template {there.name} makes data streams, as an earlier version of it "
                f"did: {_SETUP}. {_UNTIL}. {_AGAIN}"
            )
        elif not there:
            self._check_alias()

    def _check_alias(self) -> None:
        bearers = self.server.expect("GET", BEARERS, or_nothing=True)
        if former := former_streams(bearers):
            raise _Stopped(f"{former_sentence(former)}. {_UNTIL}. {_AGAIN}")
        if clash := clash_of(bearers):
            raise _Stopped(
                f"{clash}; until then no replay records can be delivered "
                f"(OTEL_ASAYER_REPLAY_RECORDS=false writes none). {_AGAIN}"
            )

    def _put_pipeline(self) -> None:
        try:
            if not self.server.expect("GET", PIPELINE_TARGET, or_nothing=True):
                status, content = self.server.ask("PUT", PIPELINE_TARGET, orjson.dumps(PIPELINE))
                if status != http.HTTPStatus.OK:
                    raise _unexpected("PUT", PIPELINE_TARGET, status, content)
        except _Stopped as stopped:
            if stopped.problems:
                raise
            lacking = "The key may not install the ingest pipeline of replay records (the cluster privilege manage_ingest_pipelines)"
            raise _Stopped(f"{lacking}: {_SETUP}. {_UNTIL}. {_AGAIN}") from None

    def _create(self, template: IndexTemplate) -> _Outcome:
        target = f"/_index_template/{template.name}?create=true"
        lesser: Lesser | None = None
        status, content = self.server.ask("PUT", target, orjson.dumps(template.body))
        while status == http.HTTPStatus.BAD_REQUEST and (
            lesser := without_refused(template.body, reason_of(content), lesser)
        ):
            status, content = self.server.ask("PUT", target, orjson.dumps(lesser.body))
        if status == http.HTTPStatus.OK:
            return _Outcome(
                installed=True, problems=(f"{lesser}: {OUT_OF_ORDER}.",) if lesser else ()
            )
        if status != http.HTTPStatus.BAD_REQUEST:
            raise _unexpected("PUT", target, status, content)
        if self.server.ask("GET", f"/_index_template/{template.name}")[0] == http.HTTPStatus.OK:
            return _Outcome()  # another process was first
        raise _Stopped(
            f"Elasticsearch refused the index template {template.name}: {reason_of(content)}. "
            f"Versions from 8.15 on take it: update, "
            f"or install a template of your own for {', '.join(template.body['index_patterns'])}. "
            f"{_AGAIN}"
        )


def _unexpected(method: str, target: str, status: int, content: Mapping[str, Any]) -> _Stopped:
    for_now = status in _FOR_NOW
    sentence = f"Setup of Elasticsearch stopped: {method} {target} was answered with {status}, {reason_of(content)}."
    return _Stopped(f"{sentence} {_SOON if for_now else _AGAIN}", for_now=for_now)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}
