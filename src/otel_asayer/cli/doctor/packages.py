"""Checks on the installed packages: OpenTelemetry, its distribution, logging, gevent, Django."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from otel_asayer.cli.doctor.examination import CheckResult, ok, problem, skipped, warning
from otel_asayer.cli.doctor.settings import Environment, of_finding
from otel_asayer.cli.doctor.versions import INSTRUMENTATION, install_command

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "check_distros",
    "check_django",
    "check_gevent",
    "check_internals",
    "check_logging",
    "check_opentelemetry",
]

_DISTRO: Final = "opentelemetry-distro"
_GEVENT_VARIABLE: Final = "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH"
_UPDATE: Final = "Update otel-asayer; if that does not help, report this as a bug of otel-asayer"
_LATE: Final = frozenset({"locust"})
"""Packages that patch with gevent when they are imported."""


def check_opentelemetry(environment: Environment) -> Iterator[CheckResult]:
    """Check that OpenTelemetry can be imported.

    A propagator that is not installed makes that fail, and our own requests with it.
    """
    try:
        # The checks after this one use the second module.
        for module in ("opentelemetry.propagate", "otel_asayer.runtime.diagnostics"):
            importlib.import_module(module)
    except Exception as error:
        names = environment.value("OTEL_PROPAGATORS")
        yield problem(
            f"OpenTelemetry does not start with OTEL_PROPAGATORS={names} ({error})",
            "Set OTEL_PROPAGATORS=tracecontext,asayer",
        )
        return
    yield ok(f"version {version('opentelemetry-sdk')}")


def check_internals() -> Iterator[CheckResult]:
    """Check that OpenTelemetry still has the private names that otel-asayer uses."""
    from otel_asayer.runtime import diagnostics

    found = [
        warning(sentence.rstrip("."), _UPDATE)
        for sentence in diagnostics.missing_private_names(load=True)
    ]
    yield from found or [ok("this OpenTelemetry has all internals that otel-asayer uses")]


def check_distros(environment: Environment) -> Iterator[CheckResult]:
    """Check that exactly one package sets up the SDK."""
    from otel_asayer.runtime import diagnostics

    if not environment.has_distro:
        # Exporters named in variables need a package that reads them; configure() needs none.
        reads_variables = environment.value("OTEL_TRACES_EXPORTER") or environment.value(
            "OTEL_LOGS_EXPORTER"
        )
        result = of_finding(diagnostics.NO_CONFIGURATOR)._replace(
            remedy=install_command([_DISTRO], environment.installed)
        )
        yield (
            result
            if reads_variables
            else warning(
                f"{result.detail}. If you call otel_asayer.configure(), you need none",
                result.remedy,
            )
        )
        return
    found = dict.fromkeys(diagnostics.on_packages())
    yield from map(of_finding, found) if found else [ok("one package sets up OpenTelemetry's SDK")]


def check_logging(environment: Environment) -> Iterator[CheckResult]:
    """Check that something hands log records of Python's logging to OpenTelemetry."""
    from otel_asayer.runtime import diagnostics

    package = f"{INSTRUMENTATION}-logging"
    if package not in environment.packages:
        remedy = install_command([package], environment.installed)
        yield of_finding(diagnostics.NO_LOGGING)._replace(remedy=remedy)
    else:
        yield ok(f"{package} is installed")


def check_gevent(environment: Environment) -> Iterator[CheckResult]:
    """Check that gevent patches modules before OpenTelemetry imports them.

    Otherwise TLS recurses forever, and some applications hang.
    """
    late = sorted(_LATE & environment.packages)
    if environment.value(_GEVENT_VARIABLE) == "patch_all":
        yield ok("gevent patches before OpenTelemetry is imported")
    elif late:
        yield problem(
            f"{', '.join(late)} patches with gevent after OpenTelemetry is imported: under "
            f"opentelemetry-instrument it hangs at its start",
            f"Set {_GEVENT_VARIABLE}=patch_all",
        )
    else:
        yield warning(
            "gevent is installed. An application that calls gevent.monkey.patch_all() itself does "
            "so after OpenTelemetry is imported, and may hang; gunicorn's gevent workers do not",
            f"Set {_GEVENT_VARIABLE}=patch_all where the application patches by itself",
        )


def check_django(environment: Environment) -> Iterator[CheckResult]:
    """Check that Django's instrumentation finds the site's settings.

    It starts before `manage.py` names them, and would use Django's defaults.
    """
    if (
        f"{INSTRUMENTATION}-django" not in environment.packages
        or "django" not in environment.packages
    ):
        yield skipped("Django is not installed, or not instrumented")
    elif environment.value("DJANGO_SETTINGS_MODULE"):
        yield ok(f"DJANGO_SETTINGS_MODULE is {environment.value('DJANGO_SETTINGS_MODULE')}")
    else:
        yield warning(
            "DJANGO_SETTINGS_MODULE is not set. Without it a Django site does not start under "
            "opentelemetry-instrument: 'CommandError: You must set settings.ALLOWED_HOSTS if DEBUG "
            "is False.'",
            "Set DJANGO_SETTINGS_MODULE to the site's settings, as in its manage.py, before "
            "opentelemetry-instrument starts",
        )
