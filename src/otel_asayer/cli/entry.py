"""The entry point of `otel-asayer`, which runs where click and rich are not installed, and says what to install."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from typing import Final

__all__ = ["main"]

_NEEDED = ("click", "rich", "jinja2", "starlette", "uvicorn")
_OUTPUT_ERRORS: Final = (
    errno.EPIPE,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EBADF,
)
"""What writing to a pipe, a disk or a terminal may end with.

An error of a file of its own names that file.
"""


def main() -> None:
    """Run the command line; exit status 0 all is well, 1 a problem was found, 2 wrong usage."""
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        sys.exit(
            f"The command otel-asayer needs {' and '.join(missing)}: pip install 'otel-asayer[cli]'"
        )
    from otel_asayer.cli.commands import otel_asayer

    _open_streams()
    try:
        try:
            otel_asayer()
        finally:
            # Else the interpreter does so at its end, where nobody catches what comes of it
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in _OUTPUT_ERRORS or error.filename is not None:
            raise
        _end_without_output(error)


def _open_streams() -> None:
    """Let whoever closed standard output or error lose what would go there, and nothing else."""
    if sys.stdout is None:
        # For as long as the process lives
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (as above)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(
            errors="replace"
        )  # an encoding may have neither our signs nor an application's letters


def _end_without_output(error: OSError) -> None:
    """End with status 1:

    without a word where the reader has gone, as of `head`, and else with the reason.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with suppress(
        OSError, ValueError
    ):  # what is still buffered must not be tried again at the interpreter's end
        os.dup2(nowhere, sys.stdout.fileno())
    if error.errno != errno.EPIPE:
        with suppress(OSError):
            sys.stderr.write(f"Error: The output cannot be written: {error.strerror}.\n")
    sys.exit(1)
