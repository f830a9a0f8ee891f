"""Which tests a run of pytest picks: the long ones only when asked for, and those with a real Elasticsearch by their fixtures."""

import subprocess
import sys
from pathlib import Path

SUBJECT = Path(__file__).parent / "test_elasticsearch_server.py"


def collected(*arguments: str) -> set[str]:
    """Names of the tests that a run over the tests of the harness would execute."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", *arguments, str(SUBJECT)]
    output = subprocess.run(command, check=True, capture_output=True, text=True, cwd=SUBJECT.parents[2]).stdout
    return {line.partition("::")[2].partition("[")[0] for line in output.splitlines() if "::" in line}


def test_the_matrix_is_left_out_unless_asked_for() -> None:
    names = {"test_every_version_says_which_it_is", "test_a_secured_node_indexes_and_searches"}
    assert collected() & names == {"test_a_secured_node_indexes_and_searches"}


def test_the_matrix_is_run_when_asked_for() -> None:
    names = {"test_every_version_says_which_it_is", "test_a_secured_node_indexes_and_searches"}
    assert collected("-m", "matrix") & names == {"test_every_version_says_which_it_is"}


def test_a_test_whose_fixture_is_a_node_is_marked_as_needing_elasticsearch() -> None:
    names = {"test_a_setting_without_a_value_is_wrong_usage", "test_a_secured_node_indexes_and_searches"}
    assert collected("-m", "not elasticsearch") & names == {"test_a_setting_without_a_value_is_wrong_usage"}
