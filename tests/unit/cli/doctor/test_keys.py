"""What the doctor says about keys: enough rights, and not too many."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from otel_asayer.cli.doctor.examination import CheckResult, Status
from otel_asayer.cli.doctor.installation import check_expiration, check_viewer, check_writer
from otel_asayer.errors import ElasticsearchError, NotAllowedError
from otel_asayer.setup.keys import VIEWER as LOOKS
from unit.cli.doctor.support import config, examined, short, statuses

if TYPE_CHECKING:
    from otel_asayer.cli.doctor.server import ExaminedServer
    from otel_asayer.config import Config

STREAMS = ["traces-generic.otel-default", "logs-generic.otel-default", "asayer-logs-default-*"]
ALL = ("create_doc", "auto_configure", "read", "view_index_metadata", "delete")
KEY = {"username": "elastic", "authentication_type": "api_key"}
AUTHENTICATE, HAS = "GET /_security/_authenticate", "POST /_security/user/_has_privileges"
VIEWER = config(api_key="d3JpdGVy", viewer_api_key="dmlld2Vy")


def server(
    streams: str = "",
    everything: str = "",
    cluster: str = "",
    *,
    logs: str | None = None,
    settings: Config | None = None,
) -> ExaminedServer:
    """A server where one key has these privileges, divided by spaces."""
    index = {
        name: {privilege: privilege in streams.split() for privilege in ALL} for name in STREAMS
    }
    index["logs"] = {
        privilege: privilege in (streams if logs is None else logs).split() for privilege in ALL
    }
    index["*"] = {privilege: privilege in everything.split() for privilege in ("read", "all")}
    held = {
        "cluster": {
            privilege: privilege in cluster.split() for privilege in ("all", *LOOKS.cluster)
        },
        "index": index,
    }
    return examined({AUTHENTICATE: (200, KEY), HAS: (200, held)}, settings)


def without_security() -> ExaminedServer:
    return examined(
        {
            AUTHENTICATE: (
                400,
                {"error": "no handler found for uri [/_security/_authenticate] and method [GET]"},
            )
        }
    )


def test_a_writer_of_least_rights_is_well() -> None:
    assert short(check_writer(server("create_doc auto_configure"))) == [
        ("ok", "The API key (of elastic) may write, and no more")
    ]


def test_a_writer_that_may_not_write_is_told_what_is_missing() -> None:
    (result,) = check_writer(server("create_doc"))
    assert result == CheckResult(
        Status.PROBLEM,
        f"The API key (of elastic) may not write: it lacks auto_configure on {', '.join(STREAMS)}",
        "`otel-asayer setup` creates keys of least privileges",
    )


@pytest.mark.parametrize(("everything", "cluster"), [("read", ""), ("all", ""), ("", "all")])
def test_a_writer_that_may_do_more_is_a_warning(everything: str, cluster: str) -> None:
    assert statuses(check_writer(server("create_doc auto_configure", everything, cluster))) == [
        Status.WARNING
    ]


def test_credentials_that_nobody_knows_are_an_error_and_no_reason_to_look_away() -> None:
    with pytest.raises(ElasticsearchError, match="does not know these credentials") as raised:
        list(check_writer(examined({AUTHENTICATE: (401, {})})))
    assert not isinstance(raised.value, NotAllowedError)


def test_without_security_everybody_may_everything() -> None:
    assert statuses(check_writer(without_security())) == [Status.WARNING]
    assert statuses(check_viewer(without_security())) == [Status.OK]


def viewer(*arguments: Any, **more: Any) -> list[tuple[str, str]]:
    return short(check_viewer(server(*arguments, **more, settings=VIEWER)))


def test_a_viewer_of_least_rights_is_well() -> None:
    assert viewer("read view_index_metadata", "", " ".join(LOOKS.cluster)) == [
        ("ok", "The API key (of elastic) may read, and no more")
    ]


def test_a_viewer_is_told_all_that_is_missing() -> None:
    missing = (
        f"read on logs; view_index_metadata on logs; {', '.join(LOOKS.cluster)} on the cluster"
    )
    assert viewer("read view_index_metadata", logs="") == [
        (
            "warning",
            f"The API key (of elastic) lacks {missing}: commands for people show less, or nothing",
        )
    ]


@pytest.mark.parametrize("privilege", ["create_doc", "delete"])
def test_a_viewer_that_may_change_something_is_a_warning(privilege: str) -> None:
    assert viewer(f"read view_index_metadata {privilege}", "", " ".join(LOOKS.cluster)) == [
        ("warning", f"The API key (of elastic) should only read, but also has {privilege}")
    ]


def test_without_a_viewers_key_a_writer_that_may_read_looks() -> None:
    assert statuses(check_viewer(server("read"))) == [Status.OK]


def test_without_a_viewers_key_a_writer_of_least_rights_looks_at_nothing() -> None:
    ((status, detail),) = short(check_viewer(server("create_doc auto_configure")))
    assert status == "skipped"
    assert detail.partition(",")[0] == "OTEL_ASAYER_VIEWER_API_KEY is not set"


def test_without_replay_records_their_stream_needs_no_rights() -> None:
    held = server("create_doc auto_configure", settings=config(replay_records=False))
    assert held.streams == STREAMS[:2]
    assert held.read_names == STREAMS[:2]


NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
KNOWN = (200, {**KEY, "api_key": {"id": "a/b", "name": "otel-asayer-writer"}})


def valid_for(answer: Any, settings: Config | None = None) -> list[tuple[str, str]]:
    answers = {AUTHENTICATE: KNOWN, "GET /_security/api_key": answer}
    return short(check_expiration(examined(answers, settings), now=NOW))


def until(end: datetime | None) -> tuple[int, Any]:
    return 200, {"api_keys": [{"id": "a/b", "expiration": end and int(end.timestamp() * 1000)}]}


@pytest.mark.parametrize(
    ("days", "said"), [(13.9, "13 days"), (1, "1 day"), (0.2, "0 days"), (-1, "0 days")]
)
def test_a_key_that_ends_within_two_weeks_is_a_warning(days: float, said: str) -> None:
    end = NOW + timedelta(days=days)
    assert valid_for(until(end)) == [
        (
            "warning",
            f"The exporter's API key expires at {end:%Y-%m-%d %H:%M} UTC, in {said}",
        )
    ]


def test_a_key_that_lasts_is_well() -> None:
    assert valid_for(until(NOW + timedelta(days=14))) == [
        ("ok", "the exporter's API key is valid until 2026-12-08")
    ]


def test_the_viewers_key_is_looked_at_too() -> None:
    assert [detail.partition(" expires")[0] for _, detail in valid_for(until(NOW), VIEWER)] == [
        "The exporter's API key",
        "The viewer's API key",
    ]


@pytest.mark.parametrize(
    "answer",
    [
        until(None),
        (403, {}),
        (200, {}),
        (200, {"api_keys": []}),
        (200, {"api_keys": [{"expiration": "soon"}]}),
    ],
)
def test_a_key_that_is_valid_for_ever_or_does_not_tell_is_well(answer: tuple[int, Any]) -> None:
    assert valid_for(answer) == [("ok", "no key is known to expire")]


def test_an_end_beyond_all_time_is_none_that_comes_soon() -> None:
    assert valid_for((200, {"api_keys": [{"expiration": 2**60}]})) == [
        ("ok", "the exporter's API key is valid until 9999-12-31")
    ]


def test_a_user_has_no_end() -> None:
    user = examined({AUTHENTICATE: (200, {"username": "elastic", "authentication_type": "realm"})})
    assert short(check_expiration(user, now=NOW)) == [("ok", "no key is known to expire")]


def test_without_security_no_key_ends() -> None:
    assert short(check_expiration(without_security(), now=NOW)) == [
        ("ok", "no key is known to expire")
    ]
