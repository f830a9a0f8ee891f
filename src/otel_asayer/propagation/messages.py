"""The session of a received message, for consumers that handle messages one after another.

Most instrumentations of queues end the span of a message before the application works on it, or
start one span for a batch of messages. So the work would be in no session, or in the one in which
the consumer itself was started. `received` runs it in the context that the message carries.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context

from otel_asayer.propagation.carriers import report_failure
from otel_asayer.propagation.context import remembering

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Headers = Mapping[str, Any] | Iterable[tuple[str, Any]]

__all__ = ["received"]

_TEXT: Final = (str, bytes)


@contextmanager
def received(headers: Headers | None) -> Iterator[None]:
    """Run a block in the session and the trace of a received message.

    Nothing of the consumer's own context is left inside the block: a message without a session is
    handled in none. An exception that leaves the block is recorded with its session, even if
    nothing catches it.

    Args:
        headers: the headers of the message, as a mapping or as pairs of name and value, with values
            of text or bytes. None, or what cannot be read, counts as no headers.
    """
    from opentelemetry.propagate import extract  # it loads this package, so not before

    with remembering(extract(_carrier(headers), Context())):
        yield


def _carrier(headers: Any) -> dict[str, list[str]]:
    """Return headers with names in lower case, as the propagators want them."""
    carrier: dict[str, list[str]] = {}
    try:
        pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
        for name, value in pairs:
            if isinstance(name, str) and isinstance(value, _TEXT):
                text = value if isinstance(value, str) else value.decode("latin-1")
                carrier.setdefault(name.lower(), []).append(text)
    except Exception as error:
        report_failure("read the headers of", error)
    return carrier
