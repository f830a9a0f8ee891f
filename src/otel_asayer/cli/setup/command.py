"""The command: check the user's privileges, plan, and show or carry out the plan."""

from __future__ import annotations

import re
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from otel_asayer.cli.base import Command
from otel_asayer.cli.options import NAMESPACE, connection, require_destination
from otel_asayer.cli.output import AS_JSON
from otel_asayer.cli.setup.report import show_plan, show_question, show_removal, show_result
from otel_asayer.elasticsearch.api import Api, Identity
from otel_asayer.errors import NotAllowedError
from otel_asayer.setup.installation import SetupOptions, carry_out, plan_installation
from otel_asayer.setup.keys import (
    BRIDGE,
    FORGETTER,
    ROLES,
    AuthenticatedUser,
    KeyOptions,
    Role,
    authenticate,
    plan_keys,
    require_privileges,
)
from otel_asayer.setup.planner import Step
from otel_asayer.setup.removal import plan_removal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_asayer.config import Config

__all__ = ["setup"]

_OF_KEYS: Final = ("new_keys", "invalidate_old_keys", "forget_key", "bridge_key")
"""Options that mean nothing without keys."""
_TIME: Final = re.compile(r"[1-9][0-9]{0,5}[dhms]")


def _time(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _TIME.fullmatch(value):
        raise click.BadParameter(
            f"{value!r} is not a time as Elasticsearch writes it, such as 30d or 12h."
        )
    return value


def _roles(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[Role, ...]:
    names = [name.strip() for name in value.split(",") if name.strip()]
    known = [role.name for role in ROLES]
    if not names or not set(names) <= set(known):
        raise click.BadParameter(f"expected some of {', '.join(known)}, separated by commas.")
    return tuple(role for role in ROLES if role.name in names)


@click.command(cls=Command)
@click.option(
    "--namespace",
    type=NAMESPACE,
    help="Namespace of the data streams. Default: OTEL_EXPORTER_ELASTICSEARCH_NAMESPACE.",
)
@click.option(
    "--retention",
    callback=_time,
    metavar="TIME",
    help="How long to keep our data streams and replay records, 30d. Default: no change.",
)
@click.option(
    "--no-alias",
    is_flag=True,
    help="Do not create the alias `logs`. OpenReplay from 1.21 on finds nothing without it.",
)
@click.option(
    "--restore-templates",
    is_flag=True,
    help="Undo changes to our index templates.",
)
@click.option(
    "--keys",
    "roles",
    callback=_roles,
    default="writer,reader,viewer",
    show_default=True,
    help="API keys to create.",
)
@click.option(
    "--forget-key",
    is_flag=True,
    help="Also create the API key that `otel-asayer forget` needs: it may read and delete.",
)
@click.option(
    "--bridge",
    "bridge_key",
    is_flag=True,
    help="Also create the API key that `otel-asayer bridge` needs: it reads spans and log records "
    "and writes replay records.",
)
@click.option("--no-keys", is_flag=True, help="Create no API keys.")
@click.option(
    "--expiration",
    callback=_time,
    metavar="TIME",
    help="How long new API keys are valid, 90d. Default: for ever.",
)
@click.option(
    "--new-keys",
    is_flag=True,
    help="Create new API keys even if there are valid ones. Those stay valid.",
)
@click.option(
    "--invalidate-old-keys",
    is_flag=True,
    help="Invalidate all but the newest API key of each kind.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Change nothing. Print the requests for Kibana's console and for curl.",
)
@click.option(
    "--uninstall",
    is_flag=True,
    help="Remove our index templates, pipeline and policy, and invalidate our API keys. Data "
    "stays.",
)
@click.option("--yes", is_flag=True, help="With --uninstall: do not ask.")
@AS_JSON
@connection(personal=True)
def setup(
    config: Config, *, namespace: str | None, no_keys: bool, uninstall: bool, **options: Any
) -> None:
    """Set up Elasticsearch: templates, pipeline, alias `logs`, a first record, and API keys.

    It prints what to paste into your application's environment and into Asayer's or OpenReplay's
    form. The keys have least privileges. Safe to run again: it adds what is missing and upgrades
    what is outdated. It needs a user (or bearer token) that may manage index templates and API
    keys.
    """
    require_destination(config)
    config = config.replace(namespace=namespace) if namespace else config
    if no_keys and any(options[name] for name in _OF_KEYS):
        raise click.UsageError(
            "--no-keys cannot be combined with --new-keys, --invalidate-old-keys, --forget-key or "
            "--bridge."
        )
    asked = {"forget_key": FORGETTER, "bridge_key": BRIDGE}
    roles = (*options["roles"], *(role for name, role in asked.items() if options[name]))
    with closing(Api.from_config(config)) as api:
        server, user = _identify(api, config)
        run = _Run(api, config, server, user, () if no_keys else roles, options)
        has_problems = run.uninstall() if uninstall else run.install()
    click.get_current_context().exit(int(has_problems))


def _identify(api: Api, config: Config) -> tuple[Identity | None, AuthenticatedUser]:
    """Return which Elasticsearch answers, and who asks."""
    try:
        return api.identify(), authenticate(api)
    except NotAllowedError:
        if any((config.api_key, config.api_key_file, config.username, config.bearer_token)):
            raise
        raise NotAllowedError(
            "This Elasticsearch needs credentials: give --username (you are asked for its "
            "password) or --bearer-token."
        ) from None


@dataclass(frozen=True)
class _Run:
    """One run of the command, with a known server and user."""

    api: Api
    config: Config
    server: Identity | None
    user: AuthenticatedUser
    roles: Sequence[Role]
    options: Mapping[str, Any]

    def install(self) -> bool:
        """Set up, or show the plan; return whether there is a problem."""
        if self.user.secured:
            if self.user.is_api_key and self.roles:
                raise NotAllowedError(
                    "These credentials are an API key, and keys that an API key creates have no "
                    "privileges in Elasticsearch. Give --username (you are asked for its password) "
                    "or --bearer-token, or set up everything but the keys with --no-keys."
                )
            require_privileges(self.api, self.user, self.config.namespace, self.roles)
        options = SetupOptions(
            self.options["retention"],
            alias=not self.options["no_alias"],
            restore=self.options["restore_templates"],
        )
        steps = (
            *plan_installation(self.api, self.config, options, time.time_ns()),
            *self._key_steps(),
        )
        if self.options["dry_run"]:
            return show_plan(steps, self.config, self.server, as_json=self.options["as_json"])
        return show_result(
            [carry_out(self.api, step) for step in steps],
            self.config,
            self.server,
            secured=self.user.secured,
            as_json=self.options["as_json"],
        )

    def uninstall(self) -> bool:
        """Remove what setup brought, or show the plan; return whether something is left to do."""
        steps = tuple(plan_removal(self.api, keys=bool(self.roles) and self.user.secured))
        stays = any(step.word == "left" for step in steps)
        as_json = self.options["as_json"]
        if self.options["dry_run"]:
            return show_plan(steps, self.config, self.server, as_json=as_json) or stays
        if any(step.requests for step in steps) and not self.options["yes"]:
            show_question(steps, self.server)
            click.confirm("Continue?", abort=True, err=True)
        done = [carry_out(self.api, step) for step in steps]
        return show_removal(done, self.server, as_json=as_json) or stays

    def _key_steps(self) -> Sequence[Step]:
        if not self.roles:
            return ()
        if not self.user.secured:
            return (
                Step(
                    "API keys",
                    "not possible",
                    "Security is off on this Elasticsearch: everybody may do everything, and there "
                    "are no keys.",
                ),
            )
        return plan_keys(
            self.api,
            KeyOptions(
                self.roles,
                self.options["expiration"],
                self.options["new_keys"],
                self.options["invalidate_old_keys"],
            ),
        )
