"""Where a session follows the work of a request, on the real thing: gRPC, Kafka, Celery on Redis,
asyncio, threads and processes.

Whatever lives long is started in a session of its own, which no piece of work may be in.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from fleet.cases import BARE, NO_SESSION, SECTIONS, THREADING, Case, Section
from fleet.programs.telling import SESSIONS, STARTER
from fleet.running import Piece, run, running, told
from fleet.servers import kafka, redis

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store import Store

pytestmark = [pytest.mark.fleet, pytest.mark.elasticsearch]

Told = dict[str, list[Piece]]


def _with_and_without_threading(store: Store, program: str, _: Path) -> None:
    without = {"FLEET_PREFIX": BARE, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "threading"}
    run(store, program, variables=without)
    run(store, program, variables={"FLEET_PREFIX": THREADING})


def _with_kafka(store: Store, program: str, folder: Path) -> None:
    with kafka(folder) as port:
        run(store, program, variables={"KAFKA_PORT": str(port)})


def _with_workers(store: Store, program: str, folder: Path) -> None:
    with redis(folder) as port:
        variables = {"REDIS_PORT": str(port)}
        for pool in ("prefork", "threads"):
            console = folder / f"{pool}.log"
            more = {**variables, "FLEET_PREFIX": f"{pool}:"}
            with running(store, console, program, "work", pool, variables=more):
                run(store, program, "queue", variables=variables)
                run(store, program, "queue-bare", variables=variables, bare=True)


RUNS = {
    "local.py": _with_and_without_threading,
    "rpc.py": _with_and_without_threading,
    "streams.py": _with_kafka,
    "jobs.py": _with_workers,
}


@pytest.fixture(scope="module")
def store_of(
    new_store: Callable[[], Store], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Store]:
    """Gives what a program left in Elasticsearch; each is run once."""

    @cache
    def left(program: str) -> Store:
        store = new_store()
        RUNS[program](store, program, tmp_path_factory.mktemp("fleet"))
        return store

    return left


@pytest.fixture(scope="module")
def told_by(store_of: Callable[[str], Store]) -> Callable[[str], Told]:
    """Gives the pieces of work that a program logged."""
    return cache(lambda program: told(store_of(program)))


def _named(with_line: bool) -> list[object]:  # noqa: FBT001
    """Each name in the log, with and without the line, of each case."""
    return [
        pytest.param(section, case, f"{prefix}{name}", id=f"{section.program}-{prefix}{name}")
        for section in SECTIONS
        for case in section.cases
        if case.line or not with_line
        for prefix in section.runs
        for name in case.names
    ]


@pytest.mark.parametrize(("section", "case", "name"), _named(with_line=False))
def test_each_piece_of_work_is_in_the_session_of_its_request(
    told_by: Callable[[str], Told], section: Section, case: Case, name: str
) -> None:
    pieces = told_by(section.program)[f"{name}+" if case.line else name]
    assert [piece.found for piece in pieces] == [piece.wanted for piece in pieces]


@pytest.mark.parametrize(("section", "case", "name"), _named(with_line=True))
def test_without_the_line_it_is_where_the_table_says(
    told_by: Callable[[str], Told], section: Section, case: Case, name: str
) -> None:
    found = {piece.found for piece in told_by(section.program)[name]}
    assert found == {None if case.without == NO_SESSION else STARTER}


@pytest.mark.parametrize("program", RUNS)
def test_work_of_all_sessions_and_of_none_was_done(
    told_by: Callable[[str], Told], program: str
) -> None:
    wanted = {piece.wanted for pieces in told_by(program).values() for piece in pieces}
    assert wanted == set(SESSIONS)


@pytest.mark.parametrize("program", ["rpc.py", "jobs.py", "streams.py"])
def test_each_call_and_message_is_one_trace_in_one_session(
    store_of: Callable[[str], Store], program: str
) -> None:
    sessions: dict[str, set[str | None]] = {}
    for span in store_of(program).spans():
        # confluent-kafka's consumers have traces of their own, and of a list of headers that is
        # used again the first `traceparent` counts.
        if not ("confluent" in span["scope"]["name"] or span["name"].startswith("shared")):
            session_id = span["attributes"].get("session.id")
            sessions.setdefault(span["trace_id"], set()).add(session_id)
    assert {len(found) for found in sessions.values()} == {1}
    assert set().union(*sessions.values()) == set(SESSIONS)
