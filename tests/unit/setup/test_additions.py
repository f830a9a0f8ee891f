"""What an owner added to a template of ours stays when it is upgraded, and ours counts."""

from __future__ import annotations

from typing import Any

import pytest

from otel_asayer.setup.additions import with_additions
from otel_asayer.setup.templates import LOGS, REPLAY, TRACES

TEMPLATES = (TRACES, LOGS, REPLAY)


def as_installed(body: Any) -> dict[str, Any]:
    """A template as Elasticsearch returns it: settings are nested, and their values text."""
    nested: dict[str, Any] = {}
    for name, value in body["template"]["settings"].items():
        *outer, last = name.split(".")
        inner = nested
        for part in outer:
            inner = inner.setdefault(part, {})
        inner[last] = str(value).lower() if isinstance(value, bool) else str(value)
    return {**body, "template": {**body["template"], "settings": nested}, "composed_of": []}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)
def test_a_template_as_we_installed_it_has_no_additions(template: Any) -> None:
    merged, names = with_additions(template.body, as_installed(template.body))
    assert names == ()
    assert merged == template.body


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)
def test_one_without_anything_adds_nothing(template: Any) -> None:
    assert with_additions(template.body, {"index_patterns": ["x"]}) == (template.body, ())


def test_what_an_owner_added_stays() -> None:
    there = as_installed(LOGS.body)
    there["composed_of"] = ["company@settings"]
    there["ignore_missing_component_templates"] = ["company@settings"]
    inner = there["template"]
    inner["settings"]["index"]["number_of_replicas"] = "2"
    inner["aliases"] = {"company-logs": {}}
    properties = {
        **inner["mappings"]["properties"],
        "company": {"type": "keyword"},
        "resource": {"type": "object", "properties": {"team": {"type": "keyword"}}},
    }
    inner["mappings"] = {
        **inner["mappings"],
        "properties": properties,
        "dynamic_templates": [{"company": {"mapping": {"type": "keyword"}}}],
    }
    merged, names = with_additions(LOGS.body, there)
    assert names == (
        "component company@settings",
        "setting index.number_of_replicas",
        "alias company-logs",
        "field resource.team",
        "field company",
        "dynamic template company",
    )
    template = merged["template"]
    assert merged["composed_of"] == ["company@settings"]
    assert merged["ignore_missing_component_templates"] == ["company@settings"]
    assert template["settings"] == {
        "index.number_of_replicas": "2",
        **LOGS.body["template"]["settings"],
    }
    assert template["aliases"] == {"company-logs": {}}
    assert template["mappings"]["properties"]["company"] == {"type": "keyword"}
    ours = LOGS.body["template"]["mappings"]
    assert template["mappings"]["properties"]["resource"]["properties"] == {
        **ours["properties"]["resource"]["properties"],
        "team": {"type": "keyword"},
    }
    assert template["mappings"]["dynamic_templates"] == [
        *ours["dynamic_templates"],
        {"company": {"mapping": {"type": "keyword"}}},
    ]


def test_where_both_say_something_ours_counts() -> None:
    there = as_installed(REPLAY.body)
    there["priority"] = 1
    there["data_stream"] = {}
    there["template"]["settings"]["index"]["refresh_interval"] = "30s"
    there["template"]["mappings"] = {
        "dynamic": True,
        "properties": {"@timestamp": {"type": "date", "format": "epoch_millis"}},
    }
    merged, names = with_additions(REPLAY.body, there)
    assert names == ()
    assert merged == REPLAY.body


def test_our_alias_comes_only_from_us() -> None:
    without = {**REPLAY.body, "template": {**REPLAY.body["template"]}}
    del without["template"]["aliases"]
    merged, names = with_additions(without, as_installed(REPLAY.body))
    assert names == ()
    assert "aliases" not in merged["template"]


def test_what_we_send_is_not_changed_for_the_next_server() -> None:
    there = as_installed(TRACES.body)
    there["template"]["mappings"] = {"properties": {"more": {"type": "keyword"}}}
    with_additions(TRACES.body, there)
    assert "more" not in TRACES.body["template"]["mappings"]["properties"]
