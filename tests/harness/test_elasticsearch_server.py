"""The harness that runs a real Elasticsearch: what all other tests of the real thing stand on."""

import json
import os
import select
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from elasticsearch_server import (
    Endpoint,
    External,
    HarnessError,
    NodeConfig,
    Server,
    default_server,
    running,
    start,
)
from elasticsearch_server.__main__ import main
from elasticsearch_server.external import (
    CA_VARIABLE,
    PASSWORD_VARIABLE,
    URL_VARIABLE,
    USERNAME_VARIABLE,
)

TESTS = Path(__file__).parents[1]


def test_a_secured_node_indexes_and_searches(secured: Endpoint, namespace: str) -> None:
    index = f"harness-{namespace}"
    secured.request("PUT", f"/{index}/_doc/1", {"answer": 42})
    secured.refresh(index)
    hits = secured.search(index, {"query": {"term": {"answer": 42}}})["hits"]["hits"]
    assert [hit["_source"] for hit in hits] == [{"answer": 42}]


def test_an_answer_of_any_status_is_no_error(secured: Endpoint) -> None:
    assert secured.request("GET", "/missing").status == 404


def test_names_of_headers_are_in_lower_case(secured: Endpoint) -> None:
    assert secured.request("GET", "/").headers["x-elastic-product"] == "Elasticsearch"


def test_the_version_is_what_the_node_says(secured: Endpoint) -> None:
    assert secured.request("GET", "/").json()["version"]["number"] == secured.version


def test_nobody_may_do_nothing(secured: Endpoint) -> None:
    assert secured.request("GET", "/", auth=None).status == 401


def test_an_api_key_may_do_what_its_role_says_and_no_more(
    secured: Endpoint, namespace: str
) -> None:
    key = secured.create_api_key(
        "reader",
        {"reader": {"index": [{"names": [f"{namespace}-*"], "privileges": ["read"]}]}},
        expiration="1h",
    )
    secured.request("PUT", f"/{namespace}-a/_doc/1?refresh=true", {})
    paths = [f"/{namespace}-a/_search", "/_cluster/health"]
    assert [secured.request("GET", path, auth=key).status for path in paths] == [200, 403]


def test_a_search_that_is_refused_is_an_error_with_the_answer(secured: Endpoint) -> None:
    with pytest.raises(
        HarnessError, match=r"Elasticsearch answers 404 .*index_not_found_exception"
    ):
        secured.search("missing", {})


def test_a_body_over_the_limit_is_answered_with_413(small_limits: Server) -> None:
    body = b'{"create":{"_index":"large"}}\n{"text":"%s"}\n' % (b"a" * 2_000_000)
    assert small_limits.request("POST", "/_bulk", body).status == 413


def test_a_body_over_the_memory_limit_is_answered_with_429(small_limits: Server) -> None:
    body = b'{"create":{"_index":"large"}}\n{"text":"%s"}\n' % (b"a" * 900_000)
    assert small_limits.request("POST", "/_bulk", body).status == 429


def test_items_over_the_memory_limit_are_answered_with_429_in_a_200(small_limits: Server) -> None:
    body = b'{"create":{"_index":"large"}}\n{"text":"%s"}\n' % (b"a" * 400_000)
    response = small_limits.request("POST", "/_bulk", body)
    assert response.status == 200
    assert [item["create"]["status"] for item in response.json()["items"]] == [429]


def test_a_paused_node_accepts_connections_and_does_not_answer(small_limits: Server) -> None:
    small_limits.pause()
    try:
        with pytest.raises(TimeoutError):
            small_limits.request("GET", "/", timeout=0.3)
    finally:
        small_limits.resume()


def test_a_killed_node_comes_back_with_its_documents_on_the_same_port(
    small_limits: Server, namespace: str
) -> None:
    url, pid = small_limits.url, small_limits.pid
    small_limits.request("PUT", f"/{namespace}/_doc/1", {"answer": 42})
    try:
        small_limits.kill()
        with pytest.raises(ConnectionRefusedError):
            small_limits.request("GET", "/")
    finally:
        small_limits.revive()
    found = small_limits.request("GET", f"/{namespace}/_doc/1").json()["_source"]
    assert found == {"answer": 42}
    assert small_limits.url == url
    assert small_limits.pid != pid


