"""What setup plans on servers that stand in different ways.

That a real one takes the requests is shown in `tests/integration`.
"""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from otel_asayer.config import Config
from otel_asayer.errors import NotAllowedError
from otel_asayer.setup.installation import FIRST_RECORD_ID, SetupOptions, plan_installation
from otel_asayer.setup.planner import Request, Step
from otel_asayer.setup.templates import LOGS, REPLAY, TRACES, IndexTemplate
from otel_asayer.version import __version__
from unit.elasticsearch.answering import NO_HANDLER, Answering

CONFIG = Config.from_environment({}, dataset="shop", namespace="live")
NOW = 1_795_536_236_662_000_005
INDEX = "asayer-logs-live-2026.11.24"
TEMPLATES = "GET /_index_template"
BEARERS = "GET /_resolve/index/logs"
INDICES = "GET /_resolve/index/asayer-logs-*"
SIMULATE = "POST /_index_template/_simulate_index/asayer-logs-live-2000.01.01"
TRY = "POST /_index_template/_simulate"
ALIASED = "GET /asayer-logs-*/_alias/logs"
MAPPING = f"GET /{INDEX}/_mapping"
COUNT = "GET /asayer-logs-live-*/_count"
DATA_STREAMS = "GET /_data_stream/traces-*.otel-*,logs-*.otel-*"
FIRST_RECORD = "first replay record in asayer-logs-live-*"
PIPELINE = "ingest pipeline asayer-replay"
GET_PIPELINE = "GET /_ingest/pipeline/asayer-replay"
POLICY = "ILM policy otel-asayer-replay"
GET_POLICY = "GET /_ilm/policy/otel-asayer-replay"


def plan(
    answers: dict[str, tuple[int, Any]] | None = None,
    options: SetupOptions | None = None,
    config: Config = CONFIG,
) -> dict[str, Step]:
    steps = plan_installation(Answering(answers).api, config, options or SetupOptions(), NOW)
    return {step.subject.removeprefix("index template "): step for step in steps}


def words(
    answers: dict[str, tuple[int, Any]] | None = None,
    options: SetupOptions | None = None,
    config: Config = CONFIG,
) -> dict[str, str]:
    return {subject: step.word for subject, step in plan(answers, options, config).items()}


def listed(*templates: dict[str, Any]) -> tuple[int, Any]:
    return 200, {"index_templates": list(templates)}


def template(
    name: str,
    *patterns: str,
    priority: int = 0,
    version: str = "",
    managed_by: str = "otel-asayer",
    **inner: Any,
) -> dict[str, Any]:
    meta = {"managed_by": managed_by, "version": version}
    body: dict[str, Any] = {
        "index_patterns": patterns,
        "priority": priority,
        "_meta": meta,
        "template": inner,
    }
    return {"name": name, "index_template": body}


def ours(
    version: str = __version__, lifecycle: dict[str, str] | None = None, **inner: Any
) -> tuple[int, Any]:
    """The answer of a server that has our three templates.

    `inner` goes into that of replay records, `lifecycle` into the others.
    """
    kept = {"lifecycle": lifecycle} if lifecycle else {}
    names: tuple[tuple[IndexTemplate, dict[str, Any]], ...] = (
        (TRACES, kept),
        (LOGS, kept),
        (REPLAY, {"aliases": {"logs": {}}, **inner}),
    )
    return listed(
        *(
            template(
                one.name,
                *one.body["index_patterns"],
                priority=one.priority,
                version=version,
                **more,
            )
            for one, more in names
        )
    )


def with_index(
    properties: dict[str, Any] | None = None, *, alias: bool = True, records: int = 1
) -> dict[str, tuple[int, Any]]:
    """The answers of a server that has an index of replay records."""
    mapped = REPLAY.body["template"]["mappings"]["properties"] if properties is None else properties
    return {
        TEMPLATES: ours(),
        INDICES: (200, {"indices": [{"name": INDEX}], "data_streams": []}),
        ALIASED: (200, {INDEX: {"aliases": {"logs": {}}}})
        if alias
        else (404, {"error": "alias [logs] missing"}),
        MAPPING: (200, {INDEX: {"mappings": {"properties": mapped}}}),
        COUNT: (200, {"count": records}),
    }


