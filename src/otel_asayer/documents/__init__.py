"""From spans and log records to the operations of a bulk request: pure, without clock, randomness, thread or network."""

from otel_asayer.documents.encoder import DocumentSettings, Encoded, Encoder
from otel_asayer.documents.salvaging import salvage
from otel_asayer.documents.values import one_line

__all__ = ["DocumentSettings", "Encoded", "Encoder", "one_line", "salvage"]
