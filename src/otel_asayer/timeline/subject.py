"""What a person means by a session: an id, a token, the address of a replay, or a trace."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from otel_asayer.errors import InvalidSessionIdError
from otel_asayer.propagation.session_id import parse_session_id
from otel_asayer.timeline.stored import Selection

if TYPE_CHECKING:
    from otel_asayer.propagation.session_id import SessionId

__all__ = ["parse_subject"]

_TRACE_ID: Final = re.compile(
    r"(?:[0-9a-f]{2}-)?(?P<trace_id>(?!0{32})[0-9a-f]{32})(?:-[0-9a-f]{16}-[0-9a-f]{2})?",
    re.IGNORECASE,
)
_IN_PATH: Final = re.compile(r"/sessions?/(?P<session_id>[0-9]+)(?![^/?#])")
"""Where Asayer and OpenReplay have the id in their addresses."""


def parse_subject(text: str, *, replay_url: str | None = None, opaque: bool = False) -> Selection:
    """Return the documents that `text` asks for: of a session or a trace, and of either where ids
    of other systems look like those of traces.

    Args:
        text: a session's id, a token of OpenReplay, the address of a replay (with or without its
            scheme), a trace id or a `traceparent`.
        replay_url: the template of replays' addresses, for those that have no `/session/` in their
            path.
        opaque: admit ids of other systems too.

    Raises:
        InvalidSessionIdError: it is none of these. What it is is not repeated: it may be a secret.
    """
    text = text.strip()
    if trace := _TRACE_ID.fullmatch(text):
        # A UUID without dashes can be either, and no number is both: chance gives none twice.
        as_session = (
            parse_session_id(text, opaque=True) if opaque and trace["trace_id"] == text else None
        )
        return Selection(session_id=as_session or "", trace_id=trace["trace_id"].lower())
    session_id = (
        _of_address(text, replay_url, opaque=opaque)
        if "/" in text
        else parse_session_id(text, opaque=opaque)
    )
    if session_id is None:
        raise InvalidSessionIdError(
            "What was given is no session: expected its id (a decimal number), a token, the "
            "address of its replay, "
            "or the id of a trace (32 hexadecimal digits)."
        )
    return Selection(session_id=session_id)


def _of_address(address: str, replay_url: str | None, *, opaque: bool) -> SessionId | None:
    patterns = filter(None, (_pattern(replay_url), _IN_PATH))
    ids = (
        parse_session_id(found["session_id"], opaque=opaque)
        for pattern in patterns
        if (found := pattern.search(address))
    )
    return next(filter(None, ids), None)


def _pattern(replay_url: str | None) -> re.Pattern[str] | None:
    """A pattern of the addresses that a template makes, up to and with their session id."""
    if not replay_url:
        return None
    before = re.sub(
        r"\\\{[a-z_]+\\\}", "[^/?&#]*", re.escape(replay_url.partition("{session_id}")[0])
    )
    return re.compile(f"{before}(?P<session_id>[A-Za-z0-9._~-]+)")
