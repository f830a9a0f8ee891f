"""The Elasticsearch that is examined, as the exporter sees it and as a viewer does."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_asayer.elasticsearch.api import Api
from otel_asayer.elasticsearch.client import Client, UnreachableError
from otel_asayer.setup.inventory import stream_name
from otel_asayer.setup.templates import LOGS, READERS_ALIAS, REPLAY, TRACES

if TYPE_CHECKING:
    from otel_asayer.config import Config
    from otel_asayer.elasticsearch.client import Requester
    from otel_asayer.setup.templates import IndexTemplate

__all__ = ["REQUEST_SECONDS", "Subject"]

REQUEST_SECONDS: Final = 4.0
"""That one request may take: who examines waits for a person, not for a batch."""


class Subject(NamedTuple):
    """An Elasticsearch, and two ways there.

    Attributes:
        config: the settings.
        client: the exporter's way, for what goes as it goes there.
        writer: the exporter's way.
        reader: the viewer's way, with a key of its own where there is one.
    """

    config: Config
    client: Requester
    writer: Api
    reader: Api

    @classmethod
    def of(cls, config: Config) -> Subject:
        """Return the Elasticsearch that `config` names. Nothing is asked yet."""
        client, seconds = Client(config), min(config.timeout, REQUEST_SECONDS)
        with suppress(UnreachableError):  # which the checks say, of each endpoint
            # Its imports take seconds on a busy machine: they come before the time of requests runs
            client.connect()
        writer = Api(client, timeout=seconds)
        return cls(
            config,
            client,
            writer,
            Api.from_config(config.as_viewer(), timeout=seconds)
            if config.viewer_api_key
            else writer,
        )

    def close(self) -> None:
        """Close the connections."""
        self.writer.close()
        self.reader.close()

    @property
    def seconds(self) -> float:
        """That one request may take."""
        return min(self.config.timeout, REQUEST_SECONDS)

    @property
    def templates(self) -> tuple[IndexTemplate, ...]:
        """Those of ours whose data streams are written."""
        return (TRACES, LOGS, REPLAY) if self.config.replay_records else (TRACES, LOGS)

    @property
    def streams(self) -> list[str]:
        """The data streams and indices that are written, as far as no attribute sends a document elsewhere."""
        return [stream_name(template, self.config) for template in self.templates]

    @property
    def replay_indices(self) -> str:
        """The pattern of the indices of replay records."""
        return stream_name(REPLAY, self.config)

    @property
    def read_names(self) -> list[str]:
        """What a viewer reads; an alias needs rights of its own."""
        return [*self.streams, READERS_ALIAS] if self.config.replay_records else self.streams
