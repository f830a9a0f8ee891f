"""What the standard library lets pass unseen: uncaught exceptions, and lines on stdout and stderr."""

from otel_asayer.stdlib.exceptions import unwatch_exceptions, watch_exceptions
from otel_asayer.stdlib.stdio import StampedStream, stamp_stdio, unstamp_stdio

__all__ = ["StampedStream", "stamp_stdio", "unstamp_stdio", "unwatch_exceptions", "watch_exceptions"]
