"""An Elasticsearch of the user's own, in place of the secured node that tests and demo start
otherwise."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from threading import Event
from typing import NoReturn

from elasticsearch_server.accounts import present_account
from elasticsearch_server.config import DEFAULT_VERSION, SECURED
from elasticsearch_server.endpoint import Endpoint
from elasticsearch_server.errors import HarnessError
from elasticsearch_server.install import cache_directory, is_prepared
from elasticsearch_server.java import INSTALLED, find_jdk, minimum_java
from elasticsearch_server.server import running

URL_VARIABLE = "OTEL_ASAYER_TEST_ELASTICSEARCH_URL"
USERNAME_VARIABLE = "OTEL_ASAYER_TEST_ELASTICSEARCH_USERNAME"
PASSWORD_VARIABLE = "OTEL_ASAYER_TEST_ELASTICSEARCH_PASSWORD"
API_KEY_VARIABLE = "OTEL_ASAYER_TEST_ELASTICSEARCH_API_KEY"
CA_VARIABLE = "OTEL_ASAYER_TEST_ELASTICSEARCH_CA"


class External(Endpoint):
    """An Elasticsearch that somebody else runs: it can be used, and not be stopped.

    Args:
        url: Where it answers.
        username: A user that may create indices, templates and API keys; empty when `api_key` is
            given.
        password: Of that user.
        api_key: Used in place of the user. An API key can create no other keys, so tests that need
            some fail with it.
        ca_certificate: The file to verify https with; None for the system's own authorities.
    """

    def __init__(
        self,
        url: str,
        username: str = "",
        password: str = "",
        *,
        api_key: str = "",
        ca_certificate: Path | None = None,
    ) -> None:
        super().__init__(url, username, password, ca_certificate)
        self._api_key = api_key

    @staticmethod
    def named(environ: Mapping[str, str] = os.environ) -> str:
        """The address that the variables name, or nothing."""
        return environ.get(URL_VARIABLE, "")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "External | None":
        """The one that the variables name, or None.

        Raises:
            HarnessError: It does not answer, or does not accept the credentials.
        """
        if not (url := cls.named(environ)):
            return None
        username, password, api_key, ca = (
            environ.get(name, "")
            for name in (USERNAME_VARIABLE, PASSWORD_VARIABLE, API_KEY_VARIABLE, CA_VARIABLE)
        )
        external = cls(
            url, username, password, api_key=api_key, ca_certificate=Path(ca) if ca else None
        )
        external.check()
        return external

    def check(self) -> None:
        """Ask for the version, which shows that address, trust and credentials are right.

        Raises:
            HarnessError: One of them is not.
        """
        try:
            _ = self.version
        except (OSError, HTTPException) as error:
            raise HarnessError(
                f"No Elasticsearch answers under {self.url}, which {URL_VARIABLE} names: {error}"
            ) from error

    @cached_property
    def version(self) -> str:
        """The number of its version, asked for once."""
        number: str = self._expect("GET", "/", None)["version"]["number"]
        return number

    @property
    def pid(self) -> int:
        """Not known."""
        self._refuse()

    def stop(self) -> None:
        """Not ours to do."""
        self._refuse()

    def kill(self) -> None:
        """Not ours to do."""
        self._refuse()

    def pause(self) -> None:
        """Not ours to do."""
        self._refuse()

    def resume(self) -> None:
        """Not ours to do."""
        self._refuse()

    def restart(self) -> None:
        """Not ours to do."""
        self._refuse()

    def wait(self) -> None:
        """Never return: nobody tells us when it ends."""
        Event().wait()

    def _refuse(self) -> NoReturn:
        raise HarnessError(
            f"{self.url} belongs to somebody else and is left running: take a node from start() "
            f"for this, or unset {URL_VARIABLE}."
        )

    def _administrator(self) -> str:
        return f"ApiKey {self._api_key}" if self._api_key else super()._administrator()


@contextmanager
def default_server(environ: Mapping[str, str] = os.environ) -> Iterator[Endpoint]:
    """The user's own Elasticsearch when the variables name one, else a secured node for the length
    of a `with` block."""
    if external := External.from_environment(environ):
        yield external
    else:
        with running(SECURED) as server:
            yield server


def missing(environ: Mapping[str, str] = os.environ, installed: Path = INSTALLED) -> str:
    """What to install before `default_server` can give an Elasticsearch, as a sentence; nothing
    when all is there."""
    if External.named(environ):
        return ""
    account = present_account()
    try:
        prepared = is_prepared(DEFAULT_VERSION, cache_directory(account, environ))
    except HarnessError as error:
        return str(error)
    tools = [] if prepared or shutil.which("mvn", path=environ.get("PATH", "")) else ["Maven"]
    try:
        find_jdk(DEFAULT_VERSION, account, environ, installed)
    except HarnessError:
        tools.append(f"a JDK {minimum_java(DEFAULT_VERSION)} or newer")
    return (
        f"Install {' and '.join(tools)}, or name an Elasticsearch of yours in {URL_VARIABLE}."
        if tools
        else ""
    )
