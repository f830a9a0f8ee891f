"""The documents that a person asks for: of a session, or of a trace."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from otel_asayer.attributes import SESSION_ID
from otel_asayer.errors import InvalidSessionIdError
from otel_asayer.propagation.session_id import SessionId, parse_session_id
from otel_asayer.timeline.stored import flat, identifier
from otel_asayer.timeline.times import nanoseconds

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Selection", "parse_selection"]

_TRACE_ID: Final = re.compile(
    r"(?:[0-9a-f]{2}-)?(?P<trace_id>(?!0{32})[0-9a-f]{32})(?:-[0-9a-f]{16}-[0-9a-f]{2})?",
    re.IGNORECASE,
)
_IN_PATH: Final = re.compile(r"/sessions?/(?P<session_id>[0-9]+)(?![^/?#])")
"""Where Asayer and OpenReplay have the id in their URLs."""


@dataclass(frozen=True)
class Selection:
    """The documents of one session or one trace; with both ids, of the one that exists.

    `since_ns`: only documents from this time on, in nanoseconds since 1970. `known`: for a reader
    that polls, the ids of documents that it has; None for other readers.
    """

    session_id: str = ""
    trace_id: str = ""
    since_ns: int = 0
    known: frozenset[str] | None = field(default=None, compare=False, repr=False)

    @property
    def fields(self) -> Mapping[str, str]:
        """The fields that select, by their full names, and their values: one match is enough."""
        return {
            name: value
            for name, value in (
                (f"attributes.{SESSION_ID}", self.session_id),
                ("trace_id", self.trace_id),
            )
            if value
        }

    @property
    def named(self) -> str:
        """The session or trace, for a sentence."""
        if self.session_id and self.trace_id:
            return f"session or trace {self.session_id}"
        return f"session {self.session_id}" if self.session_id else f"trace {self.trace_id}"

    @property
    def title(self) -> str:
        """The session or trace, for a heading; the id stays as it is written."""
        return self.named[0].upper() + self.named[1:]

    @property
    def readings(self) -> tuple[Selection, ...]:
        """The session alone, and the trace alone, as far as each is selected."""
        one_by_one = (replace(self, trace_id=""), replace(self, session_id=""))
        return tuple(selection for selection in one_by_one if selection.fields)

    def holds(self, source: Mapping[str, Any]) -> bool:
        """Whether a document with this `_source` is one of them."""
        if nanoseconds(source.get("@timestamp")) < self.since_ns:
            return False
        is_of_trace = self.trace_id and identifier(source.get("trace_id")) == self.trace_id
        return bool(
            is_of_trace
            or (
                self.session_id
                and identifier(flat(source.get("attributes")).get(SESSION_ID)) == self.session_id
            )
        )


def parse_selection(text: str, *, replay_url: str | None = None, opaque: bool = False) -> Selection:
    """Return the documents that `text` asks for.

    Args:
        text: a session id, an OpenReplay token, a replay URL (with or without its scheme), a trace
            id or a `traceparent`.
        replay_url: the template of replay URLs, for those without `/session/` in their path.
        opaque: admit session ids of other systems, which may look like trace ids: then the
            selection has both.

    Raises:
        InvalidSessionIdError: it is none of these. The message does not repeat it: it may be a
            secret.
    """
    text = text.strip()
    if trace := _TRACE_ID.fullmatch(text):
        # A UUID without dashes can be either. No number is both: chance gives none twice.
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
            "Not a session id, token, replay URL or trace id: a session id is a decimal number, a "
            "trace id has 32 hexadecimal digits."
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
    """Return a pattern of the URLs that a template makes, up to and with their session id."""
    if not replay_url:
        return None
    before = re.sub(
        r"\\\{[a-z_]+\\\}", "[^/?&#]*", re.escape(replay_url.partition("{session_id}")[0])
    )
    return re.compile(f"{before}(?P<session_id>[A-Za-z0-9._~-]+)")
