"""What is taken away again, and how steps are carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from otel_asayer.setup.installation import StepResult, carry_out
from otel_asayer.setup.planner import Request, Step
from otel_asayer.setup.removal import plan_removal
from otel_asayer.setup.templates import LOGS, REPLAY, TRACES
from unit.elasticsearch.answering import Answering

if TYPE_CHECKING:
    from otel_asayer.elasticsearch.api import Api

TEMPLATES = "GET /_index_template"
STEP = Step("thing", "made", "", (Request("PUT", "/a", {}), Request("PUT", "/b", {})))
BULK = Step("first record", "written", "", (Request("POST", "/_bulk?refresh=true", b"{}\n{}\n"),))


def listed(*others: tuple[str, str, int], managed_by: str = "otel-asayer") -> tuple[int, Any]:
    names = [
        (one.name, one.body["index_patterns"][0], one.priority) for one in (TRACES, LOGS, REPLAY)
    ]
    bodies = [
        {
            "name": name,
            "index_template": {
                "index_patterns": [pattern],
                "priority": priority,
                "_meta": {"managed_by": managed_by},
            },
        }
        for name, pattern, priority in (*names, *others)
    ]
    return 200, {"index_templates": bodies}


def streams(*names: str) -> tuple[int, Any]:
    return 200, {"data_streams": [{"name": name, "backing_indices": ["x"]} for name in names]}


def planned(api: Api, *, keys: bool) -> tuple[Step, ...]:
    return tuple(plan_removal(api, keys=keys))


def words(answers: dict[str, tuple[int, Any]], *, keys: bool = False) -> list[str]:
    return [step.word for step in planned(Answering(answers).api, keys=keys)]


PIPELINE = {
    "GET /_ingest/pipeline/asayer-replay": (
        200,
        {"asayer-replay": {"_meta": {"managed_by": "otel-asayer"}, "processors": []}},
    )
}
POLICY = "GET /_ilm/policy/otel-asayer-replay"


def policy(*indices: str, managed_by: str = "otel-asayer") -> tuple[int, Any]:
    return 200, {
        "otel-asayer-replay": {
            "policy": {"_meta": {"managed_by": managed_by}},
            "in_use_by": {"indices": indices},
        }
    }


def test_the_pipeline_goes_before_the_template_that_it_stands_for() -> None:
    steps = planned(Answering({TEMPLATES: listed(), **PIPELINE}).api, keys=False)
    assert steps[0] == Step(
        "ingest pipeline asayer-replay",
        "removed",
        "",
        (Request("DELETE", "/_ingest/pipeline/asayer-replay"),),
    )


def test_a_pipeline_of_somebody_elses_stays() -> None:
    assert (
        planned(
            Answering({"GET /_ingest/pipeline/asayer-replay": (200, {"asayer-replay": {}})}).api,
            keys=False,
        )
        == ()
    )


def test_a_policy_that_no_index_follows_goes() -> None:
    (step,) = planned(Answering({POLICY: policy()}).api, keys=False)
    assert step.requests == (Request("DELETE", "/_ilm/policy/otel-asayer-replay"),)


def test_a_policy_that_indices_follow_is_left() -> None:
    (step,) = planned(
        Answering({POLICY: policy("asayer-logs-a-2026.11.24", "asayer-logs-a-2026.11.25")}).api,
        keys=False,
    )
    assert (step.word, step.note) == (
        "left",
        "asayer-logs-a-2026.11.24 and 1 more: a policy that indices follow cannot be removed.",
    )


def test_a_policy_of_somebody_elses_stays() -> None:
    assert planned(Answering({POLICY: policy(managed_by="jane")}).api, keys=False) == ()


def test_where_nothing_is_there_is_nothing_to_remove() -> None:
    assert planned(Answering().api, keys=True) == ()


def test_templates_that_no_data_stream_needs_go() -> None:
    steps = planned(Answering({TEMPLATES: listed()}).api, keys=False)
    assert [step.requests for step in steps] == [
        (Request("DELETE", f"/_index_template/{one.name}"),) for one in (TRACES, LOGS, REPLAY)
    ]


def test_a_template_that_a_data_stream_needs_is_left_with_the_request_that_deletes_the_data() -> (
    None
):
    answers = {
        TEMPLATES: listed(),
        "GET /_resolve/index/asayer-logs-*": streams("asayer-logs-a", "asayer-logs-b"),
    }
    step = planned(Answering(answers).api, keys=False)[-1]
    assert step.word == "left"
    assert (
        step.note
        == "asayer-logs-a, asayer-logs-b: A template that a data stream needs cannot be removed. "
        "Delete the data streams first, with all their documents, or keep both."
    )
    assert step.requests == ()
    assert step.advised == (Request("DELETE", "/_data_stream/asayer-logs-a,asayer-logs-b"),)


def test_of_traces_only_the_data_streams_that_need_it_are_named() -> None:
    answers = {
        TEMPLATES: listed(),
        "GET /_resolve/index/traces-*.otel-*": streams("traces-a.otel-b"),
    }
    assert planned(Answering(answers).api, keys=False)[0].advised == (
        Request("DELETE", "/_data_stream/traces-a.otel-b"),
    )


def test_a_data_stream_that_another_template_takes_needs_ours_no_more() -> None:
    answers = {
        TEMPLATES: listed(("theirs", "logs-*.otel-*", 120)),
        "GET /_resolve/index/logs-*.otel-*": streams("logs-a.otel-b"),
    }
    assert words(answers) == ["removed"] * 3


def test_what_somebody_else_made_is_left_alone() -> None:
    assert words({TEMPLATES: listed(managed_by="jane")}) == ["left alone"] * 3


def test_our_keys_go_and_nobody_elses() -> None:
    entries = [
        {"id": "a", "metadata": {"managed_by": "otel-asayer", "role": "writer"}},
        {"id": "b", "metadata": {"managed_by": "otel-asayer"}},
        {"id": "c", "metadata": {}},
    ]
    (step,) = planned(
        Answering({"GET /_security/api_key": (200, {"api_keys": entries})}).api, keys=True
    )
    assert step.requests == (Request("DELETE", "/_security/api_key", {"ids": ["a", "b"]}),)


def test_a_step_is_carried_out_request_by_request() -> None:
    server = Answering({"PUT /a": (200, {"a": 1}), "PUT /b": (200, {"b": 2})})
    assert carry_out(server.api, STEP) == StepResult(STEP, ({"a": 1}, {"b": 2}))
    assert server.asked == ["PUT /a", "PUT /b"]


def test_a_step_ends_at_the_request_that_fails_and_keeps_what_came_before() -> None:
    outcome = carry_out(
        Answering({"PUT /a": (200, {"a": 1}), "PUT /b": (400, {"error": {"reason": "wrong"}})}).api,
        STEP,
    )
    assert outcome.word == "failed"
    assert outcome.problem is True
    assert outcome.contents == ({"a": 1},)
    assert (
        outcome.failure == "Elasticsearch answered 400 when asked for the thing to be made: wrong."
    )


def test_an_answer_that_is_none_to_a_bulk_request_is_a_failure() -> None:
    outcome = carry_out(Answering({"POST /_bulk": (200, {"hello": "world"})}).api, BULK)
    assert (
        outcome.failure
        == "Elasticsearch was not understood: the answer is none to a bulk request. Check what "
        "stands between it and here."
    )


@pytest.mark.parametrize("status", [201, 409])
def test_a_record_that_is_there_now_is_a_success_whoever_wrote_it(status: int) -> None:
    item = {"create": {"status": status, "error": {"type": "version_conflict_engine_exception"}}}
    assert not carry_out(
        Answering({"POST /_bulk": (200, {"errors": True, "items": [item]})}).api, BULK
    ).failure


@pytest.mark.parametrize(
    ("status", "kind", "advice"),
    [
        (404, "index_not_found_exception", "The index template of that data stream is missing"),
        (400, "strange_exception", "The rest of the setup does not need it."),
    ],
)
def test_a_refused_record_is_a_failure_with_its_reason(status: int, kind: str, advice: str) -> None:
    item = {"create": {"status": status, "error": {"type": kind, "reason": "because"}}}
    failure = carry_out(
        Answering({"POST /_bulk": (200, {"errors": True, "items": [item]})}).api, BULK
    ).failure
    assert failure.startswith(f"Elasticsearch refuses the document: {kind}, because. {advice}")
