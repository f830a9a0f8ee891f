"""The requests, sent from several threads, and what was answered."""

from __future__ import annotations

import http.client
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from applications.plan import THREADS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from applications.plan import Request

ANSWER_SECONDS = 120.0


def send(requests: Sequence[Request], port: int) -> list[str]:
    """Send all requests to an application, and return sentences about answers that are none, or are
    of another status."""
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda request: _answer(request, port), requests))
    wrong = Counter(
        f"{request.route.method} {request.route.path} answers {answer} in place of "
        f"{request.route.status}"
        for request, answer in zip(requests, answers, strict=True)
        if answer != str(request.route.status)
    )
    return [f"{sentence}, to {number} requests" for sentence, number in wrong.items()]


def _answer(request: Request, port: int) -> str:
    headers = {"User-Agent": request.marker}
    if request.header is not None:
        headers["X-Session-Id"] = request.header
    if request.route.body is not None:
        headers["Content-Type"] = request.route.content_type
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request(
            request.route.method,
            request.route.path.format(request=request.marker),
            request.route.body,
            headers,
        )
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        return f"with {type(error).__name__}"
    finally:
        connection.close()
    return str(answer.status)
