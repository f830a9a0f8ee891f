"""Trace and span ids from the system's randomness, which no application can seed.

The SDK draws its ids from the global `random`. An application that seeds that, in each request or
at its start in every worker, gets the same ids again and again: its traces grow into each other,
and in Elasticsearch, where a span's `_id` is made of them, the second span of an id is lost.

Each id is one call of the system and nothing is kept between two, so that neither forks (uWSGI runs
no at-fork hooks) nor greenlets can come to share anything. It takes 0.5 us: to ask for the
process's id, as any block of randomness kept in the process would have to, takes a third of that.
"""

from __future__ import annotations

import os

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import INVALID_SPAN_ID, INVALID_TRACE_ID

__all__ = ["SystemRandomIdGenerator"]

_SPAN_ID_BYTES = 8
_TRACE_ID_BYTES = 16


class SystemRandomIdGenerator(RandomIdGenerator):
    """Draws trace and span ids from the system's randomness: `random.seed()` repeats none.

    Keeps no state; safe with threads, greenlets and forks.
    """

    def generate_span_id(self) -> int:
        """Return a new span id: 64 random bits, not all zero."""
        return _random(_SPAN_ID_BYTES, INVALID_SPAN_ID)

    def generate_trace_id(self) -> int:
        """Return a new trace id: 128 random bits, not all zero."""
        return _random(_TRACE_ID_BYTES, INVALID_TRACE_ID)


def _random(size: int, invalid: int) -> int:
    while (number := int.from_bytes(os.urandom(size), "big")) == invalid:
        pass
    return number