class TestTemplates:
    def test_an_empty_server_gets_everything(self) -> None:
        assert words() == {
            TRACES.name: "installed",
            LOGS.name: "installed",
            REPLAY.name: "installed",
            PIPELINE: "installed",
            FIRST_RECORD: "written",
        }

    def test_planning_reads_and_nothing_else(self) -> None:
        server = Answering(with_index({}, alias=False))
        plan_installation(server.api, CONFIG, SetupOptions("30d"), NOW)
        assert {line for line in server.asked if not line.startswith("GET ")} <= {TRY}

    def test_a_template_is_created_as_it_stands(self) -> None:
        assert plan()[REPLAY.name].requests == (
            Request("PUT", f"/_index_template/{REPLAY.name}?create=true", REPLAY.body),
        )

    def test_what_is_of_this_version_stays(self) -> None:
        assert words({TEMPLATES: ours()}) == {
            TRACES.name: "present",
            LOGS.name: "present",
            REPLAY.name: "present",
            PIPELINE: "installed",
            FIRST_RECORD: "written",
        }

    @pytest.mark.parametrize("version", ["0.0.9", "", "0.0.10"])
    def test_an_older_one_is_upgraded(self, version: str) -> None:
        step = plan({TEMPLATES: ours(version)})[REPLAY.name]
        assert step.word == "upgraded"
        assert step.note == f"From version {version or 'unknown'} to {__version__}."
        assert step.requests == (Request("PUT", f"/_index_template/{REPLAY.name}", REPLAY.body),)

    def test_one_of_this_version_is_restored_when_asked_to(self) -> None:
        step = plan({TEMPLATES: ours()}, SetupOptions(restore=True))[REPLAY.name]
        assert step.word == "restored"
        assert step.requests == (Request("PUT", f"/_index_template/{REPLAY.name}", REPLAY.body),)

    def test_restoring_keeps_what_was_set_before(self) -> None:
        step = plan(
            {TEMPLATES: ours(settings={"index": {"lifecycle": {"name": "theirs"}}})},
            SetupOptions(restore=True),
        )[REPLAY.name]
        assert step.requests[0].body["template"]["settings"]["index.lifecycle.name"] == "theirs"

    def test_restoring_leaves_alone_what_somebody_else_made(self) -> None:
        assert (
            words(
                {TEMPLATES: listed(template(LOGS.name, "x", managed_by="jane"))},
                SetupOptions(restore=True),
            )[LOGS.name]
            == "left alone"
        )

    def test_a_newer_one_is_left_alone(self) -> None:
        step = plan({TEMPLATES: ours("99.0")})[REPLAY.name]
        assert step == Step(
            f"index template {REPLAY.name}",
            "left alone",
            f"It is of version 99.0, newer than this otel-asayer {__version__}.",
        )

    def test_one_of_our_name_that_somebody_else_made_is_left_alone(self) -> None:
        step = plan({TEMPLATES: listed(template(LOGS.name, "x", managed_by="jane"))})[LOGS.name]
        assert step.word == "left alone"
        assert step.note == "Somebody else made it: its _meta does not say managed_by: otel-asayer."
        assert step.requests == ()

    def test_elasticsearchs_own_templates_leave_ours_out(self) -> None:
        step = plan(
            {TEMPLATES: listed(template("traces-otel@template", "traces-*.otel-*", priority=120))}
        )[TRACES.name]
        assert step.word == "not needed"
        assert step.note == "The index template traces-otel@template takes these data streams."

    def test_an_upgrade_adds_new_fields_to_the_data_streams_that_the_template_made(self) -> None:
        stream, index = "traces-shop.otel-live", ".ds-traces"
        mapped = {
            name: field
            for name, field in TRACES.body["template"]["mappings"]["properties"].items()
            if name != "kind"
        }
        answers = {
            TEMPLATES: ours("0.0.1"),
            "GET /_resolve/index/traces-*.otel-*": (
                200,
                {"data_streams": [{"name": stream, "backing_indices": [index]}]},
            ),
            f"GET /{stream}/_mapping": (200, {index: {"mappings": {"properties": mapped}}}),
        }
        kind = TRACES.body["template"]["mappings"]["properties"]["kind"]
        assert plan(answers)[TRACES.name].requests[1:] == (
            Request(
                "PUT", f"/{stream}/_mapping?write_index_only=true", {"properties": {"kind": kind}}
            ),
        )

    def test_without_replay_records_there_is_nothing_for_them(self) -> None:
        assert words(config=Config.from_environment({}, replay_records=False)) == {
            TRACES.name: "installed",
            LOGS.name: "installed",
        }

    def test_what_may_not_be_looked_at_is_an_error(self) -> None:
        with pytest.raises(NotAllowedError):
            plan({TEMPLATES: (403, {"error": {"reason": "unauthorized"}})})


