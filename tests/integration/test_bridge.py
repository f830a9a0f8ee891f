"""The bridge beside a real Elasticsearch: what a Collector stores has its replay records.

A bridge reads all data streams of an Elasticsearch, so these tests have one of their own.
"""

from __future__ import annotations

import http
import secrets
import signal
from typing import TYPE_CHECKING

import pytest

from otel_asayer.setup.templates import TRACES

from bridging import ROLE, Bridges, Collector, exception_id, trial
from elasticsearch_server import NodeConfig
from patience import wait_for
from store import prepare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from elasticsearch_server import Server

pytestmark = [pytest.mark.elasticsearch, pytest.mark.nodes]

OWN = NodeConfig(mode="secured", settings=(("node.attr.for", "bridge"),))
ENTRY, INNER = "051581bf3cb55c13", "5fb397be34d26b51"


@pytest.fixture
def server(elasticsearch_node: Callable[..., Server]) -> Server:
    node = elasticsearch_node(OWN)
    prepare(node)
    return node


@pytest.fixture
def collector(server: Server, namespace: str) -> Collector:
    return Collector(server, namespace)


@pytest.fixture
def bridges(server: Server, tmp_path: Path) -> Bridges:
    return Bridges(server, server.create_api_key("bridge", ROLE), tmp_path)


@pytest.fixture
def trace() -> str:
    """The id of a trace of the test's own."""
    return secrets.token_hex(16)


def have(collector: Collector, *ids: str) -> Callable[[], bool]:
    return lambda: collector.has(*ids)


def test_what_is_there_has_its_records_and_a_second_bridge_writes_nothing(
    collector: Collector, bridges: Bridges
) -> None:
    list(collector.write_traces(2000))
    collector.server.refresh()
    first = bridges.once("first")
    assert collector.records() == sorted(collector.due)
    second = bridges.once("second")
    assert (second["written"], second["present"]) == (0, first["written"] + first["present"])
    assert collector.records() == sorted(collector.due)


def test_two_bridges_at_once_double_nothing(collector: Collector, bridges: Bridges) -> None:
    list(collector.write_traces(4000))
    collector.server.refresh()
    both = [bridges.start(name, "--once") for name in ("one", "two")]
    assert [process.wait() for process in both] == [0, 0]
    assert collector.records() == sorted(collector.due)


def test_slices_share_the_work(collector: Collector, bridges: Bridges) -> None:
    list(collector.write_traces(2000))
    collector.server.refresh()
    counts = [bridges.once(f"slice-{number}", "--slice", f"{number}/3") for number in (1, 2, 3)]
    assert collector.records() == sorted(collector.due)
    assert all(one["written"] > 0 for one in counts)
    assert sum(one["read"] for one in counts) == bridges.once("all")["read"]


def test_a_follower_shows_what_comes_however_old_it_is(
    collector: Collector, bridges: Bridges, trace: str
) -> None:
    with bridges.running("follower"):
        collector.write(collector.span(trace, ENTRY))
        wait_for(have(collector, f"{trace}{ENTRY}r"), "the span has no record")
        old = {"@timestamp": "1704067200000.000000"}
        collector.write({**collector.span(trace, INNER), **old})
        wait_for(have(collector, f"{trace}{INNER}r"), "the late span has no record")


def test_an_exception_waits_for_its_span(
    collector: Collector, bridges: Bridges, trace: str
) -> None:
    wanted = exception_id(trace, "Declined", "no money")
    with bridges.running("follower"):
        collector.write(collector.exception(trace, INNER), collector.span(trace, ENTRY))
        wait_for(have(collector, f"{trace}{ENTRY}r"), "the request has no record")
        assert wanted not in collector.records()
        collector.write(collector.inner_span(trace, INNER, ENTRY))
        wait_for(have(collector, wanted), "the exception has no record")


def test_a_new_data_stream_is_followed_from_its_beginning(
    server: Server, namespace: str, bridges: Bridges, trace: str
) -> None:
    before, after = (Collector(server, f"{namespace}{number}") for number in (1, 2))
    with bridges.running("follower"):
        before.write(before.span(trace, ENTRY))
        wait_for(have(before, f"{trace}{ENTRY}r"), "the span has no record")
        after.write(after.span(trace, ENTRY))
        wait_for(have(after, f"{trace}{ENTRY}r"), "the span of the new stream has no record")


def test_each_shard_of_an_index_is_followed(
    server: Server, collector: Collector, bridges: Bridges
) -> None:
    stream = f"traces-generic.otel-{collector.namespace}"
    two = {**TRACES.body, "index_patterns": [stream], "priority": 118}
    two["template"] = {**two["template"], "settings": {"index.number_of_shards": 2}}
    answer = server.request("PUT", f"/_index_template/{collector.namespace}", two)
    assert answer.status == http.HTTPStatus.OK
    with bridges.running("follower"):
        list(collector.write_traces(1000))
        wait_for(lambda: collector.count() == len(collector.due), "records are missing")
    assert collector.records() == sorted(collector.due)
    settings = server.request("GET", f"/{stream}/_settings").json()
    assert [one["settings"]["index"]["number_of_shards"] for one in settings.values()] == ["2"]


def test_after_a_rollover_the_new_index_is_followed(
    server: Server, collector: Collector, bridges: Bridges, trace: str
) -> None:
    with bridges.running("follower"):
        collector.write(collector.span(trace, ENTRY))
        wait_for(have(collector, f"{trace}{ENTRY}r"), "the span has no record")
        stream = f"traces-generic.otel-{collector.namespace}"
        assert server.request("POST", f"/{stream}/_rollover").status == http.HTTPStatus.OK
        collector.write(collector.span(trace, INNER))
        wait_for(have(collector, f"{trace}{INNER}r"), "the span after it has no record")


def test_bridges_that_are_killed_miss_and_double_nothing(
    collector: Collector, bridges: Bridges
) -> None:
    result = trial(bridges, collector, 10_000)
    assert (result.missing, result.unexpected) == (set(), [])


def test_it_waits_for_an_elasticsearch_that_is_away(
    server: Server, collector: Collector, bridges: Bridges, trace: str
) -> None:
    with bridges.running("follower"):
        collector.write(collector.span(trace, ENTRY))
        wait_for(have(collector, f"{trace}{ENTRY}r"), "the span has no record")
        server.stop()
        wait_for(lambda: "waits" in bridges.console("follower"), "it did not say that it waits")
        server.launch()
        collector.write(collector.span(trace, INNER))
        wait_for(have(collector, f"{trace}{INNER}r"), "the span after it has no record")
    said = bridges.console("follower").splitlines()
    assert [("waits" in line, "is back" in line) for line in said] == [(True, False), (False, True)]


def test_ctrl_c_ends_it_as_a_shell_expects(
    bridges: Bridges, collector: Collector, trace: str
) -> None:
    process = bridges.start("follower")
    collector.write(collector.span(trace, ENTRY))
    wait_for(have(collector, f"{trace}{ENTRY}r"), "the span has no record")
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert bridges.console("follower") == ""


def test_a_key_that_may_not_read_is_told_what_it_lacks(
    server: Server, bridges: Bridges, tmp_path: Path
) -> None:
    key = server.create_api_key("writer", {"writer": {"index": ROLE["bridge"]["index"][1:]}})
    process = Bridges(server, key, tmp_path).start("unable", "--once")
    assert process.wait() == 1
    assert "otel-asayer setup --bridge" in bridges.console("unable")
