"""What the doctor says about versions that do not fit together."""

from __future__ import annotations

import pytest

from otel_asayer.cli.doctor.examination import Status
from otel_asayer.cli.doctor.versions import (
    InstalledPackage,
    check_frameworks,
    check_versions,
    installed_packages,
)
from otel_asayer.cli.release import published_versions
from unit.cli.doctor.support import short, statuses

PUBLISHED = published_versions()
CORE = "opentelemetry-instrumentation"
FLASK = f"{CORE}-flask"
RELEASE = PUBLISHED[CORE]
MISFIT = "OpenTelemetry's packages do not fit together: "


def packages(**versions: str) -> dict[str, InstalledPackage]:
    """An instrumentation of Flask with its core and SDK, each of the version of its keyword."""
    return {
        "opentelemetry-sdk": InstalledPackage(versions["sdk"]),
        CORE: InstalledPackage(versions["core"], ("opentelemetry-sdk>=1.12", "packaging>=18")),
        FLASK: InstalledPackage(
            versions["flask"],
            (
                f"{CORE}=={versions['flask']}",
                'opentelemetry-distro==1; extra == "other"',
                'flask<4,>=1; extra == "instruments"',
            ),
        ),
    }


def test_packages_of_one_release_are_well() -> None:
    assert short(check_versions(packages(sdk="1.45.2", core="0.66b2", flask="0.66b2"))) == [
        ("ok", "SDK 1.45.2 and instrumentation 0.66b2 fit together")
    ]


def test_the_packages_of_this_environment_fit_together() -> None:
    assert statuses(check_versions(installed_packages())) == [Status.OK]


def test_an_instrumentation_of_another_release_is_a_problem() -> None:
    (result,) = check_versions(packages(sdk="1.45.2", core="0.66b2", flask="0.66b1"))
    assert (result.status, result.detail) == (
        Status.PROBLEM,
        f"{MISFIT}{FLASK} 0.66b1 requires {CORE}==0.66b1, and 0.66b2 is installed",
    )


def test_its_remedy_moves_all_packages_to_one_release() -> None:
    (result,) = check_versions(packages(sdk="9.9.9", core="9.9b9", flask="9.8b0"))
    assert result.remedy == (
        f"pip install {FLASK}==9.9b9. If pip does not find them, this release is incomplete; then "
        f"install a complete one: pip install {CORE}=={RELEASE} {FLASK}=={RELEASE} "
        f"opentelemetry-sdk=={PUBLISHED['opentelemetry-sdk']}"
    )


def test_its_remedy_leaves_a_complete_release_as_it_is() -> None:
    (result,) = check_versions(
        packages(sdk=PUBLISHED["opentelemetry-sdk"], core=RELEASE, flask="9.9b9")
    )
    assert result.remedy == f"pip install {FLASK}=={RELEASE}"


def test_a_package_that_is_required_and_missing_is_installed_by_the_remedy() -> None:
    missing = packages(sdk=PUBLISHED["opentelemetry-sdk"], core=RELEASE, flask=RELEASE)
    del missing["opentelemetry-sdk"]
    (result,) = check_versions(missing)
    assert result.detail.endswith("requires opentelemetry-sdk>=1.12, and it is not installed")
    assert result.remedy == f"pip install opentelemetry-sdk=={PUBLISHED['opentelemetry-sdk']}"


def test_an_instrumentation_that_no_release_has_any_more_is_named() -> None:
    stray = {
        CORE: InstalledPackage(RELEASE),
        f"{CORE}-boto": InstalledPackage("0.61b0", (f"{CORE}==0.61b0",)),
    }
    (result,) = check_versions(stray)
    assert result.remedy == (
        f"Install versions of {CORE}-boto that fit, or uninstall what you do not use"
    )


def test_many_mismatches_are_counted() -> None:
    many = {
        CORE: InstalledPackage("0.66b2"),
        **{
            f"{CORE}-{name}": InstalledPackage("0.66b1", (f"{CORE}==0.66b1",))
            for name in ("asgi", "celery", "flask", "logging", "wsgi")
        },
    }
    (result,) = check_versions(many)
    assert result.detail.endswith("; and 2 more")


def test_a_requirement_that_cannot_be_read_is_left_out() -> None:
    odd = {CORE: InstalledPackage("0.66b2", ("opentelemetry-api (>1.0.*",))}
    assert statuses(check_versions(odd)) == [Status.OK]


FIT = packages(sdk="1.45.1", core="0.66b1", flask="0.66b1")


@pytest.mark.parametrize("version", ["1.0", "3.1.3"])
def test_a_framework_in_the_range_of_its_instrumentation_is_well(version: str) -> None:
    assert short(check_frameworks({**FIT, "flask": InstalledPackage(version)})) == [
        ("ok", "1 instrumentation, each for the installed version")
    ]


def test_a_framework_that_its_instrumentation_does_not_know_is_a_problem() -> None:
    (result,) = check_frameworks({**FIT, "flask": InstalledPackage("4.0")})
    assert (result.status, result.detail) == (
        Status.PROBLEM,
        f"{FLASK} 0.66b1 instruments flask<4,>=1, and 4.0 is installed: nothing is recorded of it",
    )


def test_a_framework_that_is_not_installed_needs_no_version() -> None:
    assert statuses(check_frameworks(FIT)) == [Status.OK]


def test_a_framework_that_only_our_extra_brought_needs_no_version() -> None:
    assert statuses(check_frameworks({**FIT, "flask": InstalledPackage("4.0")}, {"flask"})) == [
        Status.OK
    ]


KAFKA = {
    f"{CORE}-kafka-python": InstalledPackage(
        "0.66b1",
        (
            'kafka-python<3,>=2; extra == "instruments-any"',
            'kafka-python-ng<3,>=2; extra == "instruments-any"',
        ),
    )
}


def test_one_of_several_packages_in_the_range_is_enough() -> None:
    both = {"kafka-python": InstalledPackage("3.0"), "kafka-python-ng": InstalledPackage("2.2")}
    assert statuses(check_frameworks({**KAFKA, **both})) == [Status.OK]


def test_a_client_that_its_instrumentation_does_not_know_is_a_warning() -> None:
    one = {"kafka-python": InstalledPackage("3.0")}
    assert statuses(check_frameworks({**KAFKA, **one})) == [Status.WARNING]
