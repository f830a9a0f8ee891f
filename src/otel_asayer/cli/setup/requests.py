"""Requests as a person can send them: for Kibana's console, and for curl.

No secret is in either.
"""

from __future__ import annotations

import json
import re
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from otel_asayer.cli.setup.addresses import url_of

if TYPE_CHECKING:
    from otel_asayer.config import Config
    from otel_asayer.setup.planner import Request

__all__ = ["as_object", "console_text", "curl_notes", "curl_text"]

_JSON: Final = "-H 'content-type: application/json'"
_NDJSON: Final = "-H 'content-type: application/x-ndjson'"
_VARIABLE: Final = re.compile(r"\$(ELASTIC_[A-Z_]+)")


def console_text(request: Request) -> str:
    """Return the request for the console of Kibana's developer tools."""
    body = _text(request.body, indent=2).rstrip("\n")
    return f"{request.method} {request.target}" + (f"\n{body}" if body else "")


def curl_text(request: Request, config: Config) -> str:
    """Return the request for a shell; passwords and tokens are variables there."""
    words = [
        "curl",
        *_identity(config),
        *_tls(config),
        "-X",
        request.method,
        quote(url_of(config) + request.target),
    ]
    if body := _text(request.body):
        words += [
            _NDJSON if isinstance(request.body, bytes) else _JSON,
            "--data-binary",
            quote(body),
        ]
    return " ".join(words)


def curl_notes(config: Config) -> list[str]:
    """Return what a person has to give to curl besides, in sentences."""
    variables = _VARIABLE.findall(" ".join(_identity(config)))
    notes = [f"Each reads {variables[-1]} from the shell: set it first."] if variables else []
    if config.certificate_fingerprint:
        notes.append(
            "curl knows no fingerprints of certificates: add --cacert, with the CA's file."
        )
    if config.headers:
        notes.append(
            "OTEL_EXPORTER_ELASTICSEARCH_HEADERS may hold secrets, and is not shown: add its "
            "headers, each with -H."
        )
    return notes


def as_object(request: Request) -> dict[str, Any]:
    """Return the request for a program."""
    body = request.body.decode() if isinstance(request.body, bytes) else request.body
    return {"method": request.method, "path": request.target, "body": body}


def _text(body: Any, indent: int | None = None) -> str:
    if isinstance(body, bytes):
        return body.decode()
    return json.dumps(body, indent=indent, ensure_ascii=False) if body is not None else ""


def _identity(config: Config) -> list[str]:
    if config.username:
        return ["-u", quote(f"{config.username}:") + '"$ELASTIC_PASSWORD"']
    if config.bearer_token:
        return ["-H", '"authorization: Bearer $ELASTIC_TOKEN"']
    return (
        ["-H", '"authorization: ApiKey $ELASTIC_API_KEY"']
        if config.api_key or config.api_key_file
        else []
    )


def _tls(config: Config) -> list[str]:
    files = {
        "--cacert": config.certificate,
        "--cert": config.client_certificate,
        "--key": config.client_key,
    }
    given = [word for option, file in files.items() if file for word in (option, quote(file))]
    return given if config.verify_certs else [*given, "--insecure"]
