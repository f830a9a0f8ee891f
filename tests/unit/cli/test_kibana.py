"""The saved objects are what Kibana's import takes:

whole, consistent, of old enough versions; and the command fills in a team's replay.
"""

from __future__ import annotations

import json
import re
import shlex
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from otel_asayer import attributes
from otel_asayer.attributes import SESSION_ID
from otel_asayer.cli.commands import otel_asayer
from otel_asayer.cli.kibana import ndjson, saved_objects, session_link
from otel_asayer.config.parsers import BadValueError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "src" / "otel_asayer" / "cli" / "otel-asayer.ndjson"
GUIDE = (ROOT / "docs" / "how-to" / "kibana.md").read_text(encoding="utf-8")
REPLAY_URL = "https://app.openreplay.com/1234/session/{session_id}?jumpto={time_ms}"
LINK = "https://app.openreplay.com/1234/session/{{value}}"
# Kibana 8.12 refuses attributes of dashboards and searches that are not among these.
DASHBOARD = {
    *("title", "description", "kibanaSavedObjectMeta", "timeRestore", "timeFrom", "timeTo"),
    *("refreshInterval", "controlGroupInput", "panelsJSON", "optionsJSON", "hits", "version"),
}
SEARCH = {
    *(
        "title",
        "description",
        "columns",
        "sort",
        "grid",
        "rowHeight",
        "rowsPerPage",
        "hideChart",
        "breakdownField",
        "kibanaSavedObjectMeta",
    ),
    *(
        "isTextBasedQuery",
        "usesAdHocDataView",
        "timeRestore",
        "timeRange",
        "refreshInterval",
        "viewMode",
        "hideAggregatedPreview",
        "hits",
        "version",
    ),
}

OBJECTS = saved_objects(REPLAY_URL)


def of_type(kind: str) -> list[dict[str, Any]]:
    return [one for one in OBJECTS if one["type"] == kind]


def the_dashboard() -> dict[str, Any]:
    (one,) = of_type("dashboard")
    return one


def panels() -> list[dict[str, Any]]:
    placed: list[dict[str, Any]] = json.loads(the_dashboard()["attributes"]["panelsJSON"])
    return placed


def formats(one: dict[str, Any]) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(one["attributes"]["fieldFormatMap"])
    return parsed


