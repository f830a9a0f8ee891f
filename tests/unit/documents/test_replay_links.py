"""Links to a moment in a replay."""

from __future__ import annotations

import pytest

from otel_asayer.documents.replay_records import ReplayLink
from otel_asayer.propagation.session_id import SessionId, require_session_id

SESSION = SessionId("2618307011354435587")
STARTED_NS = 1_706_063_259_324_000_000
OPAQUE = require_session_id("a1b2-c3d4", opaque=True)


@pytest.mark.parametrize(
    ("template", "url"),
    [
        ("https://replay/1/session/{session_id}", "https://replay/1/session/2618307011354435587"),
        (
            "https://replay/{session_id}?jumpto={time_ms}",
            "https://replay/2618307011354435587?jumpto=1706063260574",
        ),
        (
            "https://replay/{session_id}?jumpto={offset_ms}",
            "https://replay/2618307011354435587?jumpto=1250",
        ),
        ("https://replay/{{1}}/{session_id}", "https://replay/{1}/2618307011354435587"),
    ],
)
def test_a_template_is_filled(template: str, url: str) -> None:
    assert ReplayLink(template).url(SESSION, STARTED_NS + 1_250_999_999) == url


def test_a_moment_before_the_session_is_its_start() -> None:
    assert (
        ReplayLink("https://replay/{session_id}/{offset_ms}").url(
            SESSION, STARTED_NS - 5_000_000_000
        )
        == f"https://replay/{SESSION}/0"
    )


def test_a_moment_before_1970_is_its_first() -> None:
    assert (
        ReplayLink("https://replay/{session_id}/{time_ms}").url(SESSION, -5)
        == f"https://replay/{SESSION}/0"
    )


def test_an_opaque_session_has_no_replay() -> None:
    assert ReplayLink("https://replay/{session_id}").url(OPAQUE, STARTED_NS) is None


@pytest.mark.parametrize(
    "template",
    [
        "https://replay/1",
        "https://replay/{session_id}/{user}",
        "https://replay/{session_id",
        "javascript:{session_id}",
    ],
)
def test_a_template_that_cannot_be_filled_is_refused_at_once(template: str) -> None:
    with pytest.raises(ValueError, match="expected a URL"):
        ReplayLink(template)
