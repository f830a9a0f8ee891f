"""What a person gives for a session: each form is read, and what is none is never repeated."""

from __future__ import annotations

import pytest

from otel_asayer.errors import InvalidSessionIdError
from otel_asayer.timeline import Selection, parse_selection
from unit.timeline.support import REPLAY_URL, SESSION, TOKEN, TRACE


@pytest.mark.parametrize(
    "text",
    [
        SESSION,
        f"  {SESSION}\n",
        TOKEN,
        f"https://app.openreplay.com/1234/session/{SESSION}",
        f"https://app.openreplay.com/1234/session/{SESSION}?jumpto=17&x=1",
        f"https://app.openreplay.com/1234/session/{SESSION}#top",
        f"https://asayer.example/sessions/{SESSION}/",
        f"app.openreplay.com/1234/session/{SESSION}?jumpto=17",
    ],
)
def test_a_session_is_given_by_id_token_or_address(text: str) -> None:
    assert parse_selection(text) == Selection(session_id=SESSION)


@pytest.mark.parametrize(
    "text", [TRACE, TRACE.upper(), f"00-{TRACE}-051581bf3cb55c13-01", f" {TRACE} "]
)
def test_a_trace_is_given_by_its_id_or_a_traceparent(text: str) -> None:
    assert parse_selection(text) == Selection(trace_id=TRACE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0" * 32,
        str(1 << 64),
        "visit-7",
        "https://app.openreplay.com/1234/sessions",
        "https://app.openreplay.com/session/12ab",
        "eyJhbGciOiJIUzI1NiJ9.secret.signature",
        f"{TOKEN}x!",
    ],
)
def test_what_is_no_session_is_not_repeated(text: str) -> None:
    with pytest.raises(InvalidSessionIdError) as raised:
        parse_selection(text)
    assert str(raised.value) == (
        "Not a session id, token, replay URL or trace id: a session id is a decimal number, a "
        "trace id has 32 hexadecimal digits."
    )


def test_an_address_of_the_template_is_read_wherever_its_id_stands() -> None:
    template = "https://r.example/replay.html?t={time_ms}&s={session_id}"
    assert parse_selection(
        f"https://r.example/replay.html?t=5&s={SESSION}", replay_url=template
    ) == Selection(session_id=SESSION)


def test_an_address_of_another_form_than_the_template_is_read_too() -> None:
    assert parse_selection(
        f"https://old.example/session/{SESSION}", replay_url=REPLAY_URL
    ) == Selection(session_id=SESSION)


def test_where_the_template_finds_no_session_the_usual_path_is_tried() -> None:
    template = "https://r.example/{session_id}"
    assert parse_selection(
        f"https://r.example/projects/session/{SESSION}", replay_url=template
    ) == Selection(session_id=SESSION)


def test_ids_of_other_systems_are_read_on_request() -> None:
    assert parse_selection("visit-7", opaque=True) == Selection(session_id="visit-7")
    assert parse_selection(
        "https://replay.example/7/session/visit-7?jumpto=1", replay_url=REPLAY_URL, opaque=True
    ) == Selection(session_id="visit-7")


def test_what_can_be_an_id_of_another_system_and_of_a_trace_is_read_as_both() -> None:
    assert parse_selection(TRACE.upper(), opaque=True) == Selection(
        session_id=TRACE.upper(), trace_id=TRACE
    )


def test_a_traceparent_is_never_an_id_of_another_system() -> None:
    assert parse_selection(f"00-{TRACE}-051581bf3cb55c13-01", opaque=True) == Selection(
        trace_id=TRACE
    )
