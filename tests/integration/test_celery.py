"""A session goes through a queue: from a producer over a broker into a prefork worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store import SESSION, sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from store import Store

pytestmark = pytest.mark.elasticsearch


def test_tasks_run_in_the_session_of_whoever_queued_them(
    store: Store, run_two_tasks: Callable[..., None]
) -> None:
    run_two_tasks(store.environment())
    assert sessions(store.spans()) == {SESSION}
    assert {span["kind"] for span in store.spans()} == {"Producer", "Consumer"}
    assert f"working for {SESSION}" in {
        record.get("body", {}).get("text") for record in store.logs()
    }
    assert any(
        record["attributes"]["exception.message"] == "the task failed"
        for record in store.exceptions()
    )
    assert {
        record["level"]
        for record in store.replay_records()
        if "the task failed" in record["message"]
    } == {"error"}
