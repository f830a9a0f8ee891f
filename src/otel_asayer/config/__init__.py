"""One frozen `Config`, built once from arguments and environment, and the parsers of its settings."""

from otel_asayer.config.config import (
    SETTINGS,
    Config,
    Problem,
    attribute_length_limit,
    environment_config,
    opentelemetry_variables,
    sdk_disabled,
)

__all__ = [
    "SETTINGS",
    "Config",
    "Problem",
    "attribute_length_limit",
    "environment_config",
    "opentelemetry_variables",
    "sdk_disabled",
]
