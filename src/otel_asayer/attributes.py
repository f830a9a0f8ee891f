"""Names of the attributes, baggage entries and fields that this package writes.

`session.id` is from the semantic conventions
(https://opentelemetry.io/docs/specs/semconv/general/session/). The names under `asayer.` and
`otel_asayer.` are this package's.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "BAGGAGE_SESSION_ID",
    "HANDLED",
    "NOTED_SESSION_ID",
    "REPLAY_LEVELS",
    "REPLAY_URL",
    "SESSION_ID",
    "UNMAPPED",
]

SESSION_ID: Final = "session.id"
"""Attribute of every span, span event and log record of a session."""

BAGGAGE_SESSION_ID: Final = SESSION_ID
"""Key of the baggage entry that carries the session id between services."""

NOTED_SESSION_ID: Final = "_otel_asayer_session_id"
"""Attribute of a span *object* that stores its session, where no limit of OpenTelemetry applies."""

REPLAY_URL: Final = "asayer.replay.url"
"""Attribute of the documents of local root spans and of exceptions: the link to the replay."""

HANDLED: Final = "asayer.exception.handled"
"""Attribute, `true`, of server spans that answered an exception as the caller's error (404).

Those exceptions have it, too. Neither is an error.
"""

UNMAPPED: Final = "otel_asayer.unmapped"
"""Attribute that holds the attributes that Elasticsearch's mapping refused, as one JSON string."""

REPLAY_LEVELS: Final = ("debug", "info", "warning", "error")
"""Values of a replay record's field `level`, from least to greatest."""