class TestRetention:
    def test_templates_of_ours_get_it(self) -> None:
        bodies = [
            step.requests[0].body["template"]["lifecycle"]
            for step in list(plan(options=SetupOptions("30d")).values())[:2]
        ]
        assert bodies == [{"data_retention": "30d"}] * 2

    def test_another_one_is_a_change(self) -> None:
        step = plan({TEMPLATES: ours(lifecycle={"data_retention": "7d"})}, SetupOptions("30d"))[
            LOGS.name
        ]
        assert step.word == "changed"
        assert step.note == "It keeps documents for 30d, not for 7d."

    def test_a_first_one_is_a_change(self) -> None:
        assert (
            plan({TEMPLATES: ours()}, SetupOptions("30d"))[LOGS.name].note
            == "It keeps documents for 30d."
        )

    def test_the_same_one_is_none(self) -> None:
        step = plan({TEMPLATES: ours(lifecycle={"data_retention": "30d"})}, SetupOptions("30d"))[
            LOGS.name
        ]
        assert step.word == "present"
        assert step.note == "It keeps documents for 30d."

    def test_an_upgrade_keeps_what_was_set_before(self) -> None:
        step = plan({TEMPLATES: ours("0.0.1", lifecycle={"data_retention": "7d"})})[LOGS.name]
        assert step.requests[0].body["template"]["lifecycle"] == {"data_retention": "7d"}

    def streams(self, *streams: dict[str, Any]) -> dict[str, Step]:
        return plan({DATA_STREAMS: (200, {"data_streams": list(streams)})}, SetupOptions("30d"))

    def test_data_streams_of_our_templates_get_it_by_the_api(self) -> None:
        step = self.streams(
            {"name": "logs-a.otel-live", "template": LOGS.name, "lifecycle": {"enabled": True}},
            {"name": "logs-b.otel-live", "template": LOGS.name},
            {
                "name": "logs-c.otel-live",
                "template": LOGS.name,
                "lifecycle": {"data_retention": "30d"},
            },
        )["retention of existing data streams"]
        assert step.requests == (
            Request(
                "PUT",
                "/_data_stream/logs-a.otel-live,logs-b.otel-live/_lifecycle",
                {"data_retention": "30d"},
            ),
        )

    def test_those_of_other_templates_are_left_to_their_owner(self) -> None:
        step = self.streams(
            {"name": "logs-generic.otel-default", "template": "logs-otel@template"}
        )["retention of traces and logs"]
        assert step.word == "left alone"
        assert step.requests == ()
        assert step.advised == (
            Request(
                "PUT",
                "/_data_stream/logs-generic.otel-default/_lifecycle",
                {"data_retention": "30d"},
            ),
        )

    def test_a_policy_of_index_lifecycle_management_goes_before_it(self) -> None:
        policy = {
            "name": "logs-generic.otel-default",
            "template": "logs-otel@template",
            "ilm_policy": "logs",
            "prefer_ilm": True,
        }
        step = self.streams(policy)["retention by ILM policy"]
        assert step.word == "left alone"
        assert (
            step.note == "An ILM policy decides for logs-generic.otel-default (logs): set it there."
        )

    def test_a_server_without_the_api_is_told(self) -> None:
        step = plan({DATA_STREAMS: NO_HANDLER}, SetupOptions("30d"))[
            "retention of existing data streams"
        ]
        assert step.word == "not possible"
        assert step.problem is False

    def test_data_streams_that_may_not_be_listed_are_an_error(self) -> None:
        with pytest.raises(NotAllowedError):
            plan({DATA_STREAMS: (403, {"error": {"reason": "unauthorized"}})}, SetupOptions("30d"))

    def test_when_it_is_not_asked_for_nobody_asks_the_server(self) -> None:
        server = Answering()
        plan_installation(server.api, CONFIG, SetupOptions(), NOW)
        assert not [line for line in server.asked if "_data_stream" in line]


