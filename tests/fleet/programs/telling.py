"""What the fleet's programs share: the sessions that they work in, and how they tell a test of it.

Each program starts what lives long in the session `STARTER`, which must turn up nowhere else.
"""

from __future__ import annotations

import logging
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

import otel_asayer

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

STARTER: Final = "2618307011354435500"
SESSIONS: Final = ("2618307011354435501", None, "2618307011354435502", None)
"""Those of the pieces of work of a case, in their order."""

_log = logging.getLogger("fleet")
_prefix: Final = os.environ.get("FLEET_PREFIX", "")


def within(session_id: str | None) -> AbstractContextManager[object]:
    """Run a block as a request in a session does, or as one without."""
    return otel_asayer.session(session_id) if session_id else nullcontext()


def tell(case: str, session_id: str | None) -> None:
    """Log one piece of work of a case, and the session that it should be in."""
    _log.warning("%s%s in %s", _prefix, case, session_id)
