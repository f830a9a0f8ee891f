"""Links to a moment in a replay.

`https://app.openreplay.com/{project_id}/session/{session_id}?jumpto={time_ms}` is the form of
Asayer and OpenReplay. `jumpto` is a time in milliseconds since 1970 from OpenReplay 1.15 on, and an
offset from the session's start in 1.5 to 1.14: hence two placeholders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_asayer.config.parsers import parse_replay_url

if TYPE_CHECKING:
    from otel_asayer.propagation.session_id import SessionId

__all__ = ["ReplayLink"]

_NS_PER_MS = 1_000_000


class ReplayLink:
    """A template of links, with `{session_id}`, and `{time_ms}` or `{offset_ms}` for the moment in the replay."""

    __slots__ = ("_fill",)

    def __init__(self, template: str) -> None:
        """Check `template` once, so that filling it cannot fail.

        Raises:
            ValueError: `template` has no `{session_id}`, or a placeholder that does not exist.
        """
        self._fill = parse_replay_url(template).format

    def url(self, session_id: SessionId, time_ns: int) -> str | None:
        """Return the link to the moment `time_ns` (nanoseconds since 1970) of a session, or None
        for an opaque one, which has no replay.

        A moment before the session's start (clocks differ) is its start.
        """
        started_at_ms = session_id.started_at_ms
        if started_at_ms is None:
            return None
        time_ms = max(time_ns, 0) // _NS_PER_MS
        return self._fill(
            session_id=session_id, time_ms=time_ms, offset_ms=max(time_ms - started_at_ms, 0)
        )
