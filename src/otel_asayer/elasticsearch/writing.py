"""Writing for a person who waits:

one request, searchable when it is answered, and what was not taken said at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_asayer.elasticsearch.bulk import (
    BulkItemResult,
    Disposition,
    MalformedAnswerError,
    judge_request,
    parse_answer,
    target,
)
from otel_asayer.elasticsearch.client import UnreachableError
from otel_asayer.elasticsearch.explain import explain_unreachable
from otel_asayer.errors import ElasticsearchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_asayer.config import Config
    from otel_asayer.documents import Operation
    from otel_asayer.elasticsearch.client import Requester

__all__ = ["write"]


def write(
    client: Requester, config: Config, operations: Sequence[Operation], *, timeout: float
) -> list[BulkItemResult]:
    """Send operations as the exporter sends them.

    Args:
        client: the way to Elasticsearch.
        config: its ingest pipeline.
        operations: at least one, and as many as one request holds.
        timeout: seconds for the request.

    Returns:
        What became of those that are not in Elasticsearch now; one finding where that is the whole
        request's.

    Raises:
        ElasticsearchError: Elasticsearch does not answer, or not so that it can be understood.
    """
    try:
        response = client.request(
            "POST", f"{target(config.pipeline)}&refresh=true", b"".join(operations), timeout=timeout
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
