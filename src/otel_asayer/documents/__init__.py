"""From spans and log records to the operations of a bulk request:

pure, without clock, randomness, thread or network.
"""

from otel_asayer.documents.encoder import DocumentSettings, Encoded, Encoder
from otel_asayer.documents.entries import entry_of
from otel_asayer.documents.exceptions import (
    EXCEPTION_STACKTRACE,
    EXCEPTION_TYPE,
    exception_message,
    exception_text,
    exception_type_name,
)
from otel_asayer.documents.log_records import level_of
from otel_asayer.documents.operations import (
    Metadata,
    Operation,
    action_of,
    is_our_action,
    mentions,
    metadata_of,
    source_of,
    with_new_id,
)
from otel_asayer.documents.replay_indices import (
    REPLAY_PIPELINE,
    day_of,
    day_of_index,
    moved_to_its_day,
)
from otel_asayer.documents.salvaging import is_salvaged, salvage
from otel_asayer.documents.streams import DataStreams
from otel_asayer.documents.values import one_line, text_of

__all__ = [
    "EXCEPTION_STACKTRACE",
    "EXCEPTION_TYPE",
    "REPLAY_PIPELINE",
    "DataStreams",
    "DocumentSettings",
    "Encoded",
    "Encoder",
    "Metadata",
    "Operation",
    "action_of",
    "day_of",
    "day_of_index",
    "entry_of",
    "exception_message",
    "exception_text",
    "exception_type_name",
    "is_our_action",
    "is_salvaged",
    "level_of",
    "mentions",
    "metadata_of",
    "moved_to_its_day",
    "one_line",
    "salvage",
    "source_of",
    "text_of",
    "with_new_id",
]