def run(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(
        otel_asayer, ["kibana", *words], env={"OTEL_ASAYER_REPLAY_URL": None, **environment}
    )


class TestObjects:
    def test_every_line_is_one_object(self) -> None:
        assert [json.loads(line) for line in ndjson(REPLAY_URL).splitlines()] == OBJECTS

    def test_there_are_three_data_views_six_panels_two_searches_and_a_dashboard(self) -> None:
        kinds = [one["type"] for one in OBJECTS]
        assert kinds == [*["index-pattern"] * 3, *["lens"] * 6, *["search"] * 2, "dashboard"]

    @pytest.mark.parametrize("one", OBJECTS, ids=lambda one: one["id"])
    def test_an_object_has_what_an_export_has(self, one: dict[str, Any]) -> None:
        assert one.keys() == {
            "type",
            "id",
            "attributes",
            "references",
            "managed",
            "coreMigrationVersion",
            "typeMigrationVersion",
        }

    def test_ids_are_unique(self) -> None:
        assert len({one["id"] for one in OBJECTS}) == len(OBJECTS)

    def test_ids_tell_where_they_come_from(self) -> None:
        assert [one["id"] for one in OBJECTS if not one["id"].startswith("otel-asayer-")] == []

    @pytest.mark.parametrize("one", OBJECTS, ids=lambda one: one["id"])
    def test_every_reference_is_to_an_object_before_it(self, one: dict[str, Any]) -> None:
        before = [(other["type"], other["id"]) for other in OBJECTS[: OBJECTS.index(one)]]
        assert [
            reference
            for reference in one["references"]
            if (reference["type"], reference["id"]) not in before
        ] == []

    @pytest.mark.parametrize("one", OBJECTS, ids=lambda one: one["id"])
    def test_what_an_object_refers_to_is_what_its_references_name(
        self, one: dict[str, Any]
    ) -> None:
        assert sorted(used_references(one)) == sorted(
            reference["name"] for reference in one["references"]
        )

    @pytest.mark.parametrize(
        ("kind", "version"),
        [
            ("index-pattern", "8.0.0"),
            ("search", "8.0.0"),
            ("lens", "8.9.0"),
            ("dashboard", "8.9.0"),
        ],
    )
    def test_a_version_is_one_that_every_supported_kibana_knows(
        self, kind: str, version: str
    ) -> None:
        assert {
            (one["typeMigrationVersion"], one["coreMigrationVersion"]) for one in of_type(kind)
        } == {(version, "8.8.0")}

    def test_a_dashboard_has_no_attribute_that_kibana_refuses(self) -> None:
        assert the_dashboard()["attributes"].keys() - DASHBOARD == set()

    @pytest.mark.parametrize("one", of_type("search"), ids=lambda one: one["id"])
    def test_a_search_has_no_attribute_that_kibana_refuses(self, one: dict[str, Any]) -> None:
        assert one["attributes"].keys() - SEARCH == set()

    @pytest.mark.parametrize("one", of_type("search"), ids=lambda one: one["id"])
    def test_a_search_begins_with_the_newest(self, one: dict[str, Any]) -> None:
        assert one["attributes"]["sort"] == [["@timestamp", "desc"]]


def used_references(one: dict[str, Any]) -> Iterator[str]:
    """The names that stand inside an object where Kibana puts in what they refer to."""
    attributes = one["attributes"]
    if one["type"] == "lens":
        yield from (
            f"indexpattern-datasource-layer-{layer}"
            for layer in attributes["state"]["datasourceStates"]["formBased"]["layers"]
        )
        yield from (each["meta"]["index"] for each in attributes["state"]["filters"])
    if one["type"] == "search":
        source = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
        yield source["indexRefName"]
        yield from (each["meta"]["indexRefName"] for each in source["filter"])
    if one["type"] == "dashboard":
        yield from (f"{panel['panelIndex']}:{panel['panelRefName']}" for panel in panels())
        yield from (
            f"controlGroup_{name}:optionsListDataView"
            for name in json.loads(attributes["controlGroupInput"]["panelsJSON"])
        )


class TestPanels:
    @pytest.mark.parametrize("one", of_type("lens"), ids=lambda one: one["id"])
    def test_columns_come_in_the_order_in_which_lens_nests_them(self, one: dict[str, Any]) -> None:
        (layer,) = one["attributes"]["state"]["datasourceStates"]["formBased"]["layers"].values()
        bucketed = [layer["columns"][name]["isBucketed"] for name in layer["columnOrder"]]
        assert layer["columnOrder"] == list(layer["columns"])
        assert bucketed == sorted(bucketed, reverse=True)

    @pytest.mark.parametrize("one", of_type("lens"), ids=lambda one: one["id"])
    def test_what_is_drawn_are_all_the_columns(self, one: dict[str, Any]) -> None:
        state = one["attributes"]["state"]
        (layer,) = state["datasourceStates"]["formBased"]["layers"].values()
        assert sorted(drawn(state["visualization"])) == sorted(layer["columns"])

    def test_the_dashboard_shows_every_panel_and_search(self) -> None:
        shown = {(each["type"], each["id"]) for each in the_dashboard()["references"]}
        assert {("lens", one["id"]) for one in of_type("lens")} | {
            ("search", one["id"]) for one in of_type("search")
        } <= shown

    def test_panels_keep_to_the_width_of_a_dashboard(self) -> None:
        assert [
            panel["title"]
            for panel in panels()
            if panel["gridData"]["x"] + panel["gridData"]["w"] > 48
        ] == []

    def test_no_panel_lies_on_another(self) -> None:
        places = [panel["gridData"] for panel in panels()]
        assert [(a["i"], b["i"]) for a, b in combinations(places, 2) if overlap(a, b)] == []


def drawn(visualization: dict[str, Any]) -> list[str]:
    if "columns" in visualization:
        return [column["columnId"] for column in visualization["columns"]]
    (layer,) = visualization["layers"]
    return [layer["xAccessor"], layer["splitAccessor"], *layer["accessors"]]


def overlap(a: dict[str, int], b: dict[str, int]) -> bool:
    return (
        a["x"] < b["x"] + b["w"]
        and b["x"] < a["x"] + a["w"]
        and a["y"] < b["y"] + b["h"]
        and b["y"] < a["y"] + a["h"]
    )


class TestDataViews:
    def test_they_cover_all_namespaces(self) -> None:
        assert [one["attributes"]["title"] for one in of_type("index-pattern")] == [
            "traces-*.otel-*",
            "logs-*.otel-*",
            "asayer-logs-*-*",
        ]

    def test_they_cover_the_namespaces_that_are_asked_for(self) -> None:
        titles = [
            one["attributes"]["title"]
            for one in saved_objects(namespaces=["eu", "us"])
            if one["type"] == "index-pattern"
        ]
        assert titles == [
            "traces-*.otel-eu,traces-*.otel-us",
            "logs-*.otel-eu,logs-*.otel-us",
            "asayer-logs-eu-*,asayer-logs-us-*",
        ]

    @pytest.mark.parametrize("one", of_type("index-pattern"), ids=lambda one: one["id"])
    @pytest.mark.parametrize("field", ["attributes.session.id", "session.id"])
    def test_a_session_id_is_a_link_that_shows_the_id(
        self, one: dict[str, Any], field: str
    ) -> None:
        assert formats(one)[field] == {
            "id": "url",
            "params": {"type": "a", "urlTemplate": LINK, "labelTemplate": "{{value}}"},
        }

    @pytest.mark.parametrize("one", of_type("index-pattern")[:2], ids=lambda one: one["id"])
    @pytest.mark.parametrize("field", ["attributes.asayer.replay.url", "asayer.replay.url"])
    def test_the_link_to_a_moment_is_a_link_as_it_stands(
        self, one: dict[str, Any], field: str
    ) -> None:
        assert formats(one)[field] == {"id": "url", "params": {"type": "a"}}

    def test_without_a_replays_url_a_session_id_is_no_link(self) -> None:
        assert [
            field
            for one in saved_objects()[:3]
            for field in formats(one)
            if field.endswith("session.id")
        ] == []

    @pytest.mark.parametrize(
        ("template", "link"),
        [
            (REPLAY_URL, LINK),
            ("https://a/{session_id}", "https://a/{{value}}"),
            ("https://a/{session_id}?jumpto={offset_ms}#replay", "https://a/{{value}}#replay"),
            ("https://a/{session_id}?a=1&jumpto={time_ms}&b=2", "https://a/{{value}}?a=1&b=2"),
            ("https://a/{session_id}?at={time_ms}&from={offset_ms}", "https://a/{{value}}"),
            ("https://a/?id={session_id}&at={time_ms}", "https://a/?id={{value}}"),
            ("https://a/#/session/{session_id}?at={time_ms}", "https://a/#/session/{{value}}"),
        ],
    )
    def test_a_link_has_the_session_and_not_the_moment(self, template: str, link: str) -> None:
        assert session_link(template) == link

    @pytest.mark.parametrize(
        "template",
        [
            "https://a/{session_id}/{time_ms}",
            "https://a/?at={session_id}-{time_ms}",
            "https://a/{time_ms}",
            "a",
        ],
    )
    def test_a_template_that_no_link_can_be_made_of_is_refused(self, template: str) -> None:
        with pytest.raises(BadValueError, match="expected"):
            session_link(template)


class TestFiles:
    """The golden files hold what the generator of version 0.1 gave, before the file was shipped."""

    def test_the_file_of_the_package_is_what_is_printed_by_default(self) -> None:
        assert SHIPPED.read_text(encoding="utf-8") == ndjson()

    def test_the_file_of_the_documentation_is_that_of_the_package(self) -> None:
        copy = ROOT / "docs" / "kibana" / "otel-asayer.ndjson"
        assert copy.read_bytes() == SHIPPED.read_bytes()

    @pytest.mark.parametrize(
        ("name", "namespaces"), [("link", []), ("link-and-namespaces", ["eu", "us"])]
    )
    def test_a_file_with_link_and_namespaces_is_byte_for_byte_as_before(
        self, name: str, namespaces: list[str]
    ) -> None:
        golden = ROOT / "tests" / "golden" / "kibana" / f"{name}.ndjson"
        assert ndjson(REPLAY_URL, namespaces) == golden.read_text(encoding="utf-8")

    @pytest.mark.parametrize("name", [SESSION_ID, attributes.REPLAY_URL, attributes.HANDLED])
    def test_the_attributes_it_names_are_those_that_we_write(self, name: str) -> None:
        assert f"attributes.{name}" in ndjson()


class TestDocumentation:
    def test_the_command_of_the_guide_works_as_it_stands(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (command,) = re.findall(r"^otel-asayer kibana .*$", GUIDE, re.MULTILINE)
        result = run(*shlex.split(command)[2:])
        assert result.exit_code == 0
        assert (tmp_path / "kibana.ndjson").read_text(encoding="utf-8") == ndjson(REPLAY_URL)

    def test_the_guide_says_where_the_package_has_the_file(self) -> None:
        assert f"`{SHIPPED.relative_to(ROOT / 'src')}`" in GUIDE

    @pytest.mark.parametrize(
        "one",
        [*of_type("index-pattern"), *of_type("search"), the_dashboard()],
        ids=lambda one: one["id"],
    )
    def test_the_guide_names_what_a_person_opens(self, one: dict[str, Any]) -> None:
        assert f"`{one['attributes'].get('name', one['attributes']['title'])}`" in GUIDE


class TestCommand:
    def test_it_prints_the_objects_with_the_replays_url_filled_in(self) -> None:
        result = run("--replay-url", REPLAY_URL)
        assert result.exit_code == 0
        assert result.output == ndjson(REPLAY_URL)

    def test_it_takes_the_replays_url_of_the_environment(self) -> None:
        assert run(OTEL_ASAYER_REPLAY_URL=REPLAY_URL).output == ndjson(REPLAY_URL)

    def test_it_takes_namespaces(self) -> None:
        assert run(
            "--replay-url", REPLAY_URL, "--namespace", "eu", "--namespace", "us"
        ).output == ndjson(REPLAY_URL, ["eu", "us"])

    def test_a_folder_is_no_file_to_write(self, tmp_path: Path) -> None:
        result = run("--replay-url", REPLAY_URL, "--output", str(tmp_path))
        assert result.exit_code == 2
        assert "is a folder." in result.output
        assert list(tmp_path.parent.glob(".__atomic*")) == []

    def test_it_writes_a_file(self, tmp_path: Path) -> None:
        result = run("--replay-url", REPLAY_URL, "--output", str(tmp_path / "kibana.ndjson"))
        assert result.output == ""
        assert (tmp_path / "kibana.ndjson").read_text(encoding="utf-8") == ndjson(REPLAY_URL)

    def test_without_a_replays_url_it_says_what_is_missing(self) -> None:
        result = run()
        assert result.exit_code == 0
        assert result.stdout == ndjson()
        assert (
            result.stderr
            == "Session ids are not links: set OTEL_ASAYER_REPLAY_URL or give --replay-url.\n"
        )

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (
                ["--replay-url", "https://a/"],
                "The argument replay_url cannot be used: expected a URL with {session_id}",
            ),
            (
                ["--replay-url", "https://a/{session_id}/{time_ms}"],
                "The replay's URL cannot be used for Kibana: expected the moment",
            ),
            (["--namespace", "A B"], "expected a part of a data stream's name"),
        ],
    )
    def test_what_cannot_be_used_is_wrong_usage(self, words: list[str], said: str) -> None:
        result = run(*words)
        assert result.exit_code == 2
        assert said in result.stderr

    def test_a_variable_that_cannot_be_used_is_wrong_usage(self) -> None:
        result = run(OTEL_ASAYER_REPLAY_URL="https://a/")
        assert result.exit_code == 2
        assert "OTEL_ASAYER_REPLAY_URL cannot be used: expected a URL" in result.stderr
