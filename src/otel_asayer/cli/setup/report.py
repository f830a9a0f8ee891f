"""What setup says:

how each thing stands, what is in the way and the way out, and what to paste where.
"""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any, Final

import click
from rich.text import Text

from otel_asayer.cli.output import as_text, console, counted, plain_table, print_json
from otel_asayer.cli.setup import paste
from otel_asayer.cli.setup.requests import as_object, console_text, curl_notes, curl_text
from otel_asayer.sanitize import sanitize_line, sanitize_text
from otel_asayer.setup.installation import StepResult
from otel_asayer.setup.keys import FORGETTER, ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_asayer.config import Config
    from otel_asayer.elasticsearch.api import Identity
    from otel_asayer.setup.planner import Step

__all__ = ["show_plan", "show_question", "show_removal", "show_result"]

_STAYS: Final = (
    "Data stay: the indices asayer-logs-*, and the data streams of traces and logs. To delete the "
    "replay records, once no application writes any "
    "more: otel-asayer prune --all. Applications that still run with the keys are refused from now "
    "on, and keep what they cannot deliver in "
    "their spool."
)


def show_plan(
    steps: Sequence[Step], config: Config, server: Identity | None, *, as_json: bool
) -> bool:
    """Print what would be done, and the requests; return whether something is in the way."""
    outcomes = [StepResult(step) for step in steps]
    if as_json:
        print_json(
            {
                **_head(server),
                "dry_run": True,
                "steps": [_entry(outcome, config) for outcome in outcomes],
            }
        )
        return _has_problems(outcomes)
    _show_table(outcomes, server, planned=True)
    _show_ways_out(outcomes)
    requests = [request for step in steps for request in step.requests]
    if requests:
        _section("For Kibana's console", "\n\n".join(map(console_text, requests)))
        _section("For a shell", "\n\n".join(curl_text(request, config) for request in requests))
        _show_notes(curl_notes(config))
    click.echo(f"Nothing was changed. {counted(len(requests), 'request')} would be sent.")
    return _has_problems(outcomes)


def show_question(steps: Sequence[Step], server: Identity | None) -> None:
    """Print what will be done once a person has agreed."""
    outcomes = [StepResult(step) for step in steps]
    _show_table(outcomes, server, planned=True, stderr=True)


def show_result(
    outcomes: Sequence[StepResult],
    config: Config,
    server: Identity | None,
    *,
    secured: bool,
    as_json: bool,
) -> bool:
    """Print what was done, and what to paste where; return whether something is in the way."""
    keys = _created_keys(outcomes)
    if as_json:
        steps = [_entry(outcome) for outcome in outcomes]
        print_json(
            {
                **_head(server),
                "security": secured,
                "steps": steps,
                "environment": paste.environment(config),
                "keys": keys,
            }
        )
        return _has_problems(outcomes)
    _show_table(outcomes, server)
    _show_ways_out(outcomes)
    _show_pastes(config, keys, secured=secured)
    _show_end(outcomes)
    return _has_problems(outcomes)


def show_removal(outcomes: Sequence[StepResult], server: Identity | None, *, as_json: bool) -> bool:
    """Print what was taken away, and what stays; return whether something is in the way."""
    if as_json:
        print_json({**_head(server), "steps": [_entry(outcome) for outcome in outcomes]})
        return _has_problems(outcomes)
    if outcomes:
        _show_table(outcomes, server)
        _show_ways_out(outcomes)
    else:
        click.echo("Nothing of otel-asayer is installed.")
    console().print(Text(_STAYS))
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


def _show_ways_out(outcomes: Sequence[StepResult]) -> None:
    """Print what each problem is, and the requests that its owner may send; also those of steps that are none."""
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
            Text("Keys are shown this once, and stored nowhere.", style="bold"), end="\n\n"
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
        fields = paste.form(config, keys.get("reader"))
        _section(
            "The form of Asayer or OpenReplay",
            "\n".join(f"{name:<18}{sanitize_line(value)}" for name, value in fields),
        )
        _show_notes(paste.form_notes(config))
    if "viewer" in keys:
        _section(
            "Whoever looks with otel-asayer timeline, errors, serve or doctor",
            paste.viewer(keys["viewer"]["encoded"]),
        )
    if "forget" in keys:
        _section(
            "Whoever deletes with otel-asayer forget, in a shell of its own",
            paste.shell({}, keys["forget"]["encoded"]),
        )


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
    else:
        changed = any(outcome.step.requests for outcome in outcomes)
        click.echo("All is set up." if changed else "All was set up before; nothing was changed.")


def _section(title: str, text: str) -> None:
    """Print text to copy: never wrapped."""
    click.secho(title, bold=True)
    click.echo(f"{sanitize_text(text)}\n")


def _created_keys(outcomes: Sequence[StepResult]) -> dict[str, dict[str, Any]]:
    """The answers that brought a key, by the name of its role."""
    by_name = {
        content["name"]: content
        for outcome in outcomes
        for content in outcome.contents
        if "encoded" in content
    }
    return {
        role.name: by_name[role.key_name]
        for role in (*ROLES, FORGETTER)
        if role.key_name in by_name
    }


def _entry(outcome: StepResult, config: Config | None = None) -> dict[str, Any]:
    step = outcome.step
    entry = {
        "subject": step.subject,
        "result": outcome.word,
        "note": outcome.failure or step.note,
        "problem": outcome.problem,
    }
    entry["advised"] = [as_object(request) for request in step.advised]
    if config:
        forms = (
            {**as_object(one), "console": console_text(one), "curl": curl_text(one, config)}
            for one in step.requests
        )
        entry["requests"] = list(forms)
    return entry


def _head(server: Identity | None) -> dict[str, Any]:
    return {"elasticsearch": server._asdict() if server else None}


def _has_problems(outcomes: Sequence[StepResult]) -> bool:
    return any(outcome.problem for outcome in outcomes)
