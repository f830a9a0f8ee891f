"""The address of Elasticsearch, in the parts that forms ask for."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from otel_asayer.config.targets import Targets

if TYPE_CHECKING:
    from otel_asayer.config import Config

__all__ = ["Address", "address_of", "url_of"]

_INTERNAL: Final = Targets.parse("internal")


class Address(NamedTuple):
    """Where Elasticsearch is."""

    host: str
    port: int

    @property
    def is_internal(self) -> bool:
        """Whether other networks may not reach it under this name."""
        return _INTERNAL.allow(self.host)


def url_of(config: Config) -> str:
    """Return the URL of Elasticsearch, the first where there are several."""
    return config.endpoint[0] if config.endpoint else _cloud_url(config.cloud_id or "")


def address_of(config: Config) -> Address:
    """Return the host and port of Elasticsearch."""
    parts = urlsplit(url_of(config))
    return Address(parts.hostname or "", parts.port or 443)


def _cloud_url(cloud_id: str) -> str:
    """Return the URL that a Cloud ID stands for:

    `name:` and, in base64, `host[:port]$elasticsearch$kibana`.
    """
    host, _, rest = b64decode(cloud_id.rpartition(":")[2]).decode("ascii").partition("$")
    name, _, port = host.partition(":")
    return f"https://{rest.partition('$')[0]}.{name}:{port or 443}"
