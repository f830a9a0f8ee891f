"""Output of commands: tables for a person, JSON for a program.

Nothing that an application logged is taken for markup or control characters.
"""

from __future__ import annotations

import codecs
import json
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from otel_asayer.sanitize import DIRECTIONS, sanitize_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "AS_JSON",
    "JSON_WANTED",
    "LEVEL_STYLES",
    "TO_FILE",
    "as_text",
    "console",
    "counted",
    "paged",
    "plain_table",
    "print_json",
    "print_json_line",
    "print_whole",
]

JSON_WANTED: Final = f"{__name__}.json"
"""Key in the `meta` of click's context: an error becomes JSON, too."""


def _note_json(context: click.Context, _parameter: click.Parameter, wanted: bool) -> bool:  # noqa: FBT001 (click's)
    context.find_root().meta[JSON_WANTED] = wanted
    return wanted


AS_JSON: Final = click.option(
    "--json",
    "as_json",
    is_flag=True,
    is_eager=True,  # so that wrong usage becomes JSON, too
    callback=_note_json,
    help="Print JSON.",
)


def _no_folder(_context: click.Context, _parameter: click.Parameter, output: IO[str]) -> IO[str]:
    if Path(output.name).is_dir():  # click would notice only after it wrote the content beside it
        raise click.BadParameter(f"{output.name!r} is a folder.")
    return output


TO_FILE: Final = click.option(
    "--output",
    type=click.File("w", encoding="utf-8", lazy=True, atomic=True),
    callback=_no_folder,
    default="-",
    help="File to write. Default: stdout.",
)
"""For a command that makes a file, which it takes as `output`, open for writing."""

LEVEL_STYLES: Final[Mapping[str, str]] = {
    "error": "bold red",
    "warning": "yellow",
    "info": "cyan",
    "debug": "dim",
}

_UNESCAPED: Final = re.compile(f"[\x7f-\x9f\u2028\u2029{DIRECTIONS}\ud800-\udfff]")
"""Characters that JSON need not escape, but a terminal may obey or a file cannot hold."""


def console(*, stderr: bool = False) -> Console:
    """Return a console that colours nothing by itself.

    Numbers, paths, brackets and colons in a log line are the application's.
    """
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def plain_table(*columns: str) -> Table:
    """Return a table of the form that all commands use."""
    return Table(*columns, box=SIMPLE_HEAD, pad_edge=False)


def as_text(value: object, style: str = "") -> Text:
    """Return text of an application as one sanitized line, never as markup."""
    return Text(sanitize_line(str(value)), style=style)


def counted(number: int, noun: str) -> str:
    """Return a number of things, `1 span`, `2 spans`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def print_whole(console: Console, text: Text) -> None:
    """Print a line whole, however narrow the terminal: a cut line cannot be copied or piped."""
    console.print(text, soft_wrap=True)


@contextmanager
def paged(console: Console) -> Iterator[None]:
    """Show what is printed meanwhile in the user's pager, if a terminal is too small for it."""
    if not console.is_terminal:
        yield
        return
    with console.capture() as captured:
        yield
    text = captured.get()
    if text.count("\n") < console.height:
        click.echo(text, nl=False, color=True)
    else:
        click.echo_via_pager(text)


def print_json(value: Any) -> None:
    """Print `value`, indented."""
    click.echo(_json(value, indent=2))


def print_json_line(value: Any) -> None:
    """Print `value` on one line."""
    click.echo(_json(value, indent=None))


def _json(value: Any, indent: int | None) -> str:
    # Characters outside ASCII stay readable if the output can encode them. They occur only in
    # strings, where an escape is as good.
    unicode = codecs.lookup(sys.stdout.encoding or "ascii").name.startswith("utf")
    return _UNESCAPED.sub(
        lambda found: f"\\u{ord(found[0]):04x}",
        json.dumps(value, indent=indent, ensure_ascii=not unicode),
    )
