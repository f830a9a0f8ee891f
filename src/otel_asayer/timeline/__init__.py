"""The read model of a session: stored documents become events in order, and errors in groups.

`search`, `stores` and `failure_stores` read documents; all other modules are pure.
"""

from otel_asayer.sanitize import DIRECTIONS, sanitize_line, sanitize_text
from otel_asayer.timeline.errors import CodeLocation, ErrorGroup, group_errors, location_of
from otel_asayer.timeline.events import EventKind, TimelineEvent, event_of
from otel_asayer.timeline.selection import Selection, parse_selection
from otel_asayer.timeline.stored import MAX_EVENTS, Part, Stored, flat, identifier
from otel_asayer.timeline.timeline import Timeline
from otel_asayer.timeline.times import NS_PER_S, ago, date, duration, iso, nanoseconds, offset

__all__ = [
    "DIRECTIONS",
    "MAX_EVENTS",
    "NS_PER_S",
    "CodeLocation",
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
    "identifier",
    "iso",
    "location_of",
    "nanoseconds",
    "offset",
    "parse_selection",
    "sanitize_line",
    "sanitize_text",
]
