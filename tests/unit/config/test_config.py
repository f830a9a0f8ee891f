from __future__ import annotations

import inspect
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from otel_asayer import environment_variables
from otel_asayer.config import (
    SETTINGS,
    Config,
    Problem,
    attribute_length_limit,
    environment_config,
    sdk_disabled,
)
from otel_asayer.config.parsers import FailClosed
from otel_asayer.config.targets import Targets
from otel_asayer.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

FINGERPRINT = "ab" * 32
SECRETS = {
    "api_key": "c2VjcmV0",
    "password": "s3cret-password",
    "bearer_token": "s3cret-bearer",
    "headers": "authorization=s3cret-header",
}

# Of each field: a text that its variable may have, the value that it means, and a text that it may
# not have (None: any text is one).
CASES: dict[str, tuple[str, Any, str]] = {
    "enabled": ("false", False, "no"),
    "session_headers": ("X-Sid, x-other", ("x-sid", "x-other"), "a b"),
    "session_cookie": ("sid", "sid", "a b"),
    "opaque_session_ids": ("true", True, "yes"),
    "propagation_targets": (
        "internal,*.example.com",
        Targets.parse("internal,*.example.com"),
        "http://cart",
    ),
    "propagate_to_unknown": ("true", True, "1"),
    "replay_url": ("https://replay/{session_id}", "https://replay/{session_id}", "https://replay/"),
    "replay_records": ("false", False, "off"),
    "replay_level": ("WARNING", "warning", "fatal"),
    "stamp_stdio": ("true", True, "on"),
    "keep_console": ("false", False, "off"),
    "viewer_api_key": ("dmlld2VyOmtleQ==", "dmlld2VyOmtleQ==", "a key"),
    "trace_response": ("true", True, "y"),
    "endpoint": ("https://a,https://b:9201", ("https://a:443", "https://b:9201"), "es:9200"),
    "cloud_id": ("shop:ZXU=", "shop:ZXU=", "shop"),
    "api_key": ("c2VjcmV0", "c2VjcmV0", "not a key"),
    "api_key_file": (__file__, __file__, "/nowhere/key"),
    "username": ("writer", "writer", "a\nb"),
    "password": ("pässword", "pässword", "a\nb"),
    "bearer_token": ("token", "token", "tökén"),
    "certificate": (__file__, __file__, "/nowhere/ca.pem"),
    "certificate_fingerprint": (FINGERPRINT.upper(), FINGERPRINT, "ab"),
    "client_certificate": (__file__, __file__, "/nowhere/client.pem"),
    "client_key": (__file__, __file__, "/nowhere/client.key"),
    "verify_certs": ("true", True, "flase"),
    "headers": ("x-team=shop%2Ccart", (("x-team", "shop,cart"),), "x-team"),
    "timeout": ("2.5", 2.5, "30000"),
    "compression": ("none", "none", "brotli"),
    "dataset": ("shop", "shop", "my-shop"),
    "namespace": ("eu-west", "eu-west", "EU"),
    "max_data_streams": ("64", 64, "0"),
    "pipeline": ("geo", "geo", "two words"),
    "max_request_bytes": ("2048", 2048, "5MiB"),
    "spool": ("Always", "always", "true"),
    "spool_directory": ("/var/spool/otel", "/var/spool/otel", "spool"),
    "spool_max_bytes": ("1048576", 1048576, "256MiB"),
    "shutdown_timeout": ("2.5", 2.5, "0"),
    "setup": ("off", "off", "yes"),
}
# What the field's own rules demand beside it.
COMPANIONS: dict[str, dict[str, Any]] = {
    "username": {"password": "p"},
    "password": {"username": "u"},
    "client_key": {"client_certificate": __file__},
}

CLOSES = {
    "propagation_targets": FailClosed.TARGETS,
    **dict.fromkeys(
        [
            "endpoint",
            "cloud_id",
            "api_key",
            "api_key_file",
            "username",
            "password",
            "bearer_token",
            "certificate",
            "certificate_fingerprint",
            "client_certificate",
            "client_key",
            "verify_certs",
            "headers",
        ],
        FailClosed.EXPORTER,
    ),
}


