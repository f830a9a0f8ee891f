"""What the standard library lets pass unseen, uncaught exceptions and lines on stdout and stderr, and what it would not print any more."""

from otel_asayer.stdlib.console import keep_console, release_console
from otel_asayer.stdlib.exceptions import unwatch_exceptions, watch_exceptions
from otel_asayer.stdlib.handing_over import mend_handing_over
from otel_asayer.stdlib.stdio import StampedStream, stamp_stdio, unstamp_stdio

__all__ = [
    "StampedStream",
    "keep_console",
    "mend_handing_over",
    "release_console",
    "stamp_stdio",
    "unstamp_stdio",
    "unwatch_exceptions",
    "watch_exceptions",
]
