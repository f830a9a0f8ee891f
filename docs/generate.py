"""Write the generated parts of the documentation: `make docs`. A test asserts that what is committed is what this would write."""

from __future__ import annotations

import ast
import itertools
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from otel_asayer import environment_variables
from otel_asayer.config import SETTINGS, Config
from otel_asayer.settings import Closes
from otel_asayer.targets import INTERNAL, Targets

DOCS: Final = Path(__file__).parent
VARIABLES: Final = DOCS / "reference" / "variables.md"

_HEAD: Final = """# Variables

Generated from `otel_asayer.environment_variables` and `otel_asayer.config` by `make docs`.

Every setting is also a keyword argument of the public classes and of `configure()`, in code and in declarative configuration, under the name in
the second column. Arguments go before variables, variables before defaults; an empty variable counts as unset.

A value that cannot be used never stops the application: the default is used or, where the last column says so, it closes instead.
One message at start-up lists all of them.
"""


def variables() -> str:
    """The table of variables, in the order of the module that documents them."""
    sections = (("Session", "OTEL_ASAYER_"), ("Exporter", "OTEL_EXPORTER_ELASTICSEARCH_"))
    return _HEAD + "".join(f"\n## {title}\n\n{_table(prefix)}" for title, prefix in sections)


def _table(prefix: str) -> str:
    names = {setting.variable: name for name, setting in SETTINGS.items()}
    defaults = {field.name: field.default for field in fields(Config)}
    rows = ["| variable | argument | default | meaning | a bad value |", "|---|---|---|---|---|"]
    for variable, text in documented_constants().items():
        if variable.startswith(prefix):
            name = names[variable]
            closes = SETTINGS[name].closes
            consequence = "counts as unset" if closes is Closes.NOTHING else f"closes: {closes.value}"
            rows.append(f"| `{variable}` | `{name}` | {_shown(defaults[name])} | {_cell(text)} | {consequence} |")
    return "\n".join(rows) + "\n"


def documented_constants() -> dict[str, str]:
    """Each constant of the environment module with the string that documents it."""
    body = ast.parse(Path(environment_variables.__file__).read_text(encoding="utf-8")).body
    return {
        statement.targets[0].id: following.value.value
        for statement, following in itertools.pairwise(body)
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(following, ast.Expr)
        and isinstance(following.value, ast.Constant)
        and isinstance(following.value.value, str)
    }


def _shown(default: Any) -> str:
    if default is None or default == ():
        return ""
    return f"`{_text(default)}`"


def _text(default: Any) -> str:
    if isinstance(default, Targets):
        return INTERNAL
    if isinstance(default, tuple):
        return ",".join(default)
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> int:
    """Write every generated page."""
    VARIABLES.write_text(variables(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
