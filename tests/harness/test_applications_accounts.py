"""The accounts of the application suite:

what counts as seen, as missing, and as being in a wrong session.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from applications.accounts import Account, Document, balance, compare_consoles
from applications.catalogue import APPLICATIONS
from applications.environments import PROGRAMS
from applications.plan import HEADERS, REQUESTS, Application, Counts, Process, Request, Route

from documentation import HOW_TO, blocks

SESSION, OTHER = "2618307011354435587", "2618307011354435588"
ONE = Counts(spans=1)
SERVER = Document("Server", "t0", "s0", session=SESSION, marker=0)
LOG = Document("log", "t0", "s0", session=SESSION, text="told")


def requests(*leaves: Counts, session: str | None = SESSION) -> list[Request]:
    return [
        Request(number, Route("/page", leaves=counts), session, session)
        for number, counts in enumerate(leaves)
    ]


def account(*documents: Document, leaves: Counts = ONE) -> Account:
    return balance(requests(leaves), documents)


def test_a_request_that_left_all_it_should_is_no_problem() -> None:
    found = account(SERVER, LOG, leaves=Counts(spans=1, logs=1))
    assert (found.seen, found.expected, found.problems) == (
        Counts(spans=1, logs=1),
        Counts(spans=1, logs=1),
        [],
    )


def test_a_request_without_its_span_is_missing() -> None:
    found = account()
    assert (found.missing, found.problems) == (
        1,
        ["GET /page: 0 spans in place of 1, in 1 requests"],
    )


def test_what_a_request_should_not_have_left_is_surplus() -> None:
    found = account(SERVER, LOG)
    assert (found.surplus, found.problems) == (
        1,
        ["GET /page: 1 logs in place of 0, in 1 requests"],
    )


@pytest.mark.parametrize("session", [OTHER, None])
def test_a_document_in_another_session_than_its_request_is_mixed(session: str | None) -> None:
    found = account(SERVER, LOG._replace(session=session), leaves=Counts(spans=1, logs=1))
    assert (found.mixed, len(found.problems)) == (1, 1)


def test_a_session_on_a_request_that_has_none_is_mixed() -> None:
    assert balance(requests(Counts(spans=1), session=None), [SERVER]).mixed == 1


def test_a_document_of_no_request_must_have_no_session() -> None:
    strange = Document("Internal", "t9", "s9", text="start")
    assert (account(SERVER, strange).mixed, account(SERVER, strange).outside) == (0, 1)
    assert account(SERVER, strange._replace(session=SESSION)).mixed == 1


def test_a_log_record_without_a_trace_belongs_to_the_request_in_a_session_that_it_names() -> None:
    late = Document("log", "", "", session=SESSION, marker=0)
    assert account(SERVER, late, leaves=Counts(spans=1, logs=1)).problems == []
    assert account(SERVER, late._replace(session=OTHER), leaves=Counts(spans=1, logs=1)).mixed == 1


def test_a_log_record_without_a_trace_and_a_session_is_outside() -> None:
    assert account(SERVER, Document("log", "", "", marker=0)).outside == 1


def test_two_requests_in_one_trace_are_mixed() -> None:
    second = SERVER._replace(span="s1", marker=1)
    assert (
        balance(requests(Counts(spans=1), Counts(spans=1)), [SERVER, second]).problems[0]
        == "1 traces belong to several requests"
    )


def test_a_span_that_another_one_names_as_its_parent_must_be_there() -> None:
    inner = Document("Internal", "t0", "s2", "s1", SESSION, text="render")
    found = account(SERVER, inner)
    assert (found.missing, found.problems) == (
        1,
        ["1 spans are missing that others name, like the one around 'render'"],
    )


def test_a_span_that_a_log_record_names_must_be_there() -> None:
    assert account(SERVER, LOG._replace(span="s1"), leaves=Counts(spans=1, logs=1)).missing == 1


def test_an_exception_that_several_documents_tell_of_is_one() -> None:
    event = Document("event", "t0", "s0", session=SESSION, has_stack=True)
    assert (
        account(
            SERVER,
            event,
            LOG._replace(has_stack=True),
            leaves=Counts(spans=1, logs=1, exceptions=1),
        ).problems
        == []
    )


def test_a_call_to_a_database_is_no_outgoing_call() -> None:
    call = Document("Client", "t0", "s1", "s0", SESSION)
    assert (
        account(
            SERVER,
            call,
            call._replace(span="s2", is_database=True),
            leaves=Counts(spans=1, calls=1),
        ).problems
        == []
    )


def test_a_document_is_read_from_its_source() -> None:
    span = {
        "kind": "Server",
        "trace_id": "t",
        "span_id": "s",
        "name": "GET",
        "attributes": {"http.user_agent": "request-7-", "session.id": SESSION},
    }
    assert Document.of(span) == Document("Server", "t", "s", session=SESSION, marker=7, text="GET")
    record = {
        "severity_number": 13,
        "body": {"text": "Not Found: /missing/request-12-/"},
        "attributes": {"exception.stacktrace": "…"},
    }
    assert Document.of(record) == Document(
        "log", "", "", has_stack=True, marker=12, text="Not Found: /missing/request-12-/"
    )
    assert Document.of({"event_name": "exception", "attributes": {}}).kind == "event"


def test_consoles_that_differ_in_order_and_in_numbers_agree() -> None:
    lines = compare_consoles("[12] up\nGET 7 in 3 ms\n\n", "GET 9 in 12 ms\n[13] up\n")
    assert (lines.bare, lines.seen, lines.more, lines.problems) == (2, 2, 0, [])


def test_a_line_that_is_not_printed_any_more_is_a_problem() -> None:
    lines = compare_consoles("up\nup\ndown\n", "up\ndown\n")
    assert (lines.seen, lines.problems) == (
        2,
        ["1 lines of the bare run are not printed: 1 times 'up'"],
    )


def test_a_line_that_only_the_instrumented_run_prints_is_a_problem_unless_it_is_foreseen() -> None:
    assert compare_consoles("", "Telemetry waits\n").problems == [
        "1 lines are printed besides: 1 times 'Telemetry waits'"
    ]
    assert compare_consoles("", "Telemetry waits\n", says=["Telemetry"]).problems == []


def test_a_line_may_be_hidden_where_that_is_foreseen() -> None:
    assert compare_consoles("port in use\n", "", hides=["port"]).problems == []


def test_a_stack_may_have_more_frames() -> None:
    assert (
        compare_consoles(
            "Traceback\n  a\n    ^^^\n", "Traceback\n  a\n     ^^\n  wrapper\n"
        ).problems
        == []
    )


@pytest.mark.parametrize("application", APPLICATIONS, ids=lambda application: application.name)
def test_every_kind_of_request_meets_every_header(application: Application) -> None:
    met = {(request.route, request.header) for request in application.requests()}
    assert len(met) == len(application.routes) * len({header for header, _ in HEADERS})


@pytest.mark.parametrize("application", APPLICATIONS, ids=lambda application: application.name)
def test_the_pins_of_an_application_are_there_and_exact(application: Application) -> None:
    lines = (
        (PROGRAMS.parent / "requirements" / f"{application.environment}.txt")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    assert [line for line in lines if "==" not in line.partition(";")[0]] == []


@pytest.mark.parametrize("program", ["packages_wsgi.py", "data_asgi.py"])
def test_the_programs_that_wrap_are_those_of_the_page(program: str) -> None:
    page = (HOW_TO / "wsgi-asgi.md").read_text(encoding="utf-8")
    (shown,) = (block for block in blocks(page, "py") if block.startswith(f"# {program}\n"))
    _, _, code = (PROGRAMS / program).read_text(encoding="utf-8").partition("\n\n")
    assert code.strip() == shown.partition("\n")[2].strip()


def test_an_application_meets_all_its_kinds_of_requests_in_turn() -> None:
    routes = (Route("/a"), Route("/b"))
    found = Application("shop", "shop", (Process("web", ()),), routes).requests()
    assert ([request.route for request in found[:3]], len(found)) == (
        [routes[0], routes[1], routes[0]],
        REQUESTS,
    )


def test_a_warning_that_threads_race_for_is_printed_by_no_run_of_titiler() -> None:
    (titiler,) = (one for one in APPLICATIONS if one.name == "titiler")
    code = "import warnings; warnings.warn('Dataset has no geotransform, gcps, or rpcs. The …')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **titiler.processes[0].variables},
        check=True,
        capture_output=True,
    )
    assert done.stderr == b""
