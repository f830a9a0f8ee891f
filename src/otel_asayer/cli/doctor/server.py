"""The Elasticsearch that the doctor examines, and checks on it: version, TLS, clock."""

from __future__ import annotations

import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_asayer.cli.doctor.examination import CheckResult, Status, ok, problem, skipped, warning
from otel_asayer.cli.doctor.settings import is_loopback
from otel_asayer.elasticsearch.api import Api
from otel_asayer.elasticsearch.client import Client, Requester, UnreachableError
from otel_asayer.elasticsearch.explain import explain_refusal
from otel_asayer.errors import ElasticsearchError
from otel_asayer.sanitize import sanitize_line
from otel_asayer.setup.inventory import stream_name
from otel_asayer.setup.templates import LOGS, READERS_ALIAS, REPLAY, TRACES, IndexTemplate
from otel_asayer.timeline.failure_stores import failure_stores

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from otel_asayer.config import Config

__all__ = [
    "REQUEST_SECONDS",
    "ExaminedServer",
    "check_certificates",
    "check_clock",
    "check_endpoints",
    "check_failure_stores",
    "check_tls",
    "check_version",
]

REQUEST_SECONDS: Final = 4.0
"""Deadline of one request. A person waits here, not a batch."""


class ExaminedServer(NamedTuple):
    """The Elasticsearch that is examined, as the exporter and as a viewer reach it.

    Attributes:
        config: The settings.
        client: The exporter's client, to send as the exporter does.
        writer: The exporter's client, for single requests.
        reader: The viewer's, with the viewer's key where there is one.
    """

    config: Config
    client: Requester
    writer: Api
    reader: Api

    @classmethod
    def from_config(cls, config: Config) -> ExaminedServer:
        """Return the Elasticsearch that `config` names, without a request."""
        client, seconds = Client(config), min(config.timeout, REQUEST_SECONDS)
        with suppress(UnreachableError):  # the checks report that, for each endpoint
            # Its imports take seconds on a busy machine: do them before a request's deadline runs.
            client.connect()
        writer = Api(client, timeout=seconds)
        return cls(
            config,
            client,
            writer,
            Api.from_config(config.as_viewer(), timeout=seconds)
            if config.viewer_api_key
            else writer,
        )

    def close(self) -> None:
        """Close the connections."""
        self.writer.close()
        self.reader.close()

    @property
    def seconds(self) -> float:
        """Deadline of one request."""
        return min(self.config.timeout, REQUEST_SECONDS)

    @property
    def templates(self) -> tuple[IndexTemplate, ...]:
        """Our templates of the data streams and indices that are written to."""
        return (TRACES, LOGS, REPLAY) if self.config.replay_records else (TRACES, LOGS)

    @property
    def streams(self) -> list[str]:
        """The data streams and indices that are written to, unless attributes choose others."""
        return [stream_name(template, self.config) for template in self.templates]

    @property
    def replay_indices(self) -> str:
        """The pattern of the indices of replay records."""
        return stream_name(REPLAY, self.config)

    @property
    def read_names(self) -> list[str]:
        """The names that a viewer reads. An alias needs privileges of its own."""
        return [*self.streams, READERS_ALIAS] if self.config.replay_records else self.streams


_SKEW_MS: Final = 2000
_SOON_DAYS: Final = 21
_CERTIFICATE_TIME: Final = "%b %d %H:%M:%S %Y GMT"
_NEEDED_FOR_TEMPLATES: Final = (8, 15)
_ABOUT_KEYS: Final = (401, 403)
"""Answers of an Elasticsearch that works: the checks on keys report problems with the key."""


def check_endpoints(config: Config, *, seconds: float) -> Iterator[CheckResult]:
    """Check that each endpoint answers as Elasticsearch does.

    Where some do not, requests take longer; where none does, nothing works.
    """
    alone = [config.replace(endpoint=(url,)) for url in config.endpoint] or [config]
    with ThreadPoolExecutor(len(alone)) as pool:
        results = list(pool.map(lambda one: _answers(one, seconds), alone))
    some_answer = any(result.status is Status.OK for result in results)
    yield from (
        result._replace(status=Status.WARNING)
        if some_answer and result.status is Status.PROBLEM
        else result
        for result in results
    )


def _answers(config: Config, seconds: float) -> CheckResult:
    with closing(Api.from_config(config, timeout=seconds)) as api:
        try:
            answer = api.ask("GET", "/")
        except ElasticsearchError as error:
            return problem(str(error))
    if answer.good or answer.status in _ABOUT_KEYS:
        return ok(f"{config.destination} answers")
    return problem(
        f"{config.destination}: {explain_refusal(answer.status, answer.content, 'who it is')}"
    )


def check_version(server: ExaminedServer) -> Iterator[CheckResult]:
    """Check that otel-asayer supports this version."""
    identity = server.reader.identify()
    if identity is None:
        yield skipped("the key may not see it")
    elif not identity.serverless and identity.release < _NEEDED_FOR_TEMPLATES:
        yield warning(
            f"Elasticsearch {identity.version} does not accept our templates for spans and log "
            f"records, which need 8.15",
            "Update it, or install templates of your own for traces-*.otel-* and logs-*.otel-*",
        )
    else:
        yield ok(
            f"Elasticsearch {'Serverless' if identity.serverless else identity.version}, cluster "
            f"{identity.cluster}"
        )


