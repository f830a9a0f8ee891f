"""The node that all processes of a run share."""

from collections.abc import Iterator

import pytest

from elasticsearch_server import HarnessError, Keeper, Shared, shared


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    keeper = Keeper()
    yield keeper
    keeper.close()


class Node:
    """Stands for a server that the keeper has started."""

    url, username, password = "http://127.0.0.1:1", "elastic", "secret"
    closed = False

    def close(self) -> None:
        self.closed = True


def test_everybody_is_told_where_the_node_is(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "start", lambda _config: Node())
    assert [
        (found.url, found.username, found.password)
        for found in (Shared(keeper.folder).endpoint() for _ in range(2))
    ] == [(Node.url, Node.username, Node.password)] * 2


def test_a_node_that_cannot_be_had_is_an_error_for_everybody(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_config: object) -> None:
        raise HarnessError("there is no JDK")

    monkeypatch.setattr(shared, "start", fail)
    for _ in range(2):
        with pytest.raises(HarnessError, match="there is no JDK"):
            Shared(keeper.folder).endpoint()


def test_the_node_ends_with_its_keeper(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node()
    monkeypatch.setattr(shared, "start", lambda _config: node)
    keeper = Keeper()
    Shared(keeper.folder).endpoint()
    keeper.close()
    assert node.closed
    assert not keeper.folder.exists()


def test_nothing_starts_that_nobody_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(shared, "start", started.append)
    Keeper().close()
    assert started == []
