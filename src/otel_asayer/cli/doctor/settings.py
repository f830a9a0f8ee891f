"""Checks on the variables of the environment."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from otel_asayer.cli.doctor.declared import Declaration, read_declaration
from otel_asayer.cli.doctor.examination import CheckResult, ok, problem, skipped, warning
from otel_asayer.cli.doctor.versions import InstalledPackage, installed_packages
from otel_asayer.config import SETTINGS, Config, opentelemetry_variables, sdk_disabled
from otel_asayer.documents.replay_records import ReplayLink
from otel_asayer.propagation.session_id import SessionId
from otel_asayer.runtime.frameworks import Installed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from otel_asayer.runtime.diagnostics import Finding

__all__ = [
    "SIGNALS",
    "Environment",
    "check_exporters",
    "check_propagators",
    "check_replay_link",
    "check_variables",
    "is_loopback",
    "of_finding",
]

_CONFIGURATION_FILE: Final = "OTEL_CONFIG_FILE"
SIGNALS: Final = ("traces", "logs", "metrics")


class Environment(NamedTuple):
    """What the checks know about the process that they run in.

    Attributes:
        variables: The variables `OTEL_*` and `DJANGO_SETTINGS_MODULE`.
        packages: Names of installed distributions, normalised: lower case, with hyphens.
        exporters: The names of the installed exporters of each signal.
        only_ours: The packages that only our extra `cli` needs, and no application uses.
        installed: Versions and requirements of the packages.
        declaration: What the file says that `OTEL_CONFIG_FILE` names.
    """

    variables: Mapping[str, str]
    packages: frozenset[str]
    exporters: Mapping[str, frozenset[str]]
    only_ours: frozenset[str] = frozenset()
    installed: Mapping[str, InstalledPackage] = MappingProxyType({})
    declaration: Declaration = Declaration()

    @classmethod
    def of_this_process(cls) -> Environment:
        """Return the environment of this process."""
        installed, packages = Installed.here(), installed_packages()
        variables = opentelemetry_variables()
        file = variables.get(_CONFIGURATION_FILE, "").strip()
        return cls(
            variables,
            installed.packages,
            {
                signal: frozenset(entry_points(group=f"opentelemetry_{signal}_exporter").names)
                for signal in SIGNALS
            },
            installed.only_ours,
            packages,
            read_declaration(file, packages) if file else Declaration(),
        )

    def value(self, name: str) -> str:
        """Return a variable's value without surrounding spaces.

        Empty counts as unset, as in OpenTelemetry's specification.
        """
        return self.variables.get(name, "").strip()

    @property
    def configuration_file(self) -> str:
        """The file of declarative configuration. It overrides most variables of OpenTelemetry."""
        return self.value(_CONFIGURATION_FILE)

    @property
    def has_distro(self) -> bool:
        """Whether a package is installed that sets up the SDK for `opentelemetry-instrument`."""
        return bool(entry_points(group="opentelemetry_configurator"))


_PREFIXES: Final = ("OTEL_ASAYER_", "OTEL_EXPORTER_ELASTICSEARCH_")
_OURS: Final = "elasticsearch"
_OTLP: Final = "otlp"
_OTLP_BY_PROTOCOL: Final = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}
_SENT: Final = {"traces": "spans", "logs": "log records"}
_PROVIDERS: Final = {"traces": "tracer_provider", "logs": "logger_provider"}
_EXAMPLE_URL: Final = "https://app.openreplay.com/PROJECT/session/{session_id}?jumpto={time_ms}"
_EXAMPLE_SESSION: Final = "2618307011354435587"
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def check_variables(config: Config, environment: Environment) -> Iterator[CheckResult]:
    """Report all problems with variables at once.

    No message repeats a value: it may be a secret, perhaps in the wrong variable.
    """
    found = [*_unusable(config), *_unknown(environment), *_switched_off(config, environment)]
    number = sum(bool(environment.value(setting.variable)) for setting in SETTINGS.values())
    yield from found or [ok(f"{number} of otel-asayer's are set, and can be used")]


def _unusable(config: Config) -> Iterator[CheckResult]:
    for fault in config.problems:
        yield problem(str(fault), f"Correct {fault.variable}, or unset it")


def _unknown(environment: Environment) -> Iterator[CheckResult]:
    known = [setting.variable for setting in SETTINGS.values()]
    for name in sorted(environment.variables):
        if name.startswith(_PREFIXES) and name not in known:
            close = get_close_matches(name, known, n=1, cutoff=0.8)
            yield warning(
                f"{name} is not a variable of otel-asayer: it has no effect",
                f"Did you mean {close[0]}?" if close else "Unset it",
            )


def _switched_off(config: Config, environment: Environment) -> Iterator[CheckResult]:
    if sdk_disabled(environment.variables):
        yield warning(
            "OTEL_SDK_DISABLED switches OpenTelemetry off: nothing is recorded", "Unset it"
        )
    if environment.value("OTEL_SERVICE_NAME") and not environment.declaration.names_service:
        yield warning(
            "OTEL_SERVICE_NAME has no effect: the file that OTEL_CONFIG_FILE names gives the "
            "service no name",
            "Add `resource:` to the file, with the attribute service.name: ${OTEL_SERVICE_NAME}",
        )
    if not config.enabled:
        yield warning(
            "OTEL_ASAYER_ENABLED switches sessions off: replays show nothing of the backend",
            "Unset it",
        )


def check_exporters(environment: Environment) -> Iterator[CheckResult]:
    """Check that every signal has an exporter that exists.

    A missing one switches off all instrumentation.
    """
    if environment.configuration_file:
        yield from _declared_exporters(environment.declaration)
    elif not environment.has_distro and not any(
        environment.value(_variable(signal)) for signal in SIGNALS
    ):
        yield skipped("none is named in variables: otel_asayer.configure() adds them")
    else:
        found = [result for signal in SIGNALS for result in _exporters_of(signal, environment)]
        yield from found or [ok("spans and log records go to Elasticsearch")]


def _declared_exporters(declaration: Declaration) -> Iterator[CheckResult]:
    if declaration.fault:
        yield problem(declaration.fault, declaration.remedy)
        return
    missing = [signal for signal in _SENT if signal not in declaration.exporters]
    for signal in missing:
        yield warning(
            f"The file that OTEL_CONFIG_FILE names has no exporter elasticsearch for {signal}: "
            f"{_SENT[signal]} are not sent there",
            f"Add one to the processors of {_PROVIDERS[signal]}",
        )
    if missing:
        return
    spans, log_records = (declaration.exporters[signal] for signal in _SENT)
    if spans != log_records:
        yield warning(
            "The exporters of spans and of log records have different settings in the file that "
            "OTEL_CONFIG_FILE names: the doctor looked at those of spans",
            "Give both the same settings, unless they have different destinations",
        )
    else:
        yield ok("spans and log records go to Elasticsearch, as OTEL_CONFIG_FILE says")


def _exporters_of(signal: str, environment: Environment) -> Iterator[CheckResult]:
    variable = _variable(signal)
    given = environment.value(variable)
    names = (
        [] if given.lower() == "none" else [name.strip() for name in (given or _OTLP).split(",")]
    )
    missing = [
        name
        for name in names
        if _component(name, signal, environment) not in environment.exporters[signal]
    ]
    if missing:
        what = (
            f"names {', '.join(missing)}, which is not installed"
            if given
            else "is not set, and its default, otlp, is not installed"
        )
        good = "none" if signal == "metrics" else _OURS
        yield problem(
            f"{variable} {what}: under opentelemetry-instrument nothing at all is recorded",
            f"Set {variable}={good}",
        )
    elif signal in _SENT and _OURS not in names:
        yield warning(
            f"{variable} does not name elasticsearch: {_SENT[signal]} are not sent there",
            f"Set {variable}={','.join([*names, _OURS])}",
        )


def _component(name: str, signal: str, environment: Environment) -> str:
    """The name by which the SDK looks for an exporter; for `otlp`, it depends on the protocol."""
    if name != _OTLP:
        return name
    protocol = (
        environment.value(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL")
        or environment.value("OTEL_EXPORTER_OTLP_PROTOCOL")
        or "grpc"
    )
    return _OTLP_BY_PROTOCOL.get(protocol, protocol)


def _variable(signal: str) -> str:
    return f"OTEL_{signal.upper()}_EXPORTER"


def check_replay_link(config: Config) -> Iterator[CheckResult]:
    """Check that documents get a link to the moment in the replay."""
    template = config.replay_url
    if template is None:
        yield warning(
            "Traces and errors in Elasticsearch get no link to their replay",
            f"Set OTEL_ASAYER_REPLAY_URL, like {_EXAMPLE_URL}",
        )
    elif not ("{time_ms}" in template or "{offset_ms}" in template):
        yield warning(
            "Links open a replay at its start, not at the moment in it",
            "Append ?jumpto={time_ms} to OTEL_ASAYER_REPLAY_URL",
        )
    elif not template.startswith("https:") and not is_loopback(template):
        yield warning(
            "Links to the replay use http, which others on the way can read",
            "Write https:// in OTEL_ASAYER_REPLAY_URL",
        )
    else:
        session = SessionId(_EXAMPLE_SESSION)
        yield ok(
            f"like {ReplayLink(template).url(session, (session.started_at_ms or 0) * 1_000_000)}"
        )


def is_loopback(url: str) -> bool:
    """Whether a URL points to this machine."""
    return urlsplit(url).hostname in _LOOPBACK


def check_propagators(config: Config, environment: Environment) -> Iterator[CheckResult]:
    """Check that the session id comes in and is passed on, and to nobody else."""
    if not config.enabled:
        yield skipped("OTEL_ASAYER_ENABLED is false: no session id is read or passed on")
        return
    from otel_asayer.runtime import diagnostics

    if environment.configuration_file:
        yield _declared_propagators(environment.declaration)
        return
    # Only the application knows whether a response header is set.
    found = list(diagnostics.on_propagators(trace_response=False))
    yield from (
        map(of_finding, found)
        if found
        else [ok(f"{environment.value('OTEL_PROPAGATORS')} are active")]
    )


def _declared_propagators(declaration: Declaration) -> CheckResult:
    from otel_asayer.runtime import diagnostics

    names = declaration.propagators
    if declaration.fault:
        return skipped("the file that OTEL_CONFIG_FILE names cannot be used")
    if "asayer" not in names:
        return of_finding(diagnostics.NO_PROPAGATOR)
    if "baggage" in names:
        return of_finding(diagnostics.LEAK)
    return ok("asayer is active, as OTEL_CONFIG_FILE says")


def of_finding(finding: Finding) -> CheckResult:
    """Return a finding of the start-up message as a problem."""
    remedy = finding.remedy
    return problem(
        finding.fault, remedy if remedy.startswith("pip ") else remedy[:1].upper() + remedy[1:]
    )