class TestAlias:
    def test_without_it_the_template_has_none(self) -> None:
        assert (
            "aliases"
            not in plan(options=SetupOptions(alias=False))[REPLAY.name].requests[0].body["template"]
        )

    def test_an_index_of_its_name_is_a_problem_with_a_way_out(self) -> None:
        step = plan({BEARERS: (200, {"indices": [{"name": "logs"}]})})[REPLAY.name]
        assert step.word == "not possible"
        assert step.problem is True
        assert [f"{one.method} {one.target}" for one in step.advised] == [
            "POST /_reindex?wait_for_completion=false",
            "DELETE /logs",
        ]

    def test_a_data_stream_of_its_name_is_deleted_as_one(self) -> None:
        step = plan({BEARERS: (200, {"data_streams": [{"name": "logs"}]})})[REPLAY.name]
        assert step.advised[-1] == Request("DELETE", "/_data_stream/logs")

    def test_an_alias_of_others_gets_another_name(self) -> None:
        step = plan(
            {
                BEARERS: (
                    200,
                    {"aliases": [{"name": "logs", "indices": [".ds-app-2026.11.24-000001"]}]},
                )
            }
        )[REPLAY.name]
        actions = [
            {"remove": {"index": "app", "alias": "logs"}},
            {"add": {"index": "app", "alias": "former-logs"}},
        ]
        assert step.advised == (Request("POST", "/_aliases", {"actions": actions}),)

    def test_a_clash_says_what_the_older_readers_can_do_without_it(self) -> None:
        note = plan({BEARERS: (200, {"indices": [{"name": "logs"}]})})[REPLAY.name].note
        assert note.endswith(
            "If only Asayer or OpenReplay 1.5 - 1.20 reads, you can leave it: give --no-alias, and "
            "enter the index pattern asayer-logs-* in their form."
        )

    def test_without_it_a_clash_is_none(self) -> None:
        assert (
            words({BEARERS: (200, {"indices": [{"name": "logs"}]})}, SetupOptions(alias=False))[
                REPLAY.name
            ]
            == "installed"
        )

    def test_a_clash_keeps_the_first_record_out(self) -> None:
        assert (
            words({BEARERS: (200, {"indices": [{"name": "logs"}]})})[FIRST_RECORD] == "not possible"
        )

    def test_a_template_that_lacks_it_gets_it(self) -> None:
        step = plan({TEMPLATES: ours(aliases={})})[REPLAY.name]
        assert step.word == "changed"
        assert step.note == "New indices have the alias logs."

    def test_a_template_that_has_it_loses_it_when_asked_to(self) -> None:
        assert (
            plan({TEMPLATES: ours()}, SetupOptions(alias=False))[REPLAY.name].note
            == "New indices have no alias logs."
        )


RIVAL = listed(template("theirs", "*", priority=900))


