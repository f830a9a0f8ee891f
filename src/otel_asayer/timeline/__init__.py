"""The read model of a session: stored documents become events in order, and errors in groups.

`search`, `stores` and `failure_stores` read documents; all other modules are pure.
"""

from otel_asayer.sanitize import DIRECTIONS, sanitize_line, sanitize_text
from otel_asayer.timeline.errors import (
    CodeLocation,
    ErrorGroup,
    StackPart,
    group_errors,
    location_of,
    stack_parts,
)
from otel_asayer.timeline.events import EventKind, TimelineEvent, event_of
from otel_asayer.timeline.selection import Selection, parse_selection
from otel_asayer.timeline.sessions import MAX_SESSIONS, SessionFilter, SessionSummary, linked
from otel_asayer.timeline.stored import MAX_EVENTS, Part, Stored, flat, identifier
from otel_asayer.timeline.timeline import Timeline
from otel_asayer.timeline.times import (
    NS_PER_S,
    ago,
    date,
    duration,
    iso,
    nanoseconds,
    offset,
    offset_ns,
)

__all__ = [
    "DIRECTIONS",
    "MAX_EVENTS",
    "MAX_SESSIONS",
    "NS_PER_S",
    "CodeLocation",
    "ErrorGroup",
    "EventKind",
    "Part",
    "Selection",
    "SessionFilter",
    "SessionSummary",
    "StackPart",
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
    "linked",
    "location_of",
    "nanoseconds",
    "offset",
    "offset_ns",
    "parse_selection",
    "sanitize_line",
    "sanitize_text",
    "stack_parts",
]
