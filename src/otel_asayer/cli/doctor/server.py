"""Checks on the server:

whether it answers, what it is, how it is protected, and what its clock shows.
"""

from __future__ import annotations

import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

from otel_asayer.cli.doctor.findings import Status, Verdict, ok, problem, skipped, warning
from otel_asayer.cli.doctor.settings import is_loopback
from otel_asayer.elasticsearch.api import Api
from otel_asayer.elasticsearch.explain import explain_refusal
from otel_asayer.errors import ElasticsearchError
from otel_asayer.sanitize import sanitize_line
from otel_asayer.timeline.failure_stores import failure_stores

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from otel_asayer.cli.doctor.subject import Subject
    from otel_asayer.config import Config

__all__ = [
    "check_certificates",
    "check_clock",
    "check_endpoints",
    "check_failure_stores",
    "check_tls",
    "check_version",
]

_SKEW_MS: Final = 2000
_SOON_DAYS: Final = 21
_CERTIFICATE_TIME: Final = "%b %d %H:%M:%S %Y GMT"
_NEEDED_FOR_TEMPLATES: Final = (8, 15)
_ABOUT_KEYS: Final = (401, 403)
"""Answers of an Elasticsearch that is well. What is wrong with the key, the checks on keys say."""


def check_endpoints(config: Config, *, seconds: float) -> Iterator[Verdict]:
    """Whether each endpoint answers, as Elasticsearch does.

    One that does not costs time; if none does, that is the end.
    """
    alone = [replace(config, endpoint=(url,)) for url in config.endpoint] or [config]
    with ThreadPoolExecutor(len(alone)) as pool:
        verdicts = list(pool.map(lambda one: _answers(one, seconds), alone))
    some_answer = any(verdict.status is Status.OK for verdict in verdicts)
    yield from (
        verdict._replace(status=Status.WARNING)
        if some_answer and verdict.status is Status.PROBLEM
        else verdict
        for verdict in verdicts
    )


def _answers(config: Config, seconds: float) -> Verdict:
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


def check_version(subject: Subject) -> Iterator[Verdict]:
    """Whether it is one that is served."""
    identity = subject.reader.identify()
    if identity is None:
        yield skipped("the key may not ask for it")
    elif not identity.serverless and identity.release < _NEEDED_FOR_TEMPLATES:
        yield warning(
            f"Elasticsearch {identity.version} does not take our templates for spans and log "
            f"records, which need 8.15",
            "Update it, or install templates of your own for traces-*.otel-* and logs-*.otel-*",
        )
    else:
        yield ok(
            f"Elasticsearch {'Serverless' if identity.serverless else identity.version}, cluster "
            f"{identity.cluster}"
        )


def check_tls(config: Config, *, now: datetime) -> Iterator[Verdict]:
    """Whether credentials and telemetry are protected on their way, and how long the CA's certificate is good for."""
    bare = [url for url in config.endpoint if url.startswith("http:")]
    exposed = [url for url in bare if not is_loopback(url)]
    if exposed:
        yield warning(
            f"Credentials and telemetry go unprotected to {', '.join(exposed)}",
            "Use https:// there",
        )
    elif bare:
        yield ok("not used, on loopback")
    elif not config.verify_certs:
        yield warning(
            "OTEL_EXPORTER_ELASTICSEARCH_VERIFY_CERTS is false: anybody on the way can read "
            "credentials and telemetry",
            "Give OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE the CA's file, and unset it",
        )
    elif config.certificate:
        yield _judge_authority(config.certificate, now)
    else:
        yield ok(
            "the certificate has the given fingerprint"
            if config.certificate_fingerprint
            else "the certificate is checked against the system's authorities"
        )


def _judge_authority(ca_file: str, now: datetime) -> Verdict:
    try:
        ends = _ends(ca_file)
    except ssl.SSLError:
        return problem(
            f"{ca_file} holds no certificate",
            "Let OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE name the CA's file, in the form PEM",
        )
    return _judge_expiry(
        ends, f"the certificate is checked against {ca_file}, which is", "The CA's certificate", now
    )


def _ends(ca_file: str) -> list[datetime]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca_file)
    ends = (certificate["notAfter"] for certificate in context.get_ca_certs())
    return [
        datetime.strptime(str(end), _CERTIFICATE_TIME).replace(tzinfo=timezone.utc) for end in ends
    ]


def check_certificates(subject: Subject, *, now: datetime) -> Iterator[Verdict]:
    """How long the server's own certificates are good for, as it says itself."""
    if not any(url.startswith("https:") for url in subject.config.endpoint):
        yield skipped(
            "no endpoint of this machine's choice uses TLS"
            if subject.config.cloud_id
            else "TLS is not used"
        )
        return
    answer = subject.reader.expect(
        "GET", "/_ssl/certificates", doing="to see the server's certificates"
    )
    ends = [
        _time(certificate["expiry"])
        for certificate in _entries(answer)
        if certificate.get("has_private_key")
    ]
    yield _judge_expiry(ends, "those of the server are", "A certificate of the server", now)


def _entries(answer: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    entries: Iterable[Mapping[str, Any]] = answer.get("list", ())
    return entries


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _judge_expiry(ends: Iterable[datetime], what: str, subject: str, now: datetime) -> Verdict:
    first = min(ends, default=None)
    if first is None:
        return ok(f"{what} there")
    if first < now:
        return problem(f"{subject} expired on {first:%Y-%m-%d}", "Renew it")
    if first < now + timedelta(days=_SOON_DAYS):
        return warning(
            f"{subject} expires on {first:%Y-%m-%d}; then nothing is sent any more", "Renew it"
        )
    return ok(f"{what} good until {first:%Y-%m-%d}")


def check_clock(subject: Subject) -> Iterator[Verdict]:
    """Whether the server's clock and ours agree:

    where they do not, events stand at other moments of a replay than they happened at.
    """
    before = time.time() * 1000
    nodes = subject.reader.expect(
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
            "Let both follow a time server (NTP)",
        )
    else:
        yield ok("agrees with this machine's")


def _skew_ms(theirs: float, before: float, after: float) -> float:
    """Milliseconds by which a clock is off, at least:

    it was read at some moment between two of ours.
    """
    return theirs - min(max(theirs, before), after)


def check_failure_stores(subject: Subject) -> Iterator[Verdict]:
    """Which of our data streams have one on. No server has to, and older ones know none:

    nothing is said then.
    """
    try:
        stores = failure_stores(subject.reader)
    except ElasticsearchError as error:
        yield skipped(f"not seen from here. {str(error).rstrip('.')}")
        return
    if on := [sanitize_line(store.stream) for store in stores if store.on]:
        yield ok(
            f"on for {', '.join(on)}: a copy of each document that is refused lies there, also "
            f"where the second try gets it in; no search shows it, "
            "who has read_failure_store reads it, and `otel-asayer forget` needs that, too"
        )
    elif stores:
        yield ok("off for the data streams that exist")
