"""Requests of a person to an Elasticsearch:

each answer comes parsed, and each failure as sentences that say what to do.
"""

from __future__ import annotations

import http
import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import orjson

from otel_asayer.elasticsearch.client import Client, Requester, UnreachableError
from otel_asayer.elasticsearch.explain import explain_refusal, explain_unreachable
from otel_asayer.errors import ElasticsearchError, NotAllowedError
from otel_asayer.sanitize import sanitize_line

if TYPE_CHECKING:
    from otel_asayer.config import Config

__all__ = ["OLDEST", "Answer", "AnswerTooLongError", "Api", "Identity"]

OLDEST: Final = (8, 12)
"""The oldest version that is served: `require_data_stream` came with it."""
_SUCCESS: Final = 2
_LONGEST_NAME: Final = 200


class AnswerTooLongError(ElasticsearchError):
    """An answer has more bytes than is good for us, or takes too long: one for less may come."""


class Closable(Requester, Protocol):
    """What is needed of the client."""

    def close(self) -> None:
        """Close idle connections."""


class Answer(NamedTuple):
    """An answer of whatever status, and its parsed body (nothing when it is no JSON object)."""

    status: int
    content: dict[str, Any]

    @property
    def good(self) -> bool:
        """Whether the request was carried out."""
        return self.status // 100 == _SUCCESS


class Identity(NamedTuple):
    """Who answers."""

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
        client: the way there.
        timeout: seconds for each request.
    """

    def __init__(self, client: Closable, *, timeout: float = 10.0) -> None:
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
        """Send a request, and return the answer of whatever status, and how many bytes it has.

        Args:
            method: GET, POST, …
            target: path and query.
            body: bytes as they are, anything else as JSON.
            timeout: seconds; None: those of this object.

        Raises:
            ElasticsearchError: nobody answers, or a success with what is no JSON; the message says
                why and what to do.
        """
        sent = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        try:
            response = self._client.request(
                method, target, sent, timeout=self._timeout if timeout is None else timeout
            )
        except UnreachableError as failure:
            raise (AnswerTooLongError if failure.too_long else ElasticsearchError)(
                explain_unreachable(failure.reason)
            ) from None
        content = _parse(response.body)
        if content is None and response.status // 100 == _SUCCESS:
            raise ElasticsearchError(
                f"Elasticsearch answered {response.status} with what is no JSON. Check whether "
                f"something changes it on its way."
            )
        return Answer(response.status, content or {}), len(response.body)

    def expect(
        self, method: str, target: str, body: object = None, *, doing: str, or_nothing: bool = False
    ) -> dict[str, Any]:
        """Send a request, and return the content of a good answer.

        Args:
            method: GET, POST, …
            target: path and query.
            body: bytes as they are, anything else as JSON.
            doing: what the request is for, `to search traces-*`, for the message of an error.
            or_nothing: return nothing where the server has no such thing.

        Raises:
            NotAllowedError: the key or user may not; the message names the privilege that is
                missing.
            ElasticsearchError: there is no good answer; the message says why and what to do.
        """
        answer = self.ask(method, target, body)
        if or_nothing and answer.status == http.HTTPStatus.NOT_FOUND:
            return {}
        return self.content_of(answer, doing)

    @staticmethod
    def content_of(answer: Answer, doing: str) -> dict[str, Any]:
        """Return the content of an answer, or raise as `expect` does when it is none of a success."""
        if answer.good:
            return answer.content
        kind = (
            NotAllowedError
            if answer.status in (http.HTTPStatus.FORBIDDEN, http.HTTPStatus.UNAUTHORIZED)
            else ElasticsearchError
        )
        raise kind(explain_refusal(answer.status, answer.content, doing))

    def identify(self) -> Identity | None:
        """Return who answers, or None when the key may not know.

        Raises:
            ElasticsearchError: nobody answers, the credentials are refused, or the version is one
                that is not served.
        """
        answer = self.ask("GET", "/")
        if answer.status == http.HTTPStatus.FORBIDDEN:
            return None
        if not answer.good:
            kind = (
                NotAllowedError
                if answer.status == http.HTTPStatus.UNAUTHORIZED
                else ElasticsearchError
            )
            raise kind(explain_refusal(answer.status, answer.content, "who it is"))
        told = answer.content.get("version")
        version = _name(told.get("number", "")) if isinstance(told, dict) else ""
        serverless = isinstance(told, dict) and told.get("build_flavor") == "serverless"
        identity = Identity(version, _name(answer.content.get("cluster_name", "")), serverless)
        if not serverless and identity.release < OLDEST:
            oldest, found = ".".join(map(str, OLDEST)), version or "of an unknown version"
            raise ElasticsearchError(
                f"This is Elasticsearch {found}, and {oldest} is the oldest that is served: update "
                f"it."
            )
        return identity


def _name(told: object) -> str:
    return sanitize_line(str(told)[:_LONGEST_NAME])


def _parse(body: bytes) -> dict[str, Any] | None:
    """Return what a body says, None for what is no JSON.

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
