"""What the doctor says about variables."""

from __future__ import annotations

import pytest

from otel_asayer.cli.doctor.examination import CheckResult, Status
from otel_asayer.cli.doctor.settings import (
    Environment,
    check_exporters,
    check_replay_link,
    check_variables,
    is_loopback,
)
from otel_asayer.config import Config
from unit.cli.doctor.support import GOOD, environment, short, statuses

LINK = "https://replay.example/7/session/{session_id}?jumpto={time_ms}"


def variables(**given: str) -> list[CheckResult]:
    return list(check_variables(Config.from_environment(given), environment(**given)))


def test_good_variables_are_counted() -> None:
    assert short(
        variables(OTEL_ASAYER_REPLAY_URL=LINK, OTEL_EXPORTER_ELASTICSEARCH_TIMEOUT="5")
    ) == [("ok", "2 of otel-asayer's are set, and can be used")]


def test_all_that_is_wrong_is_said_at_once() -> None:
    found = variables(
        OTEL_ASAYER_REPLAY_LEVEL="loud",
        OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT="es:9200",
        OTEL_SDK_DISABLED="true",
    )
    assert statuses(found) == [Status.PROBLEM, Status.PROBLEM, Status.WARNING]


def test_a_problem_says_what_was_expected_and_what_follows() -> None:
    assert variables(OTEL_ASAYER_REPLAY_LEVEL="loud") == [
        CheckResult(
            Status.PROBLEM,
            "OTEL_ASAYER_REPLAY_LEVEL: expected one of debug, info, warning, error; its default is "
            "used",
            "Correct OTEL_ASAYER_REPLAY_LEVEL, or unset it",
        )
    ]


def test_a_misspelt_variable_is_named_with_the_right_one() -> None:
    assert variables(OTEL_ASAYER_REPLAY_ULR=LINK) == [
        CheckResult(
            Status.WARNING,
            "OTEL_ASAYER_REPLAY_ULR is not a variable of otel-asayer: it has no effect",
            "Did you mean OTEL_ASAYER_REPLAY_URL?",
        )
    ]


def test_an_unknown_variable_like_no_other_is_to_be_unset() -> None:
    assert variables(OTEL_ASAYER_XYZZY_PLUGH="1")[0].remedy == "Unset it"


def test_a_secret_in_the_wrong_variable_is_not_repeated() -> None:
    found = variables(
        OTEL_EXPORTER_ELASTICSEARCH_APIKEY="hunter2",
        OTEL_EXPORTER_ELASTICSEARCH_API_KEY="hunter2 \n x",
    )
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_ASAYER_ENABLED", "false")]
)
def test_what_is_switched_off_is_a_warning(name: str, value: str) -> None:
    assert statuses(variables(**{name: value})) == [Status.WARNING]


@pytest.fixture(autouse=True)
def _with_distro(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Environment, "has_distro", True)


def exporters(**changed: str) -> list[tuple[str, str]]:
    return short(check_exporters(environment(**{**GOOD, **changed})))


def test_three_exporters_that_exist_are_well() -> None:
    assert exporters() == [("ok", "spans and log records go to Elasticsearch")]


def test_an_unset_exporter_is_otlp_over_grpc_which_is_not_installed() -> None:
    assert exporters(OTEL_METRICS_EXPORTER="") == [
        (
            "problem",
            (
                "OTEL_METRICS_EXPORTER is not set, and its default, otlp, is not installed: under "
                "opentelemetry-instrument nothing at all is recorded"
            ),
        )
    ]


def test_the_remedy_for_metrics_is_none() -> None:
    (result,) = check_exporters(environment(**{**GOOD, "OTEL_METRICS_EXPORTER": ""}))
    assert result.remedy == "Set OTEL_METRICS_EXPORTER=none"


def test_an_exporter_that_is_not_installed_is_named() -> None:
    (result,) = check_exporters(
        environment(**{**GOOD, "OTEL_TRACES_EXPORTER": "elasticsearch, zipkin"})
    )
    assert (
        result.detail.partition(":")[0]
        == "OTEL_TRACES_EXPORTER names zipkin, which is not installed"
    )
    assert result.remedy == "Set OTEL_TRACES_EXPORTER=elasticsearch"


@pytest.mark.parametrize(
    "variable", ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"]
)
def test_otlp_is_what_its_protocol_says(variable: str) -> None:
    assert exporters(OTEL_METRICS_EXPORTER="otlp", **{variable: "http/protobuf"}) == [
        ("ok", "spans and log records go to Elasticsearch")
    ]


def test_a_signal_that_goes_elsewhere_is_a_warning() -> None:
    (result,) = check_exporters(environment(**{**GOOD, "OTEL_LOGS_EXPORTER": "console"}))
    assert (
        result.detail
        == "OTEL_LOGS_EXPORTER does not name elasticsearch: log records are not sent there"
    )
    assert result.remedy == "Set OTEL_LOGS_EXPORTER=console,elasticsearch"


def test_without_a_distro_and_variables_code_names_exporters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Environment, "has_distro", False)
    assert statuses(check_exporters(environment())) == [Status.SKIPPED]


@pytest.mark.parametrize(
    ("link", "status"),
    [
        (LINK, Status.OK),
        (LINK.replace("time", "offset"), Status.OK),
        ("http://localhost/{session_id}/{time_ms}", Status.OK),
        ("http://replay.example/{session_id}/{time_ms}", Status.WARNING),
        ("https://replay.example/{session_id}", Status.WARNING),
        (None, Status.WARNING),
    ],
)
def test_a_replay_link_leads_to_a_moment_and_is_protected(link: str | None, status: Status) -> None:
    assert statuses(check_replay_link(Config.from_environment({}, replay_url=link))) == [status]


def test_a_good_link_is_shown_filled() -> None:
    (result,) = check_replay_link(Config.from_environment({}, replay_url=LINK))
    assert (
        result.detail
        == "like https://replay.example/7/session/2618307011354435587?jumpto=1706063259324"
    )


@pytest.mark.parametrize("url", ["http://localhost:9", "http://[::1]", "https://127.0.0.1/es"])
def test_loopback_is_this_machine(url: str) -> None:
    assert is_loopback(url)


def test_another_machine_is_not_loopback() -> None:
    assert not is_loopback("http://es.example")
