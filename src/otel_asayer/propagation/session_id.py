r"""Parsing of session ids: the only way to a `SessionId`.

Rules, and where they come from:

- An id is a decimal uint64 without leading zeros, in ASCII: `[1-9][0-9]{0,19}`, below 2**64. The
  trackers' servers make it as `(milliseconds - 1550000000000) << 24 | shard << 8 | sequence`, so it
  tells when the session started.
- A *token* is a bearer credential of the replay's ingest service,
  `b36(id).b36(expiry).b58(signature)` until OpenReplay 1.8 and
  `b36(id).b36(delay).b36(expiry).b58(signature)` (the delay may be negative) since 1.9. It is
  reduced to its id at once and never kept.
- Any other value is refused: attackers choose headers, and other software puts secrets into headers
  of these names.
- Opaque ids, `[A-Za-z0-9._~-]{1,128}`, are accepted only if the user asks for it, and never with
  three or more parts separated by dots: that is the form of a token, or of a JWT.
- Proxies and double injection join values, `v, v`: the first counts.

The patterns are applied with `fullmatch`: `$` would accept a trailing newline. Every text parses to
a `SessionId` or to None.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final, final

from otel_asayer.config import environment_config
from otel_asayer.errors import InvalidSessionIdError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "EPOCH_MS",
    "SessionId",
    "id_of_session_from",
    "own_session_id",
    "parse_session_id",
    "require_session_id",
    "without_tokens",
]

EPOCH_MS: Final = 1_550_000_000_000
"""Milliseconds since 1970 at which the trackers' own clock starts."""

_LIMIT: Final = 1 << 64
_MAX_DIGITS: Final = 20
_TIMESTAMP_SHIFT: Final = 24
_MAX_LENGTH: Final = 512
"""Characters of a value; the longest token has about 100.

No pattern is applied to a longer value.
"""

_DECIMAL: Final = re.compile(r"[1-9][0-9]{0,19}")
_TOKEN: Final = (
    # A pattern
    r"([0-9a-z]{1,13})(?:\.-?[0-9a-z]{1,13})?\.[0-9a-z]{1,13}\.[1-9A-HJ-NP-Za-km-z]{16,96}"  # noqa: S105
)
_SIGNATURE: Final = re.compile(r"\.[1-9A-HJ-NP-Za-km-z]{16}")
# A pattern
_TOKEN_IN_TEXT: Final = (
    r"(?<![0-9A-Za-z])([0-9a-z]{10,13})"  # noqa: S105
    r"((?:\.-?[0-9a-z]{1,13})?\.[0-9a-z]{5,13}\.[1-9A-HJ-NP-Za-km-z]{16,96})(?![0-9A-Za-z])"
)
"""A token among other text.

Names in code have this form, too, but no digits, and hardly any token has none.
"""
_DIGIT: Final = re.compile(r"[0-9]")
_OPAQUE: Final = r"[A-Za-z0-9_~-]{1,128}|(?=.{3,128}\Z)[A-Za-z0-9_~-]*\.[A-Za-z0-9_~-]*"

_compiled = cache(re.compile)
"""Compiles a pattern on first use: every process loads this module, and few need them all."""


@final
class SessionId(str):
    """The id of a session, which can be stored, logged and passed on.

    It is a string: its value is too large for numbers of JavaScript and JSON. `SessionId(value)`
    takes an id as text or number, or a token, which it reduces to the id. With
    OTEL_ASAYER_OPAQUE_SESSION_IDS it also takes ids of other systems.

    Raises:
        InvalidSessionIdError: `value` is not a session id.
    """

    __slots__ = ()

    def __new__(cls, value: str | int) -> SessionId:
        """Parse `value`."""
        return require_session_id(value)

    def __reduce__(self) -> tuple[Callable[[str], SessionId], tuple[str]]:
        # A copy needs no second check: the process that reads a pickle may have another setting.
        return _made, (str(self),)

    @property
    def is_opaque(self) -> bool:
        """Whether this is another system's id: it leads to no replay."""
        return not _is_decimal_id(self)

    @property
    def started_at_ms(self) -> int | None:
        """Start of the session in milliseconds since 1970, from the id; None for an opaque one."""
        return None if self.is_opaque else (int(self) >> _TIMESTAMP_SHIFT) + EPOCH_MS


