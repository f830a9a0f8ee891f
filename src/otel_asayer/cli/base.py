"""What all commands share: help in groups, errors as sentences or JSON, a quiet Ctrl-C."""

from __future__ import annotations

from typing import Any, Final

import click

from otel_asayer.cli import output
from otel_asayer.cli.entry import INTERRUPTED
from otel_asayer.errors import AsayerError, ConfigurationError, InvalidSessionIdError
from otel_asayer.sanitize import sanitize_line

__all__ = ["Command", "CommandGroup", "ConnectionOption"]

_WHOLE: Final = 1000
"""Characters of a command's summary in the list of commands: all of its first sentence."""


class ConnectionOption(click.Option):
    """An option of the connection: the help shows it apart, with the variable that it overrides."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return its names, and its help with the variable."""
        record = super().get_help_record(ctx)
        variable = f"OTEL_EXPORTER_ELASTICSEARCH_{(self.name or '').upper()}"
        return record and (record[0], f"{record[1]} [{variable}]")


class Command(click.Command):
    """A command whose help shows the options of the connection apart from its own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in their groups."""
        own: list[tuple[str, str]] = []
        connection: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                is_connection = isinstance(parameter, ConnectionOption)
                (connection if is_connection else own).append(record)
        for title, records in (("Options", own), ("Connection", connection)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class CommandGroup(click.Group):
    """Turns this package's errors, which are sentences, into what a shell or a program expects."""

    command_class = Command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, each with the whole first sentence of its help."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, one.get_short_help_str(_WHOLE)) for name, one in commands if one]
            )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; exit status 2 for wrong usage, 1 for what does not work."""
        try:
            return super().invoke(ctx)
        except (ConfigurationError, InvalidSessionIdError) as error:
            raise _told(click.UsageError(sanitize_line(str(error)), ctx), ctx) from None
        except AsayerError as error:
            raise _told(click.ClickException(sanitize_line(str(error))), ctx) from None
        except click.ClickException as error:
            raise _told(error, ctx) from None
        except KeyboardInterrupt:  # click would say "Aborted!", and end with 1
            ctx.exit(INTERRUPTED)


def _told(error: click.ClickException, ctx: click.Context) -> click.ClickException:
    """Print an error as JSON where a program asked for it, beside the sentence for a person."""
    if ctx.find_root().meta.pop(output.JSON_WANTED, False):
        output.print_json({"error": error.format_message()})
    return error
