"""What first contact asks a server for, and what it says about the answers.

That a real one accepts the templates is shown in `tests/integration`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from otel_asayer.config import Config
from otel_asayer.elasticsearch.client import Response, UnreachableError
from otel_asayer.setup.first_contact import SetupReport, ensure
from otel_asayer.setup.inventory import TEMPLATES
from otel_asayer.setup.templates import LOGS, REPLAY, TRACES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONFIG = Config.from_environment({}, dataset="shop", namespace="live")
LIST = "GET /_index_template"
RESOLVE = "GET /_resolve/index/logs"
SIMULATE = "POST /_index_template/_simulate_index/asayer-logs-live-2000.01.01"
GET_PIPELINE, PUT_PIPELINE = (
    f"{method} /_ingest/pipeline/asayer-replay" for method in ("GET", "PUT")
)
LAST = [GET_PIPELINE, PUT_PIPELINE]
PUT_TRACES, PUT_LOGS, PUT_REPLAY = (
    f"PUT /_index_template/otel-asayer-{kind}" for kind in ("traces", "logs", "replay")
)
TRY_REPLAY = "POST /_index_template/_simulate"
NAMES = (TRACES.name, LOGS.name, REPLAY.name)
SOON = "It is tried again with the next export."
AGAIN = (
    "Setup is tried again when the application restarts; "
    "OTEL_EXPORTER_ELASTICSEARCH_SETUP=off leaves it to you."
)


class Script:
    """Answers by a table, else as an empty server that allows everything; keeps the requests."""

    def __init__(self, answers: Mapping[str, tuple[int, Any]] | None = None) -> None:
        taken: dict[str, tuple[int, Any]] = dict.fromkeys(
            (PUT_TRACES, PUT_LOGS, TRY_REPLAY, PUT_REPLAY, PUT_PIPELINE), (200, {})
        )
        self.answers = {
            LIST: (200, {}),
            RESOLVE: (404, {}),
            GET_PIPELINE: (404, {}),
            **taken,
            **(answers or {}),
        }
        self.asked: list[str] = []
        self.timeouts: list[float] = []
        self.bodies: dict[str, Any] = {}

    def request(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        timeout: float,
    ) -> Response:
        line = f"{method} {target.partition('?')[0]}"
        self.asked.append(line)
        self.timeouts.append(timeout)
        self.bodies[line] = body and json.loads(body)
        status, content = self.answers[line]
        return Response(
            status, {}, content if isinstance(content, bytes) else json.dumps(content).encode()
        )

    def close(self) -> None:
        """There is nothing to close."""


def listed(*templates: tuple[str, str, int]) -> dict[str, Any]:
    """The server's list of templates, given as name, pattern and priority."""
    entries = [
        {"name": name, "index_template": {"index_patterns": [pattern], "priority": priority}}
        for name, pattern, priority in templates
    ]
    return {"index_templates": entries}


def setup(
    answers: Mapping[str, tuple[int, Any]] | None = None, config: Config = CONFIG
) -> tuple[SetupReport, list[str]]:
    script = Script(answers)
    return ensure(script, config, timeout=10), script.asked


def problems(answers: Mapping[str, tuple[int, Any]]) -> tuple[str, ...]:
    return setup(answers)[0].problems


def test_an_empty_server_gets_all_three_templates() -> None:
    assert setup() == (
        SetupReport(installed=NAMES),
        [LIST, PUT_TRACES, PUT_LOGS, RESOLVE, TRY_REPLAY, PUT_REPLAY, *LAST],
    )


def test_a_template_is_sent_as_it_stands() -> None:
    script = Script()
    ensure(script, CONFIG, timeout=10)
    assert script.bodies[PUT_REPLAY] == json.loads(json.dumps(REPLAY.body))


def test_a_server_that_has_all_is_asked_for_templates_and_pipeline() -> None:
    answers = {
        LIST: (200, listed(*((name, "x", 0) for name in NAMES))),
        GET_PIPELINE: (200, {"asayer-replay": {}}),
    }
    assert setup(answers) == (SetupReport(), [LIST, GET_PIPELINE])


