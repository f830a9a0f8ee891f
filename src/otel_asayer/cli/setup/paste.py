"""What to paste where: the application's environment, and the forms of Asayer and OpenReplay. Pure:

texts out, each secret in one of them only.
"""

from __future__ import annotations

import json
import re
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from otel_asayer.cli.setup.addresses import address_of, url_of
from otel_asayer.config import SETTINGS, Config
from otel_asayer.environment_variables import (
    OTEL_ASAYER_VIEWER_API_KEY,
    OTEL_EXPORTER_ELASTICSEARCH_API_KEY,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "compose",
    "environment",
    "file_note",
    "form",
    "form_notes",
    "kubernetes",
    "shell",
    "viewer",
]

_TLS: Final = (
    "certificate",
    "certificate_fingerprint",
    "client_certificate",
    "client_key",
    "verify_certs",
)
_SETTINGS: Final = ("endpoint", "cloud_id", *_TLS, "dataset", "namespace", "replay_url")
_ALWAYS: Final = {
    "OTEL_PROPAGATORS": "tracecontext,asayer",
    "OTEL_TRACES_EXPORTER": "elasticsearch",
    "OTEL_LOGS_EXPORTER": "elasticsearch",
    "OTEL_METRICS_EXPORTER": "none",
}
_PUBLIC: Final = "OpenReplay trusts public certificate authorities alone."
_PRIVATE: Final = f"{_PUBLIC} This Elasticsearch seems to have its certificate of another one: put a proxy with a trusted certificate in front of it."
_EXPANDED: Final = re.compile(r"[$`\\]")


def environment(config: Config) -> dict[str, str]:
    """Return the application's variables, but for its key:

    those of the connection that differ from their defaults, and what OpenTelemetry needs.
    """
    defaults = Config()
    differing = {
        name: value
        for name in _SETTINGS
        if (value := getattr(config, name)) != getattr(defaults, name)
    }
    return {
        **{SETTINGS[name].variable: _value(value) for name, value in differing.items()},
        **_ALWAYS,
    }


def shell(variables: Mapping[str, str], key: str | None) -> str:
    """Return lines for a shell, the only ones that hold the key."""
    keyed = {OTEL_EXPORTER_ELASTICSEARCH_API_KEY: key} if key else {}
    return "\n".join(
        f"export {name}={quote(value)}" for name, value in {**variables, **keyed}.items()
    )


def compose(variables: Mapping[str, str], *, keyed: bool) -> str:
    """Return a part of a Compose file; each variable comes from the shell that starts it, or from `.env`."""
    names = [*variables, *([OTEL_EXPORTER_ELASTICSEARCH_API_KEY] if keyed else [])]
    return "\n".join(
        ["services:", "  your-service:", "    environment:", *(f"      - {name}" for name in names)]
    )


def kubernetes(variables: Mapping[str, str], *, keyed: bool) -> str:
    """Return the command that makes a secret, in the shell that has the key, and the lines that give it to a container."""
    lines = [f"  {name}: {_unexpanded(json.dumps(value))}" for name, value in variables.items()]
    key = (
        [f'  {OTEL_EXPORTER_ELASTICSEARCH_API_KEY}: "${OTEL_EXPORTER_ELASTICSEARCH_API_KEY}"']
        if keyed
        else []
    )
    head = [
        "kubectl apply -f - <<END",
        "apiVersion: v1",
        "kind: Secret",
        "metadata:",
        "  name: otel-asayer",
        "stringData:",
    ]
    return "\n".join(
        [
            *head,
            *lines,
            *key,
            "END",
            "",
            "# in the container's specification:",
            "envFrom:",
            "  - secretRef:",
            "      name: otel-asayer",
        ]
    )


def viewer(key: str) -> str:
    """Return the line for those who look."""
    return f"export {OTEL_ASAYER_VIEWER_API_KEY}={quote(key)}"


def form(config: Config, key: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Return the fields of the forms, of both together."""
    address = address_of(config)
    secret = [("API key ID", key["id"]), ("API key", key["api_key"])] if key else []
    return [
        ("URL (OpenReplay)", url_of(config)),
        ("Host (Asayer)", address.host),
        ("Port (Asayer)", str(address.port)),
        *secret,
    ]


def file_note(config: Config) -> str:
    """Return what a container needs besides, a sentence, or nothing."""
    files = [
        file for file in (config.certificate, config.client_certificate, config.client_key) if file
    ]
    return (
        f"A container needs {' and '.join(files)} too, mounted under the same name."
        if files
        else ""
    )


def form_notes(config: Config) -> list[str]:
    """Return what a person has to know before filling in the form, in sentences."""
    notes = [
        (
            'OpenReplay from 1.21 on answers the first save with "invalid credentials", always, '
            "and "
            "saves: save once more, and it is accepted."
        ),
        (
            "OpenReplay 1.21.0 ends its whole service while nothing is called logs: fill in the "
            "form "
            "only once this command reports no problem."
        ),
        (
            "Where the form asks for indexes: asayer-logs-*. OpenReplay from 1.21 on does not ask, "
            "and "
            "reads logs."
        ),
        "OpenReplay 1.5 is the oldest of its versions that can be served.",
    ]
    if url_of(config).startswith("https:"):
        notes.append(
            _PRIVATE
            if config.certificate or config.certificate_fingerprint or not config.verify_certs
            else _PUBLIC
        )
    if address_of(config).is_internal:
        notes.append(
            f"{address_of(config).host} is a name of this network: give one that Asayer or "
            f"OpenReplay reaches."
        )
    return notes


def _unexpanded(text: str) -> str:
    """Text that the shell leaves as it is in a here-document."""
    return _EXPANDED.sub(r"\\\g<0>", text)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)
