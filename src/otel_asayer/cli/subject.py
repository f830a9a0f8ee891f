"""The session that a command is about, as a person gives it:

on the command line, or, where it is a secret, by standard input.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Final

import click

__all__ = ["SESSION"]

_MOST: Final = 8192
"""Characters of a line that is read; the longest address of a replay is far below."""
_DOTS_OF_TOKENS: Final = 2
"""At least; what has a typo in it is a secret, too. Only the address of a replay has as many."""
_SHOWS: Final = (
    "A token is a credential, and on the command line it shows in the list of processes and in the "
    "shell's history. "
    "With - in its place, it is read from standard input."
)


def _session(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if value == "-":
        return _from_standard_input()
    if value.count(".") >= _DOTS_OF_TOKENS and "/" not in value:
        click.echo(_SHOWS, err=True)
    return value


def _from_standard_input() -> str:
    with suppress(UnicodeDecodeError):  # no session has such a byte
        if sys.stdin is not None and (line := sys.stdin.readline(_MOST).strip()):
            return line
    raise click.BadParameter(
        "nothing came by standard input, where - lets the session be read from."
    )


SESSION: Final = click.argument("session", callback=_session)
