"""What setup asks a server for, and what it says about the answers. That a real one accepts the templates is shown in `tests/integration`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from otel_asayer.config import Config
from otel_asayer.elasticsearch.client import Response, Unreachable
from otel_asayer.elasticsearch.inventory import TEMPLATES
from otel_asayer.elasticsearch.template_bodies import LOGS, REPLAY, TRACES
from otel_asayer.elasticsearch.templates import SetupReport, ensure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONFIG = Config.from_environment({}, dataset="shop", namespace="live")
LIST = "GET /_index_template"
RESOLVE = "GET /_resolve/index/logs"
SIMULATE = "POST /_index_template/_simulate_index/asayer-logs-live"
PUT_TRACES, PUT_LOGS, PUT_REPLAY = (f"PUT /_index_template/otel-asayer-{kind}" for kind in ("traces", "logs", "replay"))
NAMES = (TRACES.name, LOGS.name, REPLAY.name)
SOON = "It is tried again with the next export."
AGAIN = "Setup is tried again when the application starts next; OTEL_EXPORTER_ELASTICSEARCH_SETUP=off leaves it to you."


class Script:
    """Answers by a table, and otherwise as an empty server that admits everything; keeps what it was asked."""

    def __init__(self, answers: Mapping[str, tuple[int, Any]] | None = None) -> None:
        self.answers = {LIST: (200, {}), RESOLVE: (404, {}), **dict.fromkeys((PUT_TRACES, PUT_LOGS, PUT_REPLAY), (200, {})), **(answers or {})}
        self.asked: list[str] = []
        self.timeouts: list[float] = []
        self.bodies: dict[str, Any] = {}

    def request(self, method: str, target: str, body: bytes | None = None, *, headers: Mapping[str, str] | None = None, timeout: float) -> Response:
        assert headers is None
        line = f"{method} {target.partition('?')[0]}"
        self.asked.append(line)
        self.timeouts.append(timeout)
        self.bodies[line] = body and json.loads(body)
        status, content = self.answers[line]
        return Response(status, {}, content if isinstance(content, bytes) else json.dumps(content).encode())


def listed(*templates: tuple[str, str, int]) -> dict[str, Any]:
    """The server's list of templates, given as name, pattern and priority."""
    entries = [{"name": name, "index_template": {"index_patterns": [pattern], "priority": priority}} for name, pattern, priority in templates]
    return {"index_templates": entries}


def setup(answers: Mapping[str, tuple[int, Any]] | None = None, config: Config = CONFIG) -> tuple[SetupReport, list[str]]:
    script = Script(answers)
    return ensure(script, config, timeout=10), script.asked


def problems(answers: Mapping[str, tuple[int, Any]]) -> tuple[str, ...]:
    return setup(answers)[0].problems


def test_an_empty_server_gets_all_three_templates() -> None:
    assert setup() == (SetupReport(installed=NAMES), [LIST, PUT_TRACES, PUT_LOGS, RESOLVE, PUT_REPLAY])


def test_a_template_is_sent_as_it_stands() -> None:
    script = Script()
    ensure(script, CONFIG, timeout=10)
    assert script.bodies[PUT_REPLAY] == json.loads(json.dumps(REPLAY.body))


def test_a_server_that_has_all_is_asked_once() -> None:
    assert setup({LIST: (200, listed(*((name, "x", 0) for name in NAMES)))}) == (SetupReport(), [LIST])


def test_setup_that_is_off_asks_nothing() -> None:
    assert setup(config=Config.from_environment({}, setup="off")) == (SetupReport(), [])


def test_without_replay_records_there_is_no_template_for_them() -> None:
    assert setup(config=Config.from_environment({}, replay_records=False))[1] == [LIST, PUT_TRACES, PUT_LOGS]


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(("line", "installed"), [(LIST, ()), (PUT_TRACES, NAMES[1:]), (RESOLVE, NAMES[:2]), (PUT_REPLAY, NAMES[:2])])
def test_what_the_key_may_not_do_is_no_problem(status: int, line: str, installed: tuple[str, ...]) -> None:
    assert setup({line: (status, {"error": {"reason": "unauthorized"}})})[0] == SetupReport(installed)


def test_elasticsearchs_own_templates_leave_ours_out() -> None:
    own = listed(("traces-otel@template", "traces-*.otel-*", 120), ("logs-otel@template", "logs-*.otel-*", 120))
    assert setup({LIST: (200, own)}) == (SetupReport((REPLAY.name,)), [LIST, RESOLVE, PUT_REPLAY])


@pytest.mark.parametrize(
    ("pattern", "priority"), [("logs-*-*", 100), ("traces-*.otel-other", 120), ("traces-shopXotel-live", 120), ("metrics-*", 500)]
)
def test_a_template_of_lower_rank_or_for_other_streams_is_no_rival(pattern: str, priority: int) -> None:
    assert setup({LIST: (200, listed(("theirs", pattern, priority)))})[0] == SetupReport(NAMES)


def test_a_template_without_a_priority_has_the_lowest() -> None:
    assert setup({LIST: (200, {"index_templates": [{"name": "theirs", "index_template": {"index_patterns": ["*"]}}]})})[0] == SetupReport(NAMES)


