"""What went wrong, as sentences: each known cause has its advice, and each sentence is whole."""

from __future__ import annotations

from typing import Any

import pytest

from otel_asayer.elasticsearch.explain import (
    explain_refusal,
    explain_unreachable,
    missing_privileges,
    reason_of,
)


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired",
            "renew it on the server",
        ),
        (
            (
                "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate is not "
                "yet "
                "valid"
            ),
            "set the clocks",
        ),
        (
            "[X509: NO_CERTIFICATE_OR_CRL_FOUND] no certificate or crl found",
            "CERTIFICATE holds no certificate",
        ),
        (
            "certificate verify failed: Hostname mismatch, certificate is not valid for 'es'",
            "made for other names",
        ),
        (
            (
                "certificate verify failed: IP address mismatch, certificate is not valid for "
                "'127.0.0.1'"
            ),
            "made for other names",
        ),
        ("Fingerprints did not match", "CERTIFICATE_FINGERPRINT"),
        (
            "certificate verify failed: self-signed certificate in certificate chain",
            "set OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE to the CA's file",
        ),
        (
            "certificate verify failed: unable to get local issuer certificate",
            "set OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE to the CA's file",
        ),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "write http:// in the URL"),
        ("[SSL] record layer failure", "write http:// in the URL"),
        ("[Errno -2] Name or service not known", "check its spelling"),
        ("[Errno 111] Connection refused", "Nothing listens there"),
        (
            "this is not Elasticsearch (its answer has no header X-Elastic-Product)",
            "not that of Kibana",
        ),
        ("what answers is no HTTP: SSH-2.0-OpenSSH_9.6", "give the URL of Elasticsearch itself"),
        (
            "its answer does not end within 10 s, or 104857600 bytes",
            "Something else answers there",
        ),
        ("IncompleteRead(16 bytes read, 984 more expected)", "in the middle of an answer"),
        (
            (
                "the file of OTEL_EXPORTER_ELASTICSEARCH_API_KEY_FILE gives no key: it is not "
                "ASCII "
                "text"
            ),
            "as the field 'encoded' or as id:key",
        ),
        ("the settings make no client for Elasticsearch: x", "Check the settings named here"),
        ("Remote end closed connection without response", "try https:// in the URL"),
        ("no answer within 10 s", "A firewall or a server that hangs"),
        ("no idea", "Check host, port and network"),
    ],
)
def test_each_reason_not_to_be_reached_has_its_advice(reason: str, advice: str) -> None:
    said = explain_unreachable(reason)
    assert said.startswith(f"Elasticsearch cannot be reached: {reason}. ")
    assert advice in said
    assert said.endswith(".")


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ({"reason": "x", "caused_by": {"reason": "api key is expired"}}, "The API key has expired"),
        ({"reason": "api key has been invalidated"}, "The API key was invalidated"),
        (
            {"reason": "missing authentication credentials for REST request [/]"},
            "No credentials are given",
        ),
        (
            {
                "reason": "unable to authenticate",
                "additional_unsuccessful_credentials": "API key: api key is expired",
            },
            "The API key has expired",
        ),
        (
            {"reason": "unable to authenticate with provided credentials"},
            "It does not know these credentials",
        ),
        ("no", "It does not know these credentials"),
    ],
)
def test_refused_credentials_are_told_apart(error: Any, advice: str) -> None:
    said = explain_refusal(401, {"error": error}, "to search")
    assert said.startswith(f"Elasticsearch refuses the credentials. {advice}")


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (
            (
                "action [a] is unauthorized for user [x] on indices [logs-1,logs-2], this action "
                "is "
                "granted by the index privileges [read,all]"
            ),
            "the index privilege 'read' on logs-1,logs-2 is missing. Use a key or user that has it",
        ),
        (
            (
                "action [a] is unauthorized, this action is granted by the cluster privileges "
                "[monitor,manage,all]"
            ),
            "the cluster privilege 'monitor' is missing. Use a key or user that has it",
        ),
        (
            "this action is granted by the index privileges [read,all]",
            "the index privilege 'read' is missing. Use a key or user that has it",
        ),
        ("no", "no. Use a key or user with more rights"),
    ],
)
def test_what_is_not_allowed_names_the_privilege(reason: str, said: str) -> None:
    assert (
        explain_refusal(403, {"error": {"reason": reason}}, "to search")
        == f"Not allowed to search: {said}."
    )


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (
            302,
            (
                " It redirects to another address, as Kibana and proxies do: give the URL of "
                "Elasticsearch itself."
            ),
        ),
        (404, " Check the path in the URL."),
        (429, " It is overloaded: try again later."),
        (503, " It is starting, or has no master: try again later."),
        (418, ""),
    ],
)
def test_other_answers_come_with_their_reason(status: int, advice: str) -> None:
    assert (
        explain_refusal(status, {}, "to search")
        == f"Elasticsearch answered {status} when asked to search: without a reason.{advice}"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"error": {"reason": "outer", "caused_by": {"reason": "inner"}}}, "inner"),
        ({"error": "text"}, "text"),
        (
            {
                "error": {
                    "reason": "Partial shards failure",
                    "failed_shards": [
                        {"reason": {"reason": "x", "caused_by": {"reason": "inner"}}}
                    ],
                }
            },
            "inner",
        ),
        ({"error": {"reason": "all shards failed", "failed_shards": []}}, "all shards failed"),
        ({"error": {"reason": "all shards failed", "failed_shards": [7]}}, "all shards failed"),
        ({"error": {"reason": "x" * 900}}, "x" * 500),
        ({}, "without a reason"),
        ({"error": {"caused_by": "x", "reason": None}}, "without a reason"),
    ],
)
def test_the_innermost_reason_counts(content: dict[str, Any], reason: str) -> None:
    assert reason_of(content) == reason


def test_missing_privileges_are_named_with_what_they_are_on() -> None:
    granted = {
        "cluster": {"monitor": False, "manage": True},
        "index": {"logs-*": {"read": False, "delete": True}, "traces-*": {"read": False}},
    }
    assert (
        missing_privileges(granted)
        == "the cluster privilege 'monitor'; the index privilege 'read' on logs-*, traces-*"
    )
    assert missing_privileges({}) == ""
