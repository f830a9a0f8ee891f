"""No token is stored, printed or kept on the disk, however a request brings it, and whatever the
application and its instrumentation do with it."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from store import SESSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from instrumented import Application
    from store import Store

    Run = Callable[..., AbstractContextManager[Application]]

pytestmark = pytest.mark.elasticsearch

APPLICATION = ("python", "{applications}/leaky_app.py")
SIGNATURE = "ovJ2jwk7BEAZr3hB1GgCdXkXTF3W4c4sndRrpZevt3q"
TOKEN = f"jw4wdfpgqhoj.3az.lrraavgc.{SIGNATURE}"
NEGATIVE = f"jw4wdfpgqhoj.-3az.lrraavgc.{SIGNATURE}"
OLD = f"jw4wdfpgqhoj.lrraavgc.{SIGNATURE}"
ENCODED = TOKEN.replace(".", "%2E")

LEGIBLE: list[dict[str, str]] = [
    {"x-session-id": TOKEN},
    {"x-session-id": OLD},
    {"x-session-id": NEGATIVE},
    {"X-SESSION-ID": TOKEN},
    {"x-session-id": f"  {TOKEN}  "},
    {"x-session-id": f"{TOKEN}, {TOKEN}"},
    {"x-session-id": f"{TOKEN},{SESSION}"},
    {"x-openreplay-sessiontoken": TOKEN},
    {"x-openreplay-session-token": TOKEN},
    {"openreplaysession.id": TOKEN},
    {"x-session-id": TOKEN, "x-openreplay-sessiontoken": OLD},
    {"baggage": f"session.id={TOKEN}"},
    {"baggage": f"tenant=7,session.id={TOKEN};secret,b=2"},
    {"baggage": f"session%2Eid={TOKEN}"},
    {"cookie": f"asayer_session_id={TOKEN}"},
    {"cookie": f"a=1; asayer_session_id={TOKEN}; b=2", "sec-fetch-mode": "navigate"},
    {"cookie": f'other="{TOKEN}"'},
    {"authorization": f"Bearer {TOKEN}"},
    {"referer": f"https://shop.example/?token={TOKEN}&a=b"},
]
"""Whole tokens, which are found in any text."""
ILLEGIBLE: list[dict[str, str]] = [
    {"x-session-id": TOKEN.upper()},
    {"x-session-id": f"{TOKEN}0"},
    {"x-session-id": f"{TOKEN}.x"},
    {"baggage": f"session.id={ENCODED}"},
    {"cookie": f"asayer_session_id={ENCODED}"},
]
"""What is no token as it stands:

captured with its header it is not stored either, but an application that logs it is believed.
"""


def bytes_of(file: Path) -> bytes:
    """What a file of the spool holds, and what it is called."""
    return file.name.encode() + gzip.decompress(file.read_bytes())


@pytest.mark.parametrize("captured", [".*", ""], ids=["headers captured", "headers not captured"])
def test_no_stored_byte_and_no_printed_line_holds_a_token(
    run: Run, store: Store, captured: str
) -> None:
    variables = {
        "OTEL_LOG_LEVEL": "debug",
        "OTEL_ASAYER_KEEP_CONSOLE": "false",
    }  # what the application itself would print is its own affair
    if captured:
        variables["OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST"] = captured
    with run(store.environment(**variables), *APPLICATION) as application:
        for headers in LEGIBLE:
            for path in ("/quiet", "/say", "/boom"):
                application.request("GET", path, headers)
        for headers in ILLEGIBLE:
            application.request("GET", "/quiet", headers)
        application.stop()
        printed = application.output()
    assert store.spool is not None
    kept = b"".join(map(bytes_of, store.spool.rglob("*.gz")))
    stored = {
        "spans": store.spans(),
        "logs": store.logs(),
        "replay records": store.replay_records(),
    }
    assert len(stored["spans"]) == 3 * len(LEGIBLE) + len(ILLEGIBLE)
    assert {
        name: json.dumps(documents).lower().count(SIGNATURE.lower())
        for name, documents in stored.items()
    } == dict.fromkeys(stored, 0)
    assert SIGNATURE.lower() not in printed.lower()
    assert SIGNATURE.encode().lower() not in kept.lower()
    if captured:
        assert f"'{SESSION}'" in repr(
            [
                document["attributes"].get("http.request.header.x_session_id")
                for document in stored["spans"]
            ]
        )
