"""The read model of a session: from stored documents to moments in order, and to errors in groups.

Pure.
"""

from otel_asayer.sanitize import DIRECTIONS, sanitize_line, sanitize_text
from otel_asayer.timeline.bounds import MOST_MOMENTS, Part
from otel_asayer.timeline.errors import ErrorGroup, group_errors
from otel_asayer.timeline.moments import Kind, Moment, moment_of
from otel_asayer.timeline.stored import Selection, Stored, flat, nanoseconds
from otel_asayer.timeline.subject import parse_subject
from otel_asayer.timeline.timeline import Timeline
from otel_asayer.timeline.times import NS_PER_S, ago, date, duration, iso, offset

__all__ = [
    "DIRECTIONS",
    "MOST_MOMENTS",
    "NS_PER_S",
    "ErrorGroup",
    "Kind",
    "Moment",
    "Part",
    "Selection",
    "Stored",
    "Timeline",
    "ago",
    "date",
    "duration",
    "flat",
    "group_errors",
    "iso",
    "moment_of",
    "nanoseconds",
    "offset",
    "parse_subject",
    "sanitize_line",
    "sanitize_text",
]
