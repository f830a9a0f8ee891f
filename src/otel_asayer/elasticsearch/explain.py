"""What went wrong between us and an Elasticsearch, in sentences: what, where, what to do next.

Pure: texts in, texts out.
"""

from __future__ import annotations

import http
import re
from typing import TYPE_CHECKING, Any, Final

from otel_asayer.sanitize import sanitize_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["explain_refusal", "explain_unreachable", "missing_privileges", "reason_of"]

_UNREACHABLE: Final = (
    (
        r"certificate has expired",
        "Its certificate has expired: renew it on the server. No setting here can make it valid",
    ),
    (
        r"certificate is not yet valid",
        "Its certificate is not valid yet: set the clocks of this machine and of the server right",
    ),
    (
        r"no_certificate_or_crl_found|no certificate or crl found|\[x509\] pem lib|\[ssl\] pem lib",
        (
            "The file of OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE holds no certificate: give the "
            "CA's file, in PEM form"
        ),
    ),
    (
        r"hostname mismatch|ip address mismatch|doesn't match|not valid for",
        (
            "Its certificate is made for other names: use one of those in the URL, or give the "
            "server a certificate for this one"
        ),
    ),
    (
        r"fingerprint",
        (
            "Its certificate is not the one of "
            "OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE_FINGERPRINT, nor signed by it: ask its owner "
            "for the right one"
        ),
    ),
    (
        r"self[- ]signed|local issuer|certificate_verify_failed|certificate verify failed",
        (
            "An authority that is unknown here signed its certificate: set "
            "OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE to the CA's file (config/certs/http_ca.crt on "
            "the server)"
        ),
    ),
    (
        r"wrong_version_number|record layer failure|unknown protocol",
        "It does not speak TLS on this port: write http:// in the URL, or use the port that does",
    ),
    (
        (
            r"name or service not known|name resolution|nodename nor servname|getaddrinfo|"
            r"no address associated"
        ),
        (
            "The name of the host is unknown here: check its spelling, and whether this machine is"
            " in the right network"
        ),
    ),
    (
        r"connection refused",
        "Nothing listens there: check host and port, and whether Elasticsearch runs",
    ),
    (
        (
            r"this is not elasticsearch|what answers is no http|its answer does not end|"
            r"is packed in a way"
        ),
        (
            "Something else answers there: give the URL of Elasticsearch itself, not that of "
            "Kibana, OpenSearch or a proxy's page"
        ),
    ),
    (r"gives no key", "Put the key into that file, as the field 'encoded' or as id:key"),
    (r"make no client", "Check the settings named here"),
    (
        (
            r"closed connection|connection aborted|remotedisconnected|connection reset|"
            r"badstatusline|without response"
        ),
        (
            "It closed the connection without an answer. A server that expects TLS does so: try "
            "https:// in the URL"
        ),
    ),
    (
        r"incompleteread",
        (
            "It stopped in the middle of an answer: try again, and check whether it or a proxy in "
            "front of it was stopped"
        ),
    ),
    (
        r"no answer within",
        "A firewall or a server that hangs swallows the request: check host, port and network",
    ),
)
"""Patterns of the client's messages, and what to do about them; the first that matches counts."""

_ELSEWHERE: Final = (
    "It redirects to another address, as Kibana and proxies do: give the URL of Elasticsearch "
    "itself"
)
_STATUS_ADVICE: Final[Mapping[int, str]] = {
    http.HTTPStatus.MOVED_PERMANENTLY: _ELSEWHERE,
    http.HTTPStatus.FOUND: _ELSEWHERE,
    http.HTTPStatus.SEE_OTHER: _ELSEWHERE,
    http.HTTPStatus.TEMPORARY_REDIRECT: _ELSEWHERE,
    http.HTTPStatus.PERMANENT_REDIRECT: _ELSEWHERE,
    http.HTTPStatus.NOT_FOUND: "Check the path in the URL",
    http.HTTPStatus.TOO_MANY_REQUESTS: "It is overloaded: try again later",
    http.HTTPStatus.BAD_GATEWAY: "The proxy in front of it does not reach it: check whether "
    "Elasticsearch runs",
    http.HTTPStatus.SERVICE_UNAVAILABLE: "It is starting, or has no master: try again later",
    http.HTTPStatus.GATEWAY_TIMEOUT: "The proxy in front of it does not reach it: check whether "
    "Elasticsearch runs",
}
_KEY_STATES: Final = (
    ("expired", "The API key has expired: create a new one, with `otel-asayer setup`"),
    ("invalidated", "The API key was invalidated: create a new one, with `otel-asayer setup`"),
    (
        "missing authentication",
        (
            "No credentials are given: set OTEL_EXPORTER_ELASTICSEARCH_API_KEY, or a user name and"
            " a password"
        ),
    ),
)
_UNKNOWN_CREDENTIALS: Final = (
    "It does not know these credentials: check that the key (or user and password) is complete, "
    "and was created on this cluster"
)
_GRANTED_BY: Final = re.compile(
    r"granted by the (?P<kind>index|cluster) privileges \[(?P<names>[a-z_,:/*]+)\]"
)
_ON_INDICES: Final = re.compile(r"on indices \[(?P<names>[^\]]*)\]")


