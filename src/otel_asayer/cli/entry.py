"""The entry point of `otel-asayer`, which runs where click and rich are not installed, and says what to install."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from io import TextIOWrapper

__all__ = ["main"]

_NEEDED = ("click", "rich", "jinja2", "starlette", "uvicorn")


def main() -> None:
    """Run the command line; exit status 0 all is well, 1 a problem was found, 2 wrong usage."""
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        sys.exit(f"The command otel-asayer needs {' and '.join(missing)}: pip install 'otel-asayer[cli]'")
    from otel_asayer.cli.commands import otel_asayer

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # an encoding may have neither our signs nor an application's letters
    otel_asayer()
