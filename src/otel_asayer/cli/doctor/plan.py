"""Which checks there are, in the order of the report."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Final

from otel_asayer.cli.doctor.examination import Check, CheckResult, skipped
from otel_asayer.cli.doctor.installation import (
    check_expiration,
    check_templates,
    check_viewer,
    check_writer,
)
from otel_asayer.cli.doctor.instrumentations import check_instrumentations
from otel_asayer.cli.doctor.packages import (
    check_distros,
    check_django,
    check_gevent,
    check_internals,
    check_logging,
    check_opentelemetry,
)
from otel_asayer.cli.doctor.replay import (
    READERS,
    Record,
    check_alias,
    check_mapping,
    check_reader,
    check_removal,
    check_write,
)
from otel_asayer.cli.doctor.server import (
    ExaminedServer,
    check_certificates,
    check_clock,
    check_endpoints,
    check_failure_stores,
    check_tls,
    check_version,
)
from otel_asayer.cli.doctor.settings import (
    Environment,
    check_exporters,
    check_propagators,
    check_replay_link,
    check_variables,
)
from otel_asayer.cli.doctor.spool import check_disk, check_spool
from otel_asayer.cli.doctor.versions import check_frameworks, check_versions
from otel_asayer.setup.templates import READERS_ALIAS
from otel_asayer.spool import spool_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_asayer.config import Config

__all__ = ["plan"]

_START: Final = "OpenTelemetry"
_ENDPOINT: Final = "endpoint"
_WRITER: Final = "exporter's key"
_VIEWER: Final = "viewer's key"
_RECORD: Final = "record"
_SETTINGS: Final = "Settings"
_PACKAGES: Final = "Packages"
_SPOOL: Final = "Spool"
_SERVER: Final = "Elasticsearch"
_REPLAY: Final = "Replay"
_BROWSER: Final = "Browser"


def plan(config: Config, environment: Environment, server: ExaminedServer | None) -> list[Check]:
    """Return the checks for these settings; `server` is None where there is none to examine."""
    return [
        Check(_SETTINGS, "variables", partial(check_variables, config, environment)),
        Check(_SETTINGS, _START, partial(check_opentelemetry, environment)),
        Check(
            _SETTINGS,
            "propagators",
            partial(check_propagators, config, environment),
            needs=(_START,),
        ),
        Check(_SETTINGS, "exporters", partial(check_exporters, environment)),
        Check(_SETTINGS, "replay link", partial(check_replay_link, config)),
        Check(_PACKAGES, "versions", partial(check_versions, environment.installed)),
        Check(_PACKAGES, "distribution", partial(check_distros, environment), needs=(_START,)),
        Check(_PACKAGES, "internals", check_internals, needs=(_START,)),
        Check(_PACKAGES, "logging", partial(check_logging, environment), needs=(_START,)),
        Check(
            _PACKAGES,
            "instrumentation",
            partial(check_instrumentations, environment),
            needs=(_START,),
        ),
        Check(
            _PACKAGES,
            "frameworks",
            partial(check_frameworks, environment.installed, environment.only_ours),
        ),
        Check(_PACKAGES, "Django", partial(check_django, environment)),
        *(
            [Check(_PACKAGES, "gevent", partial(check_gevent, environment))]
            if "gevent" in environment.packages
            else []
        ),
        Check(_SPOOL, "documents", partial(check_spool, config)),
        Check(_SPOOL, "disk", partial(check_disk, config)),
        *(
            _server(server)
            if server
            else [Check(_SERVER, _ENDPOINT, partial(_no_endpoint, config))]
        ),
        *(_replay(server) if server else []),
        Check(_BROWSER, "headers", partial(_headers, config)),
    ]


def _server(server: ExaminedServer) -> list[Check]:
    config, now = server.config, datetime.now(timezone.utc)
    # Without a viewer's key, the exporter's key looks.
    reached = (_ENDPOINT,) if config.viewer_api_key else (_ENDPOINT, _WRITER)
    return [
        Check(
            _SERVER,
            _ENDPOINT,
            partial(check_endpoints, config, seconds=server.seconds),
            needs=(_START,),
        ),
        Check(_SERVER, "TLS", partial(check_tls, config, now=now)),
        Check(_SERVER, _WRITER, partial(check_writer, server), needs=(_ENDPOINT,)),
        Check(_SERVER, _VIEWER, partial(check_viewer, server), needs=reached),
        Check(_SERVER, "expiration", partial(check_expiration, server, now=now), needs=(_WRITER,)),
        Check(_SERVER, "version", partial(check_version, server), needs=reached),
        Check(
            _SERVER, "certificates", partial(check_certificates, server, now=now), needs=(_VIEWER,)
        ),
        Check(_SERVER, "clock", partial(check_clock, server), needs=(_VIEWER,)),
        Check(_SERVER, "templates", partial(check_templates, server), needs=(_VIEWER,)),
        Check(_SERVER, "failure stores", partial(check_failure_stores, server), needs=(_VIEWER,)),
    ]


def _replay(server: ExaminedServer) -> list[Check]:
    if not server.config.replay_records:
        return [
            Check(
                _REPLAY,
                _RECORD,
                lambda: [skipped("OTEL_ASAYER_REPLAY_RECORDS is false: none are written")],
            )
        ]
    record = Record.new(server.config, datetime.now(timezone.utc))
    stored = (_RECORD, _VIEWER)
    return [
        Check(_REPLAY, _RECORD, partial(check_write, server, record), needs=(_ENDPOINT, _WRITER)),
        # The alias may be what keeps the record out: check it in any case.
        Check(
            _REPLAY,
            f"alias {READERS_ALIAS}",
            partial(check_alias, server),
            needs=(_VIEWER,),
            after=(_RECORD,),
        ),
        Check(_REPLAY, "mapping", partial(check_mapping, server), needs=stored),
        *(
            Check(_REPLAY, reader.name, partial(check_reader, server, record, reader), needs=stored)
            for reader in READERS
        ),
        Check(
            _REPLAY,
            "removal",
            partial(check_removal, server, record),
            needs=(_RECORD,),
            after=tuple(reader.name for reader in READERS),
        ),
    ]


def _no_endpoint(config: Config) -> Iterator[CheckResult]:
    if config.closed:
        yield skipped(f"not asked: the settings of the connection cannot be used ({config.closed})")
    else:
        yield skipped(
            f"none is configured: documents stay in {spool_root(config)} until you send them",
            "Set OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT; `otel-asayer spool drain` then sends them",
        )


def _headers(config: Config) -> Iterator[CheckResult]:
    """Say what a browser needs: none runs here."""
    header = config.session_headers[0]
    yield skipped(
        "not visible from here. Where pages call services of another origin, the services have to "
        f"answer the preflight request with Access-Control-Allow-Headers: {header}"
    )
