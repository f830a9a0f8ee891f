"""Trace and span ids that no application can seed.

The SDK takes its ids from the global `random`. An application that seeds it, in each request or at
the start of every worker, gets the same ids again and again. Its traces run into each other, and in
Elasticsearch, where a span's `_id` is made of them, the second span with an id is lost.
"""

from __future__ import annotations

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import INVALID_SPAN_ID, INVALID_TRACE_ID

from otel_asayer.randomness import random_bits

__all__ = ["SystemRandomIdGenerator"]


class SystemRandomIdGenerator(RandomIdGenerator):
    """Makes trace and span ids from numbers that the system seeds: `random.seed()` repeats none.

    Safe with threads, greenlets and forks.
    """

    def generate_span_id(self) -> int:
        """Return a new span id: 64 random bits, not all zero."""
        while (number := random_bits(64)) == INVALID_SPAN_ID:
            pass
        return number

    def generate_trace_id(self) -> int:
        """Return a new trace id: 128 random bits, not all zero."""
        while (number := random_bits(128)) == INVALID_TRACE_ID:
            pass
        return number
