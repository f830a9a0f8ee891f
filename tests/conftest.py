"""Fixtures for tests that need a real Elasticsearch. It is started when the first test asks for it, and shared by all that ask for the same."""

import os
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from elasticsearch_server import MODES, SECURED, SMALL_LIMITS, VERSIONS, Endpoint, External, NodeConfig, Server, running

_ELASTICSEARCH_FIXTURES = {"secured", "small_limits", "elasticsearch_node", "matrix_server"}
_MATRIX = [NodeConfig(version, mode) for version in VERSIONS for mode in MODES]
_APART = ("matrix", "browser")
"""Markers of tests that run only when `-m` speaks of them."""


def pytest_configure() -> None:
    """Forget what the shell says of OpenTelemetry, and that a shell ignores Ctrl-C for what it starts behind: a test says all it depends on."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in list(os.environ):
        if name.startswith("OTEL_") and not name.startswith("OTEL_ASAYER_TEST_"):
            del os.environ[name]


@pytest.hookimpl(tryfirst=True)  # before pytest selects by -m
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs an Elasticsearch, and leave out what runs apart unless -m speaks of it."""
    for item in items:
        _mark(item, set(getattr(item, "fixturenames", ())))
    apart = [name for name in _APART if name not in config.option.markexpr]
    left_out = [item for item in items if any(map(item.get_closest_marker, apart))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _mark(item: pytest.Item, fixtures: set[str]) -> None:
    if fixtures & _ELASTICSEARCH_FIXTURES:
        item.add_marker(pytest.mark.elasticsearch)
    if "matrix_server" in fixtures:
        item.add_marker(pytest.mark.matrix)


@pytest.fixture(scope="session")
def elasticsearch_node() -> Iterator[Callable[[NodeConfig], Server]]:
    """Gives the node with a configuration. Whatever a test did to it, it answers again for the next one that asks here."""
    nodes: dict[NodeConfig, Server] = {}
    with ExitStack() as stack:

        def node(config: NodeConfig) -> Server:
            if config not in nodes:
                nodes[config] = stack.enter_context(running(config))
            nodes[config].revive()
            return nodes[config]

        yield node


@pytest.fixture(scope="session")
def secured(elasticsearch_node: Callable[[NodeConfig], Server]) -> Endpoint:
    """A secured node of the default version, or the Elasticsearch that the environment names. A test of faults asks `elasticsearch_node`."""
    return External.from_environment() or elasticsearch_node(SECURED)


@pytest.fixture(scope="session")
def small_limits(elasticsearch_node: Callable[[NodeConfig], Server]) -> Server:
    """A plain node that answers 413 to a body over 1 MiB, and 429 to items while more than 512 KiB are under way."""
    return elasticsearch_node(SMALL_LIMITS)


@pytest.fixture(scope="session", params=_MATRIX, ids=lambda config: f"{config.version}-{config.mode}")
def matrix_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One node after the other: every supported version in every mode."""
    with running(request.param) as server:
        yield server


@pytest.fixture
def namespace() -> str:
    """A data stream namespace of the test's own: data streams cannot be deleted in the test distribution, so none is shared."""
    return f"test{secrets.token_hex(8)}"


@pytest.fixture(autouse=True)
def _no_spool(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test does not deliver is lost, unless it asks for a spool."""
    monkeypatch.setenv("OTEL_EXPORTER_ELASTICSEARCH_SPOOL", "off")
