"""What the doctor says about index templates."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from otel_asayer.cli.doctor.examination import Status
from otel_asayer.cli.doctor.installation import check_templates, drift, template_result
from otel_asayer.setup.templates import LOGS, REPLAY, TRACES, IndexTemplate
from unit.cli.doctor.support import config, examined, short, statuses

OURS = (TRACES, LOGS, REPLAY)
OTEL = {"index_patterns": ["traces-*.otel-*"], "priority": 120, "_meta": {"managed": True}}
CONFIG = config()


def as_listed(template: IndexTemplate) -> dict[str, Any]:
    """A template as a server returns it:

    names of settings divided at their dots, and their values as texts.
    """
    body: dict[str, Any] = json.loads(json.dumps(template.body))
    settings: dict[str, Any] = {}
    for name, value in body["template"]["settings"].items():
        *parts, last = name.split(".")
        inner = settings
        for part in parts:
            inner = inner.setdefault(part, {})
        inner[last] = str(value).lower() if isinstance(value, bool) else value
    body["template"]["settings"] = settings
    streams = (
        {"data_stream": {"hidden": False, "allow_custom_routing": False}}
        if "data_stream" in body
        else {}
    )
    return {**body, "composed_of": [], **streams}


def listing(**others: dict[str, Any]) -> dict[str, Any]:
    bodies = {**{template.name: as_listed(template) for template in OURS}, **others}
    return {
        "index_templates": [
            {"name": name.replace("_", "-"), "index_template": body}
            for name, body in bodies.items()
        ]
    }


def only(**bodies: dict[str, Any]) -> dict[str, Any]:
    return {
        "index_templates": [{"name": name, "index_template": body} for name, body in bodies.items()]
    }


def test_our_templates_are_well() -> None:
    assert short(check_templates(examined({"GET /_index_template": (200, listing())}))) == [
        ("ok", "ours are as in this version")
    ]


def test_without_templates_each_stream_is_a_problem() -> None:
    found = list(check_templates(examined({"GET /_index_template": (200, {})})))
    assert statuses(found) == [Status.PROBLEM] * 3
    assert (
        found[2].detail
        == "No index template makes asayer-logs-default-*: documents for it wait in the spool"
    )


def test_what_is_well_stands_beside_what_is_not() -> None:
    there = only(**{TRACES.name: as_listed(TRACES), LOGS.name: as_listed(LOGS)})
    assert statuses(check_templates(examined({"GET /_index_template": (200, there)}))) == [
        Status.PROBLEM,
        Status.OK,
    ]


@pytest.mark.parametrize("template", OURS, ids=lambda template: template.name)
def test_a_template_does_not_differ_from_what_a_server_makes_of_it(template: IndexTemplate) -> None:
    assert drift(template.body, as_listed(template)) == []


def test_what_its_owner_added_is_no_difference() -> None:
    body = as_listed(REPLAY)
    body["template"]["lifecycle"] = {"data_retention": "30d"}
    body["template"]["settings"]["index"]["number_of_replicas"] = "0"
    assert drift(REPLAY.body, body) == []


def test_what_was_changed_or_taken_away_is_named() -> None:
    body = deepcopy(as_listed(REPLAY))
    body["template"]["mappings"]["properties"]["message"]["type"] = "keyword"
    del body["template"]["aliases"]["logs"]
    assert drift(REPLAY.body, body) == [
        "template.aliases.logs",
        "template.mappings.properties.message.type",
    ]


def changed(version: str) -> dict[str, Any]:
    body = as_listed(REPLAY)
    body["_meta"]["version"] = version
    body["template"]["mappings"]["properties"] = {}
    return body


def test_a_template_of_an_older_version_can_be_brought_up_to_date() -> None:
    result = template_result(REPLAY, only(**{REPLAY.name: changed("0.0.1")}), CONFIG)
    assert result.status == Status.WARNING
    assert result.remedy == "`otel-asayer setup` brings it up to date"
    assert result.detail.startswith(
        "otel-asayer-replay, of version 0.0.1, differs from this version's: "
        "template.mappings.properties.@timestamp.type,"
    )


def test_a_template_that_somebody_changed_is_to_be_compared() -> None:
    result = template_result(
        REPLAY, only(**{REPLAY.name: changed(REPLAY.body["_meta"]["version"])}), CONFIG
    )
    assert result.remedy.startswith("Compare it: GET /_index_template/otel-asayer-replay")


def test_elasticsearchs_own_otel_templates_are_well() -> None:
    assert (
        template_result(TRACES, listing(**{"traces-otel@template": OTEL}), CONFIG).detail
        == "traces-otel@template is Elasticsearch's own"
    )


def test_a_strangers_template_for_spans_is_a_warning() -> None:
    result = template_result(
        TRACES, only(theirs={"index_patterns": ["traces-*"], "priority": 5}), CONFIG
    )
    assert result.status == Status.WARNING
    assert (
        result.detail.partition(":")[0]
        == "The index template theirs takes the data stream traces-generic.otel-default"
    )


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, Status.PROBLEM),
        ({"template": {"aliases": {"logs": {}}}}, Status.OK),
        ({"composed_of": ["theirs@custom"]}, Status.OK),
    ],
)
def test_a_strangers_template_for_replay_records_needs_the_alias(
    more: dict[str, Any], status: Status
) -> None:
    theirs = {"index_patterns": ["asayer-*"], "priority": 1000, **more}
    assert template_result(REPLAY, listing(theirs=theirs), CONFIG).status is status


def test_a_template_of_an_earlier_version_that_makes_data_streams_is_a_problem() -> None:
    former = {**as_listed(REPLAY), "data_stream": {"hidden": False}}
    result = template_result(REPLAY, only(**{REPLAY.name: former}), CONFIG)
    assert result.status is Status.PROBLEM
    assert result.detail.endswith("makes data streams: their rows come out of order")


def test_a_template_of_somebody_elses_that_makes_data_streams_of_replay_records_is_a_problem() -> (
    None
):
    theirs = {
        "index_patterns": ["asayer-*"],
        "priority": 900,
        "data_stream": {},
        "template": {"aliases": {"logs": {}}},
    }
    assert template_result(REPLAY, only(theirs=theirs), CONFIG).detail.startswith(
        "The index template theirs makes data streams of asayer-logs-default-*"
    )
