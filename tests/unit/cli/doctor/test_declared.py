"""What the doctor sees in the file that `OTEL_CONFIG_FILE` names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from otel_asayer.cli.doctor import doctor
from otel_asayer.cli.doctor.declared import Declaration, read_declaration, with_declared
from otel_asayer.cli.doctor.examination import CheckResult, Status
from otel_asayer.cli.doctor.settings import (
    check_exporters,
    check_propagators,
    check_variables,
)
from otel_asayer.cli.doctor.versions import InstalledPackage
from otel_asayer.cli.release import published_versions
from otel_asayer.config import Config, opentelemetry_variables
from unit.cli.doctor.support import config, environment, short

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PACKAGE = "opentelemetry-configuration"
INSTALLED = {PACKAGE: InstalledPackage(published_versions()[PACKAGE])}
LINK = "https://replay.example/7/session/{session_id}?jumpto={time_ms}"
DOWN = "http://127.0.0.1:9"
"""Nothing answers there."""

FILE = """
file_format: "1.0"
propagator:
  composite:
    - tracecontext:
    - asayer:
        session_headers: x-mine
        replay_url: unused
tracer_provider:
  processors:
    - batch:
        exporter:
          console:
    - batch:
        exporter:
          elasticsearch:
            endpoint: ${ES_URL}
            replay_url: "REPLAY"
            session_cookie: unused
logger_provider:
  processors:
    - simple:
        exporter:
          elasticsearch:
            endpoint: ${ES_URL}
            replay_url: "REPLAY"
            session_cookie: unused
""".replace("REPLAY", LINK)
EXPORTER = {"endpoint": DOWN, "replay_url": LINK, "session_cookie": "unused"}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Write a file, and return its path; `ES_URL` is set."""
    monkeypatch.setenv("ES_URL", DOWN)

    def write(text: str) -> str:
        file = tmp_path / "otel.yaml"
        file.write_text(text, encoding="utf-8")
        return str(file)

    return write


@pytest.fixture
def read(write: Callable[[str], str]) -> Callable[[str], Declaration]:
    return lambda text: read_declaration(write(text), INSTALLED)


def exporters(declaration: Declaration) -> list[CheckResult]:
    found = environment(OTEL_CONFIG_FILE="otel.yaml")._replace(declaration=declaration)
    return list(check_exporters(found))


def propagators(declaration: Declaration) -> list[tuple[str, str]]:
    found = environment(OTEL_CONFIG_FILE="otel.yaml")._replace(declaration=declaration)
    return short(check_propagators(config(), found))


def test_the_settings_of_our_exporters_are_found(read: Callable[[str], Declaration]) -> None:
    assert read(FILE).exporters == {"traces": EXPORTER, "logs": EXPORTER}


def test_each_setting_comes_from_what_obeys_it(read: Callable[[str], Declaration]) -> None:
    assert read(FILE).block == {"endpoint": DOWN, "replay_url": LINK, "session_headers": "x-mine"}


def test_two_exporters_of_ours_are_well(read: Callable[[str], Declaration]) -> None:
    (result,) = exporters(read(FILE))
    assert result.status == Status.OK


def test_a_signal_without_our_exporter_is_a_warning(read: Callable[[str], Declaration]) -> None:
    (result,) = exporters(read(FILE[: FILE.index("logger_provider")]))
    assert result == CheckResult(
        Status.WARNING,
        "The file that OTEL_CONFIG_FILE names has no exporter elasticsearch for logs: log records "
        "are not sent there",
        "Add one to the processors of logger_provider",
    )


def test_exporters_with_different_settings_are_a_warning(
    read: Callable[[str], Declaration],
) -> None:
    head, _, rest = FILE.partition("logger_provider")
    (result,) = exporters(read(f"{head}logger_provider{rest.replace('${ES_URL}', 'http://a:1')}"))
    assert (result.status, result.detail.partition(" in the")[0]) == (
        Status.WARNING,
        "The exporters of spans and of log records have different settings",
    )


def test_our_propagator_is_well(read: Callable[[str], Declaration]) -> None:
    assert propagators(read(FILE)) == [("ok", "asayer is active, as OTEL_CONFIG_FILE says")]


def test_a_list_of_propagators_is_well(read: Callable[[str], Declaration]) -> None:
    text = 'file_format: "1.0"\npropagator:\n  composite_list: tracecontext, asayer\n'
    assert propagators(read(text))[0][0] == "ok"


@pytest.mark.parametrize(
    ("replacement", "fault"),
    [
        ("- baggage:\n    - asayer:", "The session id goes to every host"),
        ("- b3:\n    - other:", "No X-Session-Id is read or passed on"),
    ],
)
def test_other_propagators_leak_or_read_nothing(
    read: Callable[[str], Declaration], replacement: str, fault: str
) -> None:
    ((status, detail),) = propagators(read(FILE.replace("- asayer:", replacement)))
    assert (status, detail.partition(",")[0]) == ("problem", fault)


