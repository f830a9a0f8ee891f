r"""Parsing of session ids: the only way to a `SessionId`.

Rules, and where they come from:

- An id is a decimal uint64 without leading zeros, in ASCII: `[1-9][0-9]{0,19}`, below 2**64. The
  trackers' servers compose it as `(milliseconds - 1550000000000) << 24 | shard << 8 | sequence`, so
  it tells when the session started.
- A *token* is a bearer credential of the replay's ingest service,
  `b36(id).b36(expiry).b58(signature)` until OpenReplay 1.8 and
  `b36(id).b36(delay).b36(expiry).b58(signature)` (the delay may be negative) since 1.9. It is
  reduced to its id at once and never kept.
- A header is an attacker's input, and other software puts secrets into headers of these names: what
  is neither is refused.
- Opaque ids, `[A-Za-z0-9._~-]{1,128}`, are admitted only on request, and never with three or more
  parts divided by dots: that is the shape of a token, or of a JWT.
- Proxies and double injection join values, `v, v`: the first counts.

The patterns are applied with `fullmatch`: `$` would admit a trailing newline. Parsing is total: any
text gives a `SessionId` or None.
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
"""Characters; the longest token is about 100.

Anything longer is refused before a pattern sees it.
"""

_DECIMAL: Final = re.compile(r"[1-9][0-9]{0,19}")
_TOKEN: Final = (
    # A pattern
    r"([0-9a-z]{1,13})(?:\.-?[0-9a-z]{1,13})?\.[0-9a-z]{1,13}\.[1-9A-HJ-NP-Za-km-z]{16,96}"  # noqa: S105
)
_SIGNATURE: Final = re.compile(r"\.[1-9A-HJ-NP-Za-km-z]{16}")
# A pattern
_TOKEN_IN_TEXT: Final = r"(?<![0-9A-Za-z])([0-9a-z]{10,13})((?:\.-?[0-9a-z]{1,13})?\.[0-9a-z]{5,13}\.[1-9A-HJ-NP-Za-km-z]{16,96})(?![0-9A-Za-z])"  # noqa: S105
"""A token among other text. Names in code have this form, too:

those have no digits, and hardly any token has none.
"""
_DIGIT: Final = re.compile(r"[0-9]")
_OPAQUE: Final = r"[A-Za-z0-9_~-]{1,128}|(?=.{3,128}\Z)[A-Za-z0-9_~-]*\.[A-Za-z0-9_~-]*"

_compiled = cache(re.compile)
"""Compiles what most processes never need when it is needed first:

this module is loaded in every one.
"""


@final
class SessionId(str):
    """The id of a session. There is none that was not parsed: a `SessionId` may be stored, logged
    and passed on as it is.

    A string, for its value exceeds what numbers of JavaScript and JSON carry. `SessionId(value)`
    takes an id as text or number, a token, of which it keeps the id, and, with
    OTEL_ASAYER_OPAQUE_SESSION_IDS, ids of other systems.

    Raises:
        InvalidSessionIdError: `value` holds none.
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
        """Whether this id is another system's: no replay can be found by it."""
        return not _is_decimal_id(self)

    @property
    def started_at_ms(self) -> int | None:
        """Start of the session in milliseconds since 1970, which the id itself tells; None for an opaque one."""
        return None if self.is_opaque else (int(self) >> _TIMESTAMP_SHIFT) + EPOCH_MS


def _made(parsed: str) -> SessionId:
    return str.__new__(SessionId, parsed)


def _is_decimal_id(text: str) -> bool:
    return _DECIMAL.fullmatch(text) is not None and int(text) < _LIMIT


def parse_session_id(value: str, *, opaque: bool = False) -> SessionId | None:
    """Return the session id that `value` holds, or None.

    Args:
        value: a header's, cookie's or baggage entry's value: an id, a token, or several joined by
            commas, of which the first counts.
        opaque: admit ids of other systems too.
    """
    if (
        _DECIMAL.fullmatch(value) and len(value) < _MAX_DIGITS
    ):  # nearly every call, and in every request: so first, and without the rest
        return _made(value)
    if len(value) > _MAX_LENGTH:
        return None
    text = value.partition(",")[0].strip(" \t")
    if _is_decimal_id(text):
        return _made(text)
    if token := _compiled(_TOKEN).fullmatch(text):
        number = int(token[1], 36)
        return _made(str(number)) if 0 < number < _LIMIT else None
    return _made(text) if opaque and _compiled(_OPAQUE).fullmatch(text) else None


def require_session_id(value: str | int, *, opaque: bool | None = None) -> SessionId:
    """Return the session id that `value` holds, for callers whose own code chose it.

    Args:
        value: as of `parse_session_id`, or a number. A `SessionId` has been checked already.
        opaque: admit ids of other systems too (default: as OTEL_ASAYER_OPAQUE_SESSION_IDS says).

    Raises:
        InvalidSessionIdError: `value` holds none.
    """
    if type(value) is SessionId:
        return value
    if opaque is None:
        opaque = environment_config().opaque_session_ids
    session_id = parse_session_id(str(value), opaque=opaque)
    if session_id is None:
        raise InvalidSessionIdError(
            "The value given is no session id: expected a decimal number from 1 to 2**64 - 1, as "
            "the tracker's sessionID() or getSessionID() "
            "returns it. Ids of another form need OTEL_ASAYER_OPAQUE_SESSION_IDS=true."
        )
    return session_id


def id_of_session_from(started_at_ms: int, number: int = 1) -> SessionId:
    """Return an id as a tracker's server gives it.

    Args:
        started_at_ms: when the session starts, in milliseconds since 1970; at the earliest one
            after `EPOCH_MS`.
        number: tells sessions of one millisecond apart, from 0 to 2**24 - 1.
    """
    return require_session_id((started_at_ms - EPOCH_MS) << _TIMESTAMP_SHIFT | number)


def without_tokens(text: str) -> str:
    """Return `text` with each token in it reduced to the id of its session.

    Only whole tokens as trackers' servers make them are found: an id of 10 characters or more, an
    expiry of 5 or more, a signature. It costs a search for a signature, and only where there is a
    dot.
    """
    return (
        _compiled(_TOKEN_IN_TEXT).sub(_reduced, text)
        if "." in text and _SIGNATURE.search(text)
        else text
    )


def _reduced(token: re.Match[str]) -> str:
    number = int(token[1], 36)
    return str(number) if number < _LIMIT and _DIGIT.search(token[2]) else token[0]
