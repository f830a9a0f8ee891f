"""Trace and span ids in the form of documents: lower-case hex of full width."""

from __future__ import annotations

from typing import Final

__all__ = ["hex_span_id", "hex_trace_id"]

# Bound methods of strings: twice as fast as the API's format_trace_id() and format_span_id(), which
# give the same.
hex_trace_id: Final = "%032x".__mod__
hex_span_id: Final = "%016x".__mod__