class TestRivals:
    def test_one_that_hides_replay_records_is_a_problem(self) -> None:
        step = plan({TEMPLATES: RIVAL, SIMULATE: (200, {"template": {}})})[REPLAY.name]
        assert step.word == "not possible"
        assert step.problem is True
        assert (
            step.note.partition(",")[0]
            == "The index template theirs takes the indices asayer-logs-live-* without the alias "
            "'logs'"
        )

    def test_one_that_hides_them_keeps_the_first_record_out(self) -> None:
        assert (
            words({TEMPLATES: RIVAL, SIMULATE: (200, {"template": {}})})[FIRST_RECORD]
            == "not possible"
        )

    def test_one_of_our_name_that_hides_them_is_a_problem_too(self) -> None:
        theirs = listed(template(REPLAY.name, "asayer-logs-*", managed_by="jane"))
        step = plan({TEMPLATES: theirs, SIMULATE: (200, {"template": {}})})[REPLAY.name]
        assert step.word == "not possible"
        assert step.problem is True

    def test_one_of_our_name_that_bears_the_alias_is_left_alone(self) -> None:
        theirs = listed(template(REPLAY.name, "asayer-logs-*", managed_by="jane"))
        assert (
            words({TEMPLATES: theirs, SIMULATE: (200, {"template": {"aliases": {"logs": {}}}})})[
                REPLAY.name
            ]
            == "left alone"
        )

    def test_one_that_bears_the_alias_is_the_users_own_replay_template(self) -> None:
        found = words({TEMPLATES: RIVAL, SIMULATE: (200, {"template": {"aliases": {"logs": {}}}})})
        assert found[REPLAY.name] == "not needed"
        assert found[FIRST_RECORD] == "written"

    def test_one_that_makes_data_streams_is_a_problem_even_with_the_alias(self) -> None:
        theirs = template("theirs", "asayer-*", priority=900, managed_by="jane")
        theirs["index_template"]["data_stream"] = {"hidden": False}
        step = plan(
            {TEMPLATES: listed(theirs), SIMULATE: (200, {"template": {"aliases": {"logs": {}}}})}
        )[REPLAY.name]
        assert step.problem is True
        assert step.note.startswith(
            "The index template theirs makes data streams of asayer-logs-live-*, and Asayer / "
            "OpenReplay would show their rows out"
        )

    def test_what_it_hid_is_shown_all_the_same(self) -> None:
        steps = plan(
            {
                **with_index(alias=False, records=0),
                TEMPLATES: RIVAL,
                SIMULATE: (200, {"template": {}}),
            }
        )
        assert steps[f"index {INDEX}"].word == "repaired"


class TestIndices:
    def repair(self, answers: dict[str, tuple[int, Any]]) -> Step:
        return plan(answers)[f"index {INDEX}"]

    def test_one_as_our_template_makes_it_needs_no_step(self) -> None:
        assert f"index {INDEX}" not in plan(with_index())

    def test_one_without_the_alias_gets_it(self) -> None:
        action = {"add": {"index": INDEX, "alias": "logs"}}
        assert self.repair(with_index(alias=False)) == Step(
            f"index {INDEX}",
            "repaired",
            "It lacked the alias logs.",
            (Request("POST", "/_aliases", {"actions": [action]}),),
        )

    @pytest.mark.parametrize(
        ("name", "field"),
        [
            ("message", {"type": "keyword"}),
            ("@timestamp", {"type": "date"}),
            ("attributes", {"properties": {"a": {}}}),
        ],
    )
    def test_what_cannot_be_changed_is_said(self, name: str, field: dict[str, Any]) -> None:
        step = self.repair(
            with_index({**REPLAY.body["template"]["mappings"]["properties"], name: field})
        )
        assert step.requests == ()
        assert (
            step.note
            == f"Its mapping of {name} is wrong, and no request can change that: the index of the "
            f"next day is right."
        )

    def test_one_that_lacks_fields_gets_them(self) -> None:
        properties = {
            name: field
            for name, field in REPLAY.body["template"]["mappings"]["properties"].items()
            if name != "level"
        }
        level = REPLAY.body["template"]["mappings"]["properties"]["level"]
        assert self.repair(with_index(properties)).requests == (
            Request("PUT", f"/{INDEX}/_mapping", {"properties": {"level": level}}),
        )

    def test_of_a_namespace_only_the_mapping_of_the_last_day_matters(self) -> None:
        older = "asayer-logs-live-2026.11.23"
        answers = {**with_index(), INDICES: (200, {"indices": [{"name": INDEX}, {"name": older}]})}
        answers[ALIASED] = (
            200,
            {INDEX: {"aliases": {"logs": {}}}, older: {"aliases": {"logs": {}}}},
        )
        assert f"index {older}" not in plan(answers)

    def test_an_index_that_is_of_no_day_is_not_ours(self) -> None:
        assert "index asayer-logs-live" not in plan(
            {INDICES: (200, {"indices": [{"name": "asayer-logs-live"}]})}
        )

    def test_a_clash_leaves_it_as_it_is(self) -> None:
        answers = {**with_index(alias=False), BEARERS: (200, {"indices": [{"name": "logs"}]})}
        assert f"index {INDEX}" not in plan(answers)