def test_a_file_that_nothing_reads_is_a_problem(write: Callable[[str], str]) -> None:
    (result,) = exporters(read_declaration(write(FILE), {}))
    assert result == CheckResult(
        Status.PROBLEM,
        f"OTEL_CONFIG_FILE needs the package {PACKAGE}: without it nothing at all is recorded",
        f"pip install {PACKAGE}=={published_versions()[PACKAGE]}",
    )


def test_a_file_that_does_not_exist_is_a_problem() -> None:
    file = "/nowhere/otel.yaml"
    (result,) = exporters(read_declaration(file, INSTALLED))
    assert (result.status, result.detail) == (
        Status.PROBLEM,
        f"OTEL_CONFIG_FILE names {file}, which is not a readable file: nothing at all is recorded",
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("file_format: '1.0'\ntracer_provider: [", " (line 2)"),
        (
            FILE.replace("- simple:", "- api_key: hunter2\n      simple: 1\n      x:"),
            " (at $.logger_provider.processors[0])",
        ),
        ("", ""),
    ],
    ids=["yaml", "schema", "empty"],
)
def test_a_file_that_cannot_be_used_is_a_problem_and_is_not_quoted(
    read: Callable[[str], Declaration], capsys: pytest.CaptureFixture[str], text: str, place: str
) -> None:
    (result,) = exporters(read(text))
    assert result.status == Status.PROBLEM
    assert result.detail.endswith(
        f"which OTEL_CONFIG_FILE names{place}: nothing at all is recorded"
    )
    assert "hunter2" not in str(result)
    assert capsys.readouterr().err == ""


def test_propagators_of_a_file_that_cannot_be_used_are_not_looked_at(
    read: Callable[[str], Declaration],
) -> None:
    assert propagators(read(""))[0][0] == "skipped"


RESOURCE = "resource:\n  attributes:\n    - name: service.name\n      value: shop\n"


def test_a_file_without_a_resource_leaves_the_service_without_its_name(
    read: Callable[[str], Declaration],
) -> None:
    variables = environment(OTEL_CONFIG_FILE="otel.yaml", OTEL_SERVICE_NAME="shop")
    (result,) = check_variables(config(), variables._replace(declaration=read(FILE)))
    assert (result.status, result.detail.partition(":")[0]) == (
        Status.WARNING,
        "OTEL_SERVICE_NAME has no effect",
    )


@pytest.mark.parametrize(
    "resource",
    [RESOURCE, "resource:\n  attributes_list: a=b,service.name=shop\n"],
    ids=["attributes", "list"],
)
def test_a_file_names_the_service(read: Callable[[str], Declaration], resource: str) -> None:
    assert read(FILE + resource).names_service


def test_the_file_goes_before_variables() -> None:
    variables = config(timeout=3)
    assert with_declared(variables, {"endpoint": "http://a:1"}, []).endpoint == ("http://a:1",)


def test_an_option_goes_before_the_file() -> None:
    option = config()
    block = {"endpoint": "http://a:1", "replay_url": LINK}
    found = with_declared(option, block, ["endpoint"])
    assert (found.endpoint, found.replay_url) == (option.endpoint, LINK)


def test_an_option_replaces_what_excludes_it_in_the_file() -> None:
    option = config()
    found = with_declared(option, {"cloud_id": "name:ZXhhbXBsZS5vcmckYWJjJGRlZg=="}, ["endpoint"])
    assert (found.cloud_id, found.problems) == (None, ())


def test_what_is_wrong_in_the_file_is_a_problem_of_the_settings() -> None:
    assert with_declared(Config(), {"endpoint": "es:9200"}, []).closed


def findings(file: str, *words: str) -> dict[str, dict[str, Any]]:
    cleared = dict.fromkeys(opentelemetry_variables())
    result = CliRunner().invoke(
        doctor, [*words, "--json"], env={**cleared, "OTEL_CONFIG_FILE": file}
    )
    return {finding["name"]: finding for finding in json.loads(result.stdout)}


def test_the_doctor_asks_the_elasticsearch_of_the_file(write: Callable[[str], str]) -> None:
    assert DOWN in findings(write(FILE))["endpoint"]["detail"]


def test_the_doctor_finds_the_link_of_the_file(write: Callable[[str], str]) -> None:
    assert findings(write(FILE))["replay link"]["status"] == "ok"


def test_the_doctor_asks_the_elasticsearch_of_the_option(write: Callable[[str], str]) -> None:
    other = "http://127.0.0.1:19"
    assert other in findings(write(FILE), "--endpoint", other)["endpoint"]["detail"]


def test_the_doctor_reports_bad_values_of_the_file(write: Callable[[str], str]) -> None:
    detail = findings(write(FILE.replace("${ES_URL}", "es:9200")))["variables"]["detail"]
    assert detail.startswith("'endpoint' in the file that OTEL_CONFIG_FILE names: expected URLs")
