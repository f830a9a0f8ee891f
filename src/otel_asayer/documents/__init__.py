"""Turns spans and log records into the operations of a bulk request.

Pure: it has no clock, randomness, thread or network of its own.
"""

from otel_asayer.documents.encoder import Encoded, Encoder
from otel_asayer.documents.operations import (
    REPLAY_PIPELINE,
    DataStreams,
    Metadata,
    Operation,
    ReplayIndices,
    action_of,
    day_of,
    day_of_index,
    is_our_action,
    mentions,
    metadata_of,
    moved_to_its_day,
    source_of,
    with_new_id,
)
from otel_asayer.documents.replay_records import ReplayLink
from otel_asayer.documents.salvaging import is_salvaged, salvage
from otel_asayer.documents.summaries import (
    EXCEPTION_MESSAGE,
    EXCEPTION_STACKTRACE,
    EXCEPTION_TYPE,
    entry_summary,
    exception_message,
    exception_text,
    exception_type_name,
    level_of,
    outgoing_summary,
)
from otel_asayer.documents.values import (
    iso_timestamp,
    json_object,
    one_line,
    otel_timestamp,
    text_of,
)

__all__ = [
    "EXCEPTION_MESSAGE",
    "EXCEPTION_STACKTRACE",
    "EXCEPTION_TYPE",
    "REPLAY_PIPELINE",
    "DataStreams",
    "Encoded",
    "Encoder",
    "Metadata",
    "Operation",
    "ReplayIndices",
    "ReplayLink",
    "action_of",
    "day_of",
    "day_of_index",
    "entry_summary",
    "exception_message",
    "exception_text",
    "exception_type_name",
    "is_our_action",
    "is_salvaged",
    "iso_timestamp",
    "json_object",
    "level_of",
    "mentions",
    "metadata_of",
    "moved_to_its_day",
    "one_line",
    "otel_timestamp",
    "outgoing_summary",
    "salvage",
    "source_of",
    "text_of",
    "with_new_id",
]
