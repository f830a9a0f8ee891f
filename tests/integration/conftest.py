"""Fixtures of the end-to-end tests: a secured Elasticsearch with our templates, keys of least rights, and applications as processes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from otel_asayer.config import Config
from otel_asayer.elasticsearch import Client, ensure

from instrumented import application, free_port
from store import READER, WRITER, Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from elasticsearch_server import Endpoint
    from instrumented import Application

APPLICATIONS = Path(__file__).parent / "applications"


@pytest.fixture(scope="session")
def prepared(secured: Endpoint) -> Endpoint:
    """The secured Elasticsearch after somebody with the right to do so has installed our templates."""
    config = Config.from_environment({}, endpoint=secured.url, username=secured.username, password=secured.password)
    client = Client(config)
    report = ensure(client, config, timeout=60)
    client.close()
    assert not report.problems
    return secured


@pytest.fixture(scope="session")
def writer_key(prepared: Endpoint) -> str:
    return prepared.create_api_key("writer", WRITER)


@pytest.fixture(scope="session")
def reader_key(prepared: Endpoint) -> str:
    return prepared.create_api_key("reader", READER)


@pytest.fixture
def store(prepared: Endpoint, namespace: str, writer_key: str) -> Store:
    return Store(prepared, namespace, writer_key)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., AbstractContextManager[Application]]:
    """Run an application: `run(environment, "python", "app.py")`; `{port}` in a word of the command is its port."""
    port = free_port()

    def start(environment: dict[str, str], *command: str) -> AbstractContextManager[Application]:
        words = [word.format(port=port, applications=APPLICATIONS) for word in command]
        return application(words, port, tmp_path / "console.log", {"PORT": str(port), **environment})

    return start
