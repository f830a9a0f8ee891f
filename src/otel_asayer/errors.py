"""The errors this package raises.

::

    AsayerError
    ├── ConfigurationError (a ValueError)     an argument cannot be used
    ├── InvalidSessionIdError (a ValueError)  a value from code is not a session id
    ├── ElasticsearchError                    a command cannot use Elasticsearch
    │   └── NotAllowedError                   Elasticsearch refuses the key or user
    └── SpoolError                            a command cannot use the spool (`otel_asayer.spool`)

None of them is raised while a request is handled: bad input is ignored there, and counted.
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
    """An argument has a value that cannot be used, or a name that does not exist."""


class InvalidSessionIdError(AsayerError, ValueError):
    """A value from code is not a session id.

    The message never repeats the value: it may be a secret.
    """


class ElasticsearchError(AsayerError):
    """Elasticsearch cannot do what a command asks; the message says why, and what to do next.

    The message is sanitized: text from the server cannot control a terminal.
    """

    def __init__(self, message: str = "") -> None:
        # Every process loads this module, and most use no Elasticsearch.
        from otel_asayer.sanitize import sanitize_line

        super().__init__(sanitize_line(message))


class NotAllowedError(ElasticsearchError):
    """Elasticsearch refuses the key or user; that does not mean that there is nothing."""