def variables(**values: str) -> dict[str, str]:
    return {SETTINGS[name].variable: text for name, text in values.items()}


def read(**values: str) -> Config:
    return Config.from_environment(variables(**values))


def test_every_setting_has_its_case_here() -> None:
    assert list(CASES) == list(SETTINGS)


def test_every_field_but_what_comes_with_the_environment_is_a_setting() -> None:
    assert list(Config.__annotations__) == [*SETTINGS, "base_directories", "problems"]


def test_the_environments_own_folders_are_noted() -> None:
    environ = {"HOME": "/home/shop", "PATH": "/bin", "TMPDIR": "/scratch"}
    assert Config.from_environment(environ).base_directories == (
        ("HOME", "/home/shop"),
        ("TMPDIR", "/scratch"),
    )


def test_every_documented_variable_is_a_setting() -> None:
    documented = {
        value for name, value in vars(environment_variables).items() if name.startswith("OTEL_")
    }
    assert {setting.variable for setting in SETTINGS.values()} == documented


def test_every_variable_is_named_like_its_field() -> None:
    prefixes = ("OTEL_ASAYER_", "OTEL_EXPORTER_ELASTICSEARCH_")
    assert all(
        setting.variable in [prefix + name.upper() for prefix in prefixes]
        for name, setting in SETTINGS.items()
    )


def test_every_constant_is_named_like_its_variable() -> None:
    constants = {
        name: value
        for name, value in vars(environment_variables).items()
        if name.startswith("OTEL_")
    }
    assert constants == {name: name for name in constants}


def test_every_variable_is_documented() -> None:
    source = inspect.getsource(environment_variables)
    assert [
        name
        for name in vars(environment_variables)
        if name.startswith("OTEL_")
        and not re.search(rf'^{name} = (\(\n    )?"{name}"(\n\))?\n"""', source, re.MULTILINE)
    ] == []


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Config.from_environment({}) == Config()


def test_the_defaults_are_these() -> None:
    assert {name: getattr(Config(), name) for name in Config.__annotations__} == {
        "enabled": True,
        "session_headers": (
            "x-session-id",
            "x-openreplay-sessiontoken",
            "x-openreplay-session-token",
            "openreplaysession.id",
        ),
        "session_cookie": "asayer_session_id",
        "opaque_session_ids": False,
        "propagation_targets": Targets.parse("internal"),
        "propagate_to_unknown": False,
        "replay_url": None,
        "replay_records": True,
        "replay_level": "info",
        "stamp_stdio": False,
        "keep_console": True,
        "viewer_api_key": None,
        "trace_response": False,
        "endpoint": (),
        "cloud_id": None,
        "api_key": None,
        "api_key_file": None,
        "username": None,
        "password": None,
        "bearer_token": None,
        "certificate": None,
        "certificate_fingerprint": None,
        "client_certificate": None,
        "client_key": None,
        "verify_certs": True,
        "headers": (),
        "timeout": 10.0,
        "compression": "gzip",
        "dataset": "generic",
        "namespace": "default",
        "max_data_streams": 32,
        "pipeline": None,
        "max_request_bytes": 5242880,
        "spool": "on_failure",
        "spool_directory": None,
        "spool_max_bytes": 256 * 1024 * 1024,
        "shutdown_timeout": 5.0,
        "setup": "auto",
        "base_directories": (),
        "problems": (),
    }


@pytest.mark.parametrize("name", CASES)
def test_a_variable_sets_its_field(name: str) -> None:
    text, value, _ = CASES[name]
    companions = COMPANIONS.get(name, {})
    assert read(**{name: text}, **companions) == Config(**{name: value}, **companions)


@pytest.mark.parametrize("name", CASES)
def test_an_argument_sets_its_field_by_the_text_of_its_variable(name: str) -> None:
    text, value, _ = CASES[name]
    companions = COMPANIONS.get(name, {})
    assert Config.from_environment({}, **{name: text}, **companions) == Config(
        **{name: value}, **companions
    )


