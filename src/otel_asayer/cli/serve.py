"""`otel-asayer serve`: the session page, on loopback."""

from __future__ import annotations

import os
import socket
import webbrowser
from typing import TYPE_CHECKING, Final

import click

from otel_asayer.cli.base import Command
from otel_asayer.cli.options import connection, require_usable

if TYPE_CHECKING:
    from otel_asayer.config import Config

__all__ = ["serve"]

_HOSTS: Final = {"127.0.0.1": socket.AF_INET, "localhost": socket.AF_INET, "::1": socket.AF_INET6}
_DEFAULT_PORT: Final = 8321
_END_SECONDS: Final = 2


@click.command(cls=Command)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=_DEFAULT_PORT,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--host",
    type=click.Choice(list(_HOSTS)),
    default="127.0.0.1",
    show_default=True,
    help="Address of loopback; there is no other.",
)
@click.option("--open", "in_browser", is_flag=True, help="Open it in the browser.")
@connection(viewer=True)
def serve(config: Config, *, port: int, host: str, in_browser: bool) -> None:
    """Serve the session page: a session's waterfall, its errors with stacks, links to the replay.

    The page is for you alone: it is served on loopback, and shows what your key may read. Press
    Ctrl-C to end it.
    """
    import uvicorn

    from otel_asayer.web import create_app
    from otel_asayer.web.guard import hosts_of

    require_usable(config)
    with _listening(host, port) as listening:
        port = listening.getsockname()[1]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        click.echo(f"The session page is at {address} (Ctrl-C ends it)")
        if in_browser:
            webbrowser.open(address)
        app = create_app(config, hosts=hosts_of(port))
        settings = uvicorn.Config(
            app,
            log_level="error",
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=_END_SECONDS,
        )
        try:
            uvicorn.Server(settings).run(sockets=[listening])
        except KeyboardInterrupt:  # uvicorn raises it again once it has ended
            return


def _listening(host: str, port: int) -> socket.socket:
    """Listen before the address is printed, so that it answers."""
    try:
        return socket.create_server(
            ("127.0.0.1" if host == "localhost" else host, port), family=_HOSTS[host], backlog=128
        )
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise click.ClickException(
            f"Cannot listen on {host}, port {port}: {reason}. Another one can be given by --port."
        ) from None