def test_setup_that_is_off_asks_nothing() -> None:
    assert setup(config=Config.from_environment({}, setup="off")) == (SetupReport(), [])


def test_without_replay_records_there_is_no_template_for_them() -> None:
    assert setup(config=Config.from_environment({}, replay_records=False))[1] == [
        LIST,
        PUT_TRACES,
        PUT_LOGS,
    ]


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("line", "installed"),
    [
        (LIST, ()),
        (PUT_TRACES, NAMES[1:]),
        (RESOLVE, NAMES[:2]),
        (TRY_REPLAY, NAMES[:2]),
        (PUT_REPLAY, NAMES[:2]),
    ],
)
def test_what_the_key_may_not_do_is_no_problem(
    status: int, line: str, installed: tuple[str, ...]
) -> None:
    assert setup({line: (status, {"error": {"reason": "unauthorized"}})})[0] == SetupReport(
        installed
    )


def test_elasticsearchs_own_templates_leave_ours_out() -> None:
    own = listed(
        ("traces-otel@template", "traces-*.otel-*", 120),
        ("logs-otel@template", "logs-*.otel-*", 120),
    )
    assert setup({LIST: (200, own)}) == (
        SetupReport((REPLAY.name,)),
        [LIST, RESOLVE, TRY_REPLAY, PUT_REPLAY, *LAST],
    )


@pytest.mark.parametrize(
    ("pattern", "priority"),
    [
        ("logs-*-*", 100),
        ("traces-*.otel-other", 120),
        ("traces-shopXotel-live", 120),
        ("metrics-*", 500),
    ],
)
def test_a_template_of_lower_rank_or_for_other_streams_is_no_rival(
    pattern: str, priority: int
) -> None:
    assert setup({LIST: (200, listed(("theirs", pattern, priority)))})[0] == SetupReport(NAMES)


def test_a_template_without_a_priority_has_the_lowest() -> None:
    assert setup(
        {
            LIST: (
                200,
                {
                    "index_templates": [
                        {"name": "theirs", "index_template": {"index_patterns": ["*"]}}
                    ]
                },
            )
        }
    )[0] == SetupReport(NAMES)


def test_a_rival_that_hides_replay_records_from_their_readers_is_a_problem() -> None:
    sentence = (
        "The index template high takes the indices asayer-logs-live-* without the alias 'logs', so "
        "Asayer / OpenReplay would never see what is "
        "written there: exclude them from that template's patterns, or give that template a "
        "priority below 499. " + AGAIN
    )
    rivals = listed(("low", "asayer-*", 600), ("high", "*", 601))
    assert setup({LIST: (200, rivals), SIMULATE: (200, {"template": {"aliases": {}}})}) == (
        SetupReport(problems=(sentence,)),
        [LIST, SIMULATE],
    )


def test_a_rival_that_bears_the_alias_is_the_users_own_replay_template() -> None:
    answers: dict[str, tuple[int, Any]] = {
        LIST: (200, listed(("theirs", "asayer-logs-*", 600))),
        SIMULATE: (200, {"template": {"aliases": {"logs": {}}}}),
    }
    assert setup(answers) == (SetupReport(NAMES[:2]), [LIST, PUT_TRACES, PUT_LOGS, SIMULATE, *LAST])


@pytest.mark.parametrize("index", ["asayer-logs-live-2026.11.24", "app-2026"])
def test_an_alias_on_plain_indices_is_in_nobodys_way(index: str) -> None:
    answer = {"indices": [], "aliases": [{"name": "logs", "indices": [index]}], "data_streams": []}
    assert setup({RESOLVE: (200, answer)})[0] == SetupReport(NAMES)


def test_an_alias_elsewhere_is_a_problem_that_names_its_bearers() -> None:
    bearers = [
        "app-2026",
        ".ds-web-log-2026.11.24-000001",
        ".ds-web-log-2026.11.25-000002",
        "asayer-logs-live-2026.11.24",
    ]
    answer = {"indices": [], "aliases": [{"name": "logs", "indices": bearers}], "data_streams": []}
    assert setup({RESOLVE: (200, answer)})[0] == SetupReport(
        NAMES[:2],
        (
            "The alias 'logs', which Asayer / OpenReplay reads, points to the data streams "
            "web-log, and in Elasticsearch no alias can point to both data streams and plain "
            "indices: remove the alias there (POST /_aliases). Until then no replay records can be "
            "delivered (OTEL_ASAYER_REPLAY_RECORDS=false writes none). " + AGAIN,
        ),
    )


