"""The proxy of the chaos suite does to each request what the schedule says, and the schedule is the
same for the same seed."""

from __future__ import annotations

import http.client
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from chaos.plan import TRIALS, Fault, Trial, Turn, turns
from chaos.proxy import LARGEST_BYTES, SMALL_BYTES, Proxy

from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator


class Upstream(ThreadingHTTPServer):
    """Answers every request with what it was."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Echo)
        self.seen: list[tuple[str, str, bytes]] = []


class _Echo(BaseHTTPRequestHandler):
    server: Upstream

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append((self.path, self.headers["content-type"], body))
        self.send_response(201)
        self.send_header("x-elastic-product", "Elasticsearch")
        self.send_header("content-length", "8")
        self.end_headers()
        self.wfile.write(b"received")

    # The standard library's name
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing is logged."""


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        yield server
        server.shutdown()


@contextmanager
def post(proxy: Proxy, body: bytes = b"{}") -> Iterator[http.client.HTTPResponse]:
    with closing(
        http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=HANG_SECONDS)
    ) as connection:
        connection.request("POST", "/_bulk?a=b", body, {"content-type": "application/json"})
        with connection.getresponse() as answer:
            yield answer


def proxy_with(upstream: Upstream, *faults: Fault) -> Proxy:
    return Proxy(upstream.server_port, (Turn(fault, 0.0) for fault in faults))


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.DELAY])
def test_a_request_and_its_answer_pass_as_they_are(upstream: Upstream, fault: Fault) -> None:
    with proxy_with(upstream, fault) as proxy, post(proxy) as answer:
        assert answer.status == 201
        assert answer.headers["x-elastic-product"] == "Elasticsearch"
        assert answer.read() == b"received"
    assert upstream.seen == [("/_bulk?a=b", "application/json", b"{}")]


def test_a_reset_comes_before_the_request_is_passed_on(upstream: Upstream) -> None:
    with (
        proxy_with(upstream, Fault.RESET) as proxy,
        pytest.raises(ConnectionResetError),
        post(proxy),
    ):
        pass
    assert upstream.seen == []


def test_a_lost_answer_comes_after_the_request_was_passed_on(upstream: Upstream) -> None:
    with (
        proxy_with(upstream, Fault.LOST_ANSWER) as proxy,
        pytest.raises(ConnectionResetError),
        post(proxy),
    ):
        pass
    assert len(upstream.seen) == 1


def test_half_an_answer_is_cut_in_its_body(upstream: Upstream) -> None:
    with (
        proxy_with(upstream, Fault.HALF_ANSWER) as proxy,
        post(proxy) as answer,
        pytest.raises(http.client.IncompleteRead),
    ):
        answer.read()
    assert len(upstream.seen) == 1


@pytest.mark.parametrize(
    ("fault", "status", "retry_after"), [(Fault.BUSY, 429, "1"), (Fault.UNAVAILABLE, 503, None)]
)
def test_it_answers_in_place_of_the_server(
    upstream: Upstream, fault: Fault, status: int, retry_after: str | None
) -> None:
    with proxy_with(upstream, fault) as proxy, post(proxy) as answer:
        assert answer.status == status
        assert answer.headers["retry-after"] == retry_after
    assert upstream.seen == []


@pytest.mark.parametrize(("length", "status"), [(SMALL_BYTES, 201), (SMALL_BYTES + 1, 413)])
def test_what_is_small_meets_no_413(upstream: Upstream, length: int, status: int) -> None:
    with proxy_with(upstream, Fault.TOO_LARGE) as proxy, post(proxy, b" " * length) as answer:
        assert answer.status == status


@pytest.mark.parametrize(("length", "status"), [(LARGEST_BYTES, 201), (LARGEST_BYTES + 1, 413)])
def test_what_is_larger_than_anything_never_passes(
    upstream: Upstream, length: int, status: int
) -> None:
    with proxy_with(upstream) as proxy:
        proxy.heal()
        with post(proxy, b" " * length) as answer:
            assert answer.status == status


def test_a_server_that_is_away_is_a_reset(upstream: Upstream) -> None:
    upstream.server_close()
    with (
        proxy_with(upstream, Fault.NONE) as proxy,
        pytest.raises(ConnectionResetError),
        post(proxy),
    ):
        pass


def test_a_healed_proxy_passes_on_whatever_the_schedule_says(upstream: Upstream) -> None:
    with proxy_with(upstream, Fault.RESET) as proxy:
        proxy.heal()
        with post(proxy) as answer:
            assert answer.status == 201
            assert dict(proxy.met) == {Fault.NONE: 1}


def test_the_same_seed_gives_the_same_faults() -> None:
    assert list(islice(turns(3), 500)) == list(islice(turns(3), 500))
    assert {turn.fault for turn in islice(turns(3), 500)} == set(Fault)


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: str(trial.seed))
def test_the_lives_of_an_application_emit_each_of_its_documents_once(trial: Trial) -> None:
    lives = trial.lives(1)
    assert [number for life in lives for number in range(life.start, life.stop)] == list(
        range(trial.share, 2 * trial.share)
    )
    assert [life.killed for life in lives] == [True] * trial.kills + [False]


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: str(trial.seed))
def test_the_strokes_come_in_order(trial: Trial) -> None:
    assert [event.stroke for event in sorted(trial.events())] == [
        "freeze",
        "thaw",
        "kill",
        "restart",
    ]
