"""What setup prints: steps and their state, what to do about problems, and what to paste where.

Requests are printed as you can send them: for Kibana's console and for curl, without any secret.
"""

from __future__ import annotations

import json
import re
from shlex import quote
from textwrap import fill
from typing import TYPE_CHECKING, Any, Final

import click
from rich.text import Text

from otel_asayer.cli.output import as_text, console, counted, plain_table, print_json
from otel_asayer.cli.setup import paste
from otel_asayer.sanitize import sanitize_line, sanitize_text
from otel_asayer.setup.installation import StepResult
from otel_asayer.setup.keys import ON_REQUEST, ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_asayer.config import Config
    from otel_asayer.elasticsearch.api import Identity
    from otel_asayer.setup.planner import Request, Step

__all__ = [
    "as_object",
    "console_text",
    "curl_notes",
    "curl_text",
    "show_plan",
    "show_question",
    "show_removal",
    "show_result",
]

_VARIABLE: Final = re.compile(r"\$(ELASTIC_[A-Z_]+)")


def console_text(request: Request) -> str:
    """Return the request for the console of Kibana's developer tools."""
    body = _text(request.body, indent=2).rstrip("\n")
    return f"{request.method} {request.target}" + (f"\n{body}" if body else "")


def curl_text(request: Request, config: Config) -> str:
    """Return the request for a shell, with variables for passwords and tokens."""
    body = _text(request.body)
    content_type = f"application/{'x-ndjson' if isinstance(request.body, bytes) else 'json'}"
    return " ".join(
        [
            "curl",
            *_identity(config),
            *_tls(config),
            "-X",
            request.method,
            quote(paste.url_of(config) + request.target),
            *([f"-H 'content-type: {content_type}'", "--data-binary", quote(body)] if body else []),
        ]
    )


def curl_notes(config: Config) -> list[str]:
    """Return sentences about what else curl needs."""
    variables = _VARIABLE.findall(" ".join(_identity(config)))
    notes = (
        *(
            (f"Each command reads ${name} from the shell: set it first.", name)
            for name in variables
        ),
        (
            "curl cannot check fingerprints of certificates: add --cacert with the CA's file.",
            config.certificate_fingerprint,
        ),
        (
            (
                "OTEL_EXPORTER_ELASTICSEARCH_HEADERS may contain secrets, and is not shown: add "
                "its headers, each with -H."
            ),
            config.headers,
        ),
    )
    return [note for note, needed in notes if needed]


def as_object(request: Request) -> dict[str, Any]:
    """Return the request for a program."""
    return {
        "method": request.method,
        "path": request.target,
        "body": request.body.decode() if isinstance(request.body, bytes) else request.body,
    }


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
    return [
        *(word for option, file in files.items() if file for word in (option, quote(file))),
        *([] if config.verify_certs else ["--insecure"]),
    ]


def show_plan(
    steps: Sequence[Step], config: Config, server: Identity | None, *, as_json: bool
) -> bool:
    """Print the plan and its requests; return whether there is a problem."""
    outcomes = list(map(StepResult, steps))
    if as_json:
        print_json(
            {
                **_head(server),
                "dry_run": True,
                "steps": [_entry(outcome, config) for outcome in outcomes],
            }
        )
    else:
        _show_table(outcomes, server, planned=True)
        _show_problems(outcomes)
        if requests := [request for step in steps for request in step.requests]:
            _section("For Kibana's console", "\n\n".join(map(console_text, requests)))
            _section("For a shell", "\n\n".join(curl_text(one, config) for one in requests))
            _show_notes(curl_notes(config))
        click.echo(f"Nothing was changed. {counted(len(requests), 'request')} would be sent.")
    return _has_problems(outcomes)


def show_question(steps: Sequence[Step], server: Identity | None) -> None:
    """Print the plan that a person is asked to confirm."""
    _show_table(list(map(StepResult, steps)), server, planned=True, stderr=True)


def show_result(
    outcomes: Sequence[StepResult],
    config: Config,
    server: Identity | None,
    *,
    secured: bool,
    as_json: bool,
) -> bool:
    """Print what was done, and what to paste where; return whether there is a problem."""
    keys = _created_keys(outcomes)
    if as_json:
        print_json(
            {
                **_head(server),
                "security": secured,
                "steps": list(map(_entry, outcomes)),
                "environment": paste.environment(config),
                "keys": keys,
            }
        )
    else:
        _show_table(outcomes, server)
        _show_problems(outcomes)
        _show_pastes(config, keys, secured=secured)
        _show_end(outcomes)
    return _has_problems(outcomes)


def show_removal(outcomes: Sequence[StepResult], server: Identity | None, *, as_json: bool) -> bool:
    """Print what was removed, and what stays; return whether there is a problem."""
    if as_json:
        print_json({**_head(server), "steps": list(map(_entry, outcomes))})
    else:
        if outcomes:
            _show_table(outcomes, server)
            _show_problems(outcomes)
        else:
            click.echo("Nothing of otel-asayer is installed.")
        console().print(
            Text(
                "Data stays: the indices asayer-logs-*, and the data streams of traces and logs. "
                "To delete the replay records once no application writes any more: otel-asayer "
                "prune --all. Elasticsearch now refuses applications that still use the keys; they "
                "keep their documents in the spool."
            )
        )
    return _has_problems(outcomes)


