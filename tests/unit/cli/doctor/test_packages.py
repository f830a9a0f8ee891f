"""What the doctor says about installed packages and the propagators at work."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from opentelemetry import propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator

from otel_asayer import AsayerPropagator
from otel_asayer.cli.doctor.examination import CheckResult, Status
from otel_asayer.cli.doctor.packages import (
    check_distros,
    check_django,
    check_gevent,
    check_internals,
    check_logging,
    check_opentelemetry,
)
from otel_asayer.cli.doctor.plan import plan
from otel_asayer.cli.doctor.settings import Environment, check_propagators
from otel_asayer.cli.release import published_versions
from otel_asayer.runtime import diagnostics
from unit.cli.doctor.support import GOOD, config, environment, short, statuses

from instrumented import clean_environment
from patience import HANG_SECONDS

if TYPE_CHECKING:
    from opentelemetry.propagators.textmap import TextMapPropagator

PUBLISHED = published_versions()
GEVENT = "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH"


def propagators(monkeypatch: pytest.MonkeyPatch, *members: TextMapPropagator) -> list[CheckResult]:
    monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", CompositePropagator(list(members)))
    return list(check_propagators(config(trace_response=True), environment(**GOOD)))


def test_our_propagator_alone_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    assert short(propagators(monkeypatch, AsayerPropagator())) == [
        ("ok", "tracecontext,asayer are active")
    ]


def test_baggage_beside_ours_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    (result,) = propagators(monkeypatch, W3CBaggagePropagator(), AsayerPropagator())
    assert result.status == Status.PROBLEM
    assert result.detail.partition(",")[0] == "The session id goes to every host"
    assert result.remedy.startswith("Set OTEL_PROPAGATORS=tracecontext,asayer")


def test_without_ours_no_session_comes_in(monkeypatch: pytest.MonkeyPatch) -> None:
    assert statuses(propagators(monkeypatch)) == [Status.PROBLEM]


def test_without_sessions_propagators_do_not_matter() -> None:
    assert statuses(check_propagators(config(enabled=False), environment())) == [Status.SKIPPED]


def test_opentelemetry_starts() -> None:
    assert statuses(check_opentelemetry(environment())) == [Status.OK]


def test_an_opentelemetry_that_does_not_start_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.propagate", None)
    assert statuses(check_opentelemetry(environment())) == [Status.PROBLEM]


def test_a_propagator_that_is_not_installed_is_said_and_everything_else_goes_on() -> None:
    environment = {
        **clean_environment(),
        **GOOD,
        "OTEL_PROPAGATORS": "tracecontext,asayre",
        "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": "http://127.0.0.1:9",
    }
    command = [sys.executable, "-c", "from otel_asayer.cli import main; main()", "doctor"]
    result = subprocess.run(
        command,
        env={**environment, "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
    )
    assert result.returncode == 1
    assert result.stderr == ""
    assert "OpenTelemetry does not start with OTEL_PROPAGATORS=tracecontext,asayre" in result.stdout
    assert "→ Set OTEL_PROPAGATORS=tracecontext,asayer" in result.stdout


def test_one_distro_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "on_packages", lambda: iter(()))
    monkeypatch.setattr(Environment, "has_distro", True)
    assert short(check_distros(environment())) == [
        ("ok", "one package sets up OpenTelemetry's SDK")
    ]


def test_two_distros_displace_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = diagnostics.two_distros("elasticotel.distro, opentelemetry.distro")
    monkeypatch.setattr(diagnostics, "on_packages", lambda: iter((sentence, sentence)))
    monkeypatch.setattr(Environment, "has_distro", True)
    (result,) = check_distros(environment())
    assert result.status == Status.PROBLEM
    assert result.remedy == "Uninstall all but one of elasticotel.distro, opentelemetry.distro"


@pytest.mark.parametrize(("variables", "status"), [(GOOD, Status.PROBLEM), ({}, Status.WARNING)])
def test_without_a_distro_nothing_is_recorded_unless_code_does_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], status: Status
) -> None:
    monkeypatch.setattr(Environment, "has_distro", False)
    (result,) = check_distros(environment(**variables))
    assert result.status == status
    assert result.remedy == f"pip install opentelemetry-distro=={PUBLISHED['opentelemetry-distro']}"


def test_without_its_instrumentation_logging_is_not_sent() -> None:
    (result,) = check_logging(environment())
    assert result.status == Status.PROBLEM
    package = "opentelemetry-instrumentation-logging"
    assert result.remedy == f"pip install {package}=={PUBLISHED[package]}"


def test_with_its_instrumentation_logging_is_sent() -> None:
    assert statuses(check_logging(environment("opentelemetry-instrumentation-logging"))) == [
        Status.OK
    ]


def test_an_opentelemetry_with_all_internals_is_well() -> None:
    assert statuses(check_internals()) == [Status.OK]


def test_internals_that_are_gone_are_a_warning_that_says_what_works_less_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(
        sys.modules, "opentelemetry.sdk._configuration", ModuleType("opentelemetry.sdk")
    )
    ((status, detail),) = short(check_internals())
    assert status == "warning"
    assert detail == (
        "The installed OpenTelemetry has no _get_sampler, _import_sampler in "
        "opentelemetry.sdk._configuration: configure() ignores a sampler in OTEL_TRACES_SAMPLER "
        "that is not one of the SDK's own"
    )


DJANGO = ("django", "opentelemetry-instrumentation-django")


def test_a_site_of_django_that_would_not_start_is_told_by_the_text_that_django_prints() -> None:
    (result,) = check_django(environment(*DJANGO))
    assert result.status == Status.WARNING
    assert "You must set settings.ALLOWED_HOSTS if DEBUG is False." in result.detail
    assert result.remedy.startswith("Set DJANGO_SETTINGS_MODULE")


def test_a_site_of_django_with_settings_is_well() -> None:
    assert short(check_django(environment(*DJANGO, DJANGO_SETTINGS_MODULE="shop.settings"))) == [
        ("ok", "DJANGO_SETTINGS_MODULE is shop.settings")
    ]


@pytest.mark.parametrize("packages", [(), DJANGO[:1], DJANGO[1:]])
def test_without_an_instrumented_django_its_settings_do_not_matter(
    packages: tuple[str, ...],
) -> None:
    assert statuses(check_django(environment(*packages))) == [Status.SKIPPED]


def test_a_package_that_patches_late_hangs() -> None:
    (result,) = check_gevent(environment("gevent", "locust"))
    assert (result.status, result.remedy) == (Status.PROBLEM, f"Set {GEVENT}=patch_all")


def test_gevent_alone_may_be_patched_late() -> None:
    assert statuses(check_gevent(environment("gevent"))) == [Status.WARNING]


def test_gevent_that_patches_first_is_well() -> None:
    assert statuses(check_gevent(environment("gevent", "locust", **{GEVENT: "patch_all"}))) == [
        Status.OK
    ]


@pytest.mark.parametrize(("packages", "looked_at"), [((), 0), (("gevent",), 1)])
def test_gevent_is_looked_at_where_it_is_installed(
    packages: tuple[str, ...], looked_at: int
) -> None:
    assert [check.name for check in plan(config(), environment(*packages), None)].count(
        "gevent"
    ) == looked_at


def test_surroundings_are_those_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_CONFIG_FILE", " otel.yaml ")
    here = Environment.of_this_process()
    assert here.configuration_file == "otel.yaml"
    assert "elasticsearch" in here.exporters["traces"]
    assert "opentelemetry-sdk" in here.packages
    assert all(name.startswith("OTEL_") for name in here.variables)
