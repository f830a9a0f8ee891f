"""The fleet's fixtures: a real Elasticsearch with our templates, and a store in it for each use."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from browser.network import write_scripts

from store import WRITER, Store, prepare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from elasticsearch_server import Endpoint


@pytest.fixture(scope="session")
def new_store(secured: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Store]:
    """Gives a part of the Elasticsearch that nobody has written to."""
    prepare(secured)
    key = secured.create_api_key("writer", WRITER)

    def make() -> Store:
        spool: Path = tmp_path_factory.mktemp("spool")
        return Store(secured, f"fleet{secrets.token_hex(8)}", key, spool)

    return make


@pytest.fixture(scope="session")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the scripts of the shop's page."""
    folder = tmp_path_factory.mktemp("page") / "scripts"
    write_scripts(folder)
    return folder
