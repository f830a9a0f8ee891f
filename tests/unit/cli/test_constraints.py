"""`otel-asayer constraints`: one complete release of OpenTelemetry, and no other package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner
from packaging.requirements import Requirement

from otel_asayer.cli.commands import otel_asayer
from otel_asayer.cli.release import constraints, published_versions
from otel_asayer.runtime.frameworks import normalised

REQUIREMENTS = Path(__file__).parents[3] / "requirements"


def pinned_versions() -> dict[str, str]:
    """The packages of the tested set that do not depend on the version of Python."""
    lines = (REQUIREMENTS / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if line[:1] != "#"]
    return {normalised(one.name): str(one.specifier)[2:] for one in pinned if not one.marker}


def test_the_constraints_are_printed() -> None:
    assert CliRunner().invoke(otel_asayer, ["constraints"]).stdout == constraints()


def test_they_are_printed_where_only_this_package_is_installed() -> None:
    source = str(REQUIREMENTS.parent / "src")
    code = (
        f"import sys; sys.argv = ['otel-asayer', 'constraints']; sys.path.insert(0, {source!r}); "
        "from otel_asayer.cli import main; main()"
    )
    # Without the environment's packages
    alone = [sys.executable, "-I", "-S", "-c", code]
    assert subprocess.run(alone, check=True, capture_output=True, text=True).stdout == constraints()


def test_they_limit_packages_of_opentelemetry_alone() -> None:
    assert {name.partition("-")[0] for name in published_versions()} == {"opentelemetry"}


def test_they_name_the_sdk_and_its_instrumentations() -> None:
    assert {
        "opentelemetry-sdk",
        "opentelemetry-distro",
        "opentelemetry-instrumentation-flask",
        "opentelemetry-instrumentation-logging",
    } <= published_versions().keys()


def test_they_agree_with_the_tested_set() -> None:
    tested, known = pinned_versions(), published_versions()
    assert {name: tested[name] for name in known if name in tested} == {
        name: version for name, version in known.items() if name in tested
    }


def test_they_name_each_package_of_opentelemetry_in_the_tested_set() -> None:
    tested = {name for name in pinned_versions() if name.startswith("opentelemetry-")}
    assert tested - published_versions().keys() == set()
