"""What the commands share:

the way to Elasticsearch from the exporter's own variables, or from options of the same names.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import click

from otel_asayer.config import Config
from otel_asayer.environment_variables import OTEL_ASAYER_VIEWER_API_KEY
from otel_asayer.errors import ConfigurationError

__all__ = ["SPOOL_DIRECTORY", "connection", "require_destination", "require_usable"]

_CREDENTIALS: Final = (
    "api_key",
    "api_key_file",
    "username",
    "password",
    "bearer_token",
    "viewer_api_key",
)
_ADDRESSES: Final = ("endpoint", "cloud_id")
_TRUST: Final = ("certificate", "certificate_fingerprint")

_Command = Callable[..., Any]

SPOOL_DIRECTORY: Final = click.option(
    "--spool-directory",
    "--directory",
    "spool_directory",
    type=click.Path(file_okay=False, resolve_path=True),
    help="Folder of the spool. Default: OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY, or where the "
    "exporter keeps it.",
)

_FILE: Final = click.Path(exists=True, dir_okay=False, resolve_path=True)
_COMMON: Final = (
    click.option("--endpoint", help="URLs of Elasticsearch, comma-separated."),
    click.option(
        "--cloud-id", help="Cloud ID of an Elastic Cloud deployment, in place of --endpoint."
    ),
    click.option("--api-key-file", type=_FILE, help="File that holds the API key."),
    click.option(
        "--api-key",
        help="The API key itself. It shows in the list of processes: a variable or a file is "
        "better.",
    ),
    click.option(
        "--certificate",
        type=_FILE,
        help="CA certificates (PEM) that Elasticsearch's certificate is checked against.",
    ),
    click.option(
        "--certificate-fingerprint",
        help="SHA-256 fingerprint of the certificate or its CA, in place of --certificate.",
    ),
    click.option(
        "--verify-certs/--no-verify-certs",
        default=None,
        help="Whether to check certificates at all.",
    ),
    SPOOL_DIRECTORY,
)
_PERSONAL: Final = (
    click.option(
        "--username",
        help="User name. Its password is asked for, or read from "
        "OTEL_EXPORTER_ELASTICSEARCH_PASSWORD.",
    ),
    click.option(
        "--password",
        help="Password of --username. It shows in the list of processes: the question or the "
        "variable is better.",
    ),
    click.option("--bearer-token", help="Bearer token, in place of a user name."),
)


def connection(*, personal: bool = False, viewer: bool = False) -> Callable[[_Command], _Command]:
    """Give a command the options of a connection, and the settings they make as its argument
    `config`.

    Each stands for the exporter's variable `OTEL_EXPORTER_ELASTICSEARCH_…` of the same name, and
    goes before it.

    Args:
        personal: admit a person's credentials too: user name, password, bearer token.
        viewer: use the viewer's key (`OTEL_ASAYER_VIEWER_API_KEY`) before the exporter's own,
            unless an option names credentials.
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


def require_usable(config: Config) -> None:
    """Raise a usage error that says what is wrong, if `config` names an Elasticsearch in a way that cannot work."""
    if config.closed:
        raise click.UsageError(f"The connection to Elasticsearch is not usable: {config.closed}.")


def require_destination(config: Config) -> None:
    """Raise a usage error that says what is missing or wrong, unless `config` leads to an Elasticsearch."""
    require_usable(config)
    if not config.has_destination:
        raise click.UsageError(
            "No Elasticsearch is named: set OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT, or give "
            "--endpoint."
        )


def _config(arguments: dict[str, Any]) -> Config:
    given = {name: value for name, value in arguments.items() if value is not None}
    ignoring = [
        name
        for group in (_CREDENTIALS, _ADDRESSES, _TRUST)
        if any(one in given for one in group)
        for name in group
        if name not in given
    ]
    if "username" in given and "password" not in given:
        # Of the variables, the password may go with a user name that an option gives.
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


def _viewer(config: Config) -> Config:
    for problem in config.problems:
        if (
            problem.variable == OTEL_ASAYER_VIEWER_API_KEY
        ):  # without a word, the exporter's own key would be used, which may not read
            raise click.UsageError(f"{problem.variable}: {problem.message}.")
    return config.as_viewer()


def _names(option: _Command) -> list[str]:
    """The argument's name of a click option, asked of click itself."""

    def probe() -> None: ...

    option(probe)
    # Click's own mark on a function
    return [parameter.name for parameter in probe.__click_params__]  # type: ignore[attr-defined]
