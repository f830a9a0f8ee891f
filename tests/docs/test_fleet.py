"""The page on a fleet behind Collectors: its commands, units and settings are ones that exist."""

from __future__ import annotations

import configparser
import shlex
from typing import Any

import click
import pytest
import yaml

from otel_asayer.cli.commands import otel_asayer
from otel_asayer.config import SETTINGS
from otel_asayer.environment_variables import OTEL_EXPORTER_ELASTICSEARCH_API_KEY_FILE

from documentation import HOW_TO, PREPARATIONS, blocks, exported, lines

PAGE = HOW_TO / "fleet.md"
TEXT = PAGE.read_text(encoding="utf-8")
VARIABLES = {setting.variable for setting in SETTINGS.values()}
DEPLOYMENT, COLLECTOR = map(yaml.safe_load, blocks(TEXT, "yaml"))
COMMANDS = [line for line in lines(PAGE) if not line.startswith(PREPARATIONS)]


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    (block,) = blocks(TEXT, "ini")
    parser.read_string(block)
    return parser


def parsed(words: list[str]) -> dict[str, Any]:
    """What a command line gives to its command, which does not run."""
    program, name, *options = words
    assert program.rpartition("/")[2] == "otel-asayer"
    command = otel_asayer.get_command(click.Context(otel_asayer), name)
    assert command is not None
    return command.make_context(name, options).params


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_can_be_given_so(line: str) -> None:
    assert parsed(shlex.split(line.removeprefix("opentelemetry-instrument ")))


def test_each_variable_that_is_set_is_one() -> None:
    named = {name for line in lines(PAGE) for name in exported(line) if line.startswith("export")}
    ours = {name for name in named if "ELASTICSEARCH" in name or "ASAYER" in name}
    assert len(ours) == 2
    assert ours <= VARIABLES


def test_the_unit_starts_a_bridge_that_follows() -> None:
    assert not parsed(shlex.split(unit()["Service"]["ExecStart"]))["once"]


def test_the_unit_sets_variables_that_exist() -> None:
    (block,) = blocks(TEXT, "ini")
    named = {line.split("=")[1] for line in block.splitlines() if line.startswith("Environment=")}
    assert OTEL_EXPORTER_ELASTICSEARCH_API_KEY_FILE in named
    assert named <= VARIABLES


def test_the_deployment_starts_one_of_two_bridges() -> None:
    (container,) = DEPLOYMENT["spec"]["template"]["spec"]["containers"]
    assert tuple(parsed(container["args"])["part"]) == (1, 2)


def test_the_deployment_sets_variables_that_exist() -> None:
    (container,) = DEPLOYMENT["spec"]["template"]["spec"]["containers"]
    assert {one["name"] for one in container["env"]} <= VARIABLES


def test_the_deployment_mounts_the_folder_of_the_checkpoint() -> None:
    pod = DEPLOYMENT["spec"]["template"]["spec"]
    (container,), (volume,) = pod["containers"], pod["volumes"]
    (mount,) = container["volumeMounts"]
    assert mount["name"] == volume["name"]
    assert container["env"][-1]["value"].startswith(f"{mount['mountPath']}/")


def test_the_collector_writes_the_mapping_that_the_bridge_reads() -> None:
    exporter = COLLECTOR["exporters"]["elasticsearch"]
    assert exporter["mapping"] == {"mode": "otel", "allowed_modes": ["otel"]}
    assert exporter["include_source_on_error"] is False
    assert exporter["retry"]["enabled"] is True


def test_each_part_of_the_collector_that_a_pipeline_names_is_configured() -> None:
    for pipeline in COLLECTOR["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= COLLECTOR[kind].keys()
    assert set(COLLECTOR["service"]["extensions"]) == COLLECTOR["extensions"].keys()
