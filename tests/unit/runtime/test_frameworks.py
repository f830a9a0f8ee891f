"""Which packages say something about the application, and which ones only our own extra brought."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from otel_asayer.runtime.frameworks import Installed, normalised

if TYPE_CHECKING:
    from importlib.metadata import Distribution

CLI = (
    'click>=8.1; extra == "cli"',
    'starlette>=0.41; extra == "cli"',
    "orjson>=3.9",
    'flask>=3; extra == "test"',
)


class Package:
    """What the metadata of a package say."""

    def __init__(self, name: str | None, *requires: str, requested: bool = False) -> None:
        self.metadata = {"Name": name}
        self.requires = list(requires) or None
        self._requested = requested

    def read_text(self, name: str) -> str | None:
        return "" if self._requested and name == "REQUESTED" else None


def only_ours(*packages: Package) -> set[str]:
    return set(
        Installed.of(
            cast("list[Distribution]", [Package("otel-asayer", *CLI, requested=True), *packages])
        ).only_ours
    )


def test_what_only_our_extra_requires_is_ours() -> None:
    assert only_ours(
        Package("click"), Package("Starlette"), Package("orjson"), Package("Flask")
    ) == {"click", "starlette"}


def test_what_another_package_requires_is_used() -> None:
    assert only_ours(Package("click"), Package("starlette"), Package("fastapi", "starlette<2")) == {
        "click"
    }


def test_what_another_package_requires_for_an_extra_of_its_own_is_not_used() -> None:
    assert "starlette" in only_ours(
        Package("click"),
        Package("starlette"),
        Package("sentry-sdk", "starlette; extra == 'starlette'"),
    )


def test_what_a_person_asked_for_is_used() -> None:
    assert only_ours(Package("click"), Package("starlette", requested=True)) == {"click"}


def test_a_mark_that_everything_bears_tells_nothing() -> None:
    assert only_ours(Package("click", requested=True), Package("starlette", requested=True)) == {
        "click",
        "starlette",
    }


def test_without_our_extra_nothing_is_ours() -> None:
    assert only_ours(Package("starlette")) == set()


def test_without_us_nothing_is_ours() -> None:
    assert Installed.of(cast("list[Distribution]", [Package("starlette"), Package(None)])) == (
        frozenset({"starlette"}),
        frozenset(),
    )


def test_this_environment_is_looked_at() -> None:
    assert Installed.here().packages >= {"otel-asayer", "starlette", "opentelemetry-sdk"}


@pytest.mark.parametrize("name", ["web.py", "Web_Py", "web--py"])
def test_names_are_compared_in_one_form(name: str) -> None:
    assert normalised(name) == "web-py"
