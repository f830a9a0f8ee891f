"""What to paste where: the application's variables, and the forms of Asayer and OpenReplay.

Pure. Each secret is in one of the texts only.
"""

from __future__ import annotations

import json
import re
from shlex import quote
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from otel_asayer.config import SETTINGS, Config
from otel_asayer.config.parsers import cloud_endpoint
from otel_asayer.config.targets import Targets
from otel_asayer.environment_variables import (
    OTEL_ASAYER_VIEWER_API_KEY,
    OTEL_EXPORTER_ELASTICSEARCH_API_KEY,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Address",
    "address_of",
    "compose",
    "environment",
    "file_note",
    "form",
    "form_notes",
    "kubernetes",
    "shell",
    "url_of",
    "viewer",
]

_INTERNAL: Final = Targets.parse("internal")
_TLS: Final = (
    "certificate",
    "certificate_fingerprint",
    "client_certificate",
    "client_key",
    "verify_certs",
)
_SETTINGS: Final = ("endpoint", "cloud_id", *_TLS, "dataset", "namespace", "replay_url")
_SERVICE: Final = "OTEL_SERVICE_NAME"
_YOURS: Final = "your-service"
"""What a person replaces with the service's name: each service has its own."""
_ALWAYS: Final = {
    "OTEL_PROPAGATORS": "tracecontext,asayer",
    "OTEL_TRACES_EXPORTER": "elasticsearch",
    "OTEL_LOGS_EXPORTER": "elasticsearch",
    "OTEL_METRICS_EXPORTER": "none",
}
_PUBLIC: Final = "OpenReplay trusts public certificate authorities only."
_PRIVATE: Final = (
    f"{_PUBLIC} The certificate of this Elasticsearch seems to come from another one: put a proxy "
    "with a trusted certificate in front of it."
)
_EXPANDED: Final = re.compile(r"[$`\\]")


class Address(NamedTuple):
    """Host and port of Elasticsearch, which forms ask for."""

    host: str
    port: int

    @property
    def is_internal(self) -> bool:
        """Whether other networks probably cannot reach it under this name."""
        return _INTERNAL.allow(self.host)


def url_of(config: Config) -> str:
    """Return the URL of Elasticsearch; the first, where there are several."""
    return config.endpoint[0] if config.endpoint else cloud_endpoint(config.cloud_id or "")


def address_of(config: Config) -> Address:
    """Return the host and port of Elasticsearch."""
    parts = urlsplit(url_of(config))
    return Address(parts.hostname or "", parts.port or 443)


def environment(config: Config) -> dict[str, str]:
    """Return the application's variables, without its key.

    They are the service's name, to be filled in, those of the connection that differ from their
    defaults, and those OpenTelemetry needs.
    """
    defaults = Config()
    differing = {
        name: value
        for name in _SETTINGS
        if (value := getattr(config, name)) != getattr(defaults, name)
    }
    return {
        _SERVICE: _YOURS,
        **{SETTINGS[name].variable: _value(value) for name, value in differing.items()},
        **_ALWAYS,
    }


def shell(variables: Mapping[str, str], key: str | None) -> str:
    """Return lines for a shell, the only ones that contain the key."""
    keyed = {OTEL_EXPORTER_ELASTICSEARCH_API_KEY: key} if key else {}
    return "\n".join(
        f"export {name}={quote(value)}" for name, value in {**variables, **keyed}.items()
    )


def compose(variables: Mapping[str, str], *, keyed: bool) -> str:
    """Return a part of a Compose file. Its variables come from the shell, or from `.env`.

    The service's name does not: the services of one file share the shell.
    """
    names = [*variables, *([OTEL_EXPORTER_ELASTICSEARCH_API_KEY] if keyed else [])]
    entries = (f"{name}={variables[name]}" if name == _SERVICE else name for name in names)
    return "\n".join(
        [
            "services:",
            f"  {_YOURS}:",
            "    environment:",
            *(f"      - {entry}" for entry in entries),
        ]
    )


def kubernetes(variables: Mapping[str, str], *, keyed: bool) -> str:
    """Return the command that creates a secret, and the lines that give it to a container.

    Run the command in the shell that has the key. The service's name is not in the secret: several
    services share that.
    """
    lines = [
        f"  {name}: {_unexpanded(json.dumps(value))}"
        for name, value in variables.items()
        if name != _SERVICE
    ]
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
            *_named(variables),
        ]
    )


def _named(variables: Mapping[str, str]) -> list[str]:
    """Return the lines that give the service's name to a container."""
    if _SERVICE not in variables:
        return []
    return ["env:", f"  - name: {_SERVICE}", f"    value: {variables[_SERVICE]}"]


def viewer(key: str) -> str:
    """Return the line for people who use the viewer's key."""
    return f"export {OTEL_ASAYER_VIEWER_API_KEY}={quote(key)}"


def form(config: Config, key: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Return the fields of both forms."""
    address = address_of(config)
    secret = [("API key ID", key["id"]), ("API key", key["api_key"])] if key else []
    return [
        ("URL (OpenReplay)", url_of(config)),
        ("Host (Asayer)", address.host),
        ("Port (Asayer)", str(address.port)),
        *secret,
    ]


def file_note(config: Config) -> str:
    """Return a sentence about the files that a container needs; nothing where there are none."""
    files = [
        file for file in (config.certificate, config.client_certificate, config.client_key) if file
    ]
    return (
        f"A container needs {' and '.join(files)}, too, mounted at the same path." if files else ""
    )


def form_notes(config: Config) -> list[str]:
    """Return sentences about what you have to know before you fill in the form."""
    notes = [
        (
            'OpenReplay from 1.21 on always answers the first save with "invalid credentials", but '
            "saves: save a second time."
        ),
        (
            "OpenReplay 1.21.0 stops its whole service if nothing is called logs: fill in the form "
            "only when this command reports no problem."
        ),
        (
            "Where the form asks for indexes, enter asayer-logs-*. OpenReplay from 1.21 on does "
            "not ask, and reads logs."
        ),
        "OpenReplay 1.5 is the oldest version that works.",
    ]
    if url_of(config).startswith("https:"):
        notes.append(
            _PRIVATE
            if config.certificate or config.certificate_fingerprint or not config.verify_certs
            else _PUBLIC
        )
    if address_of(config).is_internal:
        notes.append(
            f"{address_of(config).host} is a name in this network: enter one that Asayer or "
            f"OpenReplay can reach."
        )
    return notes


def _unexpanded(text: str) -> str:
    """Text that a shell leaves as it is in a here-document."""
    return _EXPANDED.sub(r"\\\g<0>", text)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)