def test_a_data_stream_of_an_earlier_version_is_a_problem_with_the_command_that_removes_it() -> (
    None
):
    answer = {
        "indices": [],
        "aliases": [{"name": "logs", "indices": [".ds-asayer-logs-live-2026.11.24-000001"]}],
        "data_streams": [],
    }
    (problem,) = problems({RESOLVE: (200, answer)})
    assert problem.startswith(
        "The data stream asayer-logs-live of an earlier version of otel-asayer cannot share "
        "templates and alias"
    )
    assert (
        "(DELETE /_data_stream/asayer-logs-live). Until then no replay records can be delivered"
        in problem
    )


def test_a_template_of_an_earlier_version_lets_no_record_through() -> None:
    former = listed((REPLAY.name, "asayer-logs-*", 499))
    former["index_templates"][0]["index_template"]["data_stream"] = {"hidden": False}
    report, asked = setup({LIST: (200, former)})
    assert report.problems[0].startswith(
        f"The index template {REPLAY.name} makes data streams, as an earlier version of it did. "
        f"`otel-asayer setup`"
    )
    assert PUT_PIPELINE not in asked


def test_a_key_that_may_not_install_pipelines_is_told() -> None:
    report, _ = setup({PUT_PIPELINE: (403, {})})
    assert report.installed == NAMES
    assert (
        "(cluster privilege manage_ingest_pipelines). `otel-asayer setup`, with a user that may, "
        "installs it." in report.problems[0]
    )


def test_a_pipeline_that_a_busy_server_did_not_take_is_worth_another_try() -> None:
    assert setup({PUT_PIPELINE: (503, {"error": "no master"})})[0].unfinished is True


def test_settings_that_a_server_refuses_are_left_out_and_said() -> None:
    class Picky(Script):
        """Takes no template with a merge policy or a sort, and names one of them at a time."""

        def request(
            self, method: str, target: str, body: Any = None, *, timeout: float
        ) -> Response:
            answer = super().request(method, target, body, timeout=timeout)
            settings = (
                json.loads(body or b"{}").get("template", {}).get("settings", {})
                if "-replay?" in target or "_simulate" in target
                else {}
            )
            refused = next(
                (
                    name
                    for name in ("index.merge.policy.type", "index.sort.order")
                    if name in settings
                ),
                None,
            )
            return (
                Response(
                    400,
                    {},
                    json.dumps({"error": {"reason": f"unknown setting [{refused}]"}}).encode(),
                )
                if refused
                else answer
            )

    sentence = (
        "Elasticsearch refuses index.merge.policy.type, index.sort.field, index.sort.order, so the "
        "index template of replay records is installed without: rows may come out of order in "
        "OpenReplay."
    )
    script = Picky()
    report = ensure(script, CONFIG, timeout=10)
    assert report == SetupReport(
        NAMES,
        (sentence,),
    )
    assert script.bodies[PUT_REPLAY]["template"]["settings"] == {
        "index.number_of_shards": 1,
        "index.refresh_interval": "1s",
    }


@pytest.mark.parametrize("kind", ["indices", "data_streams"])
def test_something_of_the_aliass_name_is_a_problem(kind: str) -> None:
    answer = {"indices": [], "aliases": [], "data_streams": [], kind: [{"name": "logs"}]}
    assert setup({RESOLVE: (200, answer)})[0] == SetupReport(
        NAMES[:2],
        (
            "An index or data stream is called 'logs', but Asayer / OpenReplay reads replay "
            "records only through an alias of that name: move its documents to another name "
            "(POST /_reindex) and delete it. Until then no replay records can be delivered "
            "(OTEL_ASAYER_REPLAY_RECORDS=false writes none). " + AGAIN,
        ),
    )


