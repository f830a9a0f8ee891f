"""Checks on the versions of OpenTelemetry's packages, and commands that make them fit together.

What fits is what the packages' own metadata require. A command names exact versions: a bare name
lets pip choose the newest release of one package, and the rest of another one with it.
"""

from __future__ import annotations

from importlib.metadata import distributions
from typing import TYPE_CHECKING, Final, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement

from otel_asayer.cli.doctor.examination import CheckResult, ok, problem, warning
from otel_asayer.cli.output import counted
from otel_asayer.cli.release import published_versions
from otel_asayer.runtime.frameworks import CLIENTS_TOO, INSTRUMENTED, normalised

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = [
    "INSTRUMENTATION",
    "InstalledPackage",
    "check_frameworks",
    "check_versions",
    "install_command",
    "installed_packages",
]

INSTRUMENTATION: Final = "opentelemetry-instrumentation"
"""The package that all instrumentations share; their names begin with it."""

_OURS: Final = "otel-asayer"
_THEIRS: Final = "opentelemetry-"
_FOLLOWERS: Final = (f"{INSTRUMENTATION}-", "opentelemetry-distro", "opentelemetry-configuration")
"""How names begin that have the version of the instrumentations, and that the SDK does not need."""
_SDK: Final = "opentelemetry-sdk"
_EXTRAS: Final = ("instruments", "instruments-any")
"""The extras in which an instrumentation requires the versions of its framework: it needs all of
the first, and one of the second."""
_SHOWN: Final = 3


class InstalledPackage(NamedTuple):
    """The version of an installed package, and what it requires, each in the form of PEP 508."""

    version: str
    requires: tuple[str, ...] = ()


class _Mismatch(NamedTuple):
    package: str
    version: str
    requirement: Requirement
    found: str
    """The installed version; empty where there is none."""

    def __str__(self) -> str:
        found = f"{self.found} is installed" if self.found else "it is not installed"
        requirement = f"{self.requirement.name}{self.requirement.specifier}"
        return f"{self.package} {self.version} requires {requirement}, and {found}"


def installed_packages() -> Mapping[str, InstalledPackage]:
    """Return the packages in the environment of this process, by normalised name.

    Of two with one name, the first is the one that Python imports.
    """
    found: dict[str, InstalledPackage] = {}
    for one in distributions():
        if name := one.metadata["Name"]:
            requires = tuple(one.requires or ())
            found.setdefault(normalised(name), InstalledPackage(one.version, requires))
    return found


def check_versions(installed: Mapping[str, InstalledPackage]) -> Iterator[CheckResult]:
    """Check that OpenTelemetry's packages have the versions that they require of each other."""
    mismatches = [
        mismatch
        for name, package in sorted(installed.items())
        if name.startswith(_THEIRS) or name == _OURS
        for mismatch in _mismatches(name, package, installed)
    ]
    if not mismatches:
        yield ok(
            f"SDK {_version(_SDK, installed)} and instrumentation "
            f"{_version(INSTRUMENTATION, installed)} fit together"
        )
        return
    more = len(mismatches) - _SHOWN
    missing = [normalised(one.requirement.name) for one in mismatches if not one.found]
    offenders = dict.fromkeys(mismatch.package for mismatch in mismatches)
    yield problem(
        "OpenTelemetry's packages do not fit together: "
        f"{'; '.join(map(str, mismatches[:_SHOWN]))}{f'; and {more} more' if more > 0 else ''}",
        install_command(missing, installed)
        or f"Install versions of {', '.join(offenders)} that fit, or uninstall what you do not use",
    )


