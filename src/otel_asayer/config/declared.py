"""The settings in a file of declarative configuration, which `OTEL_CONFIG_FILE` names.

The SDK passes each block of the file as arguments. Nobody catches what a class raises then: one bad
value would turn off all of OpenTelemetry, with a traceback. So it becomes a `Problem`, as in a
variable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_asayer.config.config import SETTINGS, Config
from otel_asayer.config.parsers import FailClosed, Problem, as_text
from otel_asayer.config.targets import Targets
from otel_asayer.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["declared_config"]


def declared_config(block: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Config:
    """Return the settings of `environ` (default: the process's), overridden by those in `block`.

    Never raises. What is wrong is in the settings' `problems`; a bad value is replaced by the
    default, not by the variable.

    Args:
        block: values by the names of `Config`'s fields; None counts as not given.
        environ: variables.
    """
    given = {name: value for name, value in block.items() if value is not None}
    good, problems = _parsed(given)
    try:
        config = Config.from_environment(environ, ignoring=given.keys(), **good)
    except ConfigurationError as error:  # they exclude each other, or a variable
        variable, _, message = str(error).partition(": ")
        problems.append(Problem(variable, message, FailClosed.EXPORTER))
        config = Config.from_environment(environ, ignoring=given.keys()).replace(**good)
    return config.replace(problems=(*problems, *config.problems)) if problems else config


def _parsed(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    good: dict[str, Any] = {}
    problems = []
    for name, value in given.items():
        where = f"'{name}' in the file that OTEL_CONFIG_FILE names"
        setting = SETTINGS.get(name)
        if setting is None:
            problems.append(Problem(where, "there is no such setting", FailClosed.UNKNOWN))
            continue
        try:
            good[name] = setting.parse(as_text(value))
        except ValueError as error:
            problems.append(Problem(where, str(error), setting.closes))
            if setting.closes is FailClosed.TARGETS:
                good[name] = Targets()
    return good, problems
