"""Which checks there are, in the order in which they are shown."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Final

from otel_asayer.cli.doctor.disk import check_disk, check_spool
from otel_asayer.cli.doctor.findings import Check, Verdict, skipped
from otel_asayer.cli.doctor.packages import (
    check_distros,
    check_django,
    check_gevent,
    check_instrumentations,
    check_logging,
    check_opentelemetry,
    check_propagators,
)
from otel_asayer.cli.doctor.privileges import check_expiration, check_viewer, check_writer
from otel_asayer.cli.doctor.readers import READERS
from otel_asayer.cli.doctor.records import (
    Record,
    check_alias,
    check_mapping,
    check_reader,
    check_removal,
    check_write,
)
from otel_asayer.cli.doctor.server import (
    check_certificates,
    check_clock,
    check_endpoints,
    check_failure_stores,
    check_tls,
    check_version,
)
from otel_asayer.cli.doctor.settings import check_exporters, check_replay_link, check_variables
from otel_asayer.cli.doctor.templates import check_templates
from otel_asayer.setup.templates import READERS_ALIAS
from otel_asayer.spool import spool_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_asayer.cli.doctor.subject import Subject
    from otel_asayer.cli.doctor.surroundings import Surroundings
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


def plan(config: Config, around: Surroundings, subject: Subject | None) -> list[Check]:
    """Return the checks for these settings; `subject` is None where no Elasticsearch can be asked."""
    return [
        Check(_SETTINGS, "variables", partial(check_variables, config, around)),
        Check(_SETTINGS, _START, partial(check_opentelemetry, around)),
        Check(
            _SETTINGS, "propagators", partial(check_propagators, config, around), needs=(_START,)
        ),
        Check(_SETTINGS, "exporters", partial(check_exporters, around)),
        Check(_SETTINGS, "replay link", partial(check_replay_link, config)),
        Check(_PACKAGES, "distribution", partial(check_distros, around), needs=(_START,)),
        Check(_PACKAGES, "logging", partial(check_logging, around), needs=(_START,)),
        Check(
            _PACKAGES, "instrumentation", partial(check_instrumentations, around), needs=(_START,)
        ),
        Check(_PACKAGES, "Django", partial(check_django, around)),
        *(
            [Check(_PACKAGES, "gevent", partial(check_gevent, around))]
            if "gevent" in around.packages
            else []
        ),
        Check(_SPOOL, "documents", partial(check_spool, config)),
        Check(_SPOOL, "disk", partial(check_disk, config)),
        *(
            _server(subject)
            if subject
            else [Check(_SERVER, _ENDPOINT, partial(_no_endpoint, config))]
        ),
        *(_replay(subject) if subject else []),
        Check(_BROWSER, "headers", partial(_headers, config)),
    ]


def _server(subject: Subject) -> list[Check]:
    config, now = subject.config, datetime.now(timezone.utc)
    reached = (
        (_ENDPOINT,) if config.viewer_api_key else (_ENDPOINT, _WRITER)
    )  # without a viewer's key, the exporter's looks
    return [
        Check(
            _SERVER,
            _ENDPOINT,
            partial(check_endpoints, config, seconds=subject.seconds),
            needs=(_START,),
        ),
        Check(_SERVER, "TLS", partial(check_tls, config, now=now)),
        Check(_SERVER, _WRITER, partial(check_writer, subject), needs=(_ENDPOINT,)),
        Check(_SERVER, _VIEWER, partial(check_viewer, subject), needs=reached),
        Check(_SERVER, "expiration", partial(check_expiration, subject, now=now), needs=(_WRITER,)),
        Check(_SERVER, "version", partial(check_version, subject), needs=reached),
        Check(
            _SERVER, "certificates", partial(check_certificates, subject, now=now), needs=(_VIEWER,)
        ),
        Check(_SERVER, "clock", partial(check_clock, subject), needs=(_VIEWER,)),
        Check(_SERVER, "templates", partial(check_templates, subject), needs=(_VIEWER,)),
        Check(_SERVER, "failure stores", partial(check_failure_stores, subject), needs=(_VIEWER,)),
    ]


def _replay(subject: Subject) -> list[Check]:
    if not subject.config.replay_records:
        return [
            Check(
                _REPLAY,
                _RECORD,
                lambda: [skipped("OTEL_ASAYER_REPLAY_RECORDS is false: none are written")],
            )
        ]
    record = Record.new(subject.config, datetime.now(timezone.utc))
    stored = (_RECORD, _VIEWER)
    return [
        Check(_REPLAY, _RECORD, partial(check_write, subject, record), needs=(_ENDPOINT, _WRITER)),
        # What hinders the record may be the alias: so it is looked at in any case.
        Check(
            _REPLAY,
            f"alias {READERS_ALIAS}",
            partial(check_alias, subject),
            needs=(_VIEWER,),
            after=(_RECORD,),
        ),
        Check(_REPLAY, "mapping", partial(check_mapping, subject), needs=stored),
        *(
            Check(
                _REPLAY, reader.name, partial(check_reader, subject, record, reader), needs=stored
            )
            for reader in READERS
        ),
        Check(
            _REPLAY,
            "removal",
            partial(check_removal, subject, record),
            needs=(_RECORD,),
            after=tuple(reader.name for reader in READERS),
        ),
    ]


def _no_endpoint(config: Config) -> Iterator[Verdict]:
    if config.closed:
        yield skipped(
            f"it was not asked, for the settings of the connection cannot be used ({config.closed})"
        )
    else:
        yield skipped(
            f"none is configured: everything is kept in {spool_root(config)} until somebody sends "
            f"it",
            "Set OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT; `otel-asayer spool drain` then sends what "
            "was kept",
        )


def _headers(config: Config) -> Iterator[Verdict]:
    """No browser runs here: what it needs is said."""
    header = config.session_headers[0]
    yield skipped(
        f"not seen from here. Where pages call services of another origin, those answer the "
        f"preflight with Access-Control-Allow-Headers: {header}"
    )
