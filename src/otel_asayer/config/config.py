"""Settings as one frozen value: arguments override variables, variables override defaults.

No other module reads the environment. A variable that cannot be used becomes a `Problem`, never an
exception: an exception at the start of `opentelemetry-instrument` turns all instrumentation off. An
*argument* that cannot be used raises `ConfigurationError`: the caller's own code is wrong.

The list of all settings makes this module long; how they are parsed and declared stands in others.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from otel_asayer import environment_variables as env
from otel_asayer.attributes import REPLAY_LEVELS
from otel_asayer.config import parsers
from otel_asayer.config.parsers import FailClosed, Problem
from otel_asayer.config.targets import INTERNAL, Targets
from otel_asayer.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from dataclasses import dataclass as config_class

    from typing_extensions import Unpack

    from otel_asayer.config.options import Options
else:
    # No dataclass: to make one of so many fields takes longer than the rest of this package, in
    # every process. Type checkers see one, and check names and types.
    def config_class(**_: Any) -> Callable[[type], type]:
        return _with_defaults


__all__ = [
    "Config",
    "Problem",
    "attribute_length_limit",
    "environment_config",
    "opentelemetry_variables",
    "sdk_disabled",
]

_MIB: Final = 1024 * 1024


class _Setting:
    __slots__ = ("closes", "default", "parse", "secret", "variable")

    def __init__(
        self,
        default: Any,
        variable: str,
        parse: Callable[[str], Any],
        closes: FailClosed,
        *,
        secret: bool,
    ) -> None:
        self.default = default
        self.variable = variable
        self.parse = parse
        self.closes = closes
        self.secret = secret


SETTINGS: Final[dict[str, _Setting]] = {}
"""The default, variable and parser of each field, and what a bad value closes."""


def _setting(
    default: Any,
    variable: str,
    parse: Callable[[str], Any],
    closes: FailClosed = FailClosed.NOTHING,
    *,
    secret: bool = False,
) -> Any:
    return _Setting(default, variable, parse, closes, secret=secret)


def _with_defaults(cls: type) -> type:
    """Put the settings of a class into `SETTINGS`, and their defaults in their place."""
    for name in cls.__annotations__:
        setting = getattr(cls, name)
        if isinstance(setting, _Setting):
            SETTINGS[name] = setting
            setattr(cls, name, setting.default)
    return cls


@config_class(frozen=True, repr=False)
class Config:
    """All settings; every public class takes the fields as keyword arguments.

    So does declarative configuration. `otel_asayer.environment_variables` documents the meaning,
    unit and danger of each.
    """

    if not TYPE_CHECKING:

        def __init__(self, **values: Any) -> None:
            if unknown := values.keys() - self.__annotations__.keys():
                raise TypeError(f"Config has no field {', '.join(sorted(unknown))}")
            self.__dict__.update(values)  # a default is the class's own attribute

        def __setattr__(self, name: str, value: Any) -> None:
            raise AttributeError(f"cannot assign to field {name!r}")

        def __delattr__(self, name: str) -> None:
            raise AttributeError(f"cannot delete field {name!r}")

        def __eq__(self, other: object) -> bool:
            return _values(self) == _values(other) if type(other) is type(self) else NotImplemented

        def __hash__(self) -> int:
            return hash(_values(self))

    enabled: bool = _setting(True, env.OTEL_ASAYER_ENABLED, parsers.parse_boolean)
    session_headers: tuple[str, ...] = _setting(
        (
            "x-session-id",
            "x-openreplay-sessiontoken",
            "x-openreplay-session-token",
            "openreplaysession.id",
        ),
        env.OTEL_ASAYER_SESSION_HEADERS,
        parsers.parse_header_names,
    )
    session_cookie: str = _setting(
        "asayer_session_id", env.OTEL_ASAYER_SESSION_COOKIE, parsers.parse_cookie_name
    )
    opaque_session_ids: bool = _setting(
        False, env.OTEL_ASAYER_OPAQUE_SESSION_IDS, parsers.parse_boolean
    )
    propagation_targets: Targets = _setting(
        Targets.parse(INTERNAL),
        env.OTEL_ASAYER_PROPAGATION_TARGETS,
        Targets.parse,
        FailClosed.TARGETS,
    )
    propagate_to_unknown: bool = _setting(
        False, env.OTEL_ASAYER_PROPAGATE_TO_UNKNOWN, parsers.parse_boolean
    )
    replay_url: str | None = _setting(None, env.OTEL_ASAYER_REPLAY_URL, parsers.parse_replay_url)
    replay_records: bool = _setting(True, env.OTEL_ASAYER_REPLAY_RECORDS, parsers.parse_boolean)
    replay_level: str = _setting(
        "info", env.OTEL_ASAYER_REPLAY_LEVEL, parsers.parse_choice(*REPLAY_LEVELS)
    )
    stamp_stdio: bool = _setting(False, env.OTEL_ASAYER_STAMP_STDIO, parsers.parse_boolean)
    keep_console: bool = _setting(True, env.OTEL_ASAYER_KEEP_CONSOLE, parsers.parse_boolean)
    viewer_api_key: str | None = _setting(
        None, env.OTEL_ASAYER_VIEWER_API_KEY, parsers.parse_api_key, secret=True
    )
    trace_response: bool = _setting(False, env.OTEL_ASAYER_TRACE_RESPONSE, parsers.parse_boolean)

    endpoint: tuple[str, ...] = _setting(
        (), env.OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT, parsers.parse_endpoints, FailClosed.EXPORTER
    )
    cloud_id: str | None = _setting(
        None, env.OTEL_EXPORTER_ELASTICSEARCH_CLOUD_ID, parsers.parse_cloud_id, FailClosed.EXPORTER
    )
    api_key: str | None = _setting(
        None,
        env.OTEL_EXPORTER_ELASTICSEARCH_API_KEY,
        parsers.parse_api_key,
        FailClosed.EXPORTER,
        secret=True,
    )
    api_key_file: str | None = _setting(
        None, env.OTEL_EXPORTER_ELASTICSEARCH_API_KEY_FILE, parsers.parse_file, FailClosed.EXPORTER
    )
    username: str | None = _setting(
        None, env.OTEL_EXPORTER_ELASTICSEARCH_USERNAME, parsers.parse_password, FailClosed.EXPORTER
    )
    password: str | None = _setting(
        None,
        env.OTEL_EXPORTER_ELASTICSEARCH_PASSWORD,
        parsers.parse_password,
        FailClosed.EXPORTER,
        secret=True,
    )
    bearer_token: str | None = _setting(
        None,
        env.OTEL_EXPORTER_ELASTICSEARCH_BEARER_TOKEN,
        parsers.parse_secret,
        FailClosed.EXPORTER,
        secret=True,
    )
    certificate: str | None = _setting(
        None, env.OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE, parsers.parse_file, FailClosed.EXPORTER
    )
    certificate_fingerprint: str | None = _setting(
        None,
        env.OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE_FINGERPRINT,
        parsers.parse_fingerprint,
        FailClosed.EXPORTER,
    )
    client_certificate: str | None = _setting(
        None,
        env.OTEL_EXPORTER_ELASTICSEARCH_CLIENT_CERTIFICATE,
        parsers.parse_file,
        FailClosed.EXPORTER,
    )
    client_key: str | None = _setting(
        None, env.OTEL_EXPORTER_ELASTICSEARCH_CLIENT_KEY, parsers.parse_file, FailClosed.EXPORTER
    )
    verify_certs: bool = _setting(
        True,
        env.OTEL_EXPORTER_ELASTICSEARCH_VERIFY_CERTS,
        parsers.parse_boolean,
        FailClosed.EXPORTER,
    )
    headers: tuple[tuple[str, str], ...] = _setting(
        (),
        env.OTEL_EXPORTER_ELASTICSEARCH_HEADERS,
        parsers.parse_headers,
        FailClosed.EXPORTER,
        secret=True,
    )
    timeout: float = _setting(10.0, env.OTEL_EXPORTER_ELASTICSEARCH_TIMEOUT, parsers.parse_seconds)
    compression: str = _setting(
        "gzip", env.OTEL_EXPORTER_ELASTICSEARCH_COMPRESSION, parsers.parse_choice("gzip", "none")
    )
    dataset: str = _setting(
        "generic", env.OTEL_EXPORTER_ELASTICSEARCH_DATASET, parsers.parse_dataset
    )
    namespace: str = _setting(
        "default", env.OTEL_EXPORTER_ELASTICSEARCH_NAMESPACE, parsers.parse_namespace
    )
    max_data_streams: int = _setting(
        32, env.OTEL_EXPORTER_ELASTICSEARCH_MAX_DATA_STREAMS, parsers.parse_integer(1, 10_000)
    )
    pipeline: str | None = _setting(
        None, env.OTEL_EXPORTER_ELASTICSEARCH_PIPELINE, parsers.parse_pipeline
    )
    max_request_bytes: int = _setting(
        5 * _MIB,
        env.OTEL_EXPORTER_ELASTICSEARCH_MAX_REQUEST_BYTES,
        parsers.parse_integer(1024, 100 * _MIB),
    )
    spool: str = _setting(
        "on_failure",
        env.OTEL_EXPORTER_ELASTICSEARCH_SPOOL,
        parsers.parse_choice("on_failure", "always", "off"),
    )
    spool_directory: str | None = _setting(
        None, env.OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY, parsers.parse_directory
    )
    spool_max_bytes: int = _setting(
        256 * _MIB,
        env.OTEL_EXPORTER_ELASTICSEARCH_SPOOL_MAX_BYTES,
        parsers.parse_integer(_MIB, 1024 * 1024 * _MIB),
    )
    shutdown_timeout: float = _setting(
        5.0, env.OTEL_EXPORTER_ELASTICSEARCH_SHUTDOWN_TIMEOUT, parsers.parse_seconds
    )
    setup: str = _setting(
        "auto", env.OTEL_EXPORTER_ELASTICSEARCH_SETUP, parsers.parse_choice("auto", "off")
    )

    base_directories: tuple[tuple[str, str], ...] = ()
    """Folders of the environment, by variable, for the spool if `spool_directory` is not set."""
    problems: tuple[Problem, ...] = ()

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        ignoring: Collection[str] = (),
        **arguments: Unpack[Options],
    ) -> Config:
        """Return the settings of `environ` (default: the process's), overridden by `arguments`.

        An argument is a value of its field's type, or the text that its variable would hold; None
        counts as not given. Variables of the settings in `ignoring` are ignored.

        Raises:
            ConfigurationError: an argument has no such field, or a value that cannot be used.
        """
        given = {
            name: _argument(name, value) for name, value in arguments.items() if value is not None
        }
        environ = os.environ if environ is None else environ
        values, problems = _from_variables(environ, {*given, *ignoring})
        values["base_directories"] = tuple(
            (name, environ[name])
            for name in ("XDG_STATE_HOME", "HOME", "TMPDIR")
            if name in environ
        )
        config = cls(**values, **given, problems=tuple(problems))
        conflicts = _conflicts_of(config)
        if given and (
            caused := [
                conflict for conflict in conflicts if conflict not in _conflicts_of(cls(**values))
            ]
        ):
            raise ConfigurationError(
                "; ".join(f"{conflict.variable}: {conflict.message}" for conflict in caused)
            )
        return cls(**values, **given, problems=(*problems, *conflicts)) if conflicts else config

    def replace(self, **changes: Any) -> Config:
        """Return these settings with some of them changed.

        Raises:
            TypeError: there is no such field.
        """
        return Config(**{**self.__dict__, **changes})

    def as_viewer(self) -> Config:
        """Return these settings with the viewer's key, if any, as the only credentials.

        Problems with other credentials are dropped.
        """
        if not self.viewer_api_key:
            return self
        variables = {
            SETTINGS[name].variable
            for name in ("api_key", "api_key_file", "username", "password", "bearer_token")
        }
        return self.replace(
            api_key=self.viewer_api_key,
            api_key_file=None,
            username=None,
            password=None,
            bearer_token=None,
            problems=tuple(one for one in self.problems if one.variable not in variables),
        )

    @property
    def closed(self) -> str:
        """Why nothing may be sent, as a sentence, or an empty text."""
        return "; ".join(
            str(problem) for problem in self.problems if problem.closes is FailClosed.EXPORTER
        )

    @property
    def has_destination(self) -> bool:
        """Whether an Elasticsearch is configured."""
        return bool(self.endpoint or self.cloud_id)

    @property
    def destination(self) -> str:
        """The configured Elasticsearch, for messages; empty if there is none."""
        return ", ".join(self.endpoint) or ("Elastic Cloud" if self.cloud_id else "")

    def __repr__(self) -> str:
        secret = {name for name, setting in SETTINGS.items() if setting.secret}
        values = zip(self.__annotations__, _values(self), strict=True)
        shown = (
            f"{name}={'***' if value and name in secret else repr(value)}" for name, value in values
        )
        return f"Config({', '.join(shown)})"


_values: Final = attrgetter(*Config.__annotations__)


def _argument(name: str, value: Any) -> Any:
    setting = SETTINGS.get(name)
    if setting is None:
        raise ConfigurationError(f"There is no setting {name!r}; there are: {', '.join(SETTINGS)}.")
    try:
        return setting.parse(parsers.as_text(value))
    except ValueError as error:
        raise ConfigurationError(f"The argument {name} cannot be used: {error}.") from None


def _from_variables(
    environ: Mapping[str, str], given: Collection[str]
) -> tuple[dict[str, Any], list[Problem]]:
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, setting in SETTINGS.items():
        text = environ.get(setting.variable, "")
        # An empty variable counts as unset (OpenTelemetry's rule), except for the cookie.
        if name in given or not (
            text.strip() or (name == "session_cookie" and setting.variable in environ)
        ):
            continue
        try:
            values[name] = setting.parse(text)
        except ValueError as error:
            problems.append(Problem(setting.variable, str(error), setting.closes))
            if setting.closes is FailClosed.TARGETS:
                values[name] = Targets()
    return values, problems


def _conflicts_of(config: Config) -> list[Problem]:
    """Return a problem for each pair of settings that exclude each other.

    A guess could send a credential to the wrong place.
    """
    tls = (
        config.certificate
        or config.certificate_fingerprint
        or config.client_certificate
        or not config.verify_certs
    )
    rules = (
        (
            sum(
                map(
                    bool,
                    (config.api_key, config.api_key_file, config.username, config.bearer_token),
                )
            )
            > 1,
            env.OTEL_EXPORTER_ELASTICSEARCH_API_KEY,
            (
                "expected one of API key, API key file, user name and bearer token, and there are "
                "several"
            ),
        ),
        (
            bool(config.username) != bool(config.password),
            env.OTEL_EXPORTER_ELASTICSEARCH_PASSWORD,
            "expected a user name and a password, and there is only one of them",
        ),
        (
            config.endpoint and config.cloud_id,
            env.OTEL_EXPORTER_ELASTICSEARCH_CLOUD_ID,
            "expected an endpoint or a Cloud ID, and there are both",
        ),
        (
            config.client_key and not config.client_certificate,
            env.OTEL_EXPORTER_ELASTICSEARCH_CLIENT_KEY,
            "expected a client certificate beside its key, and there is none",
        ),
        (
            config.certificate and config.certificate_fingerprint,
            env.OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE_FINGERPRINT,
            "expected a CA file or a fingerprint, and there are both",
        ),
        (
            tls and not all(url.startswith("https:") for url in config.endpoint),
            env.OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT,
            "expected https:// in every URL, for TLS is configured",
        ),
    )
    return [
        Problem(variable, message, FailClosed.EXPORTER)
        for holds, variable, message in rules
        if holds
    ]


@lru_cache(maxsize=1)
def environment_config() -> Config:
    """Return the settings of the process's environment, read once."""
    return Config.from_environment()


def opentelemetry_variables() -> Mapping[str, str]:
    """Return the process's `OTEL_` variables, and the one that Django's instrumentation reads."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("OTEL_") or name == "DJANGO_SETTINGS_MODULE"
    }


def sdk_disabled(environ: Mapping[str, str] | None = None) -> bool:
    """Whether `OTEL_SDK_DISABLED` switches OpenTelemetry off.

    By the specification, propagation still works then.
    """
    return (os.environ if environ is None else environ).get(
        "OTEL_SDK_DISABLED", ""
    ).strip().lower() == "true"


def attribute_length_limit(environ: Mapping[str, str] | None = None) -> int:
    """Return the length, in characters, at which OpenTelemetry cuts the values of span attributes.

    A value that is cut may look like another host, or another session.
    """
    variables = os.environ if environ is None else environ
    for name in ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"):
        text = variables.get(name, "").strip()
        if text.isdecimal():
            return int(text)
    return sys.maxsize
