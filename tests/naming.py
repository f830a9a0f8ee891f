"""Names of parametrized tests: processes that share the tests out must agree on them."""

import re

_CHANGING = re.compile(r" at 0x[0-9a-f]+|-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Addresses of objects, and the random end of a key of OpenTelemetry's context."""


def stable(value: object) -> str:
    """What `repr` says of a value, in every process alike."""
    return _CHANGING.sub("", repr(value))
