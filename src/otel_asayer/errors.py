"""The errors this package raises.

::

    AsayerError ├── ConfigurationError (also a ValueError)    an argument, or a variable, that
    cannot be used ├── InvalidSessionIdError (also a ValueError) a value that is no session id,
    given by code ├── ElasticsearchError                        an Elasticsearch that a command
    cannot use; the message says why, and what to do │   └── NotAllowedError
    it refuses this key or user └── SpoolError                                the spool's folder
    cannot be used; the message says why (`otel_asayer.spool`)

Nothing of this is ever raised in a request path: there, bad input is ignored and counted.
"""

from __future__ import annotations

__all__ = [
    "AsayerError",
    "ConfigurationError",
    "ElasticsearchError",
    "InvalidSessionIdError",
    "NotAllowedError",
]


class AsayerError(Exception):
    """The base of all errors of this package."""


class ConfigurationError(AsayerError, ValueError):
    """A setting given as an argument has a value that cannot be used, or a name that does not exist."""


class InvalidSessionIdError(AsayerError, ValueError):
    """A session id given by code is none.

    The message never repeats the value: what is not a session id may be a secret.
    """


class ElasticsearchError(AsayerError):
    """An Elasticsearch cannot be used for what a person asked of it. The message is whole
    sentences, with what to do next.

    What the server says in it steers no terminal, wherever it is shown.
    """

    def __init__(self, message: str = "") -> None:
        from otel_asayer.sanitize import (
            sanitize_line,
        )  # every process loads this module, and most talk to no Elasticsearch

        super().__init__(sanitize_line(message))


class NotAllowedError(ElasticsearchError):
    """Elasticsearch refuses this key or user: never to be taken for "there is nothing"."""
