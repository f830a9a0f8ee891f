"""The typed options and the settings they stand for."""

from __future__ import annotations

import pytest

from otel_asayer.config import SETTINGS, Config
from otel_asayer.config.options import Options
from otel_asayer.config.parsers import parse_directory, parse_file

OPTION_TYPES = {
    "bool": "bool | str | None",
    "float": "float | str | None",
    "int": "int | str | None",
    "str": "str | None",
    "str | None": "str | None",
    "Targets": "Targets | Sequence[str] | str | None",
    "tuple[str, ...]": "Sequence[str] | str | None",
    "tuple[tuple[str, str], ...]": "Mapping[str, str] | Sequence[tuple[str, str]] | str | None",
}
"""The type of an option by that of its field: a value, its variable's text, or not given."""

PATH = "str | PathLike[str] | None"


def option_type(name: str, field_type: str) -> str:
    return (
        PATH if SETTINGS[name].parse in (parse_file, parse_directory) else OPTION_TYPES[field_type]
    )


def test_every_setting_is_an_option_in_the_same_order() -> None:
    assert list(Options.__annotations__) == list(SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
def test_an_option_takes_what_its_field_holds_or_the_text_of_its_variable(name: str) -> None:
    field_type = Config.__annotations__[name]
    assert Options.__annotations__[name].__forward_arg__ == option_type(name, field_type)


def test_no_option_is_required() -> None:
    assert Options.__required_keys__ == frozenset()
