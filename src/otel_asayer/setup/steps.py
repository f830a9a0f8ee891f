"""Steps of setup: planned by reading alone, shown or carried out later.

A plan that is only shown and one that is carried out are the same value, so a dry run cannot differ
from the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from otel_asayer.elasticsearch.bulk import Malformed, Outcome as Verdict, parse_answer
from otel_asayer.errors import ElasticsearchError

if TYPE_CHECKING:
    from otel_asayer.elasticsearch.api import Api

__all__ = ["Outcome", "Request", "Step", "carry_out"]


class Request(NamedTuple):
    """A request that changes something."""

    method: str
    target: str
    body: Any = None
    """JSON; bytes are the body of a bulk request with one document."""


class Step(NamedTuple):
    """One thing that setup looked at."""

    subject: str
    """What, `index template otel-asayer-replay`."""
    word: str
    """What its requests make of it (`installed`, `created`) or, when there are none, how it stands (`present`, `left alone`)."""
    note: str = ""
    """A sentence about it."""
    requests: tuple[Request, ...] = ()
    advised: tuple[Request, ...] = ()
    """What its owner may send, and setup does not."""
    problem: bool = False
    """Whether a person has to do something before all works."""


class Outcome(NamedTuple):
    """A step that was carried out, as far as it went."""

    step: Step
    contents: tuple[dict[str, Any], ...] = ()
    """The answers, one for each request."""
    failure: str = ""
    """Why it went no further, in sentences."""

    @property
    def word(self) -> str:
        """What became of it."""
        return "failed" if self.failure else self.step.word

    @property
    def problem(self) -> bool:
        """Whether a person has to do something before all works."""
        return bool(self.failure) or self.step.problem


def carry_out(api: Api, step: Step) -> Outcome:
    """Send the requests of a step, one after the other, until one fails."""
    contents: list[dict[str, Any]] = []
    try:
        for request in step.requests:
            # What came before a failure stays
            contents.append(_send(api, request, f"for the {step.subject} to be {step.word}"))  # noqa: PERF401
    except ElasticsearchError as error:
        return Outcome(step, tuple(contents), str(error))
    return Outcome(step, tuple(contents))


def _send(api: Api, request: Request, doing: str) -> dict[str, Any]:
    content = api.expect(request.method, request.target, request.body, doing=doing)
    if isinstance(request.body, bytes):
        _judge(content)
    return content


def _judge(content: dict[str, Any]) -> None:
    """Raise what the one item of a bulk answer says, unless its document is there now."""
    try:
        answer = parse_answer(orjson.dumps(content), 1)
    except Malformed as malformed:
        raise ElasticsearchError(
            f"Elasticsearch was not understood: {malformed}. Check what stands between it and here."
        ) from None
    for _, finding in answer.others:
        if finding.outcome is not Verdict.DUPLICATE:
            raise ElasticsearchError(
                f"Elasticsearch refuses the document: {finding}. "
                f"{finding.advice or 'The rest of the setup does not need it'}."
            )