def test_a_node_that_runs_is_only_resumed_when_it_is_asked_for_again(small_limits: Server) -> None:
    pid = small_limits.pid
    small_limits.pause()
    small_limits.revive()
    assert small_limits.request("GET", "/").status == 200
    assert small_limits.pid == pid


def test_a_forked_child_does_not_close_its_parents_node(
    small_limits: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_limits, "_owner", os.getpid() + 1)
    small_limits.close()
    assert small_limits.running


# Somebody else's Elasticsearch


def test_without_the_variable_there_is_no_elasticsearch_of_the_users_own() -> None:
    assert External.from_environment({}) is None


def test_the_variables_name_an_elasticsearch_of_the_users_own(secured: Endpoint) -> None:
    environ = {
        URL_VARIABLE: secured.url,
        USERNAME_VARIABLE: secured.username,
        PASSWORD_VARIABLE: secured.password,
    }
    environ |= {CA_VARIABLE: str(secured.ca_certificate)} if secured.ca_certificate else {}
    with default_server(environ) as server:
        assert server.url == secured.url
        assert server.version == secured.version


def test_an_api_key_takes_the_place_of_the_user(secured: Endpoint) -> None:
    key = secured.create_api_key("harness", {}, expiration="1h")
    external = External(secured.url, api_key=key, ca_certificate=secured.ca_certificate)
    assert (
        external.request("GET", "/_security/_authenticate").json()["authentication_type"]
        == "api_key"
    )


def test_wrong_credentials_are_an_error_at_once(secured: Endpoint) -> None:
    with pytest.raises(HarnessError, match="Elasticsearch answers 401"):
        External(secured.url, "elastic", "wrong", ca_certificate=secured.ca_certificate).check()


def test_an_elasticsearch_that_does_not_answer_is_an_error_that_names_the_variable() -> None:
    with pytest.raises(
        HarnessError, match=f"under http://127.0.0.1:1, which {URL_VARIABLE} names: .*refused"
    ):
        External.from_environment({URL_VARIABLE: "http://127.0.0.1:1"})


def test_a_url_without_a_host_is_an_error() -> None:
    with pytest.raises(HarnessError, match="localhost:9200 names no host"):
        External("localhost:9200").check()


@pytest.mark.parametrize("action", ["stop", "kill", "pause", "resume", "restart"])
def test_somebody_elses_elasticsearch_is_left_running(action: str) -> None:
    with pytest.raises(
        HarnessError, match="http://es:9200 belongs to somebody else and is left running"
    ):
        getattr(External("http://es:9200"), action)()


def test_the_process_of_somebody_elses_elasticsearch_is_not_ours_to_know() -> None:
    with pytest.raises(HarnessError, match="belongs to somebody else"):
        _ = External("http://es:9200").pid


# The command line


def environment(**variables: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(TESTS)} | variables


def test_the_command_line_offers_the_users_own_elasticsearch_until_sigterm(
    small_limits: Server,
) -> None:
    command = [sys.executable, "-m", "elasticsearch_server", "start"]
    with subprocess.Popen(
        command, env=environment(**{URL_VARIABLE: small_limits.url}), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        process.terminate()
    expected = {
        "url": small_limits.url,
        "username": "",
        "password": "",
        "ca": None,
        "version": small_limits.version,
    }
    assert facts == expected
    assert process.returncode == 0
    assert small_limits.running is True


def test_fetch_prints_the_folder_of_the_prepared_distribution(
    small_limits: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["fetch", "--version", small_limits.version])
    assert status == 0
    assert (Path(capsys.readouterr().out.strip()) / "bin" / "elasticsearch").is_file()


def test_what_cannot_be_had_is_said_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(URL_VARIABLE, "http://127.0.0.1:1")
    status = main(["start"])
    assert status == 1
    assert capsys.readouterr().err.startswith("No Elasticsearch answers under http://127.0.0.1:1")


def test_a_setting_without_a_value_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["start", "--setting", "node.processors"])
    assert "node.processors is not NAME=VALUE" in capsys.readouterr().err


