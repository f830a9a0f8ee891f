"""The bridge as a whole, with a server that answers by a table: where it begins, what it counts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from golden.recording import SESSION
from otel_asayer.bridge.bridge import Bridge, Clocks, Counts, Options
from otel_asayer.bridge.checkpoint import Checkpoint
from otel_asayer.bridge.metrics import INSTRUMENTS, observe
from otel_asayer.bridge.queries import Slice
from otel_asayer.config import Config
from otel_asayer.delivery.delivery import Delivery
from otel_asayer.delivery.metrics import meter_of
from otel_asayer.elasticsearch.api import Api
from otel_asayer.elasticsearch.client import Response
from otel_asayer.errors import NotAllowedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

import json

NOW_NS = 1_795_536_236_662_000_000
MIN_NS = 60 * 1_000_000_000
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def hit(number: int, **fields: Any) -> dict[str, Any]:
    """A server's span, as a search finds it."""
    source = {
        "@timestamp": "1795536236662.5",
        "trace_id": TRACE,
        "span_id": f"{number:016x}",
        "name": "GET /",
        "kind": "Server",
        "duration": 1,
        "attributes": {"session.id": SESSION},
        "status": {},
        **fields,
    }
    return {
        "_index": "a",
        "_id": f"id-{number}",
        "_seq_no": number,
        "_primary_term": 1,
        "_source": source,
        "sort": [number],
    }