def _made(parsed: str) -> SessionId:
    return str.__new__(SessionId, parsed)


def _is_decimal_id(text: str) -> bool:
    return _DECIMAL.fullmatch(text) is not None and int(text) < _LIMIT


def parse_session_id(value: str, *, opaque: bool = False) -> SessionId | None:
    """Return the session id that `value` holds, or None.

    Args:
        value: the value of a header, cookie or baggage entry: an id, a token, or several joined by
            commas, of which the first counts.
        opaque: accept ids of other systems, too.
    """
    # Nearly every value is such an id: check that first, without the rest.
    if _DECIMAL.fullmatch(value) and len(value) < _MAX_DIGITS:
        return _made(value)
    if len(value) > _MAX_LENGTH:
        return None
    text = value.partition(",")[0].strip(" \t")
    if _is_decimal_id(text):
        return _made(text)
    if token := _compiled(_TOKEN).fullmatch(text):
        number = int(token[1], 36)
        return _made(str(number)) if 0 < number < _LIMIT else None
    # What a page sends while its tracker knows no id is none.
    is_id = opaque and text not in ("null", "undefined") and _compiled(_OPAQUE).fullmatch(text)
    return _made(text) if is_id else None


def own_session_id(value: str, *, opaque: bool | None = None) -> SessionId | None:
    """Return the session id that `value`, a text of the application's own, holds, or None.

    Args:
        value: as for `parse_session_id`.
        opaque: accept ids of other systems, too (default: if OTEL_ASAYER_OPAQUE_SESSION_IDS or the
            propagator in use accepts them).
    """
    session_id = parse_session_id(value, opaque=opaque is True)
    if session_id is None and opaque is None and _accepts_opaque_ids():
        session_id = parse_session_id(value, opaque=True)
    return session_id


def _accepts_opaque_ids() -> bool:
    from otel_asayer.propagation.redirects import propagators_at_work

    return environment_config().opaque_session_ids or any(
        getattr(one, "accepts_opaque_ids", False) is True for one in propagators_at_work()
    )


def require_session_id(value: str | int, *, opaque: bool | None = None) -> SessionId:
    """Return the session id that `value` holds, where the application's own code chose it.

    Args:
        value: as for `parse_session_id`, or a number. A `SessionId` has been checked already.
        opaque: as for `own_session_id`.

    Raises:
        InvalidSessionIdError: `value` holds none.
    """
    if type(value) is SessionId:
        return value
    session_id = own_session_id(str(value), opaque=opaque)
    if session_id is None:
        raise InvalidSessionIdError(
            "The value is not a session id: expected a decimal number from 1 to 2**64 - 1, as the "
            "tracker's sessionID() or getSessionID() returns it. Ids of another form need "
            "OTEL_ASAYER_OPAQUE_SESSION_IDS=true, or opaque_session_ids=True in configure()."
        )
    return session_id


def id_of_session_from(started_at_ms: int, number: int = 1) -> SessionId:
    """Return an id as a tracker's server makes it.

    Args:
        started_at_ms: start of the session, in milliseconds since 1970, after `EPOCH_MS`.
        number: distinguishes sessions of one millisecond, from 0 to 2**24 - 1.
    """
    return require_session_id((started_at_ms - EPOCH_MS) << _TIMESTAMP_SHIFT | number)


def without_tokens(text: str) -> str:
    """Return `text` with each token in it reduced to the id of its session.

    It finds whole tokens as trackers' servers make them: an id of 10 characters or more, an expiry
    of 5 or more, a signature. A text without a dot costs nothing, others a search for a signature.
    """
    return (
        _compiled(_TOKEN_IN_TEXT).sub(_reduced, text)
        if "." in text and _SIGNATURE.search(text)
        else text
    )


def _reduced(token: re.Match[str]) -> str:
    number = int(token[1], 36)
    return str(number) if number < _LIMIT and _DIGIT.search(token[2]) else token[0]
