"""Checks on what is installed, and on which propagators are at work."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from otel_asayer.cli.doctor.findings import ok, problem, skipped, warning
from otel_asayer.runtime.frameworks import BY_HAND, INSTRUMENTED, SERVERS, WORKERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_asayer.cli.doctor.findings import Verdict
    from otel_asayer.cli.doctor.surroundings import Surroundings
    from otel_asayer.config import Config
    from otel_asayer.runtime.diagnostics import Finding

__all__ = [
    "check_distros",
    "check_django",
    "check_gevent",
    "check_instrumentations",
    "check_logging",
    "check_opentelemetry",
    "check_propagators",
]

_INSTRUMENTATION: Final = "opentelemetry-instrumentation"
_GEVENT_VARIABLE: Final = "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH"
_LATE: Final = frozenset({"locust"})
"""Packages that patch with gevent when they are imported."""


def check_opentelemetry(around: Surroundings) -> Iterator[Verdict]:
    """Whether OpenTelemetry can be imported at all:

    a propagator that is not installed makes that fail, and our own requests with it.
    """
    try:
        for module in (
            "opentelemetry.propagate",
            "otel_asayer.runtime.diagnostics",
        ):  # the second is what the checks after this one look into
            importlib.import_module(module)
    except Exception as error:
        names = around.value("OTEL_PROPAGATORS")
        yield problem(
            f"OpenTelemetry does not start with OTEL_PROPAGATORS={names} ({error})",
            "Set OTEL_PROPAGATORS=tracecontext,asayer",
        )
        return
    yield ok(f"version {version('opentelemetry-sdk')}")


def check_propagators(config: Config, around: Surroundings) -> Iterator[Verdict]:
    """Whether the session id comes in and goes on, and to nobody else."""
    if not config.enabled:
        yield skipped("OTEL_ASAYER_ENABLED is false: no session id is read or passed on")
        return
    if around.configuration_file:
        yield skipped(
            "OTEL_CONFIG_FILE names the propagators; the application says at its start when "
            "'asayer' is not among them"
        )
        return
    from otel_asayer.runtime import diagnostics

    # Whether a response header is set shows in the application only.
    found = list(diagnostics.on_propagators(trace_response=False))
    yield from (
        map(_problem, found) if found else [ok(f"{around.value('OTEL_PROPAGATORS')} are at work")]
    )


def check_distros(around: Surroundings) -> Iterator[Verdict]:
    """Whether one package sets up the SDK, and not several in competition."""
    from otel_asayer.runtime import diagnostics

    if not around.has_distro:
        # Who names exporters in variables counts on somebody that reads them; who calls configure()
        # does not.
        reads_variables = around.value("OTEL_TRACES_EXPORTER") or around.value("OTEL_LOGS_EXPORTER")
        verdict = _problem(diagnostics.NO_CONFIGURATOR)
        yield (
            verdict
            if reads_variables
            else warning(
                f"{verdict.detail}. With otel_asayer.configure() in code none is needed",
                verdict.remedy,
            )
        )
        return
    found = dict.fromkeys(diagnostics.on_packages())
    yield from map(_problem, found) if found else [ok("one package sets up OpenTelemetry's SDK")]


def check_logging(around: Surroundings) -> Iterator[Verdict]:
    """Whether anything hands the records of Python's logging to OpenTelemetry."""
    from otel_asayer.runtime import diagnostics

    if f"{_INSTRUMENTATION}-logging" not in around.packages:
        yield _problem(diagnostics.NO_LOGGING)
    else:
        yield ok(f"{_INSTRUMENTATION}-logging is installed")


def check_instrumentations(around: Surroundings) -> Iterator[Verdict]:
    """Whether what takes requests in is instrumented: without that, no session id comes in."""
    used = around.packages - around.only_ours
    there = [framework for framework in INSTRUMENTED if framework in used]
    bare = [
        framework
        for framework in there
        if not any(
            f"{_INSTRUMENTATION}-{name}" in around.packages for name in INSTRUMENTED[framework]
        )
    ]
    if bare:
        yield warning(
            f"Installed and not instrumented: {', '.join(bare)}. What they take in has no session "
            f"and no spans",
            f"opentelemetry-bootstrap -a install, or pip install "
            f"{' '.join(f'{_INSTRUMENTATION}-{INSTRUMENTED[name][0]}' for name in bare)}",
        )
    by_hand = [name for name in BY_HAND if name in used]
    servers = [name for name in SERVERS if name in used and WORKERS.issuperset(there)]
    yield from _to_wrap(by_hand, servers)
    if not (bare or by_hand or servers):
        yield ok(
            ", ".join(there)
            or f"no web framework or worker that needs one is installed{_not_counted(around)}"
        )


def _to_wrap(by_hand: list[str], servers: list[str]) -> Iterator[Verdict]:
    """What no package instruments:

    frameworks, or where there is none of those that one does, whatever a server serves.
    """
    from otel_asayer.runtime import diagnostics

    if by_hand:
        interface = BY_HAND[by_hand[0]]
    elif servers:
        interface = SERVERS[servers[0]]
    else:
        return
    what = ", ".join(by_hand) or f"what {' or '.join(servers)} serves"
    fault, remedy = diagnostics.not_wrapped(what, interface)
    yield warning(
        f"{fault}. Nothing is wrong where its application is wrapped already",
        remedy[:1].upper() + remedy[1:],
    )


def _not_counted(around: Surroundings) -> str:
    ours = sorted(around.only_ours & {*INSTRUMENTED, *SERVERS})
    return f" ({', '.join(ours)} came with otel-asayer[cli])" if ours else ""


def check_gevent(around: Surroundings) -> Iterator[Verdict]:
    """Whether gevent patches before OpenTelemetry imports what is patched:

    after it, TLS recurses for ever, and some applications hang.
    """
    late = sorted(_LATE & around.packages)
    if around.value(_GEVENT_VARIABLE) == "patch_all":
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
            "so after OpenTelemetry is imported, and may hang; "
            "gunicorn's gevent workers do not",
            f"Set {_GEVENT_VARIABLE}=patch_all where the application patches by itself",
        )


def check_django(around: Surroundings) -> Iterator[Verdict]:
    """Whether Django's instrumentation finds the site's settings:

    it is at work before `manage.py` has named them, and takes Django's defaults.
    """
    if f"{_INSTRUMENTATION}-django" not in around.packages or "django" not in around.packages:
        yield skipped("Django is not installed, or not instrumented")
    elif around.value("DJANGO_SETTINGS_MODULE"):
        yield ok(f"DJANGO_SETTINGS_MODULE is {around.value('DJANGO_SETTINGS_MODULE')}")
    else:
        yield warning(
            "DJANGO_SETTINGS_MODULE is not set. A site of Django does not start then under "
            "opentelemetry-instrument: 'CommandError: You must set "
            "settings.ALLOWED_HOSTS if DEBUG is False.'",
            "Set DJANGO_SETTINGS_MODULE to the site's settings, as in its manage.py, before "
            "opentelemetry-instrument starts",
        )


def _problem(finding: Finding) -> Verdict:
    remedy = finding.remedy
    return problem(
        finding.fault, remedy if remedy.startswith("pip ") else remedy[:1].upper() + remedy[1:]
    )