class Elasticsearch:
    """A server with documents in one index; `taken` answers for records, by turns."""

    def __init__(self, *hits: dict[str, Any], taken: Sequence[int] = (201,)) -> None:
        self.hits = list(hits)
        self.taken = list(taken)
        self.searches: list[dict[str, Any]] = []
        self.records: list[bytes] = []
        self.security = True
        self.lost = 0
        """How often the snapshot will be gone."""

    def connect(self) -> object:
        return None

    busy = False

    def abort(self, within: float) -> None:
        """Nothing to abort."""

    def close(self) -> None:
        """Nothing to close."""

    def request(
        self,
        method: str,  # noqa: ARG002 (the client's)
        target: str,
        body: Any = None,
        *,
        timeout: float,
    ) -> Response:
        assert timeout > 0
        path = target.partition("?")[0]
        if path == "/_bulk":
            return self._bulk(b"".join(body))
        status, content = self._answer(path, json.loads(body) if body else {})
        return Response(status, {}, json.dumps(content).encode())

    def _bulk(self, body: bytes) -> Response:
        lines = body.splitlines()[::2]
        self.records += lines
        statuses = [self.taken[0] if len(self.taken) == 1 else self.taken.pop(0) for _ in lines]
        items = [
            {"create": {"status": one, "error": {"type": "t", "reason": "r"}}} for one in statuses
        ]
        return Response(200, {}, json.dumps({"errors": True, "items": items}).encode())

    def _answer(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if path.startswith("/_security"):
            return (200, {}) if self.security else (403, {"error": "no"})
        if path.endswith("/_search_shards"):
            return 200, {"shards": [[{"index": "a", "shard": 0}]]}
        if path.endswith("/_pit"):
            return 200, {"id": "pit"}
        self.searches.append(body)
        if "aggs" in body:
            last = {
                "key": "a",
                "last": {"value": max((one["_seq_no"] for one in self.hits), default=0)},
            }
            return 200, {"aggregations": {"indices": {"buckets": [last]}}}
        if self.lost and "search_after" not in body:
            self.lost -= 1
            return 404, {"error": "no such context"}
        found = self.hits if "pit" in body else []
        after = body.get("search_after", [-1])[0]
        return 200, {"hits": {"hits": [one for one in found if one["sort"][0] > after]}}

    @property
    def scanned_from_ms(self) -> int:
        """From which time on the scan asked, in milliseconds."""
        scan = next(one for one in self.searches if "pit" in one)
        (recent,) = [
            one["bool"]["should"][0]["bool"]["filter"][0]["range"]["@timestamp"]["gte"]
            for one in scan["query"]["bool"]["filter"]
            if "@timestamp" in json.dumps(one)
        ]
        return int(recent)


class World:
    """A bridge between a server and a folder."""

    def __init__(self, folder: Path, server: Elasticsearch, **options: Any) -> None:
        self.config = Config.from_environment(
            {}, endpoint="http://es:9200", spool_directory=str(folder), setup="off"
        )
        self.checkpoint = Checkpoint(self.config, Slice())
        self.said: list[str] = []
        self.time = 0.0
        self.bridge = Bridge(
            self.config,
            Api(server),
            Delivery(self.config, client=server).context,
            self.checkpoint,
            Options(**{"once": True, **options}),
            say=self.said.append,
            clocks=Clocks(lambda: self.time, lambda: NOW_NS, lambda: 0.0, self.wait),
        )

    def wait(self, _: threading.Event, seconds: float) -> None:
        self.time += seconds

    def run(self) -> Counts:
        self.bridge.run()
        return self.bridge.counts()


def begins_before_now(server: Elasticsearch) -> float:
    """The minutes before now at which the scan began; spans of up to a minute are allowed for."""
    return (NOW_NS / 1e6 - server.scanned_from_ms) / 60_000 - 1


class TestBeginning:
    def test_without_a_checkpoint_it_begins_at_the_lateness(self, tmp_path: Path) -> None:
        server = Elasticsearch()
        World(tmp_path, server).run()
        assert begins_before_now(server) == pytest.approx(15, abs=0.01)

    def test_with_one_it_begins_the_lateness_before_it(self, tmp_path: Path) -> None:
        server = Elasticsearch()
        world = World(tmp_path, server)
        world.checkpoint.write(NOW_NS - 100 * MIN_NS)
        world.run()
        assert begins_before_now(server) == pytest.approx(115, abs=0.01)

    def test_it_looks_back_as_far_as_asked(self, tmp_path: Path) -> None:
        server = Elasticsearch()
        World(tmp_path, server, since_ns=60 * MIN_NS).run()
        assert begins_before_now(server) == pytest.approx(60, abs=0.01)

    def test_what_the_checkpoint_leaves_to_do_is_done_however_little_is_asked(
        self, tmp_path: Path
    ) -> None:
        server = Elasticsearch()
        world = World(tmp_path, server, since_ns=60 * MIN_NS)
        world.checkpoint.write(NOW_NS - 100 * MIN_NS)
        world.run()
        assert begins_before_now(server) == pytest.approx(115, abs=0.01)

    def test_a_damaged_checkpoint_is_told_and_does_no_harm(self, tmp_path: Path) -> None:
        server = Elasticsearch()
        world = World(tmp_path, server)
        world.checkpoint.write(1)
        world.checkpoint.path.write_bytes(b"{")
        world.run()
        assert begins_before_now(server) == pytest.approx(15, abs=0.01)
        assert len(world.said) == 1
        assert "cannot be read. The bridge begins at its lateness" in world.said[0]

    def test_one_of_the_future_counts_as_now(self, tmp_path: Path) -> None:
        server = Elasticsearch()
        world = World(tmp_path, server)
        world.checkpoint.write(NOW_NS + 100 * MIN_NS)
        world.run()
        assert begins_before_now(server) == pytest.approx(15, abs=0.01)


def test_the_end_writes_a_checkpoint(tmp_path: Path) -> None:
    world = World(tmp_path, Elasticsearch(hit(1)))
    world.run()
    assert world.checkpoint.read() == pytest.approx(NOW_NS, abs=MIN_NS)


def test_what_became_of_records_is_counted(tmp_path: Path) -> None:
    server = Elasticsearch(*map(hit, range(4)), taken=[201, 409, 400, 201])
    world = World(tmp_path, server)
    assert world.run() == Counts(read=4, written=2, present=1, refused=1)
    assert ["refuses replay records for good" in sentence for sentence in world.said] == [True]


def test_a_value_that_is_no_session_is_counted(tmp_path: Path) -> None:
    server = Elasticsearch(hit(1, attributes={"session.id": "x' OR 1=1"}))
    assert World(tmp_path, server).run() == Counts(read=1, ignored=1)


def test_a_snapshot_that_is_gone_is_taken_anew(tmp_path: Path) -> None:
    server = Elasticsearch(hit(1))
    server.lost = 2
    assert World(tmp_path, server).run().written == 1


def test_without_the_right_to_read_it_ends(tmp_path: Path) -> None:
    server = Elasticsearch()
    server.security = False
    with pytest.raises(NotAllowedError):
        World(tmp_path, server).run()


def test_before_it_ends_it_lets_nothing_go_unwritten_that_it_counts_as_reached(
    tmp_path: Path,
) -> None:
    server = Elasticsearch(hit(1), taken=[429])
    world = World(tmp_path, server)
    threading.Timer(0.2, world.bridge.stop).start()
    world.run()
    assert world.checkpoint.read() is None


def test_a_document_that_breaks_a_rule_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise RuntimeError

    world = World(tmp_path, Elasticsearch(hit(1), hit(2)))
    add = world.bridge._maker.add
    monkeypatch.setattr(
        world.bridge._maker,
        "add",
        lambda batch, one, *more, **named: (
            break_down() if one.id == "id-1" else add(batch, one, *more, **named)
        ),
    )
    assert world.run() == Counts(read=2, written=1, ignored=1)


def test_the_metrics_are_those_of_the_table() -> None:
    memory = InMemoryMetricReader()
    provider = MeterProvider([memory])
    counts = Counts(
        read=9,
        written=4,
        present=2,
        refused=1,
        ignored=1,
        without_session=3,
        without_span=5,
        waiting=6,
    )
    observe(meter_of(provider), lambda: counts)
    data = memory.get_metrics_data()
    assert data is not None
    found = {
        (metric.name, *(point.attributes or {}).values()): point.value  # type: ignore[union-attr]
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
        for point in metric.data.data_points
    }
    provider.shutdown()
    assert found == {
        ("otel_asayer.bridge.documents",): 9,
        ("otel_asayer.bridge.records", "indexed"): 4,
        ("otel_asayer.bridge.records", "duplicate"): 2,
        ("otel_asayer.bridge.records", "rejected"): 1,
        ("otel_asayer.bridge.skipped", "invalid"): 1,
        ("otel_asayer.bridge.skipped", "no_session"): 3,
        ("otel_asayer.bridge.skipped", "no_span"): 5,
        ("otel_asayer.bridge.waiting",): 6,
    }
    assert {name for name, *_ in found} == INSTRUMENTS.keys()