# What takes long: every supported version in every mode


def test_every_version_indexes_and_searches_in_every_mode(
    matrix_server: Server, namespace: str
) -> None:
    matrix_server.request(
        "PUT",
        f"/_index_template/{namespace}",
        {"index_patterns": [f"logs-*-{namespace}"], "data_stream": {}},
    )
    stream = f"logs-harness-{namespace}"
    document = {"@timestamp": "2026-01-02T03:04:05Z", "message": "hello"}
    status = matrix_server.request("POST", f"/{stream}/_doc", document).status
    matrix_server.refresh()
    hits = matrix_server.search(stream, {"query": {"match": {"message": "hello"}}})["hits"]["hits"]
    assert status == 201
    assert [hit["_source"] for hit in hits] == [document]


def test_every_version_says_which_it_is(matrix_server: Server) -> None:
    assert (
        matrix_server.request("GET", "/").json()["version"]["number"]
        == matrix_server.config.version
    )


def test_nobody_may_do_nothing_where_there_is_security(matrix_server: Server) -> None:
    assert matrix_server.request("GET", "/", auth=None).status == (
        401 if matrix_server.config.secured else 200
    )


def test_a_stopped_node_comes_back_with_its_documents(
    matrix_server: Server, namespace: str
) -> None:
    matrix_server.request("PUT", f"/{namespace}/_doc/1", {"answer": 42})
    matrix_server.restart()
    assert matrix_server.request("GET", f"/{namespace}/_doc/1").json()["_source"] == {"answer": 42}


@pytest.mark.matrix
@pytest.mark.elasticsearch
def test_two_nodes_with_one_configuration_share_nothing(namespace: str) -> None:
    with running(NodeConfig(heap="256m")) as one, running(NodeConfig(heap="256m")) as other:
        one.request("PUT", f"/{namespace}/_doc/1", {})
        assert [node.request("GET", f"/{namespace}/_doc/1").status for node in (one, other)] == [
            200,
            404,
        ]


@pytest.mark.matrix
@pytest.mark.elasticsearch
def test_a_port_that_is_taken_is_an_error_with_the_end_of_the_log(small_limits: Server) -> None:
    port = small_limits.url.rpartition(":")[2]
    with pytest.raises(HarnessError, match="Address already in use"):
        start(NodeConfig(settings=(("http.port", port),)))


@pytest.mark.matrix
@pytest.mark.elasticsearch
def test_https_is_not_trusted_without_the_nodes_own_authority() -> None:
    with running(NodeConfig(mode="tls")) as node, pytest.raises(ssl.SSLCertVerificationError):
        External(node.url, node.username, node.password).request("GET", "/")


@pytest.mark.matrix
@pytest.mark.elasticsearch
def test_a_node_of_the_command_line_dies_with_it() -> None:
    command = [sys.executable, "-m", "elasticsearch_server", "start", "--mode", "tls"]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(
            encoding="ascii"
        )
        supervisor = os.pidfd_open(int(children))
        process.kill()
    ended, _, _ = select.select([supervisor], [], [], 60)
    os.close(supervisor)
    assert ended == [supervisor]
    assert not Path(facts["ca"]).exists()
    with pytest.raises(ConnectionRefusedError):
        External(facts["url"]).request("GET", "/")


@pytest.mark.matrix
@pytest.mark.elasticsearch
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_line_ends_in_order(number: signal.Signals) -> None:
    command = [
        sys.executable,
        "-m",
        "elasticsearch_server",
        "start",
        "--mode",
        "tls",
        "--setting",
        "node.attr.rack=r1",
    ]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        process.send_signal(number)
    assert process.returncode == 0
    assert not Path(facts["ca"]).exists()
