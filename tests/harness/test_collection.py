"""Which tests a run of pytest picks:

the long ones only when asked for, and those with a real Elasticsearch by their fixtures.
"""

import os
import subprocess
import sys
from pathlib import Path

SUBJECT = Path(__file__).parent / "test_elasticsearch_server.py"


def collected(*arguments: str, **environment: str) -> set[str]:
    """Names of the tests that a run over the tests of the harness would execute."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "--quiet",
        *arguments,
        str(SUBJECT),
    ]
    output = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        cwd=SUBJECT.parents[2],
        env={**os.environ, **environment},
    ).stdout
    return {
        line.partition("::")[2].partition("[")[0] for line in output.splitlines() if "::" in line
    }


def test_the_matrix_is_left_out_unless_asked_for() -> None:
    names = {"test_every_version_says_which_it_is", "test_a_secured_node_indexes_and_searches"}
    assert collected() & names == {"test_a_secured_node_indexes_and_searches"}


def test_the_matrix_is_run_when_asked_for() -> None:
    names = {"test_every_version_says_which_it_is", "test_a_secured_node_indexes_and_searches"}
    assert collected("-m", "matrix") & names == {"test_every_version_says_which_it_is"}


def test_a_test_whose_fixture_is_a_node_is_marked_as_needing_elasticsearch() -> None:
    names = {
        "test_a_setting_without_a_value_is_wrong_usage",
        "test_a_secured_node_indexes_and_searches",
    }
    assert collected("-m", "not elasticsearch") & names == {
        "test_a_setting_without_a_value_is_wrong_usage"
    }


def test_without_maven_the_rest_is_run_and_one_line_says_what_was_left_out(tmp_path: Path) -> None:
    names = ("test_a_url_without_a_host_is_an_error", "test_an_answer_of_any_status_is_no_error")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--quiet",
        "--numprocesses",
        "1",
        "-k",
        " or ".join(names),
        str(SUBJECT),
    ]
    without = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    without |= {"PATH": str(tmp_path), "OTEL_ASAYER_TEST_CACHE": str(tmp_path / "cache")}
    output = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=SUBJECT.parents[2], env=without
    ).stdout
    (line,) = (line for line in output.splitlines() if "left out" in line)
    assert line.startswith("1 test needs a real Elasticsearch and was left out. ")
    assert "1 passed" in output


def test_a_run_that_demands_everything_leaves_nothing_out(tmp_path: Path) -> None:
    without = {
        "PATH": str(tmp_path),
        "OTEL_ASAYER_TEST_CACHE": str(tmp_path / "cache"),
        "OTEL_ASAYER_TEST_EVERYTHING": "1",
    }
    assert "test_an_answer_of_any_status_is_no_error" in collected(**without)
