"""What all tests share: which of them a run picks, and a real Elasticsearch for those that need
one.

It is started when the first test asks for it. The processes of a run in parallel share one secured
node, which the main process keeps.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from elasticsearch_server import (
    MODES,
    SECURED,
    SMALL_LIMITS,
    VERSIONS,
    Endpoint,
    External,
    Keeper,
    NodeConfig,
    Server,
    Shared,
    missing,
    running,
)
from instrumented import heed_ctrl_c

_ELASTICSEARCH_FIXTURES = {"secured", "small_limits", "elasticsearch_node", "matrix_server"}
_MATRIX = [NodeConfig(version, mode) for version in VERSIONS for mode in MODES]
_APART = ("matrix", "browser", "nodes", "processes", "fleet")
"""Markers of tests that run only when `-m` speaks of them."""
_SHARED = "shared_elasticsearch"
_EVERYTHING = "OTEL_ASAYER_TEST_EVERYTHING"
"""Set, tests whose tools are missing fail in place of being left out."""

settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

_keeper = pytest.StashKey[Keeper]()
_LEFT_OUT = "left_out"
_left_out = pytest.StashKey[str]()


def pytest_configure() -> None:
    """Forget what the shell says of OpenTelemetry and of Ctrl-C: a test says all it depends on."""
    heed_ctrl_c()
    for name in list(os.environ):
        if name.startswith("OTEL_") and not name.startswith("OTEL_ASAYER_TEST_"):
            del os.environ[name]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker, before it starts, where the node is that all workers share.

    Called in the main process of a run in parallel.
    """
    stash = node.config.stash
    if _keeper not in stash:
        stash[_keeper] = Keeper()
    node.workerinput[_SHARED] = str(stash[_keeper].folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the shared node."""
    if keeper := config.stash.get(_keeper, None):
        keeper.close()


@pytest.hookimpl(tryfirst=True, wrapper=True)  # before pytest selects by -m and -k, and after
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Iterator[None]:
    """Mark what needs an Elasticsearch, and leave out what runs apart unless -m speaks of it, and
    what cannot run here."""
    for item in items:
        _mark(item, set(getattr(item, "fixturenames", ())))
    apart = [name for name in _APART if name not in config.option.markexpr]
    _leave_out(config, items, lambda item: any(map(item.get_closest_marker, apart)))
    yield
    if _EVERYTHING in os.environ or not (reason := missing()):
        return
    if number := _leave_out(
        config, items, lambda item: item.get_closest_marker("elasticsearch") is not None
    ):
        who = (
            "1 test needs a real Elasticsearch and was"
            if number == 1
            else f"{number} tests need a real Elasticsearch and were"
        )
        config.stash[_left_out] = f"{who} left out. {reason}"


def _mark(item: pytest.Item, fixtures: set[str]) -> None:
    if "matrix_server" in fixtures:
        item.add_marker(pytest.mark.matrix)
        # One process has a node, and asks all there is to ask of it.
        server = getattr(item, "callspec").params["matrix_server"]  # noqa: B009 (no public type)
        item.add_marker(pytest.mark.xdist_group(f"{server.version}-{server.mode}"))
    if "small_limits" in fixtures:
        item.add_marker(pytest.mark.nodes)
    if fixtures & _ELASTICSEARCH_FIXTURES or item.get_closest_marker("nodes"):
        item.add_marker(pytest.mark.elasticsearch)


def _leave_out(
    config: pytest.Config, items: list[pytest.Item], which: Callable[[pytest.Item], bool]
) -> int:
    left_out = [item for item in items if which(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not which(item)]
    return len(left_out)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the shared node start while tests run that need none."""
    if (shared := _shared(session.config)) and any(
        "secured" in getattr(item, "fixturenames", ()) for item in session.items
    ):
        shared.want()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let a worker tell the main process what it left out."""
    if _left_out in session.config.stash and hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_LEFT_OUT] = session.config.stash[_left_out]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Hear what a worker left out."""
    if said := getattr(node, "workeroutput", {}).get(_LEFT_OUT):
        node.config.stash[_left_out] = said


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say in one line what was left out, and how to get it."""
    if said := config.stash.get(_left_out, None):
        terminalreporter.write_line(said, yellow=True)


def _shared(config: pytest.Config) -> Shared | None:
    folder = getattr(config, "workerinput", {}).get(_SHARED)
    return Shared(Path(folder)) if folder and not External.named() else None


@pytest.fixture(scope="session")
def elasticsearch_node() -> Iterator[Callable[[NodeConfig], Server]]:
    """Gives the node with a configuration.

    Whatever a test did to it, it answers again for the next one that asks here.
    """
    nodes: dict[NodeConfig, Server] = {}
    with ExitStack() as stack:

        def node(config: NodeConfig) -> Server:
            if config not in nodes:
                nodes[config] = stack.enter_context(running(config))
            nodes[config].revive()
            return nodes[config]

        yield node


@pytest.fixture(scope="session")
def secured(
    request: pytest.FixtureRequest, elasticsearch_node: Callable[[NodeConfig], Server]
) -> Endpoint:
    """A secured node of the default version, or the Elasticsearch that the environment names.

    A test of faults asks `elasticsearch_node`.
    """
    if external := External.from_environment():
        return external
    shared = _shared(request.config)
    return shared.endpoint() if shared else elasticsearch_node(SECURED)


@pytest.fixture(scope="session")
def small_limits(elasticsearch_node: Callable[[NodeConfig], Server]) -> Server:
    """A plain node that answers 413 to a body over 1 MiB, and 429 to items while more than 512 KiB
    are under way."""
    return elasticsearch_node(SMALL_LIMITS)


@pytest.fixture(
    scope="session", params=_MATRIX, ids=lambda config: f"{config.version}-{config.mode}"
)
def matrix_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One node after the other: every supported version in every mode."""
    with running(request.param) as server:
        yield server


@pytest.fixture
def namespace() -> str:
    """A data stream namespace of the test's own:

    data streams cannot be deleted in the test distribution, so none is shared.
    """
    return f"test{secrets.token_hex(8)}"


@pytest.fixture(autouse=True)
def _no_spool(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test does not deliver is lost, unless it asks for a spool."""
    monkeypatch.setenv("OTEL_EXPORTER_ELASTICSEARCH_SPOOL", "off")
