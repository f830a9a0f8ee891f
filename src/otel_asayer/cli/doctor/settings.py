"""Checks on variables: each is a function of the settings and of what is around."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from otel_asayer.cli.doctor.findings import ok, problem, skipped, warning
from otel_asayer.cli.doctor.surroundings import SIGNALS
from otel_asayer.config import SETTINGS, sdk_disabled
from otel_asayer.documents.replay_records import ReplayLink
from otel_asayer.propagation.session_id import SessionId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_asayer.cli.doctor.findings import Verdict
    from otel_asayer.cli.doctor.surroundings import Surroundings
    from otel_asayer.config import Config

__all__ = ["check_exporters", "check_replay_link", "check_variables", "is_loopback"]

_PREFIXES: Final = ("OTEL_ASAYER_", "OTEL_EXPORTER_ELASTICSEARCH_")
_OURS: Final = "elasticsearch"
_CONFIGURATION: Final = "opentelemetry-configuration"
_OTLP: Final = "otlp"
_OTLP_BY_PROTOCOL: Final = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}
_SENT: Final = {"traces": "spans", "logs": "log records"}
_EXAMPLE_URL: Final = "https://app.openreplay.com/PROJECT/session/{session_id}?jumpto={time_ms}"
_EXAMPLE_SESSION: Final = "2618307011354435587"
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def check_variables(config: Config, around: Surroundings) -> Iterator[Verdict]:
    """All that is wrong with variables, at once. No value is repeated:

    it may be secret, or in the wrong variable.
    """
    found = [*_unusable(config), *_unknown(around), *_switched_off(config, around)]
    number = sum(bool(around.value(setting.variable)) for setting in SETTINGS.values())
    yield from found or [ok(f"{number} of otel-asayer's are set, and can be used")]


def _unusable(config: Config) -> Iterator[Verdict]:
    for fault in config.problems:
        yield problem(str(fault), f"Correct {fault.variable}, or unset it")


def _unknown(around: Surroundings) -> Iterator[Verdict]:
    known = [setting.variable for setting in SETTINGS.values()]
    for name in sorted(around.variables):
        if name.startswith(_PREFIXES) and name not in known:
            close = get_close_matches(name, known, n=1, cutoff=0.8)
            yield warning(
                f"{name} is no variable of otel-asayer: it has no effect",
                f"Did you mean {close[0]}?" if close else "Unset it",
            )


def _switched_off(config: Config, around: Surroundings) -> Iterator[Verdict]:
    if sdk_disabled(around.variables):
        yield warning(
            "OTEL_SDK_DISABLED switches OpenTelemetry off: nothing is recorded", "Unset it"
        )
    if not config.enabled:
        yield warning(
            "OTEL_ASAYER_ENABLED switches sessions off: nothing is found beside a replay",
            "Unset it",
        )


def check_exporters(around: Surroundings) -> Iterator[Verdict]:
    """Whether every signal has an exporter that exists:

    one that does not switches all instrumentation off.
    """
    if around.configuration_file:
        yield _configuration_file(around)
    elif not around.has_distro and not any(around.value(_variable(signal)) for signal in SIGNALS):
        yield skipped("none is named in variables: otel_asayer.configure() adds them")
    else:
        found = [verdict for signal in SIGNALS for verdict in _exporters_of(signal, around)]
        yield from found or [ok("spans and log records go to Elasticsearch")]


def _configuration_file(around: Surroundings) -> Verdict:
    if _CONFIGURATION not in around.packages:
        return problem(
            f"OTEL_CONFIG_FILE takes the package {_CONFIGURATION}: without it nothing at all is "
            f"recorded",
            f"pip install {_CONFIGURATION}",
        )
    if not Path(around.configuration_file).is_file() or not os.access(
        around.configuration_file, os.R_OK
    ):
        return problem(
            f"OTEL_CONFIG_FILE names {around.configuration_file}, which is no file that can be "
            f"read: nothing at all is recorded",
            "Correct OTEL_CONFIG_FILE, or unset it",
        )
    return skipped("OTEL_CONFIG_FILE names the exporters, in place of variables")


def _exporters_of(signal: str, around: Surroundings) -> Iterator[Verdict]:
    variable = _variable(signal)
    given = around.value(variable)
    names = (
        [] if given.lower() == "none" else [name.strip() for name in (given or _OTLP).split(",")]
    )
    missing = [
        name for name in names if _component(name, signal, around) not in around.exporters[signal]
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


def _component(name: str, signal: str, around: Surroundings) -> str:
    """The name under which the SDK looks for an exporter; of `otlp`, the protocol decides."""
    if name != _OTLP:
        return name
    protocol = (
        around.value(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL")
        or around.value("OTEL_EXPORTER_OTLP_PROTOCOL")
        or "grpc"
    )
    return _OTLP_BY_PROTOCOL.get(protocol, protocol)


def _variable(signal: str) -> str:
    return f"OTEL_{signal.upper()}_EXPORTER"


def check_replay_link(config: Config) -> Iterator[Verdict]:
    """Whether documents get a link that leads to the moment in the replay."""
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
            "Links lead to a replay over http, which others on the way can read",
            "Write https:// in OTEL_ASAYER_REPLAY_URL",
        )
    else:
        session = SessionId(_EXAMPLE_SESSION)
        yield ok(
            f"like {ReplayLink(template).url(session, (session.started_at_ms or 0) * 1_000_000)}"
        )


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine."""
    return urlsplit(url).hostname in _LOOPBACK