def explain_unreachable(reason: str) -> str:
    """Return the sentences for a request that nobody answered, from what the client says of it."""
    advice = next(
        (advice for pattern, advice in _UNREACHABLE if re.search(pattern, reason.lower())),
        "Check host, port and network",
    )
    return f"Elasticsearch cannot be reached: {reason}. {advice}."


def explain_refusal(status: int, content: Mapping[str, Any], doing: str) -> str:
    """Return the sentences for an answer that is none of those expected.

    Args:
        status: Of the answer.
        content: Its parsed body.
        doing: What the request was for, `to search traces-*`.
    """
    reason = reason_of(content)
    if status == http.HTTPStatus.UNAUTHORIZED:
        states = f"{reason} {content.get('error')}".lower()
        advice = next(
            (advice for word, advice in _KEY_STATES if word in states), _UNKNOWN_CREDENTIALS
        )
        return f"Elasticsearch refuses the credentials. {advice}."
    if status == http.HTTPStatus.FORBIDDEN:
        return f"Not allowed {doing}: {_missing(reason)}."
    advised = f" {_STATUS_ADVICE[status]}." if status in _STATUS_ADVICE else ""
    return f"Elasticsearch answered {status} when asked {doing}: {reason}.{advised}"


def reason_of(content: Mapping[str, Any]) -> str:
    """The innermost reason of an error, which names the cause.

    The outer ones say only that something failed.
    """
    error = content.get("error")
    while isinstance(error, dict) and (inner := _inner(error)):
        error = inner
    reason = error.get("reason") if isinstance(error, dict) else error
    return sanitize_line(str(reason or "without a reason")[:500])


def _inner(error: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What caused an error: of a search that failed, what failed on the first of its shards."""
    if isinstance(error.get("caused_by"), dict):
        return dict(error["caused_by"])
    shards = error.get("failed_shards")
    first = shards[0] if isinstance(shards, list) and shards else None
    return (
        dict(first["reason"])
        if isinstance(first, dict) and isinstance(first.get("reason"), dict)
        else None
    )


def missing_privileges(granted: Mapping[str, Any]) -> str:
    """Name the privileges that an answer of `_has_privileges` does not grant, or return nothing."""
    lacking: dict[str, list[str]] = {}
    for index, privileges in granted.get("index", {}).items():
        for name in (name for name, has in privileges.items() if not has):
            lacking.setdefault(name, []).append(index)
    by_indices: dict[str, list[str]] = {}
    for name, indices in sorted(lacking.items()):
        by_indices.setdefault(", ".join(indices), []).append(name)
    cluster = sorted(name for name, has in granted.get("cluster", {}).items() if not has)
    return "; ".join(
        [
            *([_privileges("cluster", cluster)] if cluster else []),
            *(f"{_privileges('index', names)} on {on}" for on, names in by_indices.items()),
        ]
    )


def _privileges(kind: str, names: Sequence[str]) -> str:
    return f"the {kind} privilege{'s' if len(names) > 1 else ''} {', '.join(map(repr, names))}"


def _missing(reason: str) -> str:
    """Name the privilege that an answer of 403 asks for, the least of those that would do."""
    granted = _GRANTED_BY.search(reason)
    if granted is None:
        return f"{reason}. Use a key or user with more rights"
    on = _ON_INDICES.search(reason)
    where = f" on {on['names']}" if on and granted["kind"] == "index" else ""
    return (
        f"the {granted['kind']} privilege {granted['names'].split(',')[0]!r}{where} is missing. "
        "Use a key or user that has it"
    )
