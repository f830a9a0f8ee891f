"""Sessions of exceptions, and answered ones: looked up, and waited for in a bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import SpanKind, Status, StatusCode

from golden import cases
from golden.recording import MS, SESSION, START, Recording, caller, encode, read
from otel_asayer.bridge import resolver as module
from otel_asayer.bridge.records import Document, Kind, document_of
from otel_asayer.bridge.resolver import Resolver
from otel_asayer.errors import ElasticsearchError
from unit.bridge.support import Store, collected, made, split

if TYPE_CHECKING:
    from otel_asayer.documents import Operation

NS_PER_S = 1_000_000_000
SERVER = {"http.request.method": "GET", "http.route": "/", "session.id": SESSION}


class World:
    """A resolver, what it can look up, and its clock."""

    def __init__(self, lateness_s: float = 900.0) -> None:
        self.store = Store()
        self.time = 0.0
        self.resolver = Resolver(
            self.store,
            lateness_s,
            lambda: self.time,
            lambda: START + MS + int(self.time * NS_PER_S),
        )

    def resolve(self, *documents: Document) -> list[Operation]:
        return made(self.resolver, documents)

    def again(self) -> list[Kind]:
        return [ready.document.kind for ready in self.resolver.again()]


@pytest.fixture
def world() -> World:
    return World()


def failed(session: str = SESSION, status: Status | None = None, code: int = 0) -> tuple[Any, Any]:
    """A server's span and its exception, as they are stored."""
    recording = Recording()
    of_span: dict[str, Any] = {**SERVER, "http.status_code": code}
    if not session:
        del of_span["session.id"]
    span = recording.tracer.start_span("x", caller(), SpanKind.SERVER, of_span, start_time=START)
    span.add_event("exception", cases.EXCEPTION, START)
    if status:
        span.set_status(status)
    span.end(START + MS)
    stored_span, stored_event = map(collected, split(encode(recording))[0])
    return stored_span, stored_event


def document(stored: Any) -> Document:
    found = document_of(stored)
    assert found is not None
    return found


def test_an_exception_gets_the_session_of_its_span(world: World) -> None:
    span, event = failed()
    world.store.stored = [span, event]
    (operation,) = world.resolve(document(event))
    assert read(operation).source["attributes"] == {"session.id": SESSION}


def test_the_exceptions_of_a_page_cost_one_request(world: World) -> None:
    span, event = failed()
    world.store.stored = [span, event]
    world.resolve(*[document(event)] * 100)
    assert world.store.asked == ["spans"]


def test_a_span_of_the_same_page_need_not_be_asked_for(world: World) -> None:
    span, event = failed(status=Status(StatusCode.ERROR, "x"), code=404)
    world.store.stored = [span, event]
    world.resolve(document(span), document(event))
    assert world.store.asked == ["exceptions"]


def test_an_exception_whose_span_is_not_there_waits(world: World) -> None:
    span, event = failed()
    assert world.resolve(document(event)) == []
    world.time = 1.0
    assert world.again() == []
    world.store.stored = [span]
    world.time = 2.0
    assert world.again() == [Kind.EXCEPTION]
    assert world.resolver.waiting == 0


def test_it_is_given_up_when_the_lateness_is_over(world: World) -> None:
    world.resolve(document(failed()[1]))
    world.time = 899.0
    world.again()
    assert (world.resolver.waiting, world.resolver.without_span) == (1, 0)
    world.time = 903.0
    world.again()
    assert (world.resolver.waiting, world.resolver.without_span) == (0, 1)


def test_an_old_one_waits_for_half_a_minute(world: World) -> None:
    world.time = 5000.0
    _, event = failed()
    world.resolve(document(event))
    world.time += 29.0
    world.again()
    assert world.resolver.waiting == 1
    world.time += 5.0
    world.again()
    assert world.resolver.waiting == 0


def test_the_exception_of_a_span_without_a_session_is_counted(world: World) -> None:
    span, event = failed(session="")
    world.store.stored = [span, event]
    assert world.resolve(document(event)) == []
    assert world.resolver.without_session == 1


def test_no_more_wait_than_memory_allows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 3)
    _, event = failed()
    for number in range(5):
        world.resolve(document(type(event)(event.index, f"id-{number}", event.source)))
    assert (world.resolver.waiting, world.resolver.without_span) == (3, 2)


def test_large_ones_take_the_place_of_several(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING_BYTES", 7000)
    _, event = failed()
    for number in range(5):
        world.resolve(document(type(event)(event.index, f"id-{number}", event.source)))
    assert 0 < world.resolver.waiting < 5


def test_a_span_whose_level_depends_on_exceptions_waits_for_them(world: World) -> None:
    span, event = failed(status=Status(StatusCode.ERROR, "CardDeclined: x"), code=404)
    assert world.resolve(document(span)) == []
    world.store.stored = [event]
    world.time = 1.0
    (ready,) = world.resolver.again()
    assert ready.handled


def test_without_any_it_is_decided_within_seconds(world: World) -> None:
    span, _ = failed(status=Status(StatusCode.ERROR, "CardDeclined: x"), code=404)
    world.resolve(document(span))
    assert world.resolver.undecided
    world.time = 2.0
    (ready,) = world.resolver.again()
    assert not ready.handled
    assert not world.resolver.undecided


def test_a_span_of_the_past_is_decided_at_once(world: World) -> None:
    world.time = 100.0
    span, _ = failed(status=Status(StatusCode.ERROR, "CardDeclined: x"), code=404)
    assert len(world.resolve(document(span))) == 1


def test_a_request_that_failed_needs_no_exception(world: World) -> None:
    span, _ = failed(status=Status(StatusCode.ERROR, "x"), code=500)
    assert len(world.resolve(document(span))) == 1
    assert world.store.asked == []


def test_a_failed_look_up_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    span, event = failed()
    with monkeypatch.context() as patched:
        patched.setattr(world.store, "spans_of", refuse)
        with pytest.raises(ElasticsearchError):
            world.resolve(document(event))
    assert world.resolver.waiting == 0
    world.store.stored = [span]
    assert len(world.resolve(document(event))) == 1


def test_it_tells_since_when_the_first_waits(world: World) -> None:
    assert world.resolver.waits_since is None
    world.time = 7.0
    world.resolve(document(failed()[1]))
    world.time = 9.0
    world.again()
    assert world.resolver.waits_since == 7.0


def refuse(*_: object) -> Any:
    raise ElasticsearchError("away")