def test_a_rival_that_hides_replay_records_from_their_readers_is_a_problem() -> None:
    sentence = (
        "The index template high takes the data stream asayer-logs-live without the alias 'logs', so Asayer / OpenReplay would never see what is "
        "written there: exclude it from that template's patterns, or give that template a priority below 499. " + AGAIN
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
    assert setup(answers) == (SetupReport(NAMES[:2]), [LIST, PUT_TRACES, PUT_LOGS, SIMULATE])


@pytest.mark.parametrize("index", ["asayer-logs-live", ".ds-asayer-logs-old-2026.11.24-000001"])
def test_an_alias_on_streams_of_ours_is_in_nobodys_way(index: str) -> None:
    answer = {"indices": [], "aliases": [{"name": "logs", "indices": [index]}], "data_streams": []}
    assert setup({RESOLVE: (200, answer)})[0] == SetupReport(NAMES)


def test_an_alias_elsewhere_is_a_problem_that_names_its_bearers() -> None:
    bearers = ["app-2026", ".ds-web-log-2026.11.24-000001", ".ds-web-log-2026.11.25-000002", "asayer-logs-live"]
    answer = {"indices": [], "aliases": [{"name": "logs", "indices": bearers}], "data_streams": []}
    assert setup({RESOLVE: (200, answer)})[0] == SetupReport(
        NAMES[:2],
        (
            "The alias 'logs', which Asayer / OpenReplay reads, stands on app-2026, web-log, whose documents its panel cannot show: take the alias "
            "away there (POST /_aliases); until then no replay records can be delivered (OTEL_ASAYER_REPLAY_RECORDS=false writes none). " + AGAIN,
        ),
    )


@pytest.mark.parametrize("kind", ["indices", "data_streams"])
def test_something_of_the_aliass_name_is_a_problem(kind: str) -> None:
    answer = {"indices": [], "aliases": [], "data_streams": [], kind: [{"name": "logs"}]}
    assert setup({RESOLVE: (200, answer)})[0] == SetupReport(
        NAMES[:2],
        (
            "An index or data stream is called 'logs', which has to be an alias of the replay records, for Asayer / OpenReplay reads nothing else: "
            "move its documents to another name (POST /_reindex) and delete it; until then no replay records can be delivered "
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
    error = {"reason": "composed badly", "caused_by": {"reason": "invalid", "caused_by": {"reason": "No handler for type [passthrough]"}}}
    assert problems({PUT_LOGS: (400, {"error": error}), "GET /_index_template/otel-asayer-logs": (404, {})}) == (
        "Elasticsearch refused the index template otel-asayer-logs: No handler for type [passthrough]. Versions from 8.15 on take it: "
        "update, or install a template of your own for logs-*.otel-*. " + AGAIN,
    )


def test_a_refused_template_does_not_keep_the_others_out() -> None:
    answers: dict[str, tuple[int, Any]] = {PUT_TRACES: (400, {}), "GET /_index_template/otel-asayer-traces": (404, {})}
    assert setup(answers)[0].installed == NAMES[1:]


@pytest.mark.parametrize(
    ("content", "reason"),
    [({"error": "busy"}, "busy"), ({"error": {"reason": "x" * 600}}, "x" * 500), (b"<html>", "without a reason"), (b"[]", "without a reason")],
)
def test_an_answer_that_setup_cannot_go_on_from_is_a_problem(content: object, reason: str) -> None:
    sentence = f"Setup of Elasticsearch stopped: GET {TEMPLATES} was answered with 404, {reason}. {AGAIN}"
    assert setup({LIST: (404, content)}) == (SetupReport(problems=(sentence,)), [LIST])


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_cannot_serve_us_now_is_worth_another_try(status: int) -> None:
    sentence = f"Setup of Elasticsearch stopped: GET {TEMPLATES} was answered with {status}, starting. {SOON}"
    assert setup({LIST: (status, {"error": "starting"})}) == (SetupReport(problems=(sentence,), unfinished=True), [LIST])


def test_a_busy_server_is_not_said_to_refuse_a_template() -> None:
    sentence = f"Setup of Elasticsearch stopped: PUT /_index_template/otel-asayer-logs?create=true was answered with 503, no master. {SOON}"
    assert setup({PUT_LOGS: (503, {"error": {"reason": "no master"}})})[0] == SetupReport((TRACES.name, REPLAY.name), (sentence,), unfinished=True)


def test_each_request_has_the_time_that_is_left() -> None:
    script = Script()
    ensure(script, CONFIG, timeout=10, clock=ticking(step=2.0))
    assert script.timeouts == [8.0, 6.0, 4.0, 2.0]


def test_time_that_has_run_out_is_a_problem() -> None:
    report = ensure(Script(), CONFIG, timeout=10, clock=ticking(step=2.5))
    assert report == SetupReport(NAMES[:2], (f"Setup of Elasticsearch ran out of time before GET /_resolve/index/logs. {SOON}",), unfinished=True)


def test_a_server_out_of_reach_is_the_callers_business() -> None:
    class Away(Script):
        def request(self, *arguments: Any, **keywords: Any) -> Response:
            raise Unreachable(f"nobody answers to {arguments}, {keywords}")

    with pytest.raises(Unreachable):
        ensure(Away(), CONFIG, timeout=10)


@pytest.mark.parametrize("template", [TRACES, LOGS])
def test_our_otel_templates_rank_between_elasticsearchs_catch_all_and_its_own(template: Any) -> None:
    assert 100 < template.priority < 120


def ticking(*, step: float) -> Any:
    def ticks() -> Iterator[float]:
        now = 0.0
        while True:
            yield now
            now += step

    return ticks().__next__
