"""Settings that exclude each other: a guess could send a credential to the wrong place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_asayer import environment_variables as env
from otel_asayer.config.parsers import FailClosed, Problem

if TYPE_CHECKING:
    from otel_asayer.config.config import Config

__all__ = ["conflicts_of"]


def conflicts_of(config: Config) -> list[Problem]:
    """Return a problem for each pair of settings that exclude each other."""
    tls = (
        config.certificate
        or config.certificate_fingerprint
        or config.client_certificate
        or not config.verify_certs
    )
    rules = (
        (
            sum(
                map(
                    bool,
                    (config.api_key, config.api_key_file, config.username, config.bearer_token),
                )
            )
            > 1,
            env.OTEL_EXPORTER_ELASTICSEARCH_API_KEY,
            (
                "expected one of API key, API key file, user name and bearer token, and there are "
                "several"
            ),
        ),
        (
            bool(config.username) != bool(config.password),
            env.OTEL_EXPORTER_ELASTICSEARCH_PASSWORD,
            "expected a user name and a password, and there is only one of them",
        ),
        (
            bool(config.endpoint and config.cloud_id),
            env.OTEL_EXPORTER_ELASTICSEARCH_CLOUD_ID,
            "expected an endpoint or a Cloud ID, and there are both",
        ),
        (
            bool(config.client_key and not config.client_certificate),
            env.OTEL_EXPORTER_ELASTICSEARCH_CLIENT_KEY,
            "expected a client certificate beside its key, and there is none",
        ),
        (
            bool(config.certificate and config.certificate_fingerprint),
            env.OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE_FINGERPRINT,
            "expected a CA file or a fingerprint, and there are both",
        ),
        (
            bool(
                tls
                and config.endpoint
                and not all(url.startswith("https:") for url in config.endpoint)
            ),
            env.OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT,
            "expected https:// in every URL, for TLS is configured",
        ),
    )
    return [
        Problem(variable, message, FailClosed.EXPORTER)
        for holds, variable, message in rules
        if holds
    ]
