"""The constraints that we publish for installing: as the script for them writes them."""

from __future__ import annotations

import importlib.util
from importlib.metadata import version

from otel_asayer.cli.release import constraints, published_versions

from documentation import ROOT

_SPEC = importlib.util.spec_from_file_location("published", ROOT / "requirements" / "published.py")
assert _SPEC
assert _SPEC.loader
published = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(published)


def test_the_published_constraints_are_current() -> None:
    assert constraints() == published.published()


def test_the_published_release_is_the_one_that_we_test() -> None:
    installed = {name: version(name) for name in ("opentelemetry-sdk", "opentelemetry-distro")}
    assert {name: published_versions()[name] for name in installed} == installed