def check_tls(config: Config, *, now: datetime) -> Iterator[CheckResult]:
    """Check that connections are encrypted, and that the CA's certificate does not expire soon."""
    bare = [url for url in config.endpoint if url.startswith("http:")]
    exposed = [url for url in bare if not is_loopback(url)]
    if exposed:
        yield warning(
            f"Credentials and telemetry go unencrypted to {', '.join(exposed)}",
            "Use https:// there",
        )
    elif bare:
        yield ok("not used, on loopback")
    elif not config.verify_certs:
        yield warning(
            "OTEL_EXPORTER_ELASTICSEARCH_VERIFY_CERTS is false: anybody on the way can read "
            "credentials and telemetry",
            "Unset it, and set OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE to the CA's file",
        )
    elif config.certificate:
        yield _authority_result(config.certificate, now)
    else:
        yield ok(
            "the certificate has the given fingerprint"
            if config.certificate_fingerprint
            else "the certificate is checked against the system's authorities"
        )


def _authority_result(ca_file: str, now: datetime) -> CheckResult:
    try:
        ends = _ends(ca_file)
    except ssl.SSLError:
        return problem(
            f"{ca_file} holds no certificate",
            "Set OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE to the CA's file, in PEM format",
        )
    return _expiry_result(
        ends, f"the certificate is checked against {ca_file}, which is", "The CA's certificate", now
    )


def _ends(ca_file: str) -> list[datetime]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca_file)
    ends = (certificate["notAfter"] for certificate in context.get_ca_certs())
    return [
        datetime.strptime(str(end), _CERTIFICATE_TIME).replace(tzinfo=timezone.utc) for end in ends
    ]


def check_certificates(server: ExaminedServer, *, now: datetime) -> Iterator[CheckResult]:
    """Check that the server's own certificates do not expire soon. It lists them itself."""
    if not any(url.startswith("https:") for url in server.config.endpoint):
        yield skipped("they are Elastic Cloud's" if server.config.cloud_id else "TLS is not used")
        return
    answer = server.reader.expect(
        "GET", "/_ssl/certificates", doing="to see the server's certificates"
    )
    ends = [
        _time(certificate["expiry"])
        for certificate in _entries(answer)
        if certificate.get("has_private_key")
    ]
    yield _expiry_result(ends, "those of the server are", "A certificate of the server", now)


def _entries(answer: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    entries: Iterable[Mapping[str, Any]] = answer.get("list", ())
    return entries


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _expiry_result(ends: Iterable[datetime], what: str, owner: str, now: datetime) -> CheckResult:
    first = min(ends, default=None)
    if first is None:
        return ok(f"{what} there")
    if first < now:
        return problem(f"{owner} expired on {first:%Y-%m-%d}", "Renew it")
    if first < now + timedelta(days=_SOON_DAYS):
        return warning(
            f"{owner} expires on {first:%Y-%m-%d}; nothing can be sent after that", "Renew it"
        )
    return ok(f"{what} good until {first:%Y-%m-%d}")


def check_clock(server: ExaminedServer) -> Iterator[CheckResult]:
    """Check that the server's clock agrees with ours.

    Where it does not, a replay shows events at wrong moments.
    """
    before = time.time() * 1000
    nodes = server.reader.expect(
        "GET",
        "/_nodes/stats/process?filter_path=nodes.*.timestamp",
        doing="to see the server's time",
    ).get("nodes", {})
    after = time.time() * 1000
    skews = [_skew_ms(node["timestamp"], before, after) for node in nodes.values()]
    worst = max(skews, key=abs, default=0.0)
    if abs(worst) > _SKEW_MS:
        direction = "ahead of" if worst > 0 else "behind"
        yield warning(
            f"The server's clock is {abs(worst) / 1000:.1f} s {direction} this machine's",
            "Synchronize both with a time server (NTP)",
        )
    else:
        yield ok("agrees with this machine's")


def _skew_ms(theirs: float, before: float, after: float) -> float:
    """Milliseconds by which a clock is off, at least: it was read between two of our readings."""
    return theirs - min(max(theirs, before), after)


def check_failure_stores(server: ExaminedServer) -> Iterator[CheckResult]:
    """Say which of our data streams have a failure store.

    A server need not have any, and older ones do not know them: then this yields nothing.
    """
    try:
        stores = failure_stores(server.reader)
    except ElasticsearchError as error:
        yield skipped(f"not seen from here. {str(error).rstrip('.')}")
        return
    if on := [sanitize_line(store.stream) for store in stores if store.on]:
        yield ok(
            f"on for {', '.join(on)}: they keep a copy of each document that was refused, even if "
            "a second try succeeded. Searches do not show it; the privilege read_failure_store "
            "does, and `otel-asayer forget` needs that, too"
        )
    elif stores:
        yield ok("off for the data streams that exist")
