"""The read model of a session: from stored documents to events in order, and to errors in groups.

Pure.
"""

from otel_asayer.sanitize import DIRECTIONS, sanitize_line, sanitize_text
from otel_asayer.timeline.bounds import MAX_EVENTS, Part
from otel_asayer.timeline.errors import ErrorGroup, group_errors
from otel_asayer.timeline.events import EventKind, TimelineEvent, event_of
from otel_asayer.timeline.stored import Selection, Stored, flat, nanoseconds
from otel_asayer.timeline.subject import parse_subject
from otel_asayer.timeline.timeline import Timeline
from otel_asayer.timeline.times import NS_PER_S, ago, date, duration, iso, offset

__all__ = [
    "DIRECTIONS",
    "MAX_EVENTS",
    "NS_PER_S",
    "ErrorGroup",
    "EventKind",
    "Part",
    "Selection",
    "Stored",
    "Timeline",
    "TimelineEvent",
    "ago",
    "date",
    "duration",
    "event_of",
    "flat",
    "group_errors",
    "iso",
    "nanoseconds",
    "offset",
    "parse_subject",
    "sanitize_line",
    "sanitize_text",
]
