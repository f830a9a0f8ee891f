"""A node's ports, folder and processes: nothing of them outlives the owner.

Shell scripts stand for Elasticsearch: they fail on request.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from elasticsearch_server import HarnessError, NodeConfig, layout, server, start, supervisor
from elasticsearch_server.accounts import Account
from elasticsearch_server.ports import Port

OURSELVES = Account(os.geteuid(), os.getegid())
SOMEBODY = Account(54321, 54321)


def test_a_kept_port_refuses_connections_until_its_node_listens() -> None:
    port = Port()
    with (
        pytest.raises(ConnectionRefusedError),
        socket.create_connection(("127.0.0.1", port.number)),
    ):
        pass
    port.release()


def test_a_kept_port_can_be_listened_on_as_elasticsearch_does() -> None:
    port = Port()
    with (
        socket.create_server(("127.0.0.1", port.number)) as node,
        socket.create_connection(("127.0.0.1", port.number)) as client,
    ):
        connection, address = node.accept()
        connection.close()
        assert address == client.getsockname()
    port.release()


COMMAND = ["sh", "-c", "echo up; sleep 60; echo survived"]


@contextmanager
def supervised(folder: Path, command: list[str] = COMMAND) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor whose output ends when all of its processes have."""
    folder.mkdir()
    script = [sys.executable, supervisor.__file__, str(folder), "-", *command]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process


def test_a_node_dies_with_the_end_of_its_supervisors_input(tmp_path: Path) -> None:
    with supervised(tmp_path / "node") as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert process.communicate()[0] == b""  # it closes the input first
    assert list(tmp_path.iterdir()) == []


def test_a_supervisor_that_is_told_to_end_ends_its_node(tmp_path: Path) -> None:
    with supervised(tmp_path / "node") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        assert process.stdout.read() == b""
    assert list(tmp_path.iterdir()) == []


def test_a_node_that_is_killed_keeps_its_folder(tmp_path: Path) -> None:
    with supervised(tmp_path / "node") as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert process.communicate(b"k")[0] == b""
    assert list(tmp_path.iterdir()) == [tmp_path / "node"]


def test_a_launcher_that_ends_leaves_no_jvm_behind(tmp_path: Path) -> None:
    with supervised(
        tmp_path / "node", ["sh", "-c", "(sleep 60; echo survived) & exit 3"]
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b""
    assert process.returncode == 3


def test_a_jvm_that_is_killed_leaves_no_attach_socket(tmp_path: Path) -> None:
    with supervised(
        tmp_path / "node",
        ["sh", "-c", "echo $$ > pid; touch /tmp/.java_pid$$; echo $$; sleep 60; echo survived"],
    ) as process:
        assert process.stdout is not None
        attach = Path(f"/tmp/.java_pid{int(process.stdout.readline())}")
        before = attach.exists()
        process.communicate()
    assert before is True
    assert not attach.exists()


def test_a_node_dies_with_its_owner_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    owner = "import subprocess, sys; subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE).wait()"
    script = [
        sys.executable,
        "-c",
        owner,
        sys.executable,
        supervisor.__file__,
        str(tmp_path / "node"),
        "-",
        *COMMAND,
    ]
    with subprocess.Popen(script, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        assert process.stdout.read() == b""
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Makes a distribution whose Elasticsearch is a shell script."""

    def make(script: str) -> Path:
        home = tmp_path / "elasticsearch"
        for name in ("bin", "config"):
            (home / name).mkdir(parents=True)
        (home / "bin" / "elasticsearch").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (home / "bin" / "elasticsearch").chmod(0o755)
        monkeypatch.setattr(server, "node_account", lambda: OURSELVES)
        monkeypatch.setattr(server, "distribution", lambda _version, _jdk, _cache: home)
        return home

    return make


def test_a_node_that_ends_while_starting_shows_the_end_of_its_log(
    distribution: Callable[[str], Path], tmp_path: Path
) -> None:
    distribution("seq 100; echo BindException: Address already in use; exit 1")
    (tmp_path / "nodes").mkdir()
    with pytest.raises(HarnessError) as raised:
        start(NodeConfig(), work_directory=tmp_path / "nodes")
    log = "\n".join([*map(str, range(62, 101)), "BindException: Address already in use"])
    assert (
        str(raised.value) == f"Elasticsearch 9.4.3 ended while starting. The end of its log:\n{log}"
    )


def test_a_node_that_does_not_get_ready_in_time_is_an_error(
    distribution: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution("exec sleep 60")
    monkeypatch.setattr(server, "READY_SECONDS", 0.0)
    with pytest.raises(HarnessError, match=r"was not ready in 0\.0 s"):
        start(NodeConfig(), work_directory=tmp_path)


def test_a_start_that_failed_leaves_nothing(
    distribution: Callable[[str], Path], tmp_path: Path
) -> None:
    distribution("exit 1")
    (tmp_path / "nodes").mkdir()
    with pytest.raises(HarnessError):
        start(NodeConfig(mode="tls"), work_directory=tmp_path / "nodes")
    assert list((tmp_path / "nodes").iterdir()) == []


def test_the_settings_of_a_configuration_win(
    distribution: Callable[[str], Path], tmp_path: Path
) -> None:
    config = NodeConfig(settings=(("node.processors", "1"), ("http.max_content_length", "1mb")))
    node = layout.create(config, distribution(""), (9200, 9300), OURSELVES, tmp_path)
    lines = (node.config / "elasticsearch.yml").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith(("node.processors", "http."))] == [
        'node.processors: "1"',
        'http.port: "9200"',
        'http.max_content_length: "1mb"',
    ]


def test_the_heap_has_a_limit(distribution: Callable[[str], Path], tmp_path: Path) -> None:
    node = layout.create(
        NodeConfig(heap="300m"), distribution(""), (9200, 9300), OURSELVES, tmp_path
    )
    assert (node.config / "jvm.options").read_text(encoding="utf-8").splitlines()[:2] == [
        "-Xms300m",
        "-Xmx300m",
    ]


def test_a_work_directory_that_elasticsearch_cannot_enter_is_refused(
    distribution: Callable[[str], Path], tmp_path: Path
) -> None:
    home = distribution("")
    tmp_path.chmod(0o700)
    with pytest.raises(
        HarnessError, match=f"cannot enter {tmp_path}: choose another work directory"
    ):
        layout.create(NodeConfig(), home, (9200, 9300), SOMEBODY, tmp_path)
