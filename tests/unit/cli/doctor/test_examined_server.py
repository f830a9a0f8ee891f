"""The way to the Elasticsearch that is examined."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from otel_asayer.cli.doctor.server import ExaminedServer, check_endpoints
from otel_asayer.elasticsearch import client
from unit.cli.doctor.support import config, short

if TYPE_CHECKING:
    import pytest

    from otel_asayer.config import Config


def test_what_requests_need_is_imported_before_the_time_of_one_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built: list[Config] = []

    def build(config: Config) -> list[None]:
        built.append(config)
        return []

    monkeypatch.setattr(client, "build_nodes", build)
    with closing(ExaminedServer.from_config(config())) as server:
        assert built == [server.config]


def test_settings_that_make_no_client_are_for_the_checks_to_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: Config) -> None:
        raise ValueError("no such file")

    monkeypatch.setattr(client, "build_nodes", refuse)
    with closing(ExaminedServer.from_config(config())) as server:
        (result,) = short(check_endpoints(server.config, seconds=30))
    assert result[0] == "problem"
    assert "the settings make no client for Elasticsearch: no such file" in result[1]
