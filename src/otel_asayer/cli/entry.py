"""The entry point of `otel-asayer`: without click and rich, it says what to install.

Only `otel-asayer constraints` works without them: people use it before they install anything else.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from typing import Final

from otel_asayer.cli.release import constraints

__all__ = ["INTERRUPTED", "main"]

INTERRUPTED: Final = 130
"""The exit status after Ctrl-C, as shells have it."""

_NEEDED = ("click", "rich", "jinja2", "starlette", "uvicorn")
_BARE: Final = ["constraints"]
"""The arguments that need no other package."""
_OUTPUT_ERRORS: Final = (
    errno.EPIPE,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EBADF,
)
"""Errors of writing to a pipe, a disk or a terminal; an error of another file names that file."""


def main() -> None:
    """Run the command line; exit status 0 all is well, 1 a problem was found, 2 wrong usage."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing and sys.argv[1:] != _BARE:
        sys.exit(
            f"The command otel-asayer needs {' and '.join(missing)}: pip install 'otel-asayer[cli]'"
        )
    _open_streams()
    try:
        try:
            if missing:
                sys.stdout.write(constraints())
            else:
                from otel_asayer.cli.commands import otel_asayer

                otel_asayer()
        finally:
            # Else the interpreter does so at its end, where nobody catches what comes of it
            sys.stdout.flush()
    except KeyboardInterrupt:  # while modules are loaded; click ends on a later one
        sys.exit(INTERRUPTED)
    except OSError as error:
        if error.errno not in _OUTPUT_ERRORS or error.filename is not None:
            raise
        _end_without_output(error)


def _open_streams() -> None:
    """Replace closed standard streams: their output is lost, and nothing else."""
    if sys.stdout is None:
        # For as long as the process lives
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (as above)
    if isinstance(sys.stdout, TextIOWrapper):
        # An encoding may lack our signs, or the letters of an application.
        sys.stdout.reconfigure(errors="replace")


def _end_without_output(error: OSError) -> None:
    """End with status 1, and say why, unless the reader of a pipe has gone, as `head` does."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    # The interpreter must not try again to write what is still buffered when it ends.
    with suppress(OSError, ValueError):
        os.dup2(nowhere, sys.stdout.fileno())
    if error.errno != errno.EPIPE:
        with suppress(OSError):
            sys.stderr.write(f"Error: The output cannot be written: {error.strerror}.\n")
    sys.exit(1)