@pytest.mark.parametrize("name", CASES)
def test_an_argument_sets_its_field_by_a_value_of_the_fields_type(name: str) -> None:
    _, value, _ = CASES[name]
    companions = COMPANIONS.get(name, {})
    assert Config.from_environment({}, **{name: value}, **companions) == Config(
        **{name: value}, **companions
    )


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_variable_counts_as_unset(name: str, text: str) -> None:
    if name != "session_cookie":
        assert read(**{name: text}) == Config()


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_cookie_means_none_is_read(text: str) -> None:
    assert read(session_cookie=text) == Config(session_cookie="")


@pytest.mark.parametrize("name", [name for name in CASES if name not in CLOSES])
def test_a_bad_value_of_a_harmless_variable_leaves_the_default(name: str) -> None:
    config = read(**{name: CASES[name][2]})
    assert getattr(config, name) == getattr(Config(), name)
    assert [(p.variable, p.closes) for p in config.problems] == [
        (SETTINGS[name].variable, FailClosed.NOTHING)
    ]


@pytest.mark.parametrize("name", [name for name in CASES if name not in CLOSES])
def test_a_bad_value_of_a_harmless_variable_closes_nothing(name: str) -> None:
    assert read(**{name: CASES[name][2]}).closed == ""


def test_bad_targets_leave_no_host() -> None:
    assert read(propagation_targets="internal,http://cart").propagation_targets == Targets()


def test_bad_targets_do_not_close_the_exporter() -> None:
    assert read(propagation_targets="http://cart").closed == ""


def test_bad_targets_are_told() -> None:
    assert [str(problem) for problem in read(propagation_targets="http://cart").problems] == [
        (
            "OTEL_ASAYER_PROPAGATION_TARGETS: 'http://cart' is no host name, *.suffix, CIDR block, "
            "'internal' or '*'; no session id leaves the process"
        )
    ]


@pytest.mark.parametrize(
    "name", [name for name, closes in CLOSES.items() if closes is FailClosed.EXPORTER]
)
def test_a_bad_value_that_concerns_the_way_to_elasticsearch_closes_it(name: str) -> None:
    closed = read(**{name: CASES[name][2]}).closed
    assert closed.startswith(f"{SETTINGS[name].variable}: expected ")
    assert closed.endswith("; nothing is sent to Elasticsearch")


def test_all_that_closes_is_said() -> None:
    closed = read(verify_certs="flase", certificate_fingerprint="ab").closed
    assert [part.partition(":")[0] for part in closed.split("; ") if part.startswith("OTEL_")] == [
        "OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE_FINGERPRINT",
        "OTEL_EXPORTER_ELASTICSEARCH_VERIFY_CERTS",
    ]


def test_a_problem_says_what_follows() -> None:
    assert (
        str(Problem("OTEL_X", "expected seconds", FailClosed.NOTHING))
        == "OTEL_X: expected seconds; its default is used"
    )


def test_one_bad_variable_does_not_spoil_the_others() -> None:
    config = read(dataset="my-shop", namespace="live")
    assert config.dataset == "generic"
    assert config.namespace == "live"


