"""What a file of declarative configuration may hold: nothing of it raises."""

from __future__ import annotations

from typing import Any

import pytest

from otel_asayer.config import Config, declared_config
from otel_asayer.config.parsers import FailClosed, Problem
from otel_asayer.config.targets import Targets

URL = "http://127.0.0.1:9200"
ENDPOINT = "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT"
TIMEOUT = "OTEL_EXPORTER_ELASTICSEARCH_TIMEOUT"


def where(name: str) -> str:
    return f"'{name}' in the file that OTEL_CONFIG_FILE names"


def test_an_empty_block_leaves_the_variables() -> None:
    variables = {ENDPOINT: URL, TIMEOUT: "5"}
    assert declared_config({}, variables) == Config.from_environment(variables)


def test_a_block_goes_before_variables() -> None:
    config = declared_config({"endpoint": URL, "timeout": 3}, {ENDPOINT: "http://es:1"})
    assert (config.endpoint, config.timeout, config.problems) == ((URL,), 3.0, ())


def test_a_value_without_content_counts_as_not_given() -> None:
    assert declared_config({"endpoint": None}, {ENDPOINT: URL}).endpoint == (URL,)


def test_a_bad_value_becomes_a_problem() -> None:
    config = declared_config({"timeout": "soon"}, {})
    (problem,) = config.problems
    assert (problem.variable, problem.closes) == (where("timeout"), FailClosed.NOTHING)


def test_a_bad_value_is_replaced_by_the_default_and_not_by_its_variable() -> None:
    assert declared_config({"timeout": "soon"}, {TIMEOUT: "5"}).timeout == Config().timeout


def test_a_bad_endpoint_closes_the_exporter() -> None:
    assert declared_config({"endpoint": "es:9200"}, {}).closed.startswith(where("endpoint"))


def test_bad_targets_let_no_session_out() -> None:
    config = declared_config({"propagation_targets": "htt p://"}, {})
    assert config.propagation_targets == Targets()


def test_the_other_settings_of_a_block_with_a_bad_value_stay() -> None:
    assert declared_config({"endpoint": "es:9200", "dataset": "shop"}, {}).dataset == "shop"


def test_an_unknown_name_is_a_problem() -> None:
    assert declared_config({"endpont": URL}, {}).problems == (
        Problem(where("endpont"), "there is no such setting", FailClosed.UNKNOWN),
    )


@pytest.mark.parametrize(
    ("block", "variables"),
    [
        ({"endpoint": URL, "cloud_id": "name:ZXhhbXBsZS5vcmckYWJjJGRlZg=="}, {}),
        ({"cloud_id": "name:ZXhhbXBsZS5vcmckYWJjJGRlZg=="}, {ENDPOINT: URL}),
    ],
    ids=["in the block", "with a variable"],
)
def test_settings_that_exclude_each_other_close_the_exporter(
    block: dict[str, Any], variables: dict[str, str]
) -> None:
    assert declared_config(block, variables).closed == (
        "OTEL_EXPORTER_ELASTICSEARCH_CLOUD_ID: expected an endpoint or a Cloud ID, and there are "
        "both; nothing is sent to Elasticsearch"
    )


def test_no_problem_repeats_a_value() -> None:
    config = declared_config({"api_key": "hunter2 \n x", "apikey": "hunter2"}, {})
    assert len(config.problems) == 2
    assert "hunter2" not in str(config.problems)
