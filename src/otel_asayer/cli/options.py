"""Options and arguments that commands share: the connection, the session, times.

The connection comes from the exporter's own variables, or from options of the same names.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial, wraps
from typing import Any, Final

import click
from click.core import ParameterSource

from otel_asayer.cli.base import ConnectionOption
from otel_asayer.config import Config
from otel_asayer.config.parsers import BadValueError, parse_namespace
from otel_asayer.environment_variables import OTEL_ASAYER_VIEWER_API_KEY
from otel_asayer.errors import ConfigurationError
from otel_asayer.timeline import NS_PER_S, offset_ns

__all__ = [
    "NAMESPACE",
    "SERVICES",
    "SESSION",
    "SINCE",
    "SPOOL_DIRECTORY",
    "connection",
    "given_connection",
    "parse_offset",
    "parse_span",
    "related",
    "require_destination",
    "require_usable",
]

_CREDENTIALS: Final = (
    "api_key",
    "api_key_file",
    "username",
    "password",
    "bearer_token",
    "viewer_api_key",
)
_SECRETS: Final = ("api_key", "password", "bearer_token")
_ADDRESSES: Final = ("endpoint", "cloud_id")
_TRUST: Final = ("certificate", "certificate_fingerprint")

_Command = Callable[..., Any]

_option: Final = partial(click.option, cls=ConnectionOption)

SPOOL_DIRECTORY: Final = _option(
    "--spool-directory",
    "--directory",
    "spool_directory",
    type=click.Path(file_okay=False, resolve_path=True),
    help="Folder of the spool. Default: where the exporter keeps it.",
)

_FILE: Final = click.Path(exists=True, dir_okay=False, resolve_path=True)
_COMMON: Final = (
    _option("--endpoint", help="URLs of Elasticsearch, comma-separated."),
    _option("--cloud-id", help="Cloud ID of an Elastic Cloud deployment, in place of --endpoint."),
    _option("--api-key-file", type=_FILE, help="File that holds the API key."),
    _option(
        "--api-key",
        help="The API key itself. It shows in the list of processes: a variable or a file is "
        "better.",
    ),
    _option(
        "--certificate",
        type=_FILE,
        help="CA certificates (PEM) that Elasticsearch's certificate is checked against.",
    ),
    _option(
        "--certificate-fingerprint",
        help="SHA-256 fingerprint of the certificate or its CA, in place of --certificate.",
    ),
    _option(
        "--verify-certs/--no-verify-certs",
        default=None,
        help="Whether to check certificates at all.",
    ),
    SPOOL_DIRECTORY,
)
_PERSONAL: Final = (
    _option(
        "--username",
        help="User name. Its password is read from its variable, or asked for.",
    ),
    _option(
        "--password",
        help="Password of --username. It shows in the list of processes: the question or the "
        "variable is better.",
    ),
    _option("--bearer-token", help="Bearer token, in place of a user name."),
)

_MAX_CHARACTERS: Final = 8192
"""Characters of a line that is read; the longest replay URL is far shorter."""
_DOTS_OF_TOKENS: Final = 2
"""At least this many: a token with a typo is a secret, too. Only a replay URL has as many."""
_SHOWS: Final = (
    "A token is a credential, and on the command line it shows in the list of processes and in the "
    "shell's history. With - in its place, it is read from standard input."
)

_SPAN: Final = re.compile(r"(?P<number>[0-9]{1,6})(?P<unit>[smhdw])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


class _Namespace(click.ParamType):  # type: ignore[type-arg] # generic in newer versions of click
    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return parse_namespace(value)
        except BadValueError as reason:
            self.fail(f"{reason}.", param, ctx)


NAMESPACE: Final = _Namespace()
"""The type of an option that is the namespace of data streams."""


def connection(*, personal: bool = False, viewer: bool = False) -> Callable[[_Command], _Command]:
    """Give a command the options of a connection, and its argument `config`.

    Each option overrides the exporter's variable `OTEL_EXPORTER_ELASTICSEARCH_…` of the same name.

    Args:
        personal: admit a person's credentials too: user name, password, bearer token.
        viewer: prefer the viewer's key (`OTEL_ASAYER_VIEWER_API_KEY`) to the exporter's own, unless
            an option gives credentials.
    """
    options = (*_COMMON, *(_PERSONAL if personal else ()))
    names = [option_name for option in options for option_name in _names(option)]

    def decorate(command: _Command) -> _Command:
        @wraps(command)
        def with_config(**given: Any) -> Any:
            config = _config({name: given.pop(name) for name in names})
            return command(config=_viewer(config) if viewer else config, **given)

        for option in reversed(options):
            option(with_config)
        return with_config

    return decorate


def given_connection() -> str:
    """Return the connection's options as they were given, for another command; no secret."""
    context = click.get_current_context()
    words = []
    for option in context.command.params:
        name, value = option.name or "", context.params.get(option.name or "")
        if (
            isinstance(option, ConnectionOption)
            and name not in _SECRETS
            and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        ):
            words += (
                [(option.opts if value else option.secondary_opts)[0]]
                if option.is_flag
                else [option.opts[0], str(value)]
            )
    return shlex.join(words)