class TestDataStreamsOfAnEarlierVersion:
    ANSWERS: Final = {
        TEMPLATES: ours("0.0.1"),
        INDICES: (
            200,
            {"indices": [], "data_streams": [{"name": "asayer-logs-b"}, {"name": "asayer-logs-a"}]},
        ),
        BEARERS: (
            200,
            {"aliases": [{"name": "logs", "indices": [".ds-asayer-logs-a-2026.11.24-000001"]}]},
        ),
    }

    def test_they_are_a_problem_with_the_command_that_removes_them(self) -> None:
        step = plan(self.ANSWERS)[REPLAY.name]
        assert (step.word, step.problem, step.requests) == ("not possible", True, ())
        assert step.advised == (Request("DELETE", "/_data_stream/asayer-logs-a,asayer-logs-b"),)

    def test_no_pipeline_lets_records_through_before_they_are_gone(self) -> None:
        assert words(self.ANSWERS)[PIPELINE] == "not possible"

    def test_no_first_record_is_written_before_they_are_gone(self) -> None:
        assert words(self.ANSWERS)[FIRST_RECORD] == "not possible"

    def test_once_they_are_gone_their_template_makes_indices(self) -> None:
        theirs = ours()
        theirs[1]["index_templates"][2]["index_template"]["data_stream"] = {"hidden": False}
        step = plan({TEMPLATES: theirs})[REPLAY.name]
        assert step.note == "It made data streams, and makes an index a day from now on."
        assert step.requests == (Request("PUT", f"/_index_template/{REPLAY.name}", REPLAY.body),)


class TestPipeline:
    def test_it_comes_after_the_template(self) -> None:
        subjects = list(plan())
        assert subjects.index(PIPELINE) == subjects.index(REPLAY.name) + 1

    def test_it_does_nothing(self) -> None:
        (request,) = plan()[PIPELINE].requests
        assert (request.method, request.target, request.body["processors"]) == (
            "PUT",
            "/_ingest/pipeline/asayer-replay",
            [],
        )

    @pytest.mark.parametrize(
        ("owner", "word"), [("otel-asayer", "present"), ("jane", "left alone")]
    )
    def test_one_that_is_there_stays(self, owner: str, word: str) -> None:
        there = {
            GET_PIPELINE: (
                200,
                {"asayer-replay": {"_meta": {"managed_by": owner}, "processors": []}},
            )
        }
        assert words(there)[PIPELINE] == word