def check_frameworks(
    installed: Mapping[str, InstalledPackage], only_ours: Collection[str] = ()
) -> Iterator[CheckResult]:
    """Check that each instrumentation knows the installed version of what it instruments.

    Args:
        installed: what is there.
        only_ours: names of packages that the application does not use.
    """
    unknown = [
        (framework, sentence)
        for name, package in sorted(installed.items())
        if name.startswith(INSTRUMENTATION)
        for framework, sentence in _unknown_to(name, package, installed)
        if framework not in only_ours
    ]
    for framework, sentence in unknown:
        yield (problem if _takes_requests(framework) else warning)(
            f"{sentence}: nothing is recorded of it",
            f"Install a version of {framework} in this range, or a release of OpenTelemetry whose "
            "range includes yours",
        )
    if not unknown:
        number = sum(name.startswith(f"{INSTRUMENTATION}-") for name in installed)
        yield ok(f"{counted(number, 'instrumentation')}, each for the installed version")


def install_command(missing: Collection[str], installed: Mapping[str, InstalledPackage]) -> str:
    """Return what to type to get `missing`, and to make all packages fit together.

    The text is empty where `installed` is a complete release already, and nothing is missing.

    Args:
        missing: names of packages.
        installed: what is there.
    """
    complete, published = _whole_release(missing, installed), published_versions()
    core = _version(INSTRUMENTATION, installed)
    strays = [
        name
        for name, package in sorted(installed.items())
        if published.get(name) == published[INSTRUMENTATION] and package.version != core
    ]
    needed = dict.fromkeys([*strays, *missing], core)
    if (
        not needed
        or core in ("", published[INSTRUMENTATION])
        or not all(name.startswith(_FOLLOWERS) for name in needed)
    ):
        return complete
    # Newer than what we know, or older: it may have them.
    return (
        f"{_pinned(needed)}. If pip does not find them, this release is incomplete; then install a "
        f"complete one: {complete}"
    )


def _whole_release(missing: Collection[str], installed: Mapping[str, InstalledPackage]) -> str:
    """Return the command that brings all packages to the release that we publish."""
    wanted = {
        name: version
        for name, version in published_versions().items()
        if name in missing or (name in installed and installed[name].version != version)
    }
    return _pinned(wanted) if wanted else ""


def _pinned(versions: Mapping[str, str]) -> str:
    return " ".join(["pip install", *(f"{name}=={one}" for name, one in versions.items())])


def _version(name: str, installed: Mapping[str, InstalledPackage]) -> str:
    return installed[name].version if name in installed else ""


def _mismatches(
    name: str, package: InstalledPackage, installed: Mapping[str, InstalledPackage]
) -> Iterator[_Mismatch]:
    for requirement in _requirements(package):
        required = normalised(requirement.name)
        if not required.startswith(_THEIRS) or not _applies(requirement, ""):
            continue
        found = _version(required, installed)
        if not found or not requirement.specifier.contains(found, prereleases=True):
            yield _Mismatch(name, package.version, requirement, found)


def _unknown_to(
    name: str, package: InstalledPackage, installed: Mapping[str, InstalledPackage]
) -> Iterator[tuple[str, str]]:
    """Yield each framework that is installed in a version outside of the range, and a sentence.

    opentelemetry-instrument does not load an instrumentation then.
    """
    for extra in _EXTRAS:
        asked = [
            (one, found)
            for one in _requirements(package)
            if _applies(one, extra) and not _applies(one, "")
            if (found := _version(normalised(one.name), installed))
        ]
        # As OpenTelemetry does it: without pre-releases, unless the range names one
        outside = [(one, found) for one, found in asked if not one.specifier.contains(found)]
        if extra == _EXTRAS[1] and len(outside) < len(asked):
            continue
        for one, found in outside:
            range_of_it = f"{one.name}{one.specifier}"
            yield (
                normalised(one.name),
                f"{name} {package.version} instruments {range_of_it}, and {found} is installed",
            )


def _requirements(package: InstalledPackage) -> Iterator[Requirement]:
    return filter(None, map(_parsed, package.requires))


def _parsed(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:  # of an old package: pip does not understand it either
        return None


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _takes_requests(framework: str) -> bool:
    return framework in INSTRUMENTED and framework not in CLIENTS_TOO