@pytest.mark.parametrize(
    ("values", "variable"),
    [
        ({"api_key": "a", "bearer_token": "b"}, "API_KEY"),
        ({"api_key": "a", "api_key_file": __file__}, "API_KEY"),
        ({"api_key": "a", "username": "u", "password": "p"}, "API_KEY"),
        ({"username": "u"}, "PASSWORD"),
        ({"password": "p"}, "PASSWORD"),
        ({"endpoint": "https://es", "cloud_id": "shop:ZXU="}, "CLOUD_ID"),
        ({"client_key": __file__}, "CLIENT_KEY"),
        (
            {"certificate": __file__, "certificate_fingerprint": FINGERPRINT},
            "CERTIFICATE_FINGERPRINT",
        ),
        ({"endpoint": "http://es", "certificate": __file__}, "ENDPOINT"),
        ({"endpoint": "http://es", "certificate_fingerprint": FINGERPRINT}, "ENDPOINT"),
        ({"endpoint": "http://es", "client_certificate": __file__}, "ENDPOINT"),
        ({"endpoint": "https://a,http://b", "verify_certs": "false"}, "ENDPOINT"),
    ],
)
class TestSettingsThatExcludeEachOther:
    def test_close_the_exporter_when_they_come_from_variables(
        self, values: Mapping[str, Any], variable: str
    ) -> None:
        assert read(**values).closed.startswith(
            f"OTEL_EXPORTER_ELASTICSEARCH_{variable}: expected "
        )

    def test_are_an_error_when_they_come_from_arguments(
        self, values: Mapping[str, Any], variable: str
    ) -> None:
        with pytest.raises(
            ConfigurationError, match=f"^OTEL_EXPORTER_ELASTICSEARCH_{variable}: expected "
        ):
            Config.from_environment({}, **values)

    def test_are_no_error_of_an_argument_that_has_nothing_to_do_with_them(
        self, values: Mapping[str, Any], variable: str
    ) -> None:
        config = Config.from_environment(variables(**values), dataset="shop")
        assert config.dataset == "shop"
        assert [problem.variable for problem in config.problems] == [
            f"OTEL_EXPORTER_ELASTICSEARCH_{variable}"
        ]


def test_an_argument_that_contradicts_a_variable_is_an_error() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^OTEL_EXPORTER_ELASTICSEARCH_API_KEY: expected one of"
    ):
        Config.from_environment(variables(api_key="a"), bearer_token="b")


def test_https_with_a_certificate_is_no_conflict() -> None:
    assert (
        read(
            endpoint="https://es",
            certificate=__file__,
            client_certificate=__file__,
            client_key=__file__,
        ).problems
        == ()
    )


def test_an_argument_goes_before_its_variable() -> None:
    assert Config.from_environment(variables(dataset="shop"), dataset="cart").dataset == "cart"


def test_an_argument_goes_before_a_bad_variable_without_a_word() -> None:
    assert Config.from_environment(variables(dataset="my-shop"), dataset="cart").problems == ()


def test_an_argument_of_none_counts_as_not_given() -> None:
    assert Config.from_environment(variables(dataset="shop"), dataset=None).dataset == "shop"


def test_a_false_argument_is_given() -> None:
    assert not Config.from_environment({}, enabled=False).enabled


@pytest.mark.parametrize("name", CASES)
def test_a_bad_argument_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^The argument {name} cannot be used: "):
        Config.from_environment({}, **{name: CASES[name][2]})


def test_an_argument_that_does_not_exist_is_an_error_that_lists_those_that_do() -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"^There is no setting 'endpoints'; there are: enabled, .*, setup\.$",
    ):
        Config.from_environment({}, endpoints="http://es")  # type: ignore[call-arg]


def test_problems_are_no_argument() -> None:
    with pytest.raises(ConfigurationError, match=r"^There is no setting 'problems'"):
        Config.from_environment({}, problems=())  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            {"endpoint": ["http://a:9200", "http://b:9200"]},
            {"endpoint": ("http://a:9200", "http://b:9200")},
        ),
        ({"session_headers": ["X-Sid"]}, {"session_headers": ("x-sid",)}),
        (
            {"propagation_targets": ["internal", "*.example.com"]},
            {"propagation_targets": Targets.parse("internal,*.example.com")},
        ),
        ({"propagation_targets": []}, {"propagation_targets": Targets()}),
        ({"timeout": 5}, {"timeout": 5.0}),
        ({"max_request_bytes": 4096}, {"max_request_bytes": 4096}),
        ({"replay_records": False}, {"replay_records": False}),
        (
            {"headers": {"X-Team": "shop, cart = 100%", "x-retry": True}},
            {"headers": (("x-team", "shop, cart = 100%"), ("x-retry", "true"))},
        ),
        ({"headers": [["x-team", "a%20b"]]}, {"headers": (("x-team", "a%20b"),)}),
        ({"headers": ["x-team=a%20b"]}, {"headers": (("x-team", "a b"),)}),
    ],
)
def test_arguments_may_be_what_yaml_reads(
    arguments: Mapping[str, Any], expected: Mapping[str, Any]
) -> None:
    assert Config.from_environment({}, **arguments) == Config(**expected)