class TestPolicy:
    def policy(
        self, retention: str = "30d", answers: dict[str, tuple[int, Any]] | None = None
    ) -> dict[str, Step]:
        return plan({**with_index(), **(answers or {})}, SetupOptions(retention))

    def test_it_deletes_an_index_once_its_last_record_is_old_enough(self) -> None:
        (request,) = self.policy()[POLICY].requests
        assert request.target == "/_ilm/policy/otel-asayer-replay"
        assert request.body["policy"]["phases"]["delete"] == {
            "min_age": "31d",
            "actions": {"delete": {}},
        }

    @pytest.mark.parametrize(
        ("retention", "age"), [("12h", "36h"), ("90m", "1530m"), ("60s", "86460s")]
    )
    def test_a_day_is_added_in_the_unit_that_was_given(self, retention: str, age: str) -> None:
        (request,) = self.policy(retention)[POLICY].requests
        assert request.body["policy"]["phases"]["delete"]["min_age"] == age

    def test_it_comes_before_the_template_that_names_it(self) -> None:
        subjects = list(self.policy())
        assert subjects.index(POLICY) < subjects.index(REPLAY.name)

    def test_the_template_names_it(self) -> None:
        (request,) = self.policy()[REPLAY.name].requests
        assert request.body["template"]["settings"]["index.lifecycle.name"] == "otel-asayer-replay"

    def test_indices_that_exist_follow_it(self) -> None:
        step = self.policy()["retention of existing indices"]
        assert step.requests == (
            Request("PUT", f"/{INDEX}/_settings", {"index.lifecycle.name": "otel-asayer-replay"}),
        )

    def test_an_index_that_follows_a_policy_keeps_it(self) -> None:
        settings = {INDEX: {"settings": {"index": {"lifecycle": {"name": "theirs"}}}}}
        assert "retention of existing indices" not in plan(
            {**with_index(), "GET /asayer-logs-*/_settings": (200, settings)}, SetupOptions("30d")
        )

    def there(self, retention: str, owner: str = "otel-asayer") -> dict[str, tuple[int, Any]]:
        return {
            GET_POLICY: (
                200,
                {
                    "otel-asayer-replay": {
                        "policy": {"_meta": {"managed_by": owner, "retention": retention}}
                    }
                },
            )
        }

    @pytest.mark.parametrize(
        ("retention", "owner", "word"),
        [
            ("30d", "otel-asayer", "present"),
            ("7d", "otel-asayer", "changed"),
            ("30d", "jane", "left alone"),
        ],
    )
    def test_one_that_is_there_changes_only_where_it_is_ours_and_another(
        self, retention: str, owner: str, word: str
    ) -> None:
        assert self.policy(answers=self.there(retention, owner))[POLICY].word == word

    def test_without_such_policies_the_command_that_does_the_same_is_named(self) -> None:
        step = self.policy(answers={GET_POLICY: NO_HANDLER})["retention of replay records"]
        assert (step.word, step.problem) == ("not possible", False)
        assert "Run `otel-asayer prune --older-than 30d --yes` once a day instead." in step.note

    def test_without_such_policies_the_template_names_none(self) -> None:
        steps = plan({GET_POLICY: NO_HANDLER}, SetupOptions("30d"))
        assert (
            "index.lifecycle.name"
            not in steps[REPLAY.name].requests[0].body["template"]["settings"]
        )

    def test_a_policy_that_may_not_be_looked_at_is_an_error(self) -> None:
        with pytest.raises(NotAllowedError):
            self.policy(answers={GET_POLICY: (403, {"error": {"reason": "unauthorized"}})})


class TestRefusedSettings:
    REFUSAL: Final = (
        400,
        {
            "error": {
                "reason": "Settings [index.merge.policy.type,index.number_of_shards] are not "
                "available"
            }
        },
    )

    def test_they_are_left_out(self) -> None:
        (request,) = plan({TRY: self.REFUSAL})[REPLAY.name].requests
        assert list(request.body["template"]["settings"]) == [
            "index.sort.field",
            "index.sort.order",
            "index.refresh_interval",
        ]

    def test_that_rows_may_come_out_of_order_is_said(self) -> None:
        assert plan({TRY: self.REFUSAL})[REPLAY.name].note == (
            "Elasticsearch refuses index.merge.policy.type, index.number_of_shards, so the index "
            "template of replay records is installed without: rows may come out of order in "
            "OpenReplay."
        )

    def test_another_reason_takes_nothing_away(self) -> None:
        (request,) = plan(
            {TRY: (400, {"error": {"reason": "unknown setting [index.merge.policy.type2]"}})}
        )[REPLAY.name].requests
        assert request.body == REPLAY.body


class TestFirstRecord:
    def test_it_has_what_all_readers_need_and_no_session(self) -> None:
        (request,) = plan()[FIRST_RECORD].requests
        action, record = map(json.loads, request.body.splitlines())
        time = "2026-11-24T16:03:56.662Z"
        assert action == {
            "create": {
                "_index": INDEX,
                "pipeline": "asayer-replay",
                "require_data_stream": False,
                "_id": FIRST_RECORD_ID,
            },
        }
        assert record == {
            "@timestamp": time,
            "utc_time": time,
            "timestamp": time,
            "message": "otel-asayer is set up",
            "level": "info",
        }

    def test_where_there_are_records_none_is_written(self) -> None:
        assert words(with_index())[FIRST_RECORD] == "present"

    def test_an_empty_stream_gets_one(self) -> None:
        assert words(with_index(records=0))[FIRST_RECORD] == "written"

    def test_who_may_not_read_writes(self) -> None:
        assert words({**with_index(), COUNT: (403, {"error": {}})})[FIRST_RECORD] == "written"
