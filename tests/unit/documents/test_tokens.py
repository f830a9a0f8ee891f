"""Tokens are credentials:

none is stored, wherever an application or an instrumentation wrote it.
"""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.trace import SpanKind, Status, StatusCode

from golden.recording import START, Recording, documents, encode
from otel_asayer.propagation.session_id import without_tokens

SESSION = "2618307011354435587"
TOKEN = "jw4wdfpgqhoj.3az.lrraavgc.ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"
OLD_TOKEN = "jw4wdfpgqhoj.lrraavgc.ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"
NEGATIVE = "jw4wdfpgqhoj.-3az.lrraavgc.ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"
SECRET = "ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"


@pytest.mark.parametrize("token", [TOKEN, OLD_TOKEN, NEGATIVE])
@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "token {} expired",
        "a={},b",
        "'{}'",
        "<{}>",
        "x.{}",
        "{}.",
        "{}, {}",
        "({})\n",
        "/{}/",
        "session={}&b=1",
        "é{}é",
    ],
)
def test_a_token_in_a_text_becomes_its_id(text: str, token: str) -> None:
    assert without_tokens(text.replace("{}", token)) == text.replace("{}", SESSION)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no dot",
        "a sentence. And another one.",
        "application.routes.CheckoutRequestProcessor: no such cart",
        'File "/srv/app.py", line 3, in application.views.ShoppingCartRequestHandler',
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "a.b.123456789ABCDEFGH",
        "192.168.10.1.in-addr.arpa",
        "1.2.3.4",
        f"{TOKEN}0",
        f"x{TOKEN}",
        "zzzzzzzzzzzzz.lrraavgc.ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q",
    ],
)
def test_what_is_no_whole_token_stays(text: str) -> None:
    assert without_tokens(text) == text


def captured(name: str, value: Any, **settings: Any) -> Any:
    """What is stored of a captured header."""
    recording = Recording()
    recording.tracer.start_span(
        "GET", kind=SpanKind.SERVER, attributes={name: value}, start_time=START
    ).end(START)
    headers = ("x-session-id", "x-openreplay-sessiontoken", "openreplaysession.id")
    return documents(
        recording, session_headers=headers, session_cookie="asayer_session_id", **settings
    )[0].source["attributes"][name]


@pytest.mark.parametrize(
    "name",
    [
        "http.request.header.x_session_id",
        "http.request.header.x-session-id",
        "http.request.header.x_openreplay_sessiontoken",
        "http.request.header.openreplaysession_id",
        "http.request.header.X-Session-Id",
        "rpc.request.metadata.x-session-id",
    ],
)
@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ([TOKEN], [SESSION]),
        (TOKEN, SESSION),
        ([f"{TOKEN}, {TOKEN}"], [SESSION]),
        ([SESSION], [SESSION]),
        ([TOKEN.upper()], ["[REDACTED]"]),
        (["a login"], ["[REDACTED]"]),
        ([TOKEN, "a login"], [SESSION, "[REDACTED]"]),
    ],
)
def test_a_captured_header_for_sessions_holds_an_id_or_nothing(
    name: str, value: Any, stored: Any
) -> None:
    assert captured(name, value) == stored


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (f"session.id={TOKEN}", f"session.id={SESSION}"),
        (f"a=1,session%2Eid={TOKEN},b=2", f"session.id={SESSION},a=1,b=2"),
        (f"session.id={TOKEN.replace('.', '%2E')};p=1", f"session.id={SESSION}"),
        ("session.id=a-login,a=1", "a=1"),
        (f"a={TOKEN}", f"a={SESSION}"),
        ("a=1", "a=1"),
    ],
)
def test_captured_baggage_holds_an_id(value: str, stored: str) -> None:
    assert captured("http.request.header.baggage", [value]) == [stored]


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (f"a=1; asayer_session_id={TOKEN}; b=2", f"a=1; asayer_session_id={SESSION}; b=2"),
        (f"asayer_session_id={TOKEN.replace('.', '%2E')}", "asayer_session_id=[REDACTED]"),
        (f"other={TOKEN}", f"other={SESSION}"),
        ("a=1; b", "a=1; b"),
    ],
)
def test_a_captured_cookie_holds_an_id(value: str, stored: str) -> None:
    assert captured("http.request.header.cookie", [value]) == [stored]


def test_a_token_in_another_captured_header_becomes_its_id() -> None:
    assert captured("http.request.header.referer", [f"https://shop.example/?t={TOKEN}"]) == [
        f"https://shop.example/?t={SESSION}"
    ]


def test_other_captured_headers_stay() -> None:
    assert captured("http.request.header.accept", ["text/html", "x.y"]) == ["text/html", "x.y"]


@pytest.mark.parametrize(
    "body",
    [f"token {TOKEN}", {"token": TOKEN}, {"deep": [{"er": TOKEN}, (TOKEN, 1)]}, [TOKEN]],
    ids=["text", "mapping", "nested", "sequence"],
)
def test_a_log_line_and_its_replay_record_hold_no_token(body: Any) -> None:
    recording = Recording()
    recording.logger.emit(
        LogRecord(
            timestamp=START,
            severity_number=SeverityNumber.INFO,
            body=body,
            attributes={"session.id": SESSION},
        )
    )
    stored = encode(recording)
    assert (len(stored), SECRET in repr(stored)) == (2, False)


def test_an_exception_holds_no_token_in_any_of_its_documents() -> None:
    recording = Recording()
    with recording.tracer.start_as_current_span(
        "GET", kind=SpanKind.SERVER, attributes={"session.id": SESSION}
    ) as span:
        try:
            int(f"bad token {TOKEN}")
        except ValueError as error:
            span.record_exception(error)
            span.set_status(Status(StatusCode.ERROR, f"ValueError: {error}"))
    attributes = {
        "exception.type": "ValueError",
        "exception.message": f"bad {TOKEN}",
        "exception.stacktrace": f"…\nValueError: bad {TOKEN}",
    }
    recording.logger.emit(
        LogRecord(
            timestamp=START, body=f"bad {TOKEN}", attributes={"session.id": SESSION, **attributes}
        )
    )
    stored = encode(recording)
    assert (len(stored), SECRET in repr(stored)) == (6, False)
