"""Trace and span ids from the system's randomness, which no application can seed.

The SDK takes its ids from the global `random`. An application that seeds it, in each request or at
the start of every worker, gets the same ids again and again. Its traces run into each other, and in
Elasticsearch, where a span's `_id` is made of them, the second span with an id is lost.

Each id is one system call, and no state is kept, so forks (uWSGI runs no at-fork hooks) and
greenlets cannot share any. A call takes 0.5 us; a block of randomness kept in the process would
need to ask for the process's id each time, which takes a third of that.
"""

from __future__ import annotations

import os

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import INVALID_SPAN_ID, INVALID_TRACE_ID

__all__ = ["SystemRandomIdGenerator"]


class SystemRandomIdGenerator(RandomIdGenerator):
    """Makes trace and span ids from the system's randomness: `random.seed()` repeats none.

    Keeps no state; safe with threads, greenlets and forks.
    """

    def generate_span_id(self) -> int:
        """Return a new span id: 64 random bits, not all zero."""
        return _random(8, INVALID_SPAN_ID)

    def generate_trace_id(self) -> int:
        """Return a new trace id: 128 random bits, not all zero."""
        return _random(16, INVALID_TRACE_ID)


def _random(size: int, invalid: int) -> int:
    while (number := int.from_bytes(os.urandom(size), "big")) == invalid:
        pass
    return number
