"""Runs a real Elasticsearch from the command line: `python -m elasticsearch_server --help`."""

import argparse
import json
import signal
import sys
from contextlib import AbstractContextManager
from types import FrameType

from elasticsearch_server.accounts import node_account
from elasticsearch_server.config import DEFAULT_VERSION, MODES, NodeConfig
from elasticsearch_server.endpoint import Endpoint
from elasticsearch_server.errors import HarnessError
from elasticsearch_server.external import URL_VARIABLE, default_server
from elasticsearch_server.install import cache_directory, distribution
from elasticsearch_server.java import find_jdk
from elasticsearch_server.server import running


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; 0 when it went well, 1 when Elasticsearch cannot be had."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "fetch":
            _say(_fetch(options.version or DEFAULT_VERSION))
        else:
            _serve(options)
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m elasticsearch_server",
        description="A real Elasticsearch on loopback, for tests and the demo.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser(
        "fetch", help="download and prepare a version, and print its folder"
    )
    serve = commands.add_parser(
        "start",
        help="run a node until Ctrl-C or SIGTERM",
        description="Run a node until Ctrl-C or SIGTERM. The first line of the output is JSON, "
        "printed when the node is ready. "
        f"Without any option it is a secured node or, where {URL_VARIABLE} is set, the "
        f"Elasticsearch that it names.",
    )
    for command in (fetch, serve):
        command.add_argument("--version", help=f"of Elasticsearch (default {DEFAULT_VERSION})")
    serve.add_argument("--mode", choices=MODES, help="plain, secured (default), or tls")
    serve.add_argument(
        "--setting",
        action="append",
        type=_setting,
        metavar="NAME=VALUE",
        help="a line for elasticsearch.yml; may be repeated",
    )
    return parser


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    return name, value


def _fetch(version: str) -> str:
    account = node_account()
    return str(distribution(version, find_jdk(version, account), cache_directory(account)))


def _serve(options: argparse.Namespace) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    with _chosen(options) as server:
        _say(json.dumps(_facts(server)))
        server.wait()
        raise HarnessError(f"The Elasticsearch under {server.url} has ended by itself.")


def _chosen(options: argparse.Namespace) -> AbstractContextManager[Endpoint]:
    if options.version is options.mode is options.setting is None:
        return default_server()
    return running(
        NodeConfig(
            options.version or DEFAULT_VERSION,
            options.mode or "secured",
            tuple(options.setting or ()),
        )
    )


def _facts(server: Endpoint) -> dict[str, str | None]:
    ca = server.ca_certificate
    return {
        "url": server.url,
        "username": server.username,
        "password": server.password,
        "ca": str(ca) if ca else None,
        "version": server.version,
    }


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # whoever reads it through a pipe waits for it


def _leave(_signal: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a second one must not interrupt the cleaning up
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