def test_a_template_that_another_process_installed_meanwhile_is_no_problem() -> None:
    answers: dict[str, tuple[int, Any]] = {
        PUT_LOGS: (400, {"error": {"reason": "already exists"}}),
        "GET /_index_template/otel-asayer-logs": (200, {}),
    }
    assert setup(answers)[0] == SetupReport((TRACES.name, REPLAY.name))


def test_a_refused_template_is_a_problem_with_the_innermost_reason() -> None:
    error = {
        "reason": "composed badly",
        "caused_by": {
            "reason": "invalid",
            "caused_by": {"reason": "No handler for type [passthrough]"},
        },
    }
    assert problems(
        {PUT_LOGS: (400, {"error": error}), "GET /_index_template/otel-asayer-logs": (404, {})}
    ) == (
        "Elasticsearch refused the index template otel-asayer-logs: No handler for type "
        "[passthrough]. Versions from 8.15 on accept it: "
        "update Elasticsearch, or install a template of your own for logs-*.otel-*. " + AGAIN,
    )


def test_a_refused_template_does_not_keep_the_others_out() -> None:
    answers: dict[str, tuple[int, Any]] = {
        PUT_TRACES: (400, {}),
        "GET /_index_template/otel-asayer-traces": (404, {}),
    }
    assert setup(answers)[0].installed == NAMES[1:]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"error": "busy"}, "busy"),
        ({"error": {"reason": "x" * 600}}, "x" * 500),
        (b"<html>", "without a reason"),
        (b"[]", "without a reason"),
    ],
)
def test_an_answer_that_setup_cannot_go_on_from_is_a_problem(content: object, reason: str) -> None:
    sentence = (
        f"Setup of Elasticsearch stopped: GET {TEMPLATES} was answered with 404, {reason}. {AGAIN}"
    )
    assert setup({LIST: (404, content)}) == (SetupReport(problems=(sentence,)), [LIST])


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_cannot_serve_us_now_is_worth_another_try(status: int) -> None:
    sentence = (
        f"Setup of Elasticsearch stopped: GET {TEMPLATES} was answered with {status}, starting. "
        f"{SOON}"
    )
    assert setup({LIST: (status, {"error": "starting"})}) == (
        SetupReport(problems=(sentence,), unfinished=True),
        [LIST],
    )


def test_a_busy_server_is_not_said_to_refuse_a_template() -> None:
    sentence = (
        "Setup of Elasticsearch stopped: PUT /_index_template/otel-asayer-logs?create=true was "
        f"answered with 503, no master. {SOON}"
    )
    assert setup({PUT_LOGS: (503, {"error": {"reason": "no master"}})})[0] == SetupReport(
        (TRACES.name, REPLAY.name), (sentence,), unfinished=True
    )


def test_each_request_has_the_time_that_is_left() -> None:
    script = Script()
    ensure(script, CONFIG, timeout=10, clock=ticking(step=2.0))
    assert script.timeouts == [8.0, 6.0, 4.0, 2.0]


def test_time_that_has_run_out_is_a_problem() -> None:
    report = ensure(Script(), CONFIG, timeout=10, clock=ticking(step=2.5))
    assert report == SetupReport(
        NAMES[:2],
        (f"Setup of Elasticsearch ran out of time before GET /_resolve/index/logs. {SOON}",),
        unfinished=True,
    )


def test_a_server_out_of_reach_is_the_callers_business() -> None:
    class Away(Script):
        def request(self, *arguments: Any, **keywords: Any) -> Response:
            raise UnreachableError(f"nobody answers to {arguments}, {keywords}")

    with pytest.raises(UnreachableError):
        ensure(Away(), CONFIG, timeout=10)


@pytest.mark.parametrize("template", [TRACES, LOGS])
def test_our_otel_templates_rank_between_elasticsearchs_catch_all_and_its_own(
    template: Any,
) -> None:
    assert 100 < template.priority < 120


def ticking(*, step: float) -> Any:
    def ticks() -> Iterator[float]:
        now = 0.0
        while True:
            yield now
            now += step

    return ticks().__next__