def _show_table(
    outcomes: Sequence[StepResult],
    server: Identity | None,
    *,
    planned: bool = False,
    stderr: bool = False,
) -> None:
    if server:
        click.echo(f"Elasticsearch {server.version}, cluster {server.cluster}", err=stderr)
    table = plain_table("", "")
    table.show_header = False
    table.columns[0].no_wrap = True
    for outcome in outcomes:
        word = f"to be {outcome.word}" if planned and outcome.step.requests else outcome.word
        note = "See below." if outcome.problem else outcome.step.note
        table.add_row(
            Text(word, style=_style(outcome)),
            Text.assemble(
                as_text(outcome.step.subject), (sanitize_text(f"\n{note}") if note else "", "dim")
            ),
        )
    console(stderr=stderr).print(table)


def _style(outcome: StepResult) -> str:
    if outcome.problem:
        return "bold red"
    return "green" if outcome.step.requests else "dim"


def _show_problems(outcomes: Sequence[StepResult]) -> None:
    """Print each problem, and the requests that only you may send, also those of other steps."""
    for outcome in outcomes:
        if outcome.problem:
            click.secho(sanitize_line(f"{outcome.step.subject}: {outcome.word}"), bold=True)
            console().print(Text(sanitize_text(outcome.failure or outcome.step.note)))
        if outcome.step.advised:
            click.echo(
                ""
                if outcome.problem
                else sanitize_line(f"Left to you, for the {outcome.step.subject}:")
            )
            click.echo(sanitize_text("\n\n".join(map(console_text, outcome.step.advised))))
        if outcome.problem or outcome.step.advised:
            click.echo()


def _show_pastes(config: Config, keys: Mapping[str, Mapping[str, Any]], *, secured: bool) -> None:
    if keys:
        console().print(
            Text("The keys are shown only now, and stored nowhere.", style="bold"), end="\n\n"
        )
    variables = paste.environment(config)
    if "writer" in keys or not secured:
        key = keys["writer"]["encoded"] if "writer" in keys else None
        _section("The application", paste.shell(variables, key))
        _section(
            "The same in Docker Compose, with the variables of that shell",
            paste.compose(variables, keyed=bool(key)),
        )
        _section(
            "The same as a Kubernetes secret, in that shell",
            paste.kubernetes(variables, keyed=bool(key)),
        )
        _show_notes([note] if (note := paste.file_note(config)) else [])
    if "reader" in keys or not secured:
        _section(
            "The form of Asayer or OpenReplay",
            "\n".join(
                f"{name:<18}{sanitize_line(value)}"
                for name, value in paste.form(config, keys.get("reader"))
            ),
        )
        _show_notes(paste.form_notes(config))
    if "viewer" in keys:
        _section(
            "People who use otel-asayer timeline, errors, serve or doctor",
            paste.viewer(keys["viewer"]["encoded"]),
        )
    if "forget" in keys:
        _section(
            "People who use otel-asayer forget, in a separate shell",
            paste.shell({}, keys["forget"]["encoded"]),
        )
    if "bridge" in keys:
        _section("The bridge, otel-asayer bridge", paste.shell({}, keys["bridge"]["encoded"]))


def _show_notes(notes: Sequence[str]) -> None:
    for note in notes:
        click.echo(
            fill(
                note,
                console().width,
                initial_indent="- ",
                subsequent_indent="  ",
                break_on_hyphens=False,
            )
        )
    if notes:
        click.echo()


def _show_end(outcomes: Sequence[StepResult]) -> None:
    if problems := sum(outcome.problem for outcome in outcomes):
        click.echo(f"{counted(problems, 'problem')} left.")
    elif any(outcome.step.requests for outcome in outcomes):
        click.echo("Everything is set up.")
    else:
        click.echo("Everything was set up already; nothing was changed.")


def _section(title: str, text: str) -> None:
    """Print text to copy, which is never wrapped."""
    click.secho(title, bold=True)
    click.echo(f"{sanitize_text(text)}\n")


def _created_keys(outcomes: Sequence[StepResult]) -> dict[str, dict[str, Any]]:
    """The answers that contain a new key, by the name of its role."""
    by_name = {
        content["name"]: content
        for outcome in outcomes
        for content in outcome.contents
        if "encoded" in content
    }
    return {
        role.name: by_name[role.key_name]
        for role in (*ROLES, *ON_REQUEST)
        if role.key_name in by_name
    }


def _entry(outcome: StepResult, config: Config | None = None) -> dict[str, Any]:
    step = outcome.step
    entry = {
        "subject": step.subject,
        "result": outcome.word,
        "note": outcome.failure or step.note,
        "problem": outcome.problem,
        "advised": list(map(as_object, step.advised)),
    }
    if config:
        entry["requests"] = [
            {**as_object(one), "console": console_text(one), "curl": curl_text(one, config)}
            for one in step.requests
        ]
    return entry


def _head(server: Identity | None) -> dict[str, Any]:
    return {"elasticsearch": server._asdict() if server else None}


def _has_problems(outcomes: Sequence[StepResult]) -> bool:
    return any(outcome.problem for outcome in outcomes)