@pytest.mark.parametrize(
    "arguments",
    [
        {"enabled": 1},
        {"timeout": True},
        {"timeout": "ten"},
        {"headers": [["x-team"]]},
        {"headers": {"x team": "shop"}},
        {"endpoint": {"host": "es"}},
    ],
)
def test_arguments_of_another_type_are_errors(arguments: Mapping[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Config.from_environment({}, **arguments)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_masked(name: str) -> None:
    companions = COMPANIONS.get(name, {})
    shown = repr(read(**{name: SECRETS[name]}, **companions))
    assert f"{name}=***" in shown
    assert "s3cret" not in shown
    assert "c2VjcmV0" not in shown


def test_a_secret_that_is_not_set_is_not_masked() -> None:
    assert "api_key=None" in repr(Config())


def test_what_is_no_secret_is_shown() -> None:
    assert "dataset='shop'" in repr(Config(dataset="shop"))


@pytest.mark.parametrize("name", SECRETS)
def test_a_bad_secret_is_not_repeated_in_a_problem(name: str) -> None:
    assert "s3cret" not in str(read(**{name: "s3cret\x00é"}).problems)


@pytest.mark.parametrize("name", SECRETS)
def test_a_bad_secret_is_not_repeated_in_an_error(name: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Config.from_environment({}, **{name: "s3cret\x00é"})
    assert "s3cret" not in f"{raised.value} {raised.value.__cause__}"


def test_the_error_about_an_argument_does_not_drag_another_error_along() -> None:
    with pytest.raises(ConfigurationError) as raised:
        Config.from_environment({}, timeout=0)
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("values", "known"),
    [({}, False), ({"endpoint": "http://es"}, True), ({"cloud_id": "shop:ZXU="}, True)],
)
def test_it_says_whether_elasticsearch_is_configured(
    values: Mapping[str, Any], known: object
) -> None:
    assert read(**values).has_destination is known


def test_it_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="cannot assign"):
        Config().dataset = "shop"  # type: ignore[misc]


def test_it_has_no_fields_but_its_own() -> None:
    with pytest.raises(TypeError, match=r"^Config has no field endpoints$"):
        Config(endpoints=())  # type: ignore[call-arg]


def test_a_field_that_is_not_given_has_its_default() -> None:
    assert Config(timeout=3.0) == Config.from_environment({}, timeout=3.0)


def test_it_can_be_a_key() -> None:
    assert {Config(): 1}[Config()] == 1


def test_the_environments_settings_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    environment_config.cache_clear()
    first = environment_config()
    monkeypatch.setenv("OTEL_ASAYER_ENABLED", "false")
    assert environment_config() is first


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_ELASTICSEARCH_DATASET", "shop")
    assert Config.from_environment().dataset == "shop"


@pytest.mark.parametrize(
    ("text", "disabled"),
    [("true", True), ("TRUE ", True), ("false", False), ("1", False), ("", False)],
)
def test_opentelemetry_can_be_switched_off(text: str, disabled: object) -> None:
    assert sdk_disabled({"OTEL_SDK_DISABLED": text}) is disabled


def test_opentelemetry_is_on_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_SDK_DISABLED", raising=False)
    assert not sdk_disabled()


@pytest.mark.parametrize(
    ("environ", "limit"),
    [
        ({}, sys.maxsize),
        ({"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "64"}, 64),
        ({"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": " 32 "}, 32),
        (
            {
                "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "32",
                "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "64",
            },
            32,
        ),
        ({"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": ""}, sys.maxsize),
        ({"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "many"}, sys.maxsize),
    ],
)
def test_the_length_at_which_attributes_are_cut_is_opentelemetrys(
    environ: Mapping[str, str], limit: int
) -> None:
    assert attribute_length_limit(environ) == limit