def require_usable(config: Config) -> None:
    """Raise a usage error that says what is wrong, if the connection in `config` cannot work."""
    if config.closed:
        raise click.UsageError(f"The connection to Elasticsearch is not usable: {config.closed}.")


def require_destination(config: Config) -> None:
    """Raise a usage error that says what is missing or wrong, unless `config` can connect."""
    require_usable(config)
    if not config.has_destination:
        raise click.UsageError(
            "No Elasticsearch is named: set OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT, or give "
            "--endpoint."
        )


def _config(arguments: dict[str, Any]) -> Config:
    given = {name: value for name, value in arguments.items() if value is not None}
    ignoring = [name for name in related(given) if name not in given]
    if "username" in given and "password" not in given:
        # The password may come from its variable when an option gives the user name.
        ignoring.remove("password")
        if not Config.from_environment(
            ignoring=[name for name in _CREDENTIALS if name != "password"]
        ).password:
            given["password"] = click.prompt(
                f"Password of {given['username']}", hide_input=True, err=True
            )
    try:
        return Config.from_environment(ignoring=ignoring, **given)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None


def related(given: Collection[str]) -> list[str]:
    """Return the settings that options decide on: `given`, and what each of them replaces."""
    groups = [
        group for group in (_CREDENTIALS, _ADDRESSES, _TRUST) if any(one in given for one in group)
    ]
    return list(dict.fromkeys([*given, *(name for group in groups for name in group)]))


def _viewer(config: Config) -> Config:
    for problem in config.problems:
        # Else the exporter's own key, which may not read, would be used without a word.
        if problem.variable == OTEL_ASAYER_VIEWER_API_KEY:
            raise click.UsageError(f"{problem.variable}: {problem.message}.")
    return config.as_viewer()


def _names(option: _Command) -> list[str]:
    """Return the argument names of a click option, as click itself gives them."""

    def probe() -> None: ...

    option(probe)
    # Click's own mark on a function
    return [parameter.name for parameter in probe.__click_params__]  # type: ignore[attr-defined]


def parse_offset(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """Parse a time from the session's start (`90`, `90s`, `1m30s`, `1:30`) into nanoseconds."""
    return _parsed(value, "a time from the session's start: write 90s, 1m30s or 1:30", offset_ns)


def parse_span(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """Parse a time span until now (`90m`, `24h`, `7d`) into nanoseconds."""
    return _parsed(value, "a time span: write 90m, 24h or 7d", _span_ns)


def _parsed(value: str | None, expected: str, parse: Callable[[str], int | None]) -> int | None:
    if value is None:
        return None
    parsed = parse(value.strip())
    if parsed is None:
        raise click.BadParameter(f"{value!r} is not {expected}")
    return parsed


def _span_ns(text: str) -> int | None:
    found = _SPAN.fullmatch(text)
    return int(found["number"]) * _UNITS[found["unit"]] * NS_PER_S if found else None


def _session(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if value == "-":
        return _from_standard_input()
    if value.count(".") >= _DOTS_OF_TOKENS and "/" not in value:
        click.echo(_SHOWS, err=True)
    return value


def _from_standard_input() -> str:
    with suppress(UnicodeDecodeError):  # no session id has such a byte
        if sys.stdin is not None and (line := sys.stdin.readline(_MAX_CHARACTERS).strip()):
            return line
    raise click.BadParameter(
        "nothing came by standard input, where - lets the session be read from."
    )


SESSION: Final = click.argument("session", callback=_session)
SERVICES: Final = click.option(
    "--service", "services", multiple=True, help="Only of this service; may be given several times."
)
SINCE: Final = click.option(
    "--since",
    callback=parse_span,
    default="24h",
    show_default=True,
    help="How far back to look: 90m, 24h, 7d.",
)
"""The one meaning of `--since`: nanoseconds until now."""
