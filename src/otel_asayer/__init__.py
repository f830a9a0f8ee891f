"""Connects OpenTelemetry for Python with the Asayer / OpenReplay session replay.

Names are resolved on first use (PEP 562), from one table: only a class that needs the OpenTelemetry
SDK imports the SDK. `opentelemetry.propagate` loads this package in every Python process that
inherits `OTEL_PROPAGATORS`, so this file stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from otel_asayer.version import __version__

if TYPE_CHECKING:
    from otel_asayer.errors import (
        AsayerError,
        ConfigurationError,
        ElasticsearchError,
        InvalidSessionIdError,
        NotAllowedError,
    )
    from otel_asayer.exporter import ElasticsearchLogRecordExporter, ElasticsearchSpanExporter
    from otel_asayer.id_generator import SystemRandomIdGenerator
    from otel_asayer.instrument import configure
    from otel_asayer.processors import SessionLogRecordProcessor, SessionSpanProcessor
    from otel_asayer.propagation.context import get_session_id, session
    from otel_asayer.propagation.messages import received
    from otel_asayer.propagation.session_id import SessionId
    from otel_asayer.propagator import AsayerPropagator
    from otel_asayer.sampler import ParentBasedSessionSampler, SessionSampler
    from otel_asayer.spool import SpoolError

__all__ = [
    "AsayerError",
    "AsayerPropagator",
    "ConfigurationError",
    "ElasticsearchError",
    "ElasticsearchLogRecordExporter",
    "ElasticsearchSpanExporter",
    "InvalidSessionIdError",
    "NotAllowedError",
    "ParentBasedSessionSampler",
    "SessionId",
    "SessionLogRecordProcessor",
    "SessionSampler",
    "SessionSpanProcessor",
    "SpoolError",
    "SystemRandomIdGenerator",
    "__version__",
    "configure",
    "get_session_id",
    "received",
    "session",
]

_MODULES = {
    "AsayerError": "errors",
    "AsayerPropagator": "propagator",
    "ConfigurationError": "errors",
    "ElasticsearchError": "errors",
    "ElasticsearchLogRecordExporter": "exporter",
    "ElasticsearchSpanExporter": "exporter",
    "InvalidSessionIdError": "errors",
    "NotAllowedError": "errors",
    "ParentBasedSessionSampler": "sampler",
    "SessionId": "propagation.session_id",
    "SessionLogRecordProcessor": "processors",
    "SessionSampler": "sampler",
    "SessionSpanProcessor": "processors",
    "SpoolError": "spool",
    "SystemRandomIdGenerator": "id_generator",
    "configure": "instrument",
    "get_session_id": "propagation.context",
    "received": "propagation.messages",
    "session": "propagation.context",
}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
