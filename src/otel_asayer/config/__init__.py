"""One frozen `Config`, built once from arguments and environment, and its parsers."""

from otel_asayer.config.config import (
    SETTINGS,
    Config,
    attribute_length_limit,
    environment_config,
    opentelemetry_variables,
    sdk_disabled,
)
from otel_asayer.config.declared import declared_config
from otel_asayer.config.parsers import Problem

__all__ = [
    "SETTINGS",
    "Config",
    "Problem",
    "attribute_length_limit",
    "declared_config",
    "environment_config",
    "opentelemetry_variables",
    "sdk_disabled",
]
