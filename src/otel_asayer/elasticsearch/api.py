"""Requests that a person waits for: parsed answers, and failures in helpful sentences."""

from __future__ import annotations

import http
import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from otel_asayer.elasticsearch.bulk import (
    BulkItemResult,
    Disposition,
    MalformedAnswerError,
    judge_request,
    parse_answer,
    target as bulk_target,
)
from otel_asayer.elasticsearch.client import Client, Requester, UnreachableError
from otel_asayer.elasticsearch.explain import explain_refusal, explain_unreachable
from otel_asayer.errors import ElasticsearchError, NotAllowedError
from otel_asayer.sanitize import sanitize_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_asayer.config import Config
    from otel_asayer.documents import Operation

__all__ = ["OLDEST", "Answer", "AnswerTooLongError", "Api", "Identity", "write"]

OLDEST: Final = (8, 12)
"""The oldest supported version: `require_data_stream` came with it."""
_SUCCESS: Final = 2


class AnswerTooLongError(ElasticsearchError):
    """An answer is too large or takes too long; one to a smaller request may come."""


class Answer(NamedTuple):
    """An answer of whatever status, and its parsed body (empty when it is no JSON object)."""

    status: int
    content: dict[str, Any]

    @property
    def good(self) -> bool:
        """Whether the request was carried out."""
        return self.status // 100 == _SUCCESS


class Identity(NamedTuple):
    """Which Elasticsearch answers."""

    version: str
    cluster: str
    serverless: bool = False
    """Whether it is Elastic's serverless one:

    always of today, whatever number it gives for old clients.
    """

    @property
    def release(self) -> tuple[int, ...]:
        """Major and minor number; nothing of what is no version."""
        found = re.match(r"([0-9]{1,4})\.([0-9]{1,4})", self.version)
        return tuple(map(int, found.groups())) if found else ()


class Api:
    """An Elasticsearch for a person's commands; close it after use (`contextlib.closing`).

    Args:
        client: The way there.
        timeout: Seconds for each request.
    """

    def __init__(self, client: Requester, *, timeout: float = 10.0) -> None:
        self._client = client
        self._timeout = timeout

    @classmethod
    def from_config(cls, config: Config, *, timeout: float | None = None) -> Api:
        """Return the Elasticsearch that `config` names, asked within its timeout."""
        return cls(Client(config), timeout=config.timeout if timeout is None else timeout)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(
        self, method: str, target: str, body: object = None, *, timeout: float | None = None
    ) -> Answer:
        """Send a request, and return the answer of whatever status; see `measured`."""
        return self.measured(method, target, body, timeout=timeout)[0]

    def measured(
        self, method: str, target: str, body: object = None, *, timeout: float | None = None
    ) -> tuple[Answer, int]:
        """Send a request, and return the answer of whatever status, and its size in bytes.

        Args:
            method: GET, POST, …
            target: Path and query.
            body: Bytes as they are, anything else as JSON.
            timeout: Seconds; None: those of this object.

        Raises:
            ElasticsearchError: nobody answers, or a success is no JSON; the message says why and
                what to do.
        """
        try:
            response = self._client.request(
                method,
                target,
                body if body is None or isinstance(body, bytes) else orjson.dumps(body),
                timeout=self._timeout if timeout is None else timeout,
            )
        except UnreachableError as failure:
            raise (AnswerTooLongError if failure.too_long else ElasticsearchError)(
                explain_unreachable(failure.reason)
            ) from None
        content = _parse(response.body)
        if content is None and response.status // 100 == _SUCCESS:
            raise ElasticsearchError(
                f"Elasticsearch answered {response.status}, and the answer is not JSON. Check "
                f"whether something between here and there changes it."
            )
        return Answer(response.status, content or {}), len(response.body)

    def expect(
        self, method: str, target: str, body: object = None, *, doing: str, or_nothing: bool = False
    ) -> dict[str, Any]:
        """Send a request, and return the content of a good answer.

        Args:
            method: GET, POST, …
            target: Path and query.
            body: Bytes as they are, anything else as JSON.
            doing: What the request is for, `to search traces-*`, for the message of an error.
            or_nothing: Return nothing where the server has no such thing.

        Raises:
            NotAllowedError: the key or user may not; the message names the missing privilege.
            ElasticsearchError: there is no good answer; the message says why and what to do.
        """
        answer = self.ask(method, target, body)
        return (
            {}
            if or_nothing and answer.status == http.HTTPStatus.NOT_FOUND
            else self.content_of(answer, doing)
        )

    @staticmethod
    def content_of(answer: Answer, doing: str) -> dict[str, Any]:
        """Return the content of a good answer; raise as `expect` does for any other."""
        if answer.good:
            return answer.content
        kind = (
            NotAllowedError
            if answer.status in (http.HTTPStatus.FORBIDDEN, http.HTTPStatus.UNAUTHORIZED)
            else ElasticsearchError
        )
        raise kind(explain_refusal(answer.status, answer.content, doing))

    def identify(self) -> Identity | None:
        """Return which Elasticsearch answers, or None when the key may not know.

        Raises:
            ElasticsearchError: nobody answers, the credentials are refused, or the version is not
                supported.
        """
        answer = self.ask("GET", "/")
        if answer.status == http.HTTPStatus.FORBIDDEN:
            return None
        content = self.content_of(answer, "who it is")
        told = content.get("version")
        version = _name(told.get("number", "")) if isinstance(told, dict) else ""
        serverless = isinstance(told, dict) and told.get("build_flavor") == "serverless"
        identity = Identity(version, _name(content.get("cluster_name", "")), serverless)
        if not serverless and identity.release < OLDEST:
            oldest, found = ".".join(map(str, OLDEST)), version or "of an unknown version"
            raise ElasticsearchError(
                f"This is Elasticsearch {found}, and {oldest} is the oldest supported version: "
                f"update it."
            )
        return identity


def _name(told: object) -> str:
    return sanitize_line(str(told)[:200])


def _parse(body: bytes) -> dict[str, Any] | None:
    """Return what a body says, None if it is not JSON.

    Documents may hold half a surrogate pair, escaped: orjson refuses it, json does not.
    """
    try:
        content = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            return None
    return content if isinstance(content, dict) else {"list": content}


def write(
    client: Requester, config: Config, operations: Sequence[Operation], *, timeout: float
) -> list[BulkItemResult]:
    """Send operations as the exporter sends them; they are searchable when this returns.

    Args:
        client: The way to Elasticsearch.
        config: Its ingest pipeline.
        operations: At least one, and as many as one request holds.
        timeout: Seconds for the request.

    Returns:
        The results of those that are not in Elasticsearch now; a single one where it is the whole
        request's.

    Raises:
        ElasticsearchError: Elasticsearch does not answer, or its answer cannot be understood.
    """
    try:
        response = client.request(
            "POST",
            f"{bulk_target(config.pipeline)}&refresh=true",
            b"".join(operations),
            timeout=timeout,
        )
    except UnreachableError as failure:
        raise ElasticsearchError(explain_unreachable(failure.reason)) from None
    whole = judge_request(response.status, response.body)
    if whole.disposition is not Disposition.INDEXED:
        return [whole]
    try:
        answer = parse_answer(response.body, len(operations))
    except MalformedAnswerError as error:
        raise ElasticsearchError(
            f"Elasticsearch's answer to a bulk request cannot be read: {error}. Is a proxy in "
            f"between?"
        ) from None
    return [
        finding for _, finding in answer.others if finding.disposition is not Disposition.DUPLICATE
    ]
